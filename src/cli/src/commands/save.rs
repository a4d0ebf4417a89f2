// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout save`.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::Engine;
use haulout_engine::digest::Digest;
use haulout_engine::image::{LayoutName, ManifestFormat, Packing, SaveAs, SaveImage, SaveTo, SignWith, Transport};

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::registry::PolicyFlag;
use crate::unfinished::Unfinished;
use crate::{output, progress, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Save image(s) to an archive
///
/// Save an image to docker-archive or oci-archive on the local machine. Default is docker-archive.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Compress tarball image layers when saving to a directory using the 'dir' transport. (default is same compression type as source)
    #[arg(long)]
    compress: bool,
    /// Save image to oci-archive, oci-dir (directory with oci manifest type), docker-archive, docker-dir (directory with v2s2 manifest type)
    #[arg(long, default_value = "docker-archive")]
    format: String,
    /// Interpret additional arguments as images not tags and create a multi-image-archive (only for docker-archive)
    #[arg(short, long)]
    multi_image_archive: bool,
    /// Write to a specified file (default: stdout, which must be redirected)
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyFlag,
    /// Suppress the output
    #[arg(short, long)]
    quiet: bool,
    /// Accept uncompressed layers when copying OCI images
    #[arg(long)]
    uncompressed: bool,
    images: Vec<String>,
}

/// Writes the images.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [first, rest @ ..] = args.images.as_slice() else { bail!("need at least 1 argument") };
    let transport = match args.format.as_str() {
        "docker-archive" => Transport::DockerArchive,
        "oci-archive" => Transport::OciArchive,
        "docker-dir" => Transport::Dir,
        "oci-dir" => Transport::Oci,
        _ => bail!("format value must be one of oci-dir oci-archive docker-dir docker-archive"),
    };
    if args.compress && transport != Transport::Dir {
        bail!("--compress can only be set when --format is 'docker-dir'");
    }
    if args.multi_image_archive && !rest.is_empty() && transport != Transport::DockerArchive {
        bail!("unsupported format {:?} for saving multiple images (only docker-archive)", args.format);
    }
    let output = args.output.as_deref().filter(|path| !path.as_os_str().is_empty());
    match output.map(|path| path.display().to_string()) {
        Some(path) if path.contains(':') => bail!("invalid filename (should not contain ':') {path:?}"),
        None if terminal::is_output() => bail!("refusing to save to terminal. Use -o flag or redirect"),
        _ => {}
    }
    let one = |name: &String| SaveImage { name: name.clone(), tags: Vec::new(), layout_name: LayoutName::Own };
    let images = if args.multi_image_archive {
        args.images.iter().map(one).collect()
    } else {
        vec![SaveImage { name: first.clone(), tags: rest.to_vec(), layout_name: LayoutName::Own }]
    };
    args.policy.admit("containers-storage")?;
    let engine = invocation.engine();
    for image in &images {
        engine.images().resolve(&image.name).await?;
    }
    let packing = match (args.compress, args.uncompressed) {
        (true, _) => Some(Packing::GZIP),
        (false, true) => Some(Packing::NONE),
        (false, false) => None,
    };
    let manifest = (transport == Transport::Dir).then_some(ManifestFormat::Docker);
    // What goes to a pipe is nobody's to watch.
    let quiet = args.quiet || output.is_none();
    write(&engine, images, output, SaveAs { transport, manifest, packing }, quiet, None).await?;
    Ok(0)
}

/// Writes images where they belong, signed where they are pushed; nothing half-written stays. Answers the digests of their manifests.
pub async fn write(
    engine: &Engine,
    images: Vec<SaveImage>,
    output: Option<&Path>,
    form: SaveAs,
    quiet: bool,
    pushed: Option<SignWith>,
) -> Result<Vec<Digest>> {
    let save = async |to: SaveTo| {
        let signatures = pushed.is_some();
        let save = engine.images().save(images, to, form, pushed.unwrap_or_default());
        progress::show_push(save, quiet, signatures).await
    };
    let folder = form.transport.is_folder();
    let Some(path) = output else {
        if folder {
            bail!("a directory cannot be written to standard output: name one with --output");
        }
        let stdout = std::io::stdout().as_fd().try_clone_to_owned().context("writing to standard output")?;
        let saved = save(SaveTo::File(stdout)).await;
        if saved.is_err() {
            output::end_if_nobody_reads();
        }
        return saved;
    };
    if folder {
        return save(SaveTo::Folder(path.to_owned())).await;
    }
    let shown = path.display().to_string();
    let failed = |error: &io::Error| anyhow!("opening file {shown:?}: open {shown}: {}", os_words(error));
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            if form.transport == Transport::DockerArchive && metadata.len() > 0 {
                bail!("docker-archive doesn't support modifying existing images");
            }
        }
        // A pipe, or /dev/stdout.
        Ok(_) => {
            let file = File::options().write(true).open(path).map_err(|error| failed(&error))?;
            return save(SaveTo::File(OwnedFd::from(file))).await;
        }
        Err(_) => {}
    }
    let unfinished = Unfinished::beside(path).map_err(|error| failed(&error))?;
    let file = unfinished.file.try_clone().map_err(|error| failed(&error))?;
    let digests = save(SaveTo::File(OwnedFd::from(file))).await?;
    unfinished.put_at(path).with_context(|| format!("putting the archive at {}", path.display()))?;
    Ok(digests)
}
