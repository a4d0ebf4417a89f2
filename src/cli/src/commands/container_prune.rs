// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container prune`.

use anyhow::{Result, bail};
use haulout_engine::container::{RemoveOptions, Summary};
use haulout_engine::{Engine, Error};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::{filter, output, question};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Remove all non running containers
///
/// Removes all containers that do not run, from the oldest to the newest.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long)]
    filter: Vec<String>,
    /// Do not prompt for confirmation. The default is false
    #[arg(short, long)]
    force: bool,
    words: Vec<String>,
}

/// Asks, removes them, and prints their ids.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    let ask = "WARNING! This will remove all non running containers.\nAre you sure you want to continue? [y/N] ";
    if !args.force && !question::agreed(ask)? {
        return Ok(0);
    }
    let engine = invocation.engine();
    let (removed, failures) = prune(&engine, &args.filter).await?;
    for id in removed {
        output::line(&id)?;
    }
    Failures::of(failures)?;
    Ok(0)
}

/// Removes every container that does not run and that `filters` mean; answers the ids of those that are gone.
pub async fn prune(engine: &Engine, filters: &[String]) -> Result<(Vec<String>, Vec<anyhow::Error>)> {
    for text in filters {
        let key = text.split(['=', '!']).next().unwrap_or(text);
        if !matches!(key, "label" | "until") {
            bail!("{key} is an invalid filter");
        }
    }
    let list = engine.containers().list().await?;
    let filter = filter::Containers::parse(filters, engine, &list).await?;
    let meant = |summary: &&Summary| !summary.status.is_started() && filter.holds(summary);
    let (mut removed, mut failures) = (Vec::new(), Vec::new());
    for summary in list.iter().filter(meant) {
        let id = &summary.record.id;
        match engine.containers().remove(id, RemoveOptions::default()).await {
            Ok(()) => removed.push(id.to_string()),
            // Gone, or started, meanwhile.
            Err(Error::NoSuchContainer(_) | Error::WrongState(_)) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    Ok((removed, failures))
}
