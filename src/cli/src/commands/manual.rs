// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manual`: for those who install or package it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context as _, Result};
use clap::Command;
use clap_mangen::Man;

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
    let mut program = tree::of_program(invocation.program);
    program.build();
    write(&program, &args.folder).with_context(|| format!("writing manual pages into {}", args.folder.display()))?;
    Ok(0)
}

/// The page of a command, and those of the commands below it.
fn write(command: &Command, folder: &Path) -> io::Result<()> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set()).try_for_each(|verb| write(verb, folder))?;
    let page = Man::new(command.clone()).source(concat!("Haulout ", env!("CARGO_PKG_VERSION"))).manual("Haulout");
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    // What comes after the flags is the examples.
    let roff = String::from_utf8_lossy(&roff).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    fs::write(folder.join(page.get_filename()), roff)
}
