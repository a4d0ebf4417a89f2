// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest rm`.

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::image::Removed;

use crate::exit::Failure;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] LIST [LIST...]";

/// Remove manifest list or image index from local storage
///
/// Remove manifest list or image index from local storage.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Ignore errors when a specified manifest is missing
    #[arg(short, long)]
    ignore: bool,
    words: Vec<String>,
}

/// Removes the lists. The status is 1 when one is not there.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.words.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    let lists = invocation.engine().manifest_lists();
    let mut missing = None;
    for name in &args.words {
        match lists.take_name(name).await {
            Ok(removed) => {
                for step in removed {
                    match step {
                        Removed::Untagged(name) => output::line(&format!("Untagged: {name}"))?,
                        Removed::Deleted(id) => output::line(&format!("Deleted: {}", id.hex()))?,
                    }
                }
            }
            Err(Error::NoSuchImage(_)) if args.ignore => {}
            Err(error @ Error::NoSuchImage(_)) => missing = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        None => Ok(0),
        Some(message) => Err(Failure { status: 1, message }.into()),
    }
}
