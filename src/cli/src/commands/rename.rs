// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout rename`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::ContainerName;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "CONTAINER NAME";

/// Rename an existing container
///
/// Renames an existing container, running or not.
#[derive(clap::Args, Debug)]
pub struct Args {
    words: Vec<String>,
}

/// Gives the container its new name.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [container, name] = args.words.as_slice() else {
        bail!("accepts 2 arg(s), received {}", args.words.len());
    };
    let containers = invocation.engine().containers();
    let id = containers.resolve(container).await?;
    let name: ContainerName =
        name.parse().map_err(|_| anyhow!("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"))?;
    containers.rename(&id, name).await?;
    Ok(0)
}
