// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manual`: for those who install or package it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::invocation::Invocation;
use crate::tree;

/// What comes after the verb.
pub const USAGE: &str = "FOLDER";

/// Write the manual pages
///
/// Writes the manual page of every command into a folder that is there.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(required = true)]
    folder: PathBuf,
}

/// Writes them.
#[allow(clippy::unused_async, reason = "every verb is a future")]
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    clap_mangen::generate_to(tree::of_program(invocation.program), &args.folder)
        .with_context(|| format!("writing manual pages into {}", args.folder.display()))?;
    Ok(0)
}
