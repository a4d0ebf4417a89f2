// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container checkpoint`: says that it cannot be done.

use anyhow::{Result, bail};

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Checkpoint one or more containers
///
/// Checkpoint one or more containers. Not supported: the memory of processes in a user namespace cannot be read by CRIU.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Refuses.
#[allow(clippy::unused_async, reason = "verbs are")]
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    if args.words.is_empty() {
        bail!("you must provide at least one name or id");
    }
    // In Podman's words, where it is nobody's either; root is told that it is not to be had here.
    let root = haulout_engine::userns::is_root();
    let why = if root { "is not supported: stop it and start it again instead" } else { "requires root" };
    bail!("checkpointing a container {why}")
}
