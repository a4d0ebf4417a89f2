// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout secret exists`.

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::secret::SecretError;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "SECRET";

/// Check if a secret exists in local storage
///
/// If the named secret exists in local storage, the exit code is 0, otherwise the exit code will be 1.
#[derive(clap::Args, Debug)]
pub struct Args {
    secrets: Vec<String>,
}

/// Ends with 0 or 1.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.secrets.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.secrets.len());
    };
    match invocation.engine().secrets().inspect(name).await {
        Ok(_) => Ok(0),
        Err(Error::Secret(error)) if matches!(*error, SecretError::NoSuch(_)) => Ok(1),
        Err(error) => Err(error.into()),
    }
}
