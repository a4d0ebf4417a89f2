// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loading images from archives and folders.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::archive::{Archive, ArchiveError, Found};
use super::input;
use super::install::{IncomingLayer, install};
use super::progress::Reporter;
use super::reference::Reference;
use super::transport::{Location, Transport, Which};
use super::{PullLayer, PullOptions, PullProgress, announce, signature};
use crate::config::Folders;
use crate::config::policy::Policy;
use crate::digest::Digest;
use crate::engine::{Engine, Error, os_words};
use crate::step::Compression;
use crate::store::{Turn, compression};

/// What is to be loaded.
pub(super) enum Wanted {
    /// Everything in it.
    Everything(OwnedFd),
    /// What a name says.
    At(Location),
}

/// Loads the images, of those for several platforms the one that `options` say.
pub(super) async fn load(
    engine: Engine,
    wanted: Wanted,
    options: &PullOptions,
    reporter: Reporter,
) -> Result<(), Error> {
    let (action, called) = match &wanted {
        Wanted::Everything(input) => ("loadfromarchive", event_name(input)),
        Wanted::At(Location::Here(name)) => return here(&engine, name, &reporter).await,
        Wanted::At(location) => ("pull", location.to_string()),
    };
    engine.steps().await?;
    for found in find(&engine, wanted, options).await? {
        let (id, _) = take(&engine, found, &reporter).await?;
        announce(&engine, action, &id, &called);
    }
    Ok(())
}

/// The one image that a location says, where it is.
pub(super) async fn only(engine: &Engine, location: Location, options: &PullOptions) -> Result<Found, Error> {
    let shown = location.to_string();
    let mut found = find(engine, Wanted::At(location), options).await?;
    if found.len() == 1 { Ok(found.remove(0)) } else { Err(ArchiveError::NotHere(shown).into()) }
}

/// The images that are meant, ready to be read.
async fn find(engine: &Engine, wanted: Wanted, options: &PullOptions) -> Result<Vec<Found>, Error> {
    let (platform, policy) = (options.platform()?, options.policy.clone());
    let (input, said, which) = match wanted {
        Wanted::Everything(input) => (input, None, Which::All),
        Wanted::At(Location::Here(_)) => return Ok(Vec::new()),
        Wanted::At(Location::Path { transport, path, which }) => {
            (open(transport, &path, &which)?, Some((transport, path)), which)
        }
    };
    // Of a pipe it says that it is one, which is no path.
    let path = input::path_of(&input);
    let file = readable_twice(engine, input).await?;
    let archive = engine.blocking("reading an archive", move || {
        let folder = file.metadata().map_err(ArchiveError::Read)?.is_dir();
        let archive = if folder { Archive::open_folder(file) } else { Archive::open(file) }?;
        let transport = match &said {
            Some((transport, path)) if !archive.is(*transport) => return Err(lacking(*transport, path).into()),
            Some((transport, _)) => *transport,
            None => archive.transport(),
        };
        let wanted = Policy::chosen(policy.as_deref(), &Folders::from_environment())?
            .admit_from(transport.name(), path.as_deref())?;
        let found = archive.images(transport, &platform, &which);
        let found = found.map_err(|error| match (&which, &said, transport) {
            (Which::Named(name), Some((_, path)), Transport::Oci) => {
                within(format!("initializing source oci:{}:{name}", path.display()), error)
            }
            (Which::Named(_), Some(_), Transport::OciArchive) => within("loading index".to_owned(), error),
            _ => error,
        })?;
        for image in &found {
            let folder = path.as_deref().unwrap_or(Path::new("/"));
            signature::check_folder(folder, &image.image.digest, &wanted)?;
        }
        Ok(found)
    });
    archive.await
}

fn within(doing: String, error: ArchiveError) -> ArchiveError {
    ArchiveError::At { doing, source: Box::new(error) }
}

/// Brings one image in, and says so for every name that it has.
async fn take(engine: &Engine, found: Found, reporter: &Reporter) -> Result<(Digest, Vec<String>), Error> {
    let (id, names) = (found.image.id, found.image.names.clone());
    let present = |layer: &IncomingLayer| PullLayer { blob: layer.blob, size: layer.size, present: true };
    let again: Vec<PullLayer> = found.image.layers.iter().map(present).collect();
    let source = Arc::new(Archive::source(found.places));
    let _turn = Turn::take(engine.paths(), &found.image.digest).await?;
    install(engine, found.image, source, reporter).await?;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        reporter.say(PullProgress::Done { id, name: id.to_string() });
    }
    for (number, name) in names.iter().cloned().enumerate() {
        if number > 0 {
            // To Podman every name is an image that is copied.
            reporter.say(PullProgress::Layers(again.clone()));
        }
        reporter.say(PullProgress::Done { id, name });
    }
    Ok((id, names))
}

/// The image that is here already.
async fn here(engine: &Engine, name: &Reference, reporter: &Reporter) -> Result<(), Error> {
    let wanted = name.to_string();
    let Ok(details) = engine.images().inspect(&wanted).await else {
        return Err(ArchiveError::NotHere(wanted).into());
    };
    let layers = super::diff_ids(&details)?;
    let present = |layer: Digest| PullLayer { blob: layer, size: 0, present: true };
    reporter.say(PullProgress::Layers(layers.into_iter().map(present).collect()));
    reporter.say(PullProgress::Done { id: details.summary.id, name: wanted });
    Ok(())
}

/// Opens what a name says. What is wrong is said in Podman's words, which are others for every transport.
fn open(transport: Transport, path: &Path, which: &Which) -> Result<OwnedFd, ArchiveError> {
    let shown = path.display();
    let words = |error: &io::Error| match (transport, error.kind()) {
        (Transport::OciArchive, io::ErrorKind::NotFound) => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            format!("creating temp directory: archive file not found: {:?}", whole.display().to_string())
        }
        (Transport::DockerArchive | Transport::OciArchive, _) => {
            format!("opening file {:?}: open {shown}: {}", shown.to_string(), os_words(error))
        }
        (Transport::Oci, _) => format!("open {shown}/index.json: {}", os_words(error)),
        (Transport::Dir, _) => format!("open {shown}/manifest.json: {}", os_words(error)),
    };
    let opened = File::open(path).and_then(|file| {
        let folder = file.metadata()?.is_dir();
        match (folder, transport.is_folder()) {
            (true, true) | (false, false) => Ok(file),
            (true, false) => Err(io::Error::from_raw_os_error(libc::EISDIR)),
            (false, true) => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
        }
    });
    let failed = |error: io::Error| ArchiveError::Open(words(&error));
    match (opened.map_err(failed), which) {
        (Err(error), Which::Named(name)) if transport == Transport::Oci => {
            Err(within(format!("initializing source oci:{shown}:{name}"), error))
        }
        (opened, _) => Ok(opened?.into()),
    }
}

/// What a thing has not that should be an image of that kind, in Podman's words.
fn lacking(transport: Transport, path: &Path) -> ArchiveError {
    let path = path.display();
    ArchiveError::Open(match transport {
        Transport::DockerArchive => "loading tar component \"manifest.json\": file does not exist".to_owned(),
        Transport::OciArchive => format!("loading index: {path} has no index.json"),
        Transport::Oci => format!("open {path}/index.json: no such file or directory"),
        Transport::Dir => format!("open {path}/manifest.json: no such file or directory"),
    })
}

/// What an event calls an archive: its path, or `-` for what has none.
fn event_name(input: &OwnedFd) -> String {
    input::path_of(input).map_or_else(|| "-".to_owned(), |path| path.display().to_string())
}

/// The archive itself if it can be read where it is, or else what comes out of it in a nameless file in the store.
async fn readable_twice(engine: &Engine, input: OwnedFd) -> Result<File, Error> {
    let file = File::from(input);
    let kind = file.metadata().map_err(ArchiveError::Read)?.file_type();
    if kind.is_dir() {
        return Ok(file);
    }
    if kind.is_file() {
        let mut magic = [0; 6];
        let length = file.read_at(&mut magic, 0).map_err(ArchiveError::Read)?;
        let how = compression(&magic[..length]).map_err(|error| ArchiveError::Unknown(error.to_string()))?;
        if how == Compression::None {
            return Ok(file);
        }
    }
    let folder = engine.paths().layers();
    let spool = engine.blocking("making room for an archive", move || {
        let failed = |source| Error::Io { doing: format!("making a file in {}", folder.display()), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        tempfile::tempfile_in(&folder).map_err(failed)
    });
    let spool = spool.await?;
    let mut bytes = input::bytes(file.into());
    // One who cancels leaves at once; the thread ends when it finds that nobody sends any more.
    let (sender, receiver) = mpsc::channel(4);
    let unpacking = engine
        .blocking("unpacking an archive", move || Ok(unpack(Chunks { receiver, rest: bytes::Bytes::new() }, spool)?));
    let feeding = async move {
        while let Some(chunk) = bytes.next().await {
            let failed = chunk.is_err();
            if sender.send(chunk).await.is_err() || failed {
                break;
            }
        }
    };
    let (spool, ()) = tokio::join!(unpacking, feeding);
    spool
}

/// Writes what `chunks` hold, unpacked, to `spool`.
fn unpack(mut chunks: Chunks, spool: File) -> Result<File, ArchiveError> {
    let mut magic = Vec::new();
    (&mut chunks).take(6).read_to_end(&mut magic).map_err(ArchiveError::Read)?;
    let how = compression(&magic).map_err(|error| ArchiveError::Unknown(error.to_string()))?;
    let packed = io::Cursor::new(magic).chain(chunks);
    let mut reader: Box<dyn Read> = match how {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Compression::Zstd => Box::new(zstd::Decoder::new(packed).map_err(ArchiveError::Read)?),
    };
    let mut writer = io::BufWriter::with_capacity(1 << 20, spool);
    io::copy(&mut reader, &mut writer).map_err(ArchiveError::Read)?;
    writer.flush().map_err(ArchiveError::Read)?;
    writer.into_inner().map_err(|error| ArchiveError::Read(error.into_error()))
}

/// Chunks as they come, for a thread that may block. Ends when whoever sends them is gone.
struct Chunks {
    receiver: mpsc::Receiver<io::Result<bytes::Bytes>>,
    rest: bytes::Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.rest.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}
