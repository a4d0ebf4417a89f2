// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest remove`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "LIST IMAGE";

/// Remove an item from a manifest list or image index
///
/// Removes an item from a manifest list or image index.
#[derive(clap::Args, Debug)]
pub struct Args {
    words: Vec<String>,
}

/// Takes the item out and prints the list's id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [list, which] = args.words.as_slice() else {
        bail!("accepts 2 arg(s), received {}", args.words.len());
    };
    output::line(&invocation.engine().manifest_lists().take_out(list, which).await?.id)?;
    Ok(0)
}
