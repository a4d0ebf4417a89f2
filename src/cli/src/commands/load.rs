// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout load`.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::Engine;
use haulout_engine::image::PullOptions;

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::registry::PolicyFlag;
use crate::{output, progress, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Load image(s) from a tar archive
///
/// Loads an image from a locally stored archive (tar file) into container storage.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Read from specified archive file (default: stdin)
    #[arg(short, long)]
    input: Option<String>,
    #[command(flatten)]
    policy: PolicyFlag,
    /// Suppress the output
    #[arg(short, long)]
    quiet: bool,
}

/// Reads the archive and names every image that was in it.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let how = PullOptions { policy: args.policy.file()?, ..PullOptions::default() };
    let loaded = match args.input.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => read(&engine, Path::new(path), &how, args.quiet).await?,
        None if terminal::is_input() => {
            bail!("cannot read from terminal, use command-line redirection or the --input flag")
        }
        None => {
            let stdin = std::io::stdin().as_fd().try_clone_to_owned();
            let archive = stdin.context("reading the archive from standard input")?;
            progress::show(engine.images().load(archive, &how), args.quiet).await?
        }
    };
    for (id, name) in loaded {
        let name = if name.is_empty() { id.to_string() } else { name };
        output::line(&format!("Loaded image: {name}"))?;
    }
    Ok(0)
}

/// Reads the archive, or the folder, at `path`.
pub async fn read(engine: &Engine, path: &Path, how: &PullOptions, quiet: bool) -> Result<Vec<progress::Done>> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => anyhow!("faccessat {}: {}", path.display(), os_words(&error)),
        _ => anyhow!("open {}: {}", path.display(), os_words(&error)),
    });
    progress::show(engine.images().load(OwnedFd::from(file?), how), quiet).await
}
