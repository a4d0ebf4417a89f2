// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout pause`.

use anyhow::Result;
use haulout_engine::container::Status;

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Pause all the processes in one or more containers
///
/// Pauses one or more running containers. The container name or ID can be used.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Pause all running containers
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

/// Stops the processes of every container where they are.
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
    let targets = selection.resolve(&engine, |summary| matches!(summary.status, Status::Running(_))).await?;
    let mut failures = Vec::new();
    for target in &targets {
        match engine.containers().pause(&target.id).await {
            Ok(()) => output::line(&target.given)?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
