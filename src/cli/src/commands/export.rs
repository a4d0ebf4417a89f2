// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout export`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;
use crate::unfinished::Archive;

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
    let containers = invocation.engine().containers();
    let id = containers.resolve(name).await?;
    let to = Archive::open(args.output.as_deref(), |path, error| format!("open {path}: {error}"))?;
    let exported = containers.export(&id, to.descriptor()?).await;
    to.end(exported)?;
    Ok(0)
}
