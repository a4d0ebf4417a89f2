// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet from-compose`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use haulout_quadlet::from_compose;

use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "FILE";

/// Print the units of a Compose file
///
/// Prints the units of the services, volumes and networks of a Compose file, as one .quadlets file. Nothing is installed: haulout quadlet
/// install does that. Variables are taken from the environment, and from the file .env beside it.
#[derive(clap::Args, Debug)]
pub struct Args {
    files: Vec<String>,
}

/// Prints them.
#[allow(clippy::unused_async, reason = "as every verb is")]
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let [file] = args.files.as_slice() else { bail!("accepts 1 arg(s), received {}", args.files.len()) };
    let path = Path::new(file);
    let doing = || format!("reading {file}");
    let text = fs::read_to_string(path).with_context(doing)?;
    let path = path.canonicalize().with_context(doing)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let beside = fs::read_to_string(folder.join(".env")).unwrap_or_default();
    let beside: HashMap<&str, &str> = beside.lines().filter_map(variable).collect();
    let known = |name: &str| std::env::var(name).ok().or_else(|| beside.get(name).map(|value| (*value).to_owned()));
    let units = from_compose(&text, folder, &known).with_context(doing)?;
    let parts: Vec<String> =
        units.iter().map(|written| format!("# FileName={}\n{}", written.name, written.unit)).collect();
    output::print(&parts.join("---\n"))?;
    for note in units.iter().flat_map(|written| &written.notes) {
        output::warning(note);
    }
    Ok(0)
}

/// A line of `.env`.
fn variable(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let quoted = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    (!name.starts_with('#')).then(|| (name.trim(), quoted('"').or_else(|| quoted('\'')).unwrap_or(value)))
}
