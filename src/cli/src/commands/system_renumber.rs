// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout system renumber`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "";

/// Migrate lock numbers
///
/// Locks are files here and have no numbers: there is nothing to do.
#[derive(clap::Args, Debug)]
pub struct Args {
    words: Vec<String>,
}

/// Does nothing.
#[allow(clippy::unused_async, reason = "every verb is a future")]
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    Ok(0)
}
