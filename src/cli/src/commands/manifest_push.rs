// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest push`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use futures_util::{Stream, StreamExt as _};
use haulout_engine::Error;
use haulout_engine::digest::Digest;
use haulout_engine::image::{ListProgress, ListPush, ManifestFormat, Packing, PushOptions, PushProgress};

use super::push;
use crate::invocation::Invocation;
use crate::output;
use crate::registry::{Access, Retry};

/// What comes after the verb.
pub const USAGE: &str = "[options] LIST [DESTINATION]";

/// Push a manifest list or image index to a registry
///
/// Pushes manifest lists and image indexes to registries.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    sign: push::Signing,
    /// add instances with selected compression while pushing
    #[arg(long, value_delimiter = ',')]
    add_compression: Vec<String>,
    /// also push the images in the list
    #[arg(long, default_value_t = true)]
    all: bool,
    /// compression format to use
    #[arg(long)]
    compression_format: Option<String>,
    /// compression level to use
    #[arg(long)]
    compression_level: Option<i64>,
    /// after copying the image, write the digest of the resulting digest to the file
    #[arg(long)]
    digestfile: Option<PathBuf>,
    /// Use the specified compression algorithm even if the destination contains a differently-compressed variant already
    #[arg(long)]
    force_compression: bool,
    /// manifest type (oci or v2s2) to attempt to use when pushing the manifest list (default is manifest type of source)
    #[arg(short, long)]
    format: Option<String>,
    /// don't output progress information when pushing lists
    #[arg(short, long)]
    quiet: bool,
    /// remove the manifest list if push succeeds
    #[arg(long)]
    rm: bool,
    words: Vec<String>,
}

/// Sends the list with everything that it names.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (name, destination) = match args.words.as_slice() {
        [name] => (name, name),
        [name, destination] => (name, destination),
        words => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    let format = match args.format.as_deref() {
        None | Some("") => None,
        Some("oci") => Some(ManifestFormat::Oci),
        Some("v2s2" | "docker") => Some(ManifestFormat::Docker),
        Some(other) => bail!("unknown format {other:?}. Choose one of the supported formats: 'oci' or 'v2s2'"),
    };
    let add = args.add_compression.iter().map(|format| match push::packing(Some(format), None) {
        Ok(Some(packing)) => Ok(packing),
        Ok(None) => bail!("requested algorithm {format:?} is not supported for replication"),
        Err(error) => bail!("requested algorithm {format} is not supported for replication: {error}"),
    });
    let mut add = add.collect::<Result<Vec<_>>>()?;
    // The images are packed with gzip as it is.
    let own = push::packing(args.compression_format.as_deref(), None)?.unwrap_or(Packing::GZIP).compression;
    add.retain(|packing| packing.compression != own);
    let options = PushOptions {
        sign: args.sign.options()?,
        access: args.access.options()?,
        format,
        packing: push::packing(args.compression_format.as_deref(), args.compression_level)?,
        force_compression: args.force_compression,
    };
    let lists = invocation.engine().manifest_lists();
    let list = lists.get(name).await.with_context(|| format!("retrieving local image from image name {name}"))?;
    let how = ListPush { images: options, all: args.all, add };
    let last =
        Retry::of(None, None)?.run(|| show(lists.push(&list.name, destination, how.clone()), args.quiet)).await?;
    for warning in invocation.engine().take_warnings() {
        output::error(&format!("WARNING: {warning}\n"));
    }
    say(args.quiet, "Writing manifest list to image destination\nStoring list signatures\n");
    push::note_digest(args.digestfile.as_ref(), last.as_ref())?;
    if args.rm {
        lists.remove(&list.name).await?;
    }
    Ok(0)
}

/// Shows one attempt; the digest of the list as it was sent.
async fn show(
    mut pushing: impl Stream<Item = Result<ListProgress, Error>> + Unpin,
    quiet: bool,
) -> Result<Option<Digest>> {
    let mut sent = None;
    while let Some(step) = pushing.next().await {
        match step? {
            ListProgress::Begun { images, listed } => say(
                quiet,
                &format!(
                    "Getting image list signatures\nCopying {images} images generated from {listed} images in list\n"
                ),
            ),
            ListProgress::Member { digest, number, count } => {
                say(quiet, &format!("Copying image {digest} ({number}/{count})\nGetting image source signatures\n"));
            }
            ListProgress::Push(PushProgress::Layers(layers)) => {
                for layer in layers {
                    say(quiet, &format!("Copying blob {}\n", layer.blob));
                }
            }
            ListProgress::Push(PushProgress::Config(id)) => {
                say(quiet, &format!("Copying config {id}\nWriting manifest to image destination\n"));
            }
            ListProgress::Push(_) => {}
            ListProgress::Done { digest } => sent = Some(digest),
        }
    }
    Ok(sent)
}

fn say(quiet: bool, text: &str) {
    if !quiet {
        output::error(text);
    }
}
