// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image inspect`.

use anyhow::Result;

use super::inspect::{self, Kind};
use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Display the configuration of an image
///
/// Displays the low-level information of an image identified by name or ID.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Format the output to a Go template or json
    #[arg(short, long, default_value = "json")]
    format: String,
    names: Vec<String>,
}

/// Shows everything about every image.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    inspect::show(invocation, Kind::Image, args.names, false, false, &args.format).await
}
