// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout unpause`.

use anyhow::Result;
use haulout_engine::container::{Status, Summary};

use super::pause::Which;
use crate::invocation::Invocation;
use crate::names;

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
    #[command(flatten)]
    which: Which,
}

/// Lets the processes of every container go on.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let is_paused = |summary: &Summary| matches!(summary.status, Status::Paused(_));
    let engine = invocation.engine();
    let targets = args.which.resolve(&engine, args.all, is_paused).await?;
    let containers = engine.containers();
    names::each(&targets, async |id| containers.unpause(id).await).await
}
