// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout completion`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::invocation::Invocation;
use crate::{completion, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] {bash|zsh|fish|powershell|elvish}";

/// Generate the completion script for the specified shell
///
/// The script is to be evaluated by the shell, as `source <(haulout completion bash)` does, or put where the shell looks for
/// completions. It asks the program: names of containers and images are those that are there.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Output the completion to file rather than stdout
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Don't include descriptions in the completion output
    #[arg(long)]
    no_desc: bool,
    shells: Vec<String>,
}

/// Prints or writes the script.
#[allow(clippy::unused_async, reason = "every verb is a future")]
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [shell] = args.shells.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.shells.len());
    };
    let Some(script) = completion::script(invocation.program, shell, !args.no_desc) else {
        bail!("invalid argument {shell:?} for {:?}", invocation.path);
    };
    let script = script.context("writing the completion script")?;
    match args.file {
        Some(file) => std::fs::write(&file, script).with_context(|| format!("writing {}", file.display()))?,
        None => output::print(&String::from_utf8_lossy(&script))?,
    }
    Ok(0)
}
