// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image diff`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;

use super::diff;
use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE]";

/// Inspect changes to the image's file systems
///
/// Displays changes to the image's filesystem, compared to the image that it was made on.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Change the output format (json)
    #[arg(long)]
    format: Option<String>,
    images: Vec<String>,
}

/// Prints every path that is new (A), other (C) or gone (D).
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (image, than) = match args.images.as_slice() {
        [image] => (image, None),
        [image, than] => (image, Some(than.as_str())),
        images => bail!("accepts between 1 and 2 arg(s), received {}", images.len()),
    };
    let json = match args.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => bail!("only supported value for '--format' is 'json'"),
    };
    let changes = invocation.engine().images().changes(image, than).await.map_err(|error| match error {
        Error::NoSuchImage(name) => anyhow!("{name} not found: {name}: image not known"),
        error => error.into(),
    })?;
    diff::show(&changes, json)
}
