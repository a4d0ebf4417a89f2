// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout rmi`.

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::image::Removed;

use crate::exit::Failure;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Remove one or more images from local storage
///
/// Removes one or more previously pulled or locally created images.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all images
    #[arg(short, long)]
    all: bool,
    /// Force Removal of the image
    #[arg(short, long)]
    force: bool,
    /// Ignore errors if a specified image does not exist
    #[arg(short, long)]
    ignore: bool,
    /// Do not remove dangling images
    #[arg(long)]
    no_prune: bool,
    images: Vec<String>,
}

/// Removes every image. The status is 1 when one is not there, 2 when one is in use.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let images = invocation.engine().images();
    let names = match (args.all, args.images.is_empty()) {
        (true, false) => bail!("when using the --all switch, you may not pass any images names or IDs"),
        (false, true) => bail!("image name or ID must be specified"),
        (false, false) => args.images,
        (true, true) => images.list().await?.into_iter().map(|image| image.id.hex()).collect(),
    };
    let mut removed = Vec::new();
    let mut failures = Vec::new();
    for name in &names {
        let lineage = images.lineage().await?;
        match images.remove(name, args.force).await {
            Ok(steps) => {
                for step in steps {
                    match step {
                        // As podman has it: what others are built upon is still there in them.
                        Removed::Deleted(id) if lineage.has_children(&id) => {}
                        Removed::Deleted(id) => {
                            removed.push(step);
                            if !args.no_prune {
                                let gone = images.remove_unneeded(&lineage.parents(&id)).await?;
                                removed.extend(gone.into_iter().map(Removed::Deleted));
                            }
                        }
                        Removed::Untagged(_) => removed.push(step),
                    }
                }
            }
            Err(Error::NoSuchImage(_)) if args.ignore || args.all => {}
            Err(Error::ReadOnlyImage(_)) if args.all => {}
            Err(error) => failures.push(error),
        }
    }
    // What lost its names first, then what went.
    for step in &removed {
        if let Removed::Untagged(name) = step {
            output::line(&format!("Untagged: {name}"))?;
        }
    }
    for step in &removed {
        if let Removed::Deleted(id) = step {
            output::line(&format!("Deleted: {}", id.hex()))?;
        }
    }
    let statuses = failures.iter().map(|error| match error {
        Error::NoSuchImage(_) => 1,
        Error::ImageInUse { .. } => 2,
        _ => crate::exit::ENGINE,
    });
    let status = statuses.max().unwrap_or(0);
    let messages: Vec<String> = failures.into_iter().map(|error| format!("{:#}", anyhow::Error::from(error))).collect();
    match messages.as_slice() {
        [] => Ok(0),
        [message] => Err(Failure { status, message: message.clone() }.into()),
        several => {
            let lines: Vec<String> = several.iter().map(|message| format!("\t* {message}")).collect();
            let message = format!("{} errors occurred:\n{}", several.len(), lines.join("\n"));
            Err(Failure { status, message }.into())
        }
    }
}
