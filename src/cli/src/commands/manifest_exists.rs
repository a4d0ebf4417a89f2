// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest exists`.

use anyhow::{Result, bail};
use haulout_engine::Error;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "MANIFEST";

/// Check if a manifest list exists in local storage
///
/// If the manifest list exists in local storage, the exit code is 0, otherwise the exit code will be 1.
#[derive(clap::Args, Debug)]
pub struct Args {
    words: Vec<String>,
}

/// Ends with 0 or 1.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.words.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.words.len());
    };
    match invocation.engine().manifest_lists().get(name).await {
        Ok(_) => Ok(0),
        Err(Error::NoSuchImage(_)) => Ok(1),
        Err(error) => Err(error.into()),
    }
}
