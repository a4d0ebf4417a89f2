// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout kill`.

use anyhow::Result;
use haulout_engine::container::{Status, signal};

use crate::invocation::Invocation;
use crate::names::{self, Selection};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Kill one or more running containers with a specific signal
///
/// The main process inside each container specified will be sent SIGKILL, or any signal specified with option --signal.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Signal all running containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long)]
    cidfile: Vec<String>,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    signal: String,
    containers: Vec<String>,
}

/// Sends the signal to every container.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let number = signal::number(&args.signal)?;
    let engine = invocation.engine();
    let selection = Selection {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        cidfiles: &args.cidfile,
        ..Selection::default()
    };
    let targets = selection.resolve(&engine, |summary| matches!(summary.status, Status::Running(_))).await?;
    let containers = engine.containers();
    names::each(&targets, async |id| containers.kill(id, number).await).await
}
