// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout export`.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::{output, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Export container's filesystem contents as a tar archive
///
/// Exports container's filesystem contents as a tar archive and saves it on the local machine.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Write to a specified file (default: stdout, which must be redirected)
    #[arg(short, long)]
    output: Option<String>,
    containers: Vec<String>,
}

/// Writes the tar.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    if args.output.is_none() && terminal::is_output() {
        bail!("refusing to export to terminal. Use -o flag or redirect");
    }
    let containers = invocation.engine().containers();
    let id = containers.resolve(name).await?;
    let to: OwnedFd = match &args.output {
        Some(path) => File::create(path).map_err(|error| anyhow!("open {path}: {}", os_words(&error)))?.into(),
        None => std::io::stdout().as_fd().try_clone_to_owned().context("passing on standard output")?,
    };
    let exported = containers.export(&id, to).await;
    if exported.is_err() {
        output::discard(args.output.as_deref());
    }
    exported?;
    Ok(0)
}
