// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout mount`.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use haulout_engine::userns;

use crate::exit::Failures;
use crate::format::{data, table};
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] [CONTAINER...]";

/// Mount a working container's root filesystem
///
/// Mounts the specified containers' root file systems in a location which can be accessed from the host, and returns it.
/// As an ordinary user it is done inside of the unshare command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Mount all containers
    #[arg(short, long)]
    all: bool,
    /// Print the mounted containers in specified format (json)
    #[arg(long)]
    format: Option<String>,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Do not truncate output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    containers: Vec<String>,
}

/// Mounts the containers and prints where they are; without any it says which are mounted.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !userns::is_root() {
        bail!(
            "cannot run command {:?} in rootless mode, must execute `{} unshare` first",
            invocation.path,
            invocation.program
        );
    }
    let engine = invocation.engine();
    if args.containers.is_empty() && !args.all && !args.latest {
        return list(&args, &engine).await;
    }
    let selection = Selection { names: &args.containers, all: args.all, latest: args.latest, ..Selection::default() };
    let targets = selection.resolve(&engine, |_| true).await?;
    let containers = engine.containers();
    let mut failures = Vec::new();
    for target in &targets {
        match containers.mount(&target.id).await {
            Ok(place) => output::line(&place.display().to_string())?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

async fn list(args: &Args, engine: &haulout_engine::Engine) -> Result<u8> {
    let json = match args.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(other) => return Err(anyhow!("unknown --format argument: {other:?}")),
    };
    let mounted = engine.containers().mounted().await?;
    if json {
        let entries = mounted.iter().map(|(record, place)| {
            let id = record.id.to_string();
            serde_json::json!({"id": id, "Names": [record.name.to_string()], "mountpoint": place.display().to_string()})
        });
        output::line(&data::print_json(&serde_json::Value::Array(entries.collect()), " "))?;
        return Ok(0);
    }
    let rows: BTreeMap<String, String> = mounted
        .into_iter()
        .map(|(record, place)| {
            let id = if args.no_trunc { record.id.to_string() } else { record.id.short() };
            (id, place.display().to_string())
        })
        .collect();
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(id, place)| vec![id, place]).collect();
    output::print(&table::table(None, &rows))?;
    Ok(0)
}
