// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container exists`.

use anyhow::{Result, bail};
use haulout_engine::Error;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Check if a container exists in local storage
///
/// If the named container exists in local storage, the exit code is 0, otherwise the exit code will be 1.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Check external storage containers as well (there are none)
    #[arg(long)]
    external: bool,
    containers: Vec<String>,
}

/// Ends with 0 or 1.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    match invocation.engine().containers().resolve(name).await {
        Ok(_) => Ok(0),
        Err(Error::NoSuchContainer(_)) => Ok(1),
        Err(error) => Err(error.into()),
    }
}
