// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout save`.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::Engine;
use haulout_engine::digest::Digest;
use haulout_engine::image::{LayoutName, ManifestFormat, Packing, SaveAs, SaveImage, SaveTo, SignWith, Transport};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::{progress, terminal};

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
    write(&engine, images, output, SaveAs { transport, manifest, packing }, args.quiet, None).await?;
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
        return save(SaveTo::File(stdout)).await;
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

/// A file that is in the folder of another one, and comes in that one's place when it is whole.
struct Unfinished {
    file: File,
    /// Its name, which goes with it unless it is renamed.
    part: PathBuf,
    /// Whether it has that name. One without goes even when nobody is left to remove it.
    named: bool,
}

impl Unfinished {
    fn beside(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = Mode::from_raw_mode(0o666);
        match rustix::fs::openat(CWD, folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(file) => Ok(Self { file: file.into(), part, named: false }),
            // A file system that has none without a name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
                let file = File::options().read(true).write(true).create_new(true).open(&part)?;
                Ok(Self { file, part, named: true })
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn put_at(mut self, path: &Path) -> io::Result<()> {
        if !self.named {
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |to: &Path| rustix::fs::linkat(CWD, unnamed.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW);
            match link(path) {
                // What is there is replaced.
                Err(Errno::EXIST) => link(&self.part)?,
                linked => return Ok(linked?),
            }
            self.named = true;
        }
        fs::rename(&self.part, path)?;
        self.named = false;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.named {
            let _ = fs::remove_file(&self.part);
        }
    }
}
