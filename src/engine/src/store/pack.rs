// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Putting a layer's tar together again: the bytes that [`super::parts`] kept and the contents of the layer's files, checked
//! against the layer's digest.
//!
//! Two threads: one reads and hashes, one writes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use sha2::{Digest as _, Sha256};

use super::parts::{KEPT, PARTS, Part, Parts};
use super::tar_split::{self, TarSplit};
use crate::digest::Digest;

const BLOCK: usize = 256 << 10;
/// How many wait between the threads.
const BLOCKS: usize = 4;

/// Why a layer could not be put together again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// What was kept of its tar.
    #[error("reading {}: {source}", path.display())]
    Parts {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Nothing was.
    #[error(
        "nothing was kept of the layer's tar: it was stored by an older Haulout, or its file {PARTS} was removed; remove the image and pull it again (haulout rmi --force IMAGE; haulout pull IMAGE)"
    )]
    NotKept,
    /// One of its files.
    #[error("reading {path:?} of the layer: {source}")]
    File {
        /// Its path in the layer.
        path: String,
        /// What came back.
        source: io::Error,
    },
    /// It was changed in the store.
    #[error(
        "the layer was changed in the store: it should be {expected}, and is {found}; remove the image and pull it again"
    )]
    Changed {
        /// What it is called.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// Whoever reads it has gone, or the disk is full.
    #[error("writing the layer: {0}")]
    Write(io::Error),
}

/// Writes the tar of the layer in the folder `layer`, of which `parts` was kept, to `to`. When it fails, something that is not that
/// tar was written.
///
/// # Errors
/// See [`PackError`].
pub fn pack(layer: &Path, parts: &Path, to: OwnedFd, expected: &Digest) -> Result<(), PackError> {
    let (blocks, filled) = sync_channel(BLOCKS);
    let (empty, recycled) = channel();
    let (layer, parts) = (layer.to_owned(), parts.to_owned());
    let reader = std::thread::spawn(move || {
        let block = Vec::with_capacity(BLOCK);
        let mut blocks = Blocks { block, hash: Sha256::new(), sender: blocks, recycled };
        read(&layer, &parts, &mut blocks)?;
        blocks.flush();
        Ok(Digest::from_bytes(blocks.hash.finalize().into()))
    });
    let written = write(to, &filled, &empty);
    // Whoever fills blocks that nobody takes any more is not to wait for ever.
    drop(filled);
    let found = reader.join().map_err(|_| PackError::Write(io::ErrorKind::BrokenPipe.into()))??;
    written.map_err(PackError::Write)?;
    if found != *expected {
        return Err(PackError::Changed { expected: *expected, found });
    }
    Ok(())
}

fn write(to: OwnedFd, filled: &Receiver<Vec<u8>>, empty: &Sender<Vec<u8>>) -> io::Result<()> {
    let mut to = File::from(to);
    while let Ok(block) = filled.recv() {
        to.write_all(&block)?;
        let _ = empty.send(block);
    }
    Ok(())
}

/// What is sent to the thread that writes.
struct Blocks {
    block: Vec<u8>,
    hash: Sha256,
    sender: SyncSender<Vec<u8>>,
    recycled: Receiver<Vec<u8>>,
}

impl Blocks {
    fn flush(&mut self) {
        let mut next = self.recycled.try_recv().unwrap_or_default();
        next.clear();
        next.reserve(BLOCK);
        self.hash.update(&self.block);
        // One who wants no more says why itself.
        let _ = self.sender.send(std::mem::replace(&mut self.block, next));
    }

    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK {
                self.flush();
            }
        }
    }

    /// `length` bytes of a file from `offset` on.
    fn put_file(&mut self, file: &File, mut offset: u64, mut length: u64) -> io::Result<()> {
        while length > 0 {
            let used = self.block.len();
            let now = usize::try_from(length).unwrap_or(usize::MAX).min(BLOCK - used);
            self.block.resize(used + now, 0);
            file.read_exact_at(&mut self.block[used..], offset)?;
            offset += now as u64;
            length -= now as u64;
            if self.block.len() == BLOCK {
                self.flush();
            }
        }
        Ok(())
    }
}

/// A path whose content was replaced after so many contents, and is kept.
struct Replaced {
    after: usize,
    path: Vec<u8>,
    kept: u64,
}

/// What was kept, in our own form or in Podman's.
fn records(path: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<Part>>>> {
    let is_podmans = path.to_str().is_some_and(|path| path.ends_with(tar_split::EXTENSION));
    Ok(if is_podmans { Box::new(TarSplit::open(path)?) } else { Box::new(Parts::open(path)?) })
}

fn read(layer: &Path, path: &Path, blocks: &mut Blocks) -> Result<(), PackError> {
    let failed = |source| PackError::Parts { path: path.to_owned(), source };
    let mut replaced = Vec::new();
    let mut contents = 0;
    let opened = records(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PackError::NotKept,
        _ => failed(error),
    });
    for part in opened? {
        match part.map_err(failed)? {
            Part::Raw(_) => {}
            Part::Content { .. } => contents += 1,
            Part::Replaced { path, kept } => replaced.push(Replaced { after: contents, path, kept }),
        }
    }
    let root = File::open(layer).map_err(failed)?;
    let mut index = 0;
    for part in records(path).map_err(failed)? {
        match part.map_err(failed)? {
            Part::Raw(bytes) => blocks.put(&bytes),
            Part::Replaced { .. } => {}
            Part::Content { path, regions, size } => {
                let unread = |source| PackError::File { path: String::from_utf8_lossy(&path).into_owned(), source };
                let file = open(&root, &place(&path, index, &replaced)).map_err(unread)?;
                // One that was written to at its end would pass otherwise.
                let length = file.metadata().map_err(unread)?.len();
                if regions.is_empty() && length != size {
                    let what = format!("it is {length} bytes long and was {size}");
                    return Err(unread(io::Error::new(io::ErrorKind::InvalidData, what)));
                }
                if regions.is_empty() {
                    blocks.put_file(&file, 0, size).map_err(unread)?;
                }
                for (offset, length) in regions {
                    blocks.put_file(&file, offset, length).map_err(unread)?;
                }
                index += 1;
            }
        }
    }
    Ok(())
}

/// Where a content is now, from the layer's folder: where it was written, unless it was replaced later.
fn place(path: &[u8], index: usize, replaced: &[Replaced]) -> Vec<u8> {
    for one in replaced.iter().filter(|one| one.after > index) {
        let rest = path.strip_prefix(one.path.as_slice());
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            return [format!("{KEPT}/{}", one.kept).as_bytes(), rest].concat();
        }
    }
    [b"diff/".as_slice(), path].concat()
}

/// Opens a file of the layer and no other.
fn open(root: &File, path: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // The two folders below the layer's are roots of their own: a link to `/x` leads to the layer's x.
    let slash = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
    let (top, rest) = path.split_at(slash);
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let top = rustix::fs::openat(root, top, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let file = File::from(rustix::fs::openat2(&top, rest, flags, Mode::empty(), resolve)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file any more"));
    }
    Ok(file)
}
