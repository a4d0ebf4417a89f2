// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume export`.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, anyhow, bail};

use haulout_engine::Error;
use haulout_engine::volume::Volumes;

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::{output, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options] VOLUME";

/// Export volumes
///
/// The contents of a volume are written as a tar archive, to standard output or to a file.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Write to a specified file (default: stdout, which must be redirected)
    #[arg(short, long)]
    output: Option<String>,
    volumes: Vec<String>,
}

/// Writes the tar.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.volumes.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.volumes.len());
    };
    if args.output.is_none() && terminal::is_output() {
        bail!("refusing to export to terminal. Use -o flag or redirect");
    }
    let volumes = invocation.engine().volumes();
    known(&volumes, name).await?;
    let to: OwnedFd = match &args.output {
        Some(path) => File::create(path)
            .map_err(|error| anyhow!("could not create tarball file '{path}': open {path}: {}", os_words(&error)))?
            .into(),
        None => std::io::stdout().as_fd().try_clone_to_owned().context("passing on standard output")?,
    };
    let exported = volumes.export(name, to).await;
    if exported.is_err() {
        output::discard(args.output.as_deref());
    }
    exported?;
    Ok(0)
}

/// An error in the words of these verbs unless the volume is there.
pub async fn known(volumes: &Volumes, name: &str) -> Result<()> {
    match volumes.inspect(name).await {
        Err(Error::NoSuchVolume(name)) => bail!("no such volume {name}"),
        other => Ok(other.map(drop)?),
    }
}
