// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout push`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use haulout_engine::image::{ManifestFormat, Packing, PushOptions, SaveFormat, SaveImage};
use haulout_engine::step::Compression;

use super::save;
use crate::invocation::Invocation;
use crate::progress;
use crate::registry::{Access, Retry};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [DESTINATION]";

/// Push an image to a specified destination
///
/// Pushes a source image to a specified destination.
/// The Image "DESTINATION" uses a "transport":"details" format. See podman-push(1) section "DESTINATION" for the expected format.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// Path to a directory containing TLS certificates and keys
    #[arg(long)]
    cert_dir: Option<PathBuf>,
    /// Compress tarball image layers when pushing to a directory using the 'dir' transport. (default is same compression type as source)
    #[arg(long)]
    compress: bool,
    /// compression format to use (default "gzip")
    #[arg(long)]
    compression_format: Option<String>,
    /// compression level to use
    #[arg(long)]
    compression_level: Option<i64>,
    /// Credentials (USERNAME:PASSWORD) to use for authenticating to a registry
    #[arg(long, value_name = "Credentials")]
    creds: Option<String>,
    /// Write the digest of the pushed image to the specified file
    #[arg(long)]
    digestfile: Option<PathBuf>,
    /// This is a Docker specific option and is a NOOP
    #[arg(long)]
    disable_content_trust: bool,
    /// Use the specified compression algorithm even if the destination contains a differently-compressed variant already
    #[arg(long)]
    force_compression: bool,
    /// Manifest type (oci or v2s2) to use in the destination (default is manifest type of source, with fallbacks)
    #[arg(short, long)]
    format: Option<String>,
    /// Suppress output information when pushing images
    #[arg(short, long)]
    quiet: bool,
    /// Discard any pre-existing signatures in the image
    #[arg(long)]
    remove_signatures: bool,
    /// number of times to retry in case of failure when performing push
    #[arg(long)]
    retry: Option<u64>,
    /// delay between retries in case of push failures
    #[arg(long)]
    retry_delay: Option<String>,
    /// Require HTTPS and verify certificates when contacting registries
    #[arg(long)]
    tls_verify: Option<bool>,
    words: Vec<String>,
}

/// Sends the image, and writes its digest where that is asked for.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (image, destination) = match args.words.as_slice() {
        [image] => (image, image),
        [image, destination] => (image, destination),
        words => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    let format = match args.format.as_deref() {
        None | Some("") => None,
        Some("oci") => Some(ManifestFormat::Oci),
        Some("v2s2" | "docker") => Some(ManifestFormat::Docker),
        Some("v2s1") => bail!("manifests of schema version 1 are not written any more: use 'oci' or 'v2s2'"),
        Some(other) => {
            bail!("unknown format {other:?}. Choose on of the supported formats: 'oci', 'v2s1', or 'v2s2'")
        }
    };
    let packing = packing(args.compression_format.as_deref(), args.compression_level)?;
    let engine = invocation.engine();
    // Before anything is said of it.
    engine.images().resolve(image).await?;
    if let Some((format, to)) = elsewhere(destination) {
        let (path, name) = to;
        let images = vec![SaveImage { name: image.clone(), tags: name.into_iter().map(str::to_owned).collect() }];
        let digests =
            save::write(&engine, images, Some(Path::new(path)), format, args.compress, args.quiet, true).await?;
        return digest_file(&args, digests.first());
    }
    let access = Access {
        auth_file: args.authfile.clone(),
        certificates: args.cert_dir.clone(),
        creds: args.creds.clone(),
        tls_verify: args.tls_verify,
    };
    let options = PushOptions { access: access.options()?, format, packing, force_compression: args.force_compression };
    let retry = Retry::of(args.retry, args.retry_delay.as_deref())?;
    let digests = retry
        .run(|| async {
            let push = engine.images().push(image, destination, options.clone());
            progress::show_push(push, args.quiet, true).await
        })
        .await?;
    digest_file(&args, digests.first())
}

fn digest_file(args: &Args, digest: Option<&haulout_engine::digest::Digest>) -> Result<u8> {
    if let (Some(path), Some(digest)) = (&args.digestfile, digest) {
        std::fs::write(path, digest.to_string())
            .with_context(|| format!("writing digest to file {:?}", path.display().to_string()))?;
    }
    Ok(0)
}

/// How layers are packed, if that is said.
pub fn packing(format: Option<&str>, level: Option<i64>) -> Result<Option<Packing>> {
    let compression = match format {
        None | Some("") if level.is_none() => return Ok(None),
        None | Some("" | "gzip") => Compression::Gzip,
        Some("zstd" | "zstd:chunked") => Compression::Zstd,
        Some(other) => bail!("cannot find compressor for {other:?}"),
    };
    let level = level.map(i32::try_from).transpose().context("the compression level")?;
    Ok(Some(Packing { compression, level }))
}

/// A destination that is no registry: path and name there.
fn elsewhere(destination: &str) -> Option<(SaveFormat, (&str, Option<&str>))> {
    let (transport, rest) = destination.split_once(':')?;
    let format = match transport {
        "oci" => SaveFormat::OciDir,
        "oci-archive" => SaveFormat::OciArchive,
        "docker-archive" => SaveFormat::DockerArchive,
        "dir" => return Some((SaveFormat::DockerDir, (rest, None))),
        _ => return None,
    };
    let (path, name) = rest.split_once(':').map_or((rest, None), |(path, name)| (path, Some(name)));
    Some((format, (path, name)))
}
