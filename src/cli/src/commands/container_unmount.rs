// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout unmount`.

use anyhow::Result;

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Unmount working container's root filesystem
///
/// Unmounts the specified containers' root file systems. What a running container has mounted stays.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Unmount all of the currently mounted containers
    #[arg(short, long)]
    all: bool,
    /// Force the unmounting, even if somebody uses it
    #[arg(short, long)]
    force: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    containers: Vec<String>,
}

/// Unmounts every container, and prints what the user called it; of all of them, those that were mounted.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let selection = Selection { names: &args.containers, all: args.all, latest: args.latest, ..Selection::default() };
    let targets = selection.resolve(&engine, |_| true).await?;
    let mut failures = Vec::new();
    for target in &targets {
        match engine.containers().unmount(&target.id, args.force).await {
            Ok(was) if was || !args.all => output::line(&target.given)?,
            Ok(_) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
