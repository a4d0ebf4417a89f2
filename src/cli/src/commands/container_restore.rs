// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container restore`: says that it cannot be done.

use anyhow::{Result, bail};

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Restore one or more containers from a checkpoint
///
/// Restore one or more containers from a checkpoint. Not supported: the memory of processes in a user namespace cannot be read by CRIU.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _words: Vec<String>,
}

/// Refuses.
#[allow(clippy::unused_async, reason = "verbs are")]
pub async fn run(_: Args, _: &Invocation) -> Result<u8> {
    let root = haulout_engine::userns::is_root();
    let why = if root { "is not supported: stop it and start it again instead" } else { "requires root" };
    bail!("restoring a container {why}")
}
