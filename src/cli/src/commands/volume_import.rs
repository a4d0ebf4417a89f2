// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume import`.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, anyhow, bail};

use super::volume_export::known;
use crate::exit::os_words;
use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "VOLUME SOURCE";

/// Import the contents of a tarball into a volume
///
/// The contents of a tar archive (a file, or standard input when it is called `-`) are put into a volume that is there. What the
/// archive has takes the place of what the volume has; the rest of the volume stays.
#[derive(clap::Args, Debug)]
pub struct Args {
    words: Vec<String>,
}

/// Unpacks the tar.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name, source] = args.words.as_slice() else {
        bail!("accepts 2 arg(s), received {}", args.words.len());
    };
    let volumes = invocation.engine().volumes();
    known(&volumes, name).await?;
    let from: OwnedFd = match source.as_str() {
        "-" => std::io::stdin().as_fd().try_clone_to_owned().context("passing on standard input")?,
        path => File::open(path).map_err(|error| anyhow!("open {path}: {}", os_words(&error)))?.into(),
    };
    volumes.import(name, from).await?;
    Ok(0)
}
