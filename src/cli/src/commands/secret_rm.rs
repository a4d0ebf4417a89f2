// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout secret rm`.

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::secret::SecretError;

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] SECRET [SECRET...]";

/// Remove one or more secrets
///
/// Containers that were made with a secret keep what they have of it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all secrets
    #[arg(short, long)]
    all: bool,
    /// Ignore errors when a specified secret is missing
    #[arg(short, long)]
    ignore: bool,
    secrets: Vec<String>,
}

/// Removes every one and prints their ids.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.all != args.secrets.is_empty() {
        bail!("`{} secret rm` requires one argument, or the --all flag", invocation.program);
    }
    let secrets = invocation.engine().secrets();
    let names =
        if args.all { secrets.list().await?.into_iter().map(|record| record.name).collect() } else { args.secrets };
    let mut failures = Vec::new();
    for name in names {
        match secrets.remove(&name).await {
            Ok(id) => output::line(&id)?,
            Err(Error::Secret(error)) if (args.ignore || args.all) && matches!(*error, SecretError::NoSuch(_)) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
