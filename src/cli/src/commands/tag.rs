// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout tag`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "IMAGE TARGET_NAME [TARGET_NAME...]";

/// Add an additional name to a local image
///
/// Adds one or more additional names to locally-stored image.
#[derive(clap::Args, Debug)]
pub struct Args {
    names: Vec<String>,
}

/// Gives the image every one of the names.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [source, targets @ ..] = args.names.as_slice() else {
        bail!("requires at least 2 arg(s), only received 0");
    };
    if targets.is_empty() {
        bail!("requires at least 2 arg(s), only received 1");
    }
    let images = invocation.engine().images();
    for target in targets {
        images.tag(source, target).await?;
    }
    Ok(0)
}
