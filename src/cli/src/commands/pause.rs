// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout pause`, and what `unpause` has in common with it.

use anyhow::Result;
use haulout_engine::Engine;
use haulout_engine::container::{Status, Summary};

use crate::invocation::Invocation;
use crate::names::{self, Selection, Target};

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
    #[command(flatten)]
    which: Which,
}

/// Flags that say which containers.
#[derive(clap::Args, Debug)]
#[command(about = None, long_about = None)]
pub struct Which {
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

impl Which {
    /// The containers; of `all` only those that `meant` holds for.
    pub async fn resolve(&self, engine: &Engine, all: bool, meant: impl Fn(&Summary) -> bool) -> Result<Vec<Target>> {
        let selection = Selection {
            names: &self.containers,
            all,
            latest: self.latest,
            filters: &self.filter,
            cidfiles: &self.cidfile,
            ..Selection::default()
        };
        selection.resolve(engine, meant).await
    }
}

/// Stops the processes of every container where they are.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let runs = |summary: &Summary| matches!(summary.status, Status::Running(_));
    let engine = invocation.engine();
    let targets = args.which.resolve(&engine, args.all, runs).await?;
    let containers = engine.containers();
    names::each(&targets, async |id| containers.pause(id).await).await
}
