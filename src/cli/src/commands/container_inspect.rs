// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container inspect`.

use anyhow::Result;

use super::inspect::{self, Kind};
use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Display the configuration of a container
///
/// Displays the low-level information on a container identified by name or ID.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Format the output to a Go template or json
    #[arg(short, long, default_value = "json")]
    format: String,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Display total file size
    #[arg(short, long)]
    size: bool,
    names: Vec<String>,
}

/// Shows everything about every container.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    inspect::show(invocation, Kind::Container, args.names, args.latest, args.size, &args.format).await
}
