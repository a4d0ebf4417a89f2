// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loading archives of images.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::archive::{Archive, ArchiveError};
use super::input;
use super::install::install;
use super::platform::Platform;
use super::progress::Reporter;
use super::{PullProgress, announce};
use crate::config::Folders;
use crate::config::policy::Policy;
use crate::engine::{Engine, Error};
use crate::step::Compression;
use crate::store::{Turn, compression};

/// Loads every image of an archive.
pub(super) async fn load(engine: Engine, input: OwnedFd, reporter: Reporter) -> Result<(), Error> {
    engine.steps().await?;
    // Of a pipe it says that it is one, which is no path.
    let path = std::fs::read_link(format!("/proc/self/fd/{}", input.as_raw_fd())).ok();
    let file = readable_twice(&engine, input).await?;
    let archive = engine.blocking("reading an archive", move || {
        let folder = file.metadata().map_err(ArchiveError::Read)?.is_dir();
        let archive = if folder { Archive::open_folder(file) } else { Archive::open(file) }?;
        Policy::read(&Folders::from_environment())?.admit_from(archive.transport(), path.as_deref())?;
        Ok(archive.images(&Platform::of_this_machine())?)
    });
    for found in archive.await? {
        let (id, names) = (found.image.id, found.image.names.clone());
        let source = Arc::new(Archive::source(found.places));
        let _turn = Turn::take(engine.paths(), &found.image.digest).await?;
        install(&engine, found.image, source, &reporter).await?;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        announce(&engine, "loadfromarchive", &id, names.first().map_or("", String::as_str));
        if names.is_empty() {
            reporter.say(PullProgress::Done { id, name: id.to_string() });
        }
        for name in names {
            reporter.say(PullProgress::Done { id, name });
        }
    }
    Ok(())
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
