// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container cleanup`, which a monitor calls when a `--rm` container has ended and nobody is attached.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::RemoveOptions;
use haulout_engine::{Engine, Error};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::names::{Selection, Target};
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Clean up network and mountpoints of one or more containers
///
/// Gives back what an ended container held. This command is used internally when running containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Cleans up all containers
    #[arg(short, long)]
    all: bool,
    /// Clean up the given exec session instead of the container
    #[arg(long)]
    exec: Option<String>,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// After cleanup, remove the container entirely
    #[arg(long)]
    rm: bool,
    /// After cleanup, remove the image entirely
    #[arg(long)]
    rmi: bool,
    /// Only clean up when the container is in the stopped state
    #[arg(long, hide = true)]
    stopped_only: bool,
    /// The container's monitor has nothing left to do but to wait for this
    #[arg(long, hide = true)]
    monitor_waits: bool,
    containers: Vec<String>,
}

/// Cleans up every container, and prints what the user called it; one that is gone is clean.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.exec.is_some() {
        match (args.all, args.rmi) {
            (true, _) => bail!("--all and --exec cannot be set together"),
            (_, true) => bail!("--exec and --rmi cannot be set together"),
            _ if args.containers.len() > 1 => bail!("exec sessions can only be cleaned up for a single container"),
            // The monitor has done it when the command ended.
            _ => return Ok(0),
        }
    }
    let engine = invocation.engine();
    let selection =
        Selection { names: &args.containers, all: args.all, latest: args.latest, ignore: true, ..Selection::default() };
    let targets = selection.resolve(&engine, |_| true).await?;
    let mut failures = Vec::new();
    for target in &targets {
        match Box::pin(clean(&args, &engine, target)).await {
            Ok(()) => output::line(&target.given)?,
            Err(Error::NoSuchContainer(_)) => {}
            Err(error) if args.rm => {
                failures.push(anyhow!("failed to clean up and remove container {}: {error}", target.id));
            }
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

async fn clean(args: &Args, engine: &Engine, target: &Target) -> Result<(), Error> {
    let containers = engine.containers();
    let image = if args.rmi { containers.inspect(&target.id).await.ok() } else { None };
    containers.cleanup(&target.id, args.monitor_waits).await?;
    if args.rm {
        match containers.remove(&target.id, RemoveOptions::default()).await {
            // It was one that is removed when it ends.
            Ok(()) | Err(Error::NoSuchContainer(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(image) = image {
        // One that another container has too stays.
        let _ = engine.images().remove(&image.summary.record.image_name, false).await;
    }
    Ok(())
}
