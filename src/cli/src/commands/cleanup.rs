// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container cleanup`, which a monitor calls when a `--rm` container has ended and nobody is attached.

use anyhow::{Result, bail};
use haulout_engine::Error;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Clean up network and mountpoints of one or more containers
///
/// Gives back what an ended container held. This command is used internally when running containers.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// After cleanup, remove the container entirely
    #[arg(long)]
    rm: bool,
    containers: Vec<String>,
}

/// Cleans up every container; one that is gone is clean.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.containers.is_empty() {
        bail!("you must provide at least one name or id");
    }
    let containers = invocation.engine().containers();
    for name in &args.containers {
        let cleaned = match containers.resolve(name).await {
            Ok(id) => containers.cleanup(&id).await,
            Err(error) => Err(error),
        };
        match cleaned {
            Ok(()) | Err(Error::NoSuchContainer(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(0)
}
