// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest inspect`.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;
use serde_json::{Map, Value, json};

use crate::format::data;
use crate::invocation::Invocation;
use crate::output;
use crate::registry::Access;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE";

/// Display the contents of a manifest list or image index
///
/// Display the contents of a manifest list or image index.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// require HTTPS and verify certificates when accessing the registry
    #[arg(long)]
    tls_verify: Option<bool>,
    words: Vec<String>,
}

/// Prints the list that is here, or else the one that a registry has.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.words.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.words.len());
    };
    let lists = invocation.engine().manifest_lists();
    let document = match lists.get(name).await {
        Ok(list) => list.document(),
        Err(Error::NoSuchImage(_) | Error::NoManifestList(_)) => {
            let access = Access { authfile: args.authfile, tls_verify: args.tls_verify, ..Access::default() };
            let candidates = invocation.engine().images().candidates(name).await?;
            let full = candidates.names.first().map_or_else(|| name.clone(), ToString::to_string);
            let failed = |error| anyhow!("reading image \"docker://{full}\": {:#}", anyhow::Error::from(error));
            let bytes = lists.fetch(name, &access.options()?).await.map_err(failed)?;
            let document: Value = serde_json::from_slice(&bytes)?;
            if document.get("manifests").is_none() {
                let kind = document["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json");
                let text = String::from_utf8_lossy(&bytes);
                bail!(
                    "parsing manifest blob {text:?} as a {kind:?}: Treating single images as manifest lists is not implemented"
                );
            }
            in_order(document)
        }
        Err(error) => return Err(error.into()),
    };
    output::line(&data::print_json(&document, "    "))?;
    Ok(0)
}

/// The entries of a list in the order in which podman shows them, each with a platform.
fn in_order(mut document: Value) -> Value {
    let ordered = |entry: &Value| {
        let mut shown = Map::new();
        for key in ["mediaType", "size", "digest"] {
            shown.insert(key.to_owned(), entry[key].clone());
        }
        let nowhere = || json!({"architecture": "", "os": ""});
        shown.insert("platform".to_owned(), entry.get("platform").cloned().unwrap_or_else(nowhere));
        let rest = entry.as_object().into_iter().flatten().filter(|(key, _)| !shown.contains_key(*key));
        let rest: Vec<_> = rest.map(|(key, value)| (key.clone(), value.clone())).collect();
        shown.extend(rest);
        Value::Object(shown)
    };
    if let Some(members) = document["manifests"].as_array_mut() {
        for member in members {
            *member = ordered(member);
        }
    }
    if let Some(subject) = document.get_mut("subject") {
        *subject = ordered(subject);
    }
    document
}
