// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image unmount`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Unmount an image's root filesystem
///
/// Unmounts the specified images' root file systems.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Unmount all of the currently mounted images
    #[arg(short, long)]
    all: bool,
    /// There is nothing to be forced: a mount is somebody's own
    #[arg(short, long)]
    force: bool,
    images: Vec<String>,
}

/// Unmounts the images and prints the ids of those that were mounted.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    // Outside `unshare` nothing is mounted, so there is nothing to do.
    let images = invocation.engine().images();
    let names = match (args.all, args.images.is_empty()) {
        (true, true) => images.mounted().await?.into_iter().map(|(image, _)| image.id.hex()).collect(),
        (true, false) => bail!("when using the --all switch, you may not pass any image names or IDs"),
        (false, true) => bail!("image name or ID must be specified"),
        (false, false) => args.images,
    };
    for name in &names {
        if let Some(id) = images.unmount(name).await? {
            output::line(&id.hex())?;
        }
    }
    Ok(0)
}
