// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image exists`.

use anyhow::{Result, bail};
use haulout_engine::Error;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "IMAGE";

/// Check if an image exists in local storage
///
/// If the named image exists in local storage, the exit code is 0, otherwise the exit code will be 1.
#[derive(clap::Args, Debug)]
pub struct Args {
    images: Vec<String>,
}

/// Ends with 0 or 1.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.images.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.images.len());
    };
    let engine = invocation.engine();
    match engine.images().resolve(name).await {
        Ok(_) => Ok(0),
        // A list of which nothing is for this machine is no image, as Podman has it.
        Err(_) if engine.manifest_lists().get(name).await.is_ok() => Ok(1),
        Err(Error::NoSuchImage(_)) => Ok(1),
        Err(error) => Err(error.into()),
    }
}
