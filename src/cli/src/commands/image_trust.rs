// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image trust show` and `haulout image trust set`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::config::Folders;
use haulout_engine::config::policy::{self, Policy, Requirement};
use serde_json::{Map, Value, json};

use crate::exit::os_words;
use crate::format::table;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "show|set [options] [REGISTRY]";

/// Manage container image trust policy
///
/// Manages which registries you trust as a source of container images based on their location.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Output as json
    #[arg(short, long)]
    json: bool,
    /// Do not print column headings
    #[arg(short, long)]
    noheading: bool,
    /// Path of installed public key(s) to trust for TARGET. Absolute path to keys is added to policy.json. May used multiple times to define multiple public keys. File(s) must exist before using this command
    #[arg(short = 'f', long)]
    pubkeysfile: Vec<PathBuf>,
    /// Path of the policy file
    #[arg(long, hide = true)]
    policypath: Option<PathBuf>,
    /// Output raw policy file
    #[arg(long)]
    raw: bool,
    /// Trust type, accept values: signedBy(default), accept, reject
    #[arg(short = 't', long = "type", default_value = "signedBy")]
    kind: String,
    words: Vec<String>,
}

/// Shows the policy, or changes what it says of one registry.
#[allow(clippy::unused_async, reason = "every verb is")]
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let path = args.policypath.clone().unwrap_or_else(|| policy::path(&Folders::from_environment()));
    match args.words.split_first() {
        Some((verb, _)) if verb == "show" => show(&args, &path)?,
        Some((verb, [registry])) if verb == "set" => set(&args, &path, registry)?,
        Some((verb, words)) if verb == "set" => bail!("accepts 1 arg(s), received {}", words.len()),
        Some((verb, _)) => bail!("unrecognized command `{} {verb}`", invocation.path),
        None => bail!("missing command '{} COMMAND'", invocation.path),
    }
    Ok(0)
}

/// What a requirement is called, and where its keys are.
fn named(requirement: &Requirement) -> &'static str {
    match requirement {
        Requirement::Accept {} => "accept",
        Requirement::Reject {} => "reject",
        Requirement::SignedBy { .. } => "signed",
        Requirement::Sigstore { .. } => "sigstoreSigned",
    }
}

fn show(args: &Args, path: &Path) -> Result<()> {
    let read =
        || std::fs::read_to_string(path).map_err(|error| anyhow!("open {}: {}", path.display(), os_words(&error)));
    if args.raw {
        output::line(&read()?)?;
        return Ok(());
    }
    read()?;
    let policy = Policy::read_file(path)?;
    let mut rows: Vec<(String, String, &'static str)> = Vec::new();
    for requirement in policy.default_requirements() {
        rows.push(("all".to_owned(), "default".to_owned(), named(requirement)));
    }
    for (transport, scope, requirements) in policy.scopes() {
        let transport = if transport == "docker" { "repository" } else { transport };
        for requirement in requirements {
            rows.push((transport.to_owned(), scope.to_owned(), named(requirement)));
        }
    }
    if args.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(transport, name, kind)| {
                let shown = if transport == "all" { "* (default)" } else { name };
                json!({"transport": transport, "name": shown, "repo_name": name, "type": kind})
            })
            .collect();
        output::line(&serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(transport, name, kind)| vec![transport, name, kind.to_owned(), String::new(), String::new()])
        .collect();
    let heading: &[&str] = &["TRANSPORT", "NAME", "TYPE", "ID", "STORE"];
    output::print(&table::table((!args.noheading).then_some(heading), &rows))?;
    Ok(())
}

fn set(args: &Args, path: &Path, registry: &str) -> Result<()> {
    let requirement = match args.kind.as_str() {
        "accept" => json!({"type": "insecureAcceptAnything"}),
        "reject" => json!({"type": "reject"}),
        kind @ ("signedBy" | "sigstoreSigned") => {
            if args.pubkeysfile.is_empty() {
                bail!("at least one public key must be defined for type '{kind}'");
            }
            let keys: Vec<Value> = args.pubkeysfile.iter().map(|key| key_file(key)).collect::<Result<_>>()?;
            let keys = keys.into_iter();
            let all: Vec<Value> = match kind {
                "signedBy" => keys.map(|key| json!({"type": kind, "keyType": "GPGKeys", "keyPath": key})).collect(),
                _ => keys.map(|key| json!({"type": kind, "keyPath": key})).collect(),
            };
            Value::Array(all)
        }
        other => bail!("invalid choice: {other} (choose from 'accept', 'reject', 'signedBy', 'sigstoreSigned')"),
    };
    let requirements = if requirement.is_array() { requirement } else { json!([requirement]) };
    let mut document: Map<String, Value> = match std::fs::read(path) {
        Ok(text) => {
            Policy::read_file(path)?;
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
        Err(error) => bail!("open {}: {}", path.display(), os_words(&error)),
    };
    if registry == "default" {
        document.insert("default".to_owned(), requirements);
    } else {
        if !document.contains_key("default") {
            bail!("default trust policy must be set");
        }
        let transports = document.entry("transports").or_insert_with(|| json!({}));
        let docker = transports.as_object_mut().map(|all| all.entry("docker").or_insert_with(|| json!({})));
        let Some(Value::Object(docker)) = docker else { bail!("{}: transports is no object", path.display()) };
        docker.insert(registry.to_owned(), requirements);
        docker.sort_keys();
    }
    replace(path, &document)
}

/// A key's file as the policy has it.
fn key_file(path: &Path) -> Result<Value> {
    let whole = std::path::absolute(path)?;
    if !whole.exists() {
        bail!("public key {} is not there", whole.display());
    }
    Ok(whole.display().to_string().into())
}

/// Writes the file whole, or leaves it as it was.
fn replace(path: &Path, document: &Map<String, Value>) -> Result<()> {
    let failed = |error: std::io::Error| anyhow!("open {}: {}", path.display(), os_words(&error));
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    serde::Serialize::serialize(document, &mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    // What it leads to, where it is a link.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::File::create_new(&part)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        failed(error)
    })
}
