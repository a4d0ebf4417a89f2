// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume export`.

use anyhow::{Result, bail};

use haulout_engine::Error;
use haulout_engine::volume::Volumes;

use crate::invocation::Invocation;
use crate::unfinished::Archive;

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
    let volumes = invocation.engine().volumes();
    known(&volumes, name).await?;
    let to = Archive::open(args.output.as_deref(), |path, error| {
        format!("could not create tarball file '{path}': open {path}: {error}")
    })?;
    let exported = volumes.export(name, to.descriptor()?).await;
    to.end(exported)?;
    Ok(0)
}

/// An error in the words of these verbs unless the volume is there.
pub async fn known(volumes: &Volumes, name: &str) -> Result<()> {
    match volumes.inspect(name).await {
        Err(Error::NoSuchVolume(name)) => bail!("no such volume {name}"),
        other => Ok(other.map(drop)?),
    }
}
