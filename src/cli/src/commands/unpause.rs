// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout unpause`.

use anyhow::Result;
use haulout_engine::container::Status;

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Unpause the processes in one or more containers
///
/// Unpauses one or more previously paused containers. The container name or ID can be used.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Unpause all paused containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long)]
    cidfile: Vec<String>,
    /// Filter output based on conditions given
    #[arg(short, long)]
    filter: Vec<String>,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    containers: Vec<String>,
}

/// Lets the processes of every container go on.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let selection = Selection {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        filters: &args.filter,
        cidfiles: &args.cidfile,
        ..Selection::default()
    };
    let targets = selection.resolve(&engine, |summary| matches!(summary.status, Status::Paused(_))).await?;
    let mut failures = Vec::new();
    for target in &targets {
        match engine.containers().unpause(&target.id).await {
            Ok(()) => output::line(&target.given)?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
