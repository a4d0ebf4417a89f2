// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout import`.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::image::ImportOptions;

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::registry::PolicyFlag;
use crate::{output, progress};

/// What comes after the verb.
pub const USAGE: &str = "[options] PATH [REFERENCE]";

/// Import a tarball to create a filesystem image
///
/// Create a container image from the contents of the specified tarball (.tar, .tar.gz, .tgz, .tar.zst).
/// Optionally tag the image. You can specify the instructions using the --change option.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Apply the following possible instructions to the created image: CMD | ENTRYPOINT | ENV | EXPOSE | LABEL | ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR
    #[arg(short, long)]
    change: Vec<String>,
    /// Set the architecture of the imported image
    #[arg(long)]
    arch: Option<String>,
    /// Set commit message for imported image
    #[arg(short, long, default_value = "")]
    message: String,
    /// Set the OS of the imported image
    #[arg(long)]
    os: Option<String>,
    /// Suppress output
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    policy: PolicyFlag,
    /// Set the variant of the imported image
    #[arg(long)]
    variant: Option<String>,
    words: Vec<String>,
}

/// Makes an image of the tarball and prints its id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (path, name) = match args.words.as_slice() {
        [path] => (path, None),
        [path, name] => (path, Some(name.as_str())),
        words => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    let images = invocation.engine().images();
    let tar = if path.starts_with("http://") || path.starts_with("https://") {
        output::line(&format!("Downloading from {path:?}"))?;
        images.download(path).await?
    } else if path == "-" {
        std::io::stdin().as_fd().try_clone_to_owned().context("reading the tarball from standard input")?
    } else {
        let file =
            File::open(path).map_err(|error| anyhow!("error opening {path:?}: open {path}: {}", os_words(&error)));
        OwnedFd::from(file?)
    };
    let options = ImportOptions {
        changes: args.change,
        message: args.message,
        os: args.os,
        arch: args.arch,
        variant: args.variant,
        policy: args.policy.file()?,
    };
    for (id, _) in progress::show(images.import(tar, name, &options), args.quiet).await? {
        output::line(&id.to_string())?;
    }
    Ok(0)
}
