// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a user hands over as an open file: a file, or the end of a pipe that may never end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;

/// So much at once.
const CHUNK: usize = 1 << 20;

/// So many chunks may wait.
const AHEAD: usize = 4;

/// Where a file is; nothing of a pipe.
pub(super) fn path_of(input: &impl AsFd) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", input.as_fd().as_raw_fd())).ok();
    path.filter(|path| path.is_absolute())
}

/// What comes from `input`, to its end. A pipe is read by a thread of its own, because nothing can wake a thread that waits for a
/// pipe: it must not be one that the runtime waits for.
pub(crate) fn bytes(input: OwnedFd) -> BoxStream<'static, io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let mut file = File::from(input);
    let reader = std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        loop {
            let chunk = next_chunk(&mut file);
            let last = !matches!(&chunk, Ok(chunk) if !chunk.is_empty());
            if matches!(&chunk, Ok(chunk) if chunk.is_empty()) || sender.blocking_send(chunk).is_err() || last {
                return;
            }
        }
    });
    match reader {
        Ok(_) => stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }).boxed(),
        Err(error) => stream::once(async { Err(error) }).boxed(),
    }
}

fn next_chunk(file: &mut File) -> io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(read) => {
                buffer.truncate(read);
                return Ok(buffer.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A part of a file, as a stream. Nobody's place in the file moves.
pub(super) fn part(file: Arc<File>, start: u64, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
    stream::try_unfold((file, start, length), |(file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let chunk = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let reading = Arc::clone(&file);
        let bytes = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; chunk];
            reading.read_exact_at(&mut buffer, at).map(|()| Bytes::from(buffer))
        });
        let bytes = bytes.await.map_err(io::Error::other)??;
        Ok(Some((bytes, (file, at + chunk as u64, left - chunk as u64))))
    })
    .boxed()
}

/// A part of a file that another process reads: where it is in the file is seen here as well.
pub(super) struct Part {
    file: File,
    start: u64,
    pub(super) length: u64,
}

impl Part {
    /// Opens `file` once more. Not everybody who was given a file may.
    pub(super) fn open(file: &File, start: u64, length: u64) -> io::Result<Self> {
        let mut file = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { file, start, length })
    }

    /// What it begins with: so many bytes, unless it is shorter.
    pub(super) fn beginning(&self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length.min(usize::try_from(self.length).unwrap_or(length))];
        self.file.read_exact_at(&mut bytes, self.start)?;
        Ok(bytes)
    }

    /// For whoever reads it.
    pub(super) fn reader(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    /// How much of it was read.
    pub(super) fn passed(&self) -> u64 {
        let place = (&self.file).stream_position().unwrap_or(self.start);
        place.saturating_sub(self.start).min(self.length)
    }
}

/// A file with a place of its own in it.
pub(super) struct At {
    file: Arc<File>,
    place: u64,
    length: u64,
}

impl At {
    /// The beginning of `file`.
    pub(super) fn beginning(file: Arc<File>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, place: 0, length })
    }
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.place)?;
        self.place += read as u64;
        Ok(read)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.place = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}
