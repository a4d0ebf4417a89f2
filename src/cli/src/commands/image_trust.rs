// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image trust show` and `haulout image trust set`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::config::Folders;
use haulout_engine::config::lookaside::{Lookaside, Section};
use haulout_engine::config::policy::{self, Requirement};
use haulout_engine::image::signature;
use serde::Deserialize;
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
    /// Path of the folder that says where signatures are
    #[arg(long, hide = true)]
    registrypath: Option<PathBuf>,
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

/// The policy as it is written: what nobody can check is shown all the same.
#[derive(Default, Deserialize)]
struct Written {
    #[serde(default)]
    default: Vec<Value>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
}

impl Written {
    fn read(path: &Path, text: &str) -> Result<Self> {
        // An object: a struct is read from an array as well.
        let object: serde_json::Result<Map<String, Value>> = serde_json::from_str(text);
        object.and_then(|object| serde_json::from_value(Value::Object(object))).map_err(|error| {
            let place = path.display();
            anyhow!("could not read trust policies: could not parse trust policies from {place}: {error}")
        })
    }
}

/// What a requirement is called; nothing when nobody knows it, which is said.
fn named(requirement: &Value) -> &'static str {
    match &requirement["type"] {
        Value::String(kind) if kind == "insecureAcceptAnything" => "accept",
        Value::String(kind) if kind == "reject" => "reject",
        Value::String(kind) if kind == "signedBy" => "signed",
        Value::String(kind) if kind == "sigstoreSigned" => "sigstoreSigned",
        other => {
            let kind = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            output::warning(&format!("Invalid trust type {}", if other.is_null() { "" } else { &kind }));
            ""
        }
    }
}

/// One requirement of the policy.
struct Row {
    transport: String,
    name: String,
    kind: &'static str,
    /// Whose keys they are.
    owners: Vec<String>,
    /// Where signatures lie.
    store: String,
}

impl Row {
    fn of(transport: &str, name: &str, requirement: &Value, section: Option<&Section>) -> Self {
        let (transport, name, kind) = (transport.to_owned(), name.to_owned(), named(requirement));
        let store = section.and_then(|section| section.lookaside.clone()).unwrap_or_default();
        Self { transport, name, kind, owners: owners(requirement), store }
    }

    fn json(&self) -> Value {
        let shown = if self.transport == "all" { "* (default)" } else { &self.name };
        let mut row = json!({"transport": self.transport});
        if !self.name.is_empty() {
            row["name"] = shown.into();
            row["repo_name"] = self.name.as_str().into();
        }
        if !self.store.is_empty() {
            row["sigstore"] = self.store.as_str().into();
        }
        row["type"] = self.kind.into();
        if !self.owners.is_empty() {
            row["gpg_id"] = self.owners.join(", ").into();
        }
        row
    }
}

/// Whose the keys of a requirement are; a sigstore key says that of nobody.
fn owners(requirement: &Value) -> Vec<String> {
    match serde_json::from_value(requirement.clone()) {
        Ok(Requirement::SignedBy { key_path, key_paths, key_data, .. }) => {
            let files: Vec<PathBuf> = key_path.into_iter().chain(key_paths).collect();
            signature::key_owners(&files, key_data.as_deref()).unwrap_or_else(|reason| {
                output::warning(&format!("Getting key identity: {reason}"));
                Vec::new()
            })
        }
        Ok(Requirement::Sigstore { key_path, key_paths, key_data, key_datas, .. }) => {
            let keys = key_path.iter().chain(&key_paths).count() + key_data.iter().chain(&key_datas).count();
            vec!["N/A".to_owned(); keys.max(1)]
        }
        _ => Vec::new(),
    }
}

fn show(args: &Args, path: &Path) -> Result<()> {
    let read =
        || std::fs::read_to_string(path).map_err(|error| anyhow!("open {}: {}", path.display(), os_words(&error)));
    if args.raw {
        output::line(&read()?)?;
        return Ok(());
    }
    let policy = Written::read(path, &read()?).context("could not show trust policies")?;
    let lookaside = match &args.registrypath {
        Some(folder) => Lookaside::read_folder(folder)?,
        None => Lookaside::read(&Folders::from_environment())?,
    };
    let mut rows: Vec<Row> = Vec::new();
    for requirement in &policy.default {
        rows.push(Row::of("all", "default", requirement, lookaside.default_section()));
    }
    let scopes = policy.transports.iter().flat_map(|(transport, scopes)| scopes.iter().map(move |of| (transport, of)));
    for (transport, (scope, requirements)) in scopes {
        let (transport, section) = match transport.as_str() {
            "docker" => ("repository", lookaside.scope(scope)),
            other => (other, lookaside.default_section()),
        };
        for requirement in requirements {
            rows.push(Row::of(transport, scope, requirement, section));
        }
    }
    if args.json {
        let rows: Option<Vec<Value>> = (!rows.is_empty()).then(|| rows.iter().map(Row::json).collect());
        output::line(&serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.transport, row.name, row.kind.to_owned(), row.owners.join(", "), row.store])
        .collect();
    let heading: &[&str] = &["TRANSPORT", "NAME", "TYPE", "ID", "STORE"];
    output::print(&table::table((!args.noheading).then_some(heading), &rows))?;
    Ok(())
}

fn set(args: &Args, path: &Path, registry: &str) -> Result<()> {
    if registry.is_empty() {
        bail!("invalid image uri: it is empty");
    }
    let host = registry.split('/').next().unwrap_or(registry);
    if let Some(wrong) = host.chars().find(|letter| letter.is_whitespace() || r#"<>"`{}|\^"#.contains(*letter)) {
        bail!("invalid image uri: {registry}: parse \"http://{registry}\": invalid character \"{wrong}\" in host name");
    }
    let keys = args.pubkeysfile.len();
    if keys > 0 && matches!(args.kind.as_str(), "accept" | "reject") {
        bail!("{keys} public keys unexpectedly provided for trust type {}", args.kind);
    }
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
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| anyhow!("could not read trust policies: {}: {error}", path.display()))?,
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
        transports.as_object_mut().into_iter().for_each(Map::sort_keys);
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
