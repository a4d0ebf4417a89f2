// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout init`.

use anyhow::Result;
use haulout_engine::Error;

use super::create;
use crate::exit::{ENGINE, Failure, Failures, words};
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Initialize one or more containers
///
/// Makes one or more containers ready to be started: their file systems are mounted, their networks are there, and their processes wait.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Initialize all containers
    #[arg(short, long)]
    all: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    containers: Vec<String>,
}

/// Makes every container ready, and prints what the user called it. With `--all`, those that are ready or run are left as they are.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let selection = Selection { names: &args.containers, all: args.all, latest: args.latest, ..Selection::default() };
    let targets = selection.resolve(&engine, |_| true).await?;
    let mut failures = Vec::new();
    for target in &targets {
        let made = engine.containers().initialize(&target.id).await;
        create::warn(&engine);
        match made {
            Ok(()) => output::line(&target.given)?,
            Err(Error::WrongState(_)) if args.all && runs(&engine, target).await? => output::line(&target.given)?,
            // Whatever it is, with Podman's status.
            Err(error) => failures.push(Failure { status: ENGINE, message: words(&error.into()) }.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

/// Whether it is ready already.
async fn runs(engine: &haulout_engine::Engine, target: &crate::names::Target) -> Result<bool> {
    Ok(engine.containers().inspect(&target.id).await?.summary.status.process().is_some())
}
