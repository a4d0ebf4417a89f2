// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout unshare`.

use anyhow::Result;

use crate::exit::Failure;
use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] [COMMAND [ARG...]]";

/// Run a command in a modified user namespace
///
/// Runs a command in a modified user namespace: as root of the ids that containers have. Without a command it is the user's shell.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(trailing_var_arg = true)]
    words: Vec<String>,
}

/// Becomes the command: does not return when that can be had.
pub fn run(args: &Args, invocation: &Invocation) -> Result<u8> {
    let _ = (args, invocation);
    Err(Failure { status: 125, message: "not here yet".into() }.into())
}
