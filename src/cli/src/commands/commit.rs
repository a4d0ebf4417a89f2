// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout commit`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::commit::CommitOptions;

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [IMAGE]";

/// Create new image based on the changed container
///
/// Create an image from a container's changes. Optionally tag the image created, set the author with the --author flag, set the
/// commit message with the --message flag, and make changes to the instructions with the --change flag.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Set the author for the image committed
    #[arg(short, long)]
    author: Option<String>,
    /// Apply the following possible instructions to the created image: CMD | ENTRYPOINT | ENV | EXPOSE | LABEL | ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR
    #[arg(short, long)]
    change: Vec<String>,
    /// file containing a container configuration to merge into the image
    #[arg(long, value_name = "file")]
    config: Option<String>,
    /// Format of the image manifest and metadata
    #[arg(short, long, default_value = "oci")]
    format: String,
    /// File to write the image ID to
    #[arg(long)]
    iidfile: Option<String>,
    /// Include container volumes as image volumes
    #[arg(long)]
    include_volumes: bool,
    /// Set commit message for imported image
    #[arg(short, long)]
    message: Option<String>,
    /// Pause container during commit
    #[arg(short, long)]
    pause: bool,
    /// Suppress output
    #[arg(short, long)]
    quiet: bool,
    /// Squash newly built layers into a single new layer
    #[arg(short, long)]
    squash: bool,
    words: Vec<String>,
}

/// Makes the image and prints its id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (container, image) = match args.words.as_slice() {
        [container] => (container, None),
        [container, image] => (container, Some(image.clone()).filter(|image| !image.is_empty())),
        words => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    let docker = match args.format.as_str() {
        "oci" => false,
        "docker" => true,
        other => bail!("unrecognized image format {other:?}"),
    };
    if args.message.is_some() && !docker {
        bail!("messages are only compatible with the docker image format (-f docker)");
    }
    let config = args
        .config
        .as_ref()
        .filter(|path| !path.is_empty())
        .map(|path| std::fs::read(path).map_err(|error| anyhow!("--config: open {path}: {}", os_words(&error))));
    let config = config.transpose()?;
    let containers = invocation.engine().containers();
    let id = containers.resolve(container).await?;
    let options = CommitOptions {
        name: image,
        author: args.author.unwrap_or_default(),
        message: args.message.unwrap_or_default(),
        config,
        changes: args.change,
        pause: args.pause,
        docker,
        squash: args.squash,
        include_volumes: args.include_volumes,
    };
    let made = Box::pin(containers.commit(&id, options)).await?;
    if !args.quiet {
        output::error("Getting image source signatures\n");
        for layer in &made.layers {
            output::error(&format!("Copying blob {layer}\n"));
        }
        output::error(&format!("Copying config {}\nWriting manifest to image destination\n", made.id));
    }
    if let Some(path) = &args.iidfile {
        std::fs::write(path, made.id.hex())
            .map_err(|error| anyhow!("failed to write image ID: open {path}: {}", os_words(&error)))?;
    }
    output::line(&made.id.hex())?;
    Ok(0)
}
