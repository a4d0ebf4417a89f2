// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout tag`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;

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
        images.tag(source, target).await.map_err(|error| match error {
            Error::Reference(reason) => normalizing(target, &reason.to_string()),
            error => error.into(),
        })?;
    }
    Ok(0)
}

/// What cannot be a name, in the words that podman has for a name that is being given.
fn normalizing(name: &str, reason: &str) -> anyhow::Error {
    let reason = reason.rsplit_once("\": ").map_or(reason, |(_, reason)| reason);
    anyhow!("normalizing name {name:?}: normalizing name {name:?}: {reason}")
}
