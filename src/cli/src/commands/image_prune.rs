// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image prune`.

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::image::Removed;

use crate::invocation::Invocation;
use crate::{filter, output, question};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Remove unused images
///
/// Removes dangling or unused images from local storage.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all images not in use by containers, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Remove persistent build cache created by --mount=type=cache
    #[arg(long)]
    build_cache: bool,
    /// Remove images even when they are used by external containers (e.g., by build containers)
    #[arg(long)]
    external: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    words: Vec<String>,
}

/// Removes every image that nobody needs and says which went.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` {}", invocation.path, crate::flags::NO_WORDS);
    }
    let engine = invocation.engine();
    let list = engine.images().list().await?;
    let filter = filter::Images::parse(&args.filter, &engine, &list).await?;
    if !args.force {
        let what =
            if args.all { "images without at least one container associated with them" } else { "dangling images" };
        if !question::agreed(&format!(
            "WARNING! This command removes all {what}.\nAre you sure you want to continue? [y/N] "
        ))? {
            return Ok(0);
        }
    }
    // What is built upon another goes first, and may leave that one without anybody who needs it.
    loop {
        let lineage = engine.images().lineage().await?;
        let mut gone = false;
        for image in &engine.images().list().await? {
            let dangling = image.names.is_empty() && image.repo_digests.is_empty();
            let wanted = args.all || dangling && !lineage.has_children(&image.id);
            let unneeded = !image.read_only && image.containers == 0 && wanted;
            if !unneeded || !filter.holds(image) {
                continue;
            }
            match engine.images().remove_unused(&image.id).await {
                Ok(steps) => {
                    gone = true;
                    for step in steps {
                        if let Removed::Deleted(id) = step {
                            output::line(&id.hex())?;
                        }
                    }
                }
                // Somebody made a container of it just now, or was quicker.
                Err(Error::ImageInUse { .. } | Error::NoSuchImage(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !gone {
            break;
        }
    }
    Ok(0)
}
