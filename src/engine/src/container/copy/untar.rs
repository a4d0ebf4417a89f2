// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unpacking a tar into a folder of a container, over what is there. Nothing in the archive is trusted: every name is opened
//! from the root of the container, out of which no link leads, and none of them may go up.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::resolve::{Found, Root};
use super::tree::{Copier, Like, again};
use crate::step::Compression;
use crate::store;

const NO_TAR: &str = "source must be a (compressed) tar archive when copying from stdin";

/// Unpacks `tar` into `into`, whose path in `root` it was found by.
pub(super) fn unpack(tar: OwnedFd, root: &Root, into: &Found, copier: Copier) -> Result<(), String> {
    let mut archive = Archive::new(inflated(File::from(tar))?);
    let mut unpacker = Unpacker { root, into, copier, last: None, times: HashMap::new() };
    let mut first = true;
    for entry in archive.entries().map_err(|_| NO_TAR)? {
        let entry =
            entry.map_err(|error| if first { NO_TAR.to_owned() } else { format!("reading the tar: {error}") })?;
        first = false;
        unpacker.entry(entry)?;
    }
    if first {
        return Err(NO_TAR.to_owned());
    }
    unpacker.finish();
    Ok(())
}

/// What the archive is packed from.
fn inflated(mut file: File) -> Result<Box<dyn Read>, String> {
    let failed = |error: io::Error| format!("reading the tar: {error}");
    let mut beginning = Vec::new();
    (&mut file).take(8).read_to_end(&mut beginning).map_err(failed)?;
    let packed = store::compression(&beginning).map_err(|_| NO_TAR)?;
    let whole = io::Cursor::new(beginning).chain(file);
    Ok(match packed {
        Compression::None => Box::new(io::BufReader::with_capacity(256 << 10, whole)),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::Decoder::new(whole).map_err(failed)?),
    })
}

struct Unpacker<'a> {
    root: &'a Root,
    into: &'a Found,
    copier: Copier,
    /// The folder that was written to last.
    last: Option<(PathBuf, OwnedFd)>,
    /// The times that folders are to have when everything is in them.
    times: HashMap<PathBuf, Timestamps>,
}

impl Unpacker<'_> {
    fn entry(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), String> {
        let name = entry.path().map_err(|error| format!("reading the tar: {error}"))?.into_owned();
        let failed = |what: &dyn std::fmt::Display| format!("unpacking {:?}: {what}", name.display().to_string());
        let path = plain(&name).ok_or_else(|| failed(&"its name leads out of the folder"))?;
        let (Some(parent), Some(base)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let base = CString::new(base.as_bytes()).map_err(|error| failed(&error))?;
        self.copier.at(&path);
        let header = entry.header().clone();
        let mtime = header.mtime().unwrap_or_default();
        let time = Timespec { tv_sec: i64::try_from(mtime).unwrap_or_default(), tv_nsec: 0 };
        let id = |id: io::Result<u64>| id.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
        let attributes = attributes(&mut entry);
        let like = Like {
            mode: header.mode().unwrap_or(0o644) & 0o7777,
            uid: id(header.uid()),
            gid: id(header.gid()),
            times: Timestamps { last_access: time, last_modification: time },
            attributes: &attributes,
        };
        let folder = self.folder(parent)?;
        match header.entry_type() {
            EntryType::Directory => {
                let (made, is_new) = self.copier.make_folder(folder.as_fd(), &base)?;
                if is_new {
                    self.copier.settle(&made, &like).map_err(|errno| failed(&errno))?;
                    self.times.insert(path, like.times);
                }
                Ok(())
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| failed(&"a link without a target"))?;
                let target = CString::new(target.as_ref()).map_err(|error| failed(&error))?;
                self.copier.symlink(&target, folder.as_fd(), &base, &like)
            }
            EntryType::Link => {
                let target = entry.link_name().ok().flatten().ok_or_else(|| failed(&"a link without a target"))?;
                let target = plain(&target).ok_or_else(|| failed(&"what it is a link to is out of the folder"))?;
                let (Some(parent), Some(first)) = (target.parent(), target.file_name()) else { return Ok(()) };
                let there = self.folder(parent)?;
                let link = || rustix::fs::linkat(&there, first, &folder, &base, AtFlags::empty());
                again(folder.as_fd(), &base, link).map_err(|errno| failed(&errno))
            }
            kind @ (EntryType::Fifo | EntryType::Char | EntryType::Block) => {
                let number = |part: io::Result<Option<u32>>| part.ok().flatten().unwrap_or_default();
                let device = rustix::fs::makedev(number(header.device_major()), number(header.device_minor()));
                let (kind, device) = match kind {
                    EntryType::Fifo => (FileType::Fifo, 0),
                    EntryType::Char => (FileType::CharacterDevice, device),
                    _ => (FileType::BlockDevice, device),
                };
                match self.copier.node(kind, device, folder.as_fd(), &base, &like) {
                    Err(Errno::PERM) if kind != FileType::Fifo => Ok(()),
                    other => other.map_err(|errno| failed(&errno)),
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = File::from(self.copier.create(folder.as_fd(), &base, like.mode)?);
                io::copy(&mut entry, &mut file).map_err(|error| failed(&error))?;
                self.copier.settle(&file.into(), &like).map_err(|errno| failed(&errno))
            }
            // What an archive says of itself.
            _ => Ok(()),
        }
    }

    /// Opens the folder `path` below the one that is unpacked into; makes what is missing on the way.
    fn folder(&mut self, path: &Path) -> Result<OwnedFd, String> {
        let copied = |fd: &OwnedFd| fd.try_clone().map_err(|error| format!("opening a folder: {error}"));
        if let Some((last, fd)) = &self.last
            && last == path
        {
            return copied(fd);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match self.root.at(&self.root.path.join(path), flags) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => {
                let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                    return self.into.folder().map_err(|errno| self.root.failed(errno));
                };
                let name = CString::new(name.as_bytes()).map_err(|error| error.to_string())?;
                let above = self.folder(parent)?;
                self.copier.make_folder(above.as_fd(), &name)?.0
            }
            Err(errno) => return Err(format!("opening {:?}: {errno}", path.display().to_string())),
        };
        self.last = Some((path.to_owned(), copied(&fd)?));
        Ok(fd)
    }

    /// Folders get their times last: what is put into them changes those.
    fn finish(mut self) {
        for (path, times) in std::mem::take(&mut self.times) {
            if let Ok(folder) = self.folder(&path) {
                let _ = rustix::fs::futimens(&folder, &times);
            }
        }
    }
}

/// The name without `.` and a leading slash; nothing for one that goes up.
fn plain(name: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

fn attributes(entry: &mut Entry<'_, impl Read>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Ok(Some(extensions)) = entry.pax_extensions() else { return Vec::new() };
    let named = extensions.flatten().filter_map(|record| {
        let name = record.key_bytes().strip_prefix(b"SCHILY.xattr.")?;
        Some((name.to_vec(), record.value_bytes().to_vec()))
    });
    named.filter(|(name, _)| name.starts_with(b"user.") || name == b"security.capability").collect()
}
