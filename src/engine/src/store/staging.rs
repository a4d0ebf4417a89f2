// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The folder in which an image's layers are unpacked before they are committed.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;

use super::unpack::Limits;
use super::{Guard, STAGING, StoreError, failed, random};
use crate::config::{Folders, limits};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::images;
use crate::step::{Answer, Compression, Step};

/// As much as the kernel gives an ordinary user: fewer changes between who receives and who unpacks.
const PIPE_SIZE: usize = 1 << 20;

/// So many bytes of an image may have come and wait to be unpacked. A stream that is taken as fast as it comes keeps its speed: a
/// sender whose receiver's window is full again and again waits for its timers (on loopback, with BBR, a pull took ten seconds
/// instead of one).
const AHEAD: usize = 64 << 20;

/// Enough of a stream to see how it is packed.
pub(crate) const MAGIC_LENGTH: usize = 6;

/// A folder that is ours as long as this lives; it is removed with everything left in it.
pub(crate) struct Staging {
    engine: Engine,
    path: PathBuf,
    /// What a layer may not exceed.
    limits: Limits,
    /// Bytes of all its layers that wait to be unpacked.
    ahead: AtomicUsize,
    /// Bytes of the files of all layers that are unpacked.
    brought: AtomicU64,
    /// Held by the steps too, so that the folder stays ours until the last of them has ended.
    lock: Option<OwnedFd>,
}

/// A layer that is unpacked, not yet synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) layer: images::Layer,
    /// What it came as.
    pub(crate) blob: Option<Digest>,
    /// How that was packed.
    pub(crate) compression: Compression,
    /// Where that is, and how long it is.
    pub(crate) place: Option<(String, u64)>,
    /// Where it is: `diff` is below.
    pub(crate) folder: PathBuf,
}

/// What is wrong with a layer, not with the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Nothing came.
    #[error("it is empty: not even the end of an archive")]
    Empty,
    /// Packed in a way that images are not packed in.
    #[error("it is compressed with {0}; gzip and zstd are understood")]
    Compression(&'static str),
    /// It is not the layer that the configuration names.
    #[error("its digest unpacked is {found}, but the image's configuration says {expected}")]
    DiffId {
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// It is not here any more: its image was removed.
    #[error("its image has been removed")]
    Gone,
    /// Together with those that came before it there is too much.
    #[error(
        "with the layers before it the image is over the limit of {limit} bytes of files of an image: image-size below [limits] in ~/.config/haulout/config.toml raises it"
    )]
    Image {
        /// How much there may be.
        limit: u64,
    },
    /// The unpacking step's own words.
    #[error("{0}")]
    Unpack(String),
}

impl Staging {
    /// Makes one, and finds what killed processes left (to be given to [`super::remove`]).
    pub(crate) async fn make(engine: &Engine) -> Result<(Self, Vec<PathBuf>), Error> {
        let paths = engine.paths().clone();
        let any_owner = engine.paths().elsewhere.any_owner;
        let limits = Limits { any_owner, ..limits::read(&Folders::from_environment())? };
        let made = engine.state(move |database| {
            Ok((|| {
                let guard = Guard::take(&paths)?;
                let garbage = guard.collect(database.reader())?;
                let path = guard.folder().join(format!("{STAGING}{}", random()?));
                // Under the guard, because nobody must see it without its lock.
                fs::create_dir(&path).map_err(failed("making", &path))?;
                let lock = path.join("lock");
                let lock = File::create(&lock)
                    .and_then(|file| file.lock().map(|()| file))
                    .map_err(failed("locking", &lock))?;
                Ok::<_, StoreError>((path, lock, garbage))
            })())
        });
        let (path, lock, garbage) = made.await??;
        let staging = Self {
            engine: engine.clone(),
            path,
            limits,
            ahead: AtomicUsize::new(0),
            brought: AtomicU64::new(0),
            lock: Some(lock.into()),
        };
        Ok((staging, garbage))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Unpacks a layer that comes as `source` into a folder of its own, which `name` names. What the source yields as an error
    /// ends it.
    pub(crate) async fn unpack(
        &self,
        name: &str,
        source: impl Stream<Item = Result<Bytes, Error>>,
    ) -> Result<Unpacked, UnpackFailure> {
        // Its end is looked for more than once.
        let mut source = std::pin::pin!(source.fuse());
        let beginning = beginning(&mut source).await?;
        let compression = compression(&beginning)?;

        let io = |error: io::Error| Error::Io { doing: format!("a pipe for the layer {name}"), source: error };
        let (reader, writer) = pipe().map_err(io)?;
        let mut writer = pipe::Sender::from_owned_fd(writer).map_err(io)?;
        let mut unpacking = std::pin::pin!(self.unpack_from(name, reader, compression, None));
        let feeding = async {
            let mut waiting = Waiting::with(&self.ahead, beginning);
            let mut all_came = false;
            while !(all_came && waiting.is_empty()) {
                tokio::select! {
                    next = source.next(), if !all_came && waiting.may_grow() => match next {
                        Some(next) => waiting.push(next?),
                        None => all_came = true,
                    },
                    written = writer.write(waiting.first()), if !waiting.is_empty() => match written {
                        Ok(length) => waiting.take(length),
                        // The step has ended: its answer says why.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                        Err(error) => return Err(io(error)),
                    },
                }
            }
            // The reader's end of file.
            drop(writer);
            Ok::<(), Error>(())
        };
        tokio::select! {
            // It cannot end well before it was fed to the end, so whatever it says is why it stopped.
            unpacked = &mut unpacking => unpacked,
            fed = feeding => match fed {
                // Nobody reads any more: the step itself says why.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => unpacking.await,
                fed => {
                    fed?;
                    unpacking.await
                }
            }
        }
    }

    /// Unpacks a layer that comes out of `from`, all of it or so many bytes, into a folder of its own, which `name` names.
    pub(crate) async fn unpack_from(
        &self,
        name: &str,
        from: OwnedFd,
        compression: Compression,
        length: Option<u64>,
    ) -> Result<Unpacked, UnpackFailure> {
        let folder = self.path.join(name);
        let into = folder.join("diff");
        for path in [&folder, &into] {
            fs::create_dir(path).map_err(|error| Error::from(failed("making", path)(error)))?;
        }
        let mut descriptors = vec![from];
        if let Some(lock) = &self.lock {
            let copied = lock.try_clone();
            descriptors.push(copied.map_err(|error| Error::from(failed("locking", &self.path)(error)))?);
        }
        let limits = Limits { before: self.brought.load(Ordering::Relaxed), ..self.limits.clone() };
        let step = Step::Unpack { into, compression, length, limits };
        match self.engine.steps().await?.run(&step, descriptors).await {
            Ok(Answer::Unpacked { diff_id, tar_size, size, entries }) => {
                // Of layers that come at once each sees those that were there before it, so all are asked once more.
                let all = self.brought.fetch_add(size, Ordering::Relaxed).saturating_add(size);
                if all > self.limits.image {
                    return Err(LayerError::Image { limit: self.limits.image }.into());
                }
                let layer = images::Layer { diff_id, size, tar_size, entries };
                Ok(Unpacked { layer, blob: None, compression, place: None, folder })
            }
            Ok(Answer::Failed(words)) | Err(crate::step::StepError::Failed(words)) => {
                Err(LayerError::Unpack(words).into())
            }
            Ok(answer) => Err(LayerError::Unpack(format!("unexpected answer {answer:?}")).into()),
            Err(error) => Err(Error::from(error).into()),
        }
    }

    /// Removes it now.
    pub(crate) async fn close(mut self) -> Result<(), Error> {
        self.lock = None;
        clean(&self.engine, self.path.clone()).await
    }
}

/// Bytes that have come and are not yet passed on.
struct Waiting<'a> {
    chunks: VecDeque<Bytes>,
    /// How many there are, of all layers that come at once.
    ahead: &'a AtomicUsize,
}

impl<'a> Waiting<'a> {
    fn with(ahead: &'a AtomicUsize, beginning: Bytes) -> Self {
        let mut waiting = Self { chunks: VecDeque::new(), ahead };
        waiting.push(beginning);
        waiting
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Another layer may have taken all the room: then this one goes on by one chunk at a time.
    fn may_grow(&self) -> bool {
        self.is_empty() || self.ahead.load(Ordering::Relaxed) < AHEAD
    }

    fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.ahead.fetch_add(chunk.len(), Ordering::Relaxed);
            self.chunks.push_back(chunk);
        }
    }

    fn first(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    /// The first `length` bytes are passed on.
    fn take(&mut self, length: usize) {
        if let Some(first) = self.chunks.front_mut() {
            first.advance(length);
            self.ahead.fetch_sub(length, Ordering::Relaxed);
            if first.is_empty() {
                self.chunks.pop_front();
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.chunks.iter().map(Bytes::len).sum();
        self.ahead.fetch_sub(left, Ordering::Relaxed);
    }
}

/// Why a layer is not unpacked.
#[derive(Debug)]
pub(crate) enum UnpackFailure {
    /// The layer.
    Layer(LayerError),
    /// Anything else: its source, or the machine.
    Other(Error),
}

impl UnpackFailure {
    /// As the failure of the layer that came as `blob`.
    pub(crate) fn of(self, blob: &Digest) -> Error {
        match self {
            Self::Layer(source) => Error::Layer { blob: *blob, source },
            Self::Other(error) => error,
        }
    }
}

impl From<LayerError> for UnpackFailure {
    fn from(error: LayerError) -> Self {
        Self::Layer(error)
    }
}

impl From<Error> for UnpackFailure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Drop for Staging {
    /// A cancelled pull leaves nothing, if the program lives on a moment; else the next writer finds it.
    fn drop(&mut self) {
        if self.lock.take().is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (engine, path) = (self.engine.clone(), self.path.clone());
            runtime.spawn(async move {
                if let Err(error) = clean(&engine, path.clone()).await {
                    tracing::warn!("removing {}: {error}", path.display());
                }
            });
        }
    }
}

/// Removes a staging folder that we gave up.
async fn clean(engine: &Engine, path: PathBuf) -> Result<(), Error> {
    // The steps in it are being killed; nobody can remove a folder that is being written to.
    for _ in 0..500 {
        if !is_held(&path) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if !remove_empty(&path) && path.exists() {
        super::remove(engine.steps().await?, vec![path]).await?;
    }
    Ok(())
}

/// Removes a staging folder of whose maker there is nothing left but the lock; whether it is gone now.
pub(super) fn remove_empty(path: &Path) -> bool {
    let _ = fs::remove_file(path.join("lock"));
    fs::remove_dir(path).is_ok()
}

/// Whether someone, or a step of someone, still works in a staging folder.
pub(super) fn is_held(path: &Path) -> bool {
    match OpenOptions::new().write(true).open(path.join("lock")) {
        Ok(file) => file.try_lock().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // A user may have used up what is allowed for pipes: the usual 64 KiB do as well.
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_SIZE);
    rustix::io::ioctl_fionbio(&writer, true)?;
    Ok((reader, writer))
}

/// The first bytes of a stream, enough to tell how it is packed unless it is shorter.
async fn beginning(source: &mut (impl Stream<Item = Result<Bytes, Error>> + Unpin)) -> Result<Bytes, Error> {
    let mut beginning = Bytes::new();
    while beginning.len() < MAGIC_LENGTH
        && let Some(bytes) = source.next().await
    {
        let bytes = bytes?;
        beginning = if beginning.is_empty() { bytes } else { [beginning, bytes].concat().into() };
    }
    Ok(beginning)
}

/// How a stream is packed. Media types are not believed: there are registries full of wrong ones.
pub(crate) fn compression(beginning: &[u8]) -> Result<Compression, LayerError> {
    match beginning {
        [] => Err(LayerError::Empty),
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        // A frame, or a skippable one.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(LayerError::Compression("xz")),
        [b'B', b'Z', b'h', ..] => Err(LayerError::Compression("bzip2")),
        _ => Ok(Compression::None),
    }
}
