// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout unshare`.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Result, bail};
use haulout_engine::userns;

use super::create;
use crate::exit::{Failure, os_words};
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] [COMMAND [ARG...]]";

/// Run a command in a modified user namespace
///
/// Runs a command in a modified user namespace: as root of the ids that containers have. Without a command it is the user's shell.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Join the rootless network namespace used for netavark networking
    #[arg(long)]
    rootless_netns: bool,
    #[arg(trailing_var_arg = true)]
    words: Vec<String>,
}

/// Becomes the command: returns only when that cannot be had.
pub fn run(args: &Args, invocation: &Invocation) -> Result<u8> {
    if args.rootless_netns {
        bail!(
            "there is no network namespace that containers share: each has one of its own; without --rootless-netns it is the host's"
        );
    }
    let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    let (program, arguments) = match args.words.split_first() {
        Some((program, arguments)) => (program.clone(), arguments),
        None => (shell, &[][..]),
    };
    let engine = invocation.engine();
    // The process that holds the namespace gets a scope of its own: it must not end with this terminal.
    super::block_on(async {
        engine.steps().await?;
        Ok(0)
    })?;
    create::warn(&engine);
    if let Some(warning) = userns::enter(&invocation.paths().anchor())? {
        output::warning(&warning);
    }
    let error = Command::new(&program).args(arguments).exec();
    let words = os_words(&error);
    let (status, message) = match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => (127, format!("fork/exec {program}: {words}")),
        io::ErrorKind::NotFound => (127, format!("exec: {program:?}: executable file not found in $PATH")),
        _ => (126, format!("fork/exec {program}: {words}")),
    };
    Err(Failure { status, message }.into())
}
