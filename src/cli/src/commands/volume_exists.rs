// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume exists`.

use anyhow::{Result, bail};
use haulout_engine::Error;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "VOLUME";

/// Check if volume exists
///
/// If the given volume exists, the exit code is 0, otherwise the exit code will be 1.
#[derive(clap::Args, Debug)]
pub struct Args {
    volumes: Vec<String>,
}

/// Ends with 0 or 1.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.volumes.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.volumes.len());
    };
    match invocation.engine().volumes().inspect(name).await {
        // The beginning of a name is no name here.
        Ok(volume) => Ok(u8::from(volume.record.name != *name)),
        Err(Error::NoSuchVolume(_) | Error::AmbiguousVolume(_)) => Ok(1),
        Err(error) => Err(error.into()),
    }
}
