// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout push`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use haulout_engine::Engine;
use haulout_engine::digest::Digest;
use haulout_engine::image::reference::Reference;
use haulout_engine::image::{
    LayoutName, Location, LocationError, ManifestFormat, Packing, PullOptions, PushOptions, SaveAs, SaveImage,
    SignWith, Transport, Which,
};
use haulout_engine::step::Compression;

use super::save;
use crate::invocation::Invocation;
use crate::registry::{Access, PolicyFlag, Retry, filled};
use crate::{encryption, progress, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [DESTINATION]";

/// Push an image to a specified destination
///
/// Pushes a source image to a specified destination.
/// The Image "DESTINATION" uses a "transport":"details" format. See containers-transports(5) for the formats.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    policy: PolicyFlag,
    #[command(flatten)]
    sign: Signing,
    /// Compress tarball image layers when pushing to a directory using the 'dir' transport. (default is same compression type as source)
    #[arg(long)]
    compress: bool,
    /// compression format to use (default "gzip")
    #[arg(long)]
    compression_format: Option<String>,
    /// compression level to use
    #[arg(long)]
    compression_level: Option<i64>,
    /// Write the digest of the pushed image to the specified file
    #[arg(long)]
    digestfile: Option<PathBuf>,
    /// This is a Docker specific option and is a NOOP
    #[arg(long)]
    disable_content_trust: bool,
    /// Layers to encrypt, 0-indexed layer indices with support for negative indexing (e.g. 0 is the first layer, -1 is the last layer). If not defined, will encrypt all layers if encryption-key flag is specified
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    encrypt_layer: Vec<i64>,
    /// Key with the encryption protocol to use to encrypt the image (e.g. jwe:/path/to/key.pem)
    #[arg(long)]
    encryption_key: Vec<String>,
    /// Use the specified compression algorithm even if the destination contains a differently-compressed variant already
    #[arg(long)]
    force_compression: bool,
    /// Manifest type (oci or v2s2) to use in the destination (default is manifest type of source, with fallbacks)
    #[arg(short, long)]
    format: Option<String>,
    /// Suppress output information when pushing images
    #[arg(short, long)]
    quiet: bool,
    /// number of times to retry in case of failure when performing push
    #[arg(long)]
    retry: Option<u64>,
    /// delay between retries in case of push failures
    #[arg(long)]
    retry_delay: Option<String>,
    words: Vec<String>,
}

/// Sends the image, and writes its digest where that is asked for.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (image, destination) = match args.words.as_slice() {
        [image] => (image, image),
        [image, destination] if destination.is_empty() => (image, image),
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
    args.policy.check()?;
    encryption::refuse_encryption(&args.encryption_key, &args.encrypt_layer)?;
    let packing = packing(args.compression_format.as_deref(), args.compression_level)?;
    let engine = invocation.engine();
    // Before anything is said of it.
    engine.images().resolve(image).await?;
    let sign = args.sign.options()?;
    if let Some(location) = elsewhere(destination)? {
        let has_place = matches!(location, Location::Path { transport: Transport::Dir, .. });
        if !has_place && (sign.gpg.is_some() || sign.sigstore.is_some()) {
            bail!("Cannot determine canonical Docker reference for destination {destination}");
        }
        let packing = if args.compress { Some(Packing::GZIP) } else { packing };
        let digests = place(&engine, image, location, (format, packing), sign, args.quiet).await?;
        note_digest(args.digestfile.as_ref(), digests.first())?;
        return Ok(0);
    }
    let options = PushOptions {
        access: args.access.options()?,
        format,
        packing,
        force_compression: args.force_compression,
        sign,
    };
    let retry = Retry::of(args.retry, args.retry_delay.as_deref())?;
    let digests = retry
        .run(|| async {
            let push = engine.images().push(image, destination, options.clone());
            progress::show_push(push, args.quiet, true).await
        })
        .await?;
    note_digest(args.digestfile.as_ref(), digests.first())?;
    Ok(0)
}

/// What flags say of signatures.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct Signing {
    /// Discard any pre-existing signatures in the image
    #[arg(long)]
    remove_signatures: bool,
    /// Add a "simple signing" signature at the destination using the specified key
    #[arg(long, value_name = "KEY")]
    sign_by: Option<String>,
    /// Sign the image using a sigstore parameter file at PATH
    #[arg(long, value_name = "PATH")]
    sign_by_sigstore: Option<PathBuf>,
    /// Sign the image using a sigstore private key at PATH
    #[arg(long, value_name = "PATH")]
    sign_by_sigstore_private_key: Option<PathBuf>,
    /// Read a passphrase for signing an image from PATH
    #[arg(long, value_name = "PATH")]
    sign_passphrase_file: Option<PathBuf>,
}

impl Signing {
    /// As the engine takes it. A passphrase that no file has is asked for.
    pub fn options(&self) -> Result<SignWith> {
        if let Some(path) = filled(self.sign_by_sigstore.as_ref()) {
            bail!(
                "setting up signing using parameter file {:?}: Haulout signs with a key only, not with a certificate: use --sign-by-sigstore-private-key",
                path.display().to_string()
            );
        }
        let gpg = self.sign_by.clone().filter(|by| !by.is_empty());
        let sigstore = filled(self.sign_by_sigstore_private_key.as_ref()).cloned();
        let passphrase_file = filled(self.sign_passphrase_file.as_ref()).cloned();
        let passphrase = match (&sigstore, &passphrase_file) {
            (Some(path), None) if terminal::is_input() => {
                let asked = terminal::ask_secretly(&format!("Passphrase for key {}: ", path.display()));
                Some(asked.context("reading the passphrase")?)
            }
            _ => None,
        };
        Ok(SignWith { gpg, sigstore, passphrase_file, passphrase, replaces: self.remove_signatures })
    }
}

/// Writes the digest of what was pushed into the file of `--digestfile`.
pub fn note_digest(file: Option<&PathBuf>, digest: Option<&Digest>) -> Result<()> {
    if let (Some(path), Some(digest)) = (file, digest) {
        std::fs::write(path, digest.to_string())
            .with_context(|| format!("writing digest to file {:?}", path.display().to_string()))?;
    }
    Ok(())
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

/// A destination that is no registry. As with podman, what would be a transport that cannot be written to is a registry's name; what
/// can be neither is refused as a transport that nobody knows.
fn elsewhere(destination: &str) -> Result<Option<Location>> {
    let is_name = destination.parse::<Reference>().is_ok();
    match Location::parse(destination) {
        Err(LocationError::NotBuilt(_)) if is_name => Ok(None),
        Ok(None) if !is_name && !destination.starts_with("docker://") => match destination.split_once(':') {
            Some((transport, _)) => bail!("Invalid image name {destination:?}, unknown transport {transport:?}"),
            None => bail!("Invalid image name {destination:?}, expected colon-separated transport:reference"),
        },
        location => Ok(location?),
    }
}

/// Puts the image where `location` says; answers the digest of its manifest there.
async fn place(
    engine: &Engine,
    image: &str,
    location: Location,
    (manifest, packing): (Option<ManifestFormat>, Option<Packing>),
    sign: SignWith,
    quiet: bool,
) -> Result<Vec<Digest>> {
    let shown = location.to_string();
    let (transport, path, which) = match location {
        Location::Path { transport, path, which } => (transport, path, which),
        Location::Here(name) => {
            let images = engine.images();
            images.tag(image, &name.to_string()).await?;
            progress::show(images.load_from(Location::Here(name), &PullOptions::default()), quiet).await?;
            return Ok(vec![images.inspect(image).await?.summary.digest]);
        }
    };
    let name = match which {
        Which::All | Which::Only => None,
        Which::Named(name) => Some(name),
        Which::At(index) => {
            bail!("initializing destination {shown}: Destination reference must not contain a manifest index @{index}")
        }
    };
    // Layers there are as they lie, unless --compress says otherwise.
    let packing = match transport {
        Transport::Oci | Transport::OciArchive => packing,
        Transport::Dir | Transport::DockerArchive => packing.filter(|packing| *packing == Packing::GZIP),
    };
    let (tags, layout_name) = match transport {
        Transport::Oci | Transport::OciArchive => (Vec::new(), name.map_or(LayoutName::Nothing, LayoutName::Said)),
        Transport::Dir | Transport::DockerArchive => (name.into_iter().collect(), LayoutName::Own),
    };
    let images = vec![SaveImage { name: image.to_owned(), tags, layout_name }];
    let form = SaveAs { transport, manifest, packing };
    save::write(engine, images, Some(&path), form, quiet, Some(sign)).await.map_err(|error| {
        match error.downcast_ref() {
            Some(haulout_engine::Error::Io { .. }) | None => error.context(format!("initializing destination {shown}")),
            Some(_) => error,
        }
    })
}
