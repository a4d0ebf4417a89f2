// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout untag`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "IMAGE [IMAGE...]";

/// Remove a name from a local image
///
/// Removes one or more names from a locally-stored image.
#[derive(clap::Args, Debug)]
pub struct Args {
    names: Vec<String>,
}

/// Takes the names, or all of them, from the first image.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [source, names @ ..] = args.names.as_slice() else {
        bail!("requires at least 1 arg(s), only received 0");
    };
    invocation.engine().images().untag(source, names).await?;
    Ok(0)
}
