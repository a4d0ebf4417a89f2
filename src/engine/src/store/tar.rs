// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing a tree as a tar (pax, POSIX.1-2017): what `export`, `commit` and `cp … -` give.
//!
//! Every folder is opened from the one above it and no link is followed. Of a container's changes, what hides something of the
//! layers below becomes what a layer has for it (OCI image specification, layer.md).

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tar::{EntryType, Header};

use super::layered::{OPAQUE, is_opaque};
use crate::userns::modes::Mapping;

/// What overlay keeps its own knowledge in (mounted with `userxattr`).
const OVERLAY: &[u8] = b"user.overlay.";
const BLOCK: usize = 512;
/// So much is written at once.
const BUFFER: usize = 256 << 10;
/// Deeper trees are refused: every folder on the way is open.
const DEPTH: usize = 512;
/// The most that a header's seven octal digits hold.
const MAX_ID: u32 = 0o7_777_777;
/// The most that its eleven hold.
const MAX_SIZE: u64 = 0o77_777_777_777;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A tree that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// Something in the tree.
    #[error("reading {path:?}: {source}")]
    Read {
        /// Its path in the archive.
        path: String,
        /// What came back.
        source: io::Error,
    },
    /// Whoever reads it has gone, or the disk is full.
    #[error("writing the archive: {0}")]
    Write(io::Error),
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The files as they are.
    Tree,
    /// The upper folder of an overlay: whiteouts are written as a layer has them.
    Changes,
}

/// A tar that is being written.
pub(crate) struct Writer {
    to: File,
    buffer: Vec<u8>,
    kind: Kind,
    mapping: Option<Mapping>,
    /// Where the first name of a file with several is.
    links: HashMap<(u64, u64), Vec<u8>>,
}

impl Writer {
    /// One that goes to `to`.
    pub(crate) fn new(to: OwnedFd, kind: Kind) -> Self {
        Self { to: to.into(), buffer: Vec::with_capacity(BUFFER), kind, mapping: None, links: HashMap::new() }
    }

    /// The same, with the ids that files have in a container with `mapping`.
    pub(crate) fn mapped(mut self, mapping: Option<&Mapping>) -> Self {
        self.mapping = mapping.cloned();
        self
    }

    /// What is in `folder`, below `path` (which ends with a slash, or is empty).
    pub(crate) fn contents(&mut self, folder: BorrowedFd<'_>, path: &[u8]) -> Result<(), TarError> {
        self.below(folder, path, 0)
    }

    /// What has `name` in `folder`, as `path`, with everything in it.
    pub(crate) fn entry(&mut self, folder: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Result<(), TarError> {
        self.one(folder, name, path, 0)
    }

    /// The folder `folder` as `path`, with everything in it.
    pub(crate) fn folder(&mut self, folder: &OwnedFd, stat: &Stat, path: &[u8]) -> Result<(), TarError> {
        let path = [path, b"/"].concat();
        let own = shown(&attributes(folder));
        self.header(&path, stat, EntryType::Directory, 0, None, &own)?;
        self.below(folder.as_fd(), &path, 0)
    }

    /// The end of the archive.
    pub(crate) fn finish(mut self) -> Result<(), TarError> {
        self.buffer.resize(self.buffer.len() + 2 * BLOCK, 0);
        self.flush()
    }

    fn below(&mut self, folder: BorrowedFd<'_>, path: &[u8], depth: usize) -> Result<(), TarError> {
        if depth > DEPTH {
            return Err(read(path)(Errno::NAMETOOLONG));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(folder).map_err(read(path))? {
            let entry = entry.map_err(read(path))?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        // The same tree gives the same archive.
        names.sort_unstable();
        for name in names {
            let below = [path, name.to_bytes()].concat();
            match self.one(folder, &name, &below, depth) {
                // It has gone since the folder was read.
                Err(TarError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn one(&mut self, folder: BorrowedFd<'_>, name: &CStr, path: &[u8], depth: usize) -> Result<(), TarError> {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(read(path))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.kind == Kind::Changes && name == OPAQUE {
            // Its folder has said so.
            return Ok(());
        }
        if self.kind == Kind::Changes && kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return self.whiteout(path);
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&identity) {
                let first = first.clone();
                return self.header(path, &stat, EntryType::Link, 0, Some(&first), &[]);
            }
            self.links.insert(identity, path.to_vec());
        }
        match kind {
            FileType::Directory => {
                let lower = rustix::fs::openat(folder, name, FOLDER, Mode::empty()).map_err(read(path))?;
                let attributes = attributes(&lower);
                let own = shown(&attributes);
                let path = [path, b"/"].concat();
                self.header(&path, &stat, EntryType::Directory, 0, None, &own)?;
                if self.kind == Kind::Changes && is_opaque(&lower) {
                    self.plain(&[&path, b".wh..wh..opq".as_slice()].concat())?;
                }
                self.below(lower.as_fd(), &path, depth + 1)
            }
            FileType::RegularFile => {
                let file = rustix::fs::openat(folder, name, READ, Mode::empty()).map_err(read(path))?;
                let own = shown(&attributes(&file));
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                self.header(path, &stat, EntryType::Regular, size, None, &own)?;
                self.content(path, file.into(), size)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new()).map_err(read(path))?;
                self.header(path, &stat, EntryType::Symlink, 0, Some(target.as_bytes()), &[])
            }
            FileType::Fifo => self.header(path, &stat, EntryType::Fifo, 0, None, &[]),
            FileType::CharacterDevice => self.header(path, &stat, EntryType::Char, 0, None, &[]),
            FileType::BlockDevice => self.header(path, &stat, EntryType::Block, 0, None, &[]),
            // Sockets belong to whoever listens.
            _ => Ok(()),
        }
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<(), TarError> {
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        self.plain(&[&path[..at], b".wh.".as_slice(), &path[at..]].concat())
    }

    /// An empty file that stands for something.
    fn plain(&mut self, path: &[u8]) -> Result<(), TarError> {
        let mut header = Header::new_ustar();
        header.set_mode(0);
        let extended = fill(&mut header, path, None, &[]);
        self.put(header, EntryType::Regular, 0, &extended)
    }

    fn header(
        &mut self,
        path: &[u8],
        stat: &Stat,
        kind: EntryType,
        size: u64,
        target: Option<&[u8]>,
        attributes: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<(), TarError> {
        let mut header = Header::new_ustar();
        header.set_mode(stat.st_mode & 0o7777);
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
        let mut extended = fill(&mut header, path, target, attributes);
        let (uid, gid) = (stat.st_uid, stat.st_gid);
        let (uid, gid) = self.mapping.as_ref().map_or((uid, gid), |mapping| mapping.inside((uid, gid)));
        for (key, id) in [("uid", uid), ("gid", gid)] {
            if id > MAX_ID {
                record(&mut extended, key.as_bytes(), id.to_string().as_bytes());
            }
        }
        header.set_uid(uid.min(MAX_ID).into());
        header.set_gid(gid.min(MAX_ID).into());
        if size > MAX_SIZE {
            record(&mut extended, b"size", size.to_string().as_bytes());
        }
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let _ = header.set_device_major(rustix::fs::major(stat.st_rdev));
            let _ = header.set_device_minor(rustix::fs::minor(stat.st_rdev));
        }
        self.put(header, kind, size, &extended)
    }

    fn put(&mut self, mut header: Header, kind: EntryType, size: u64, extended: &[u8]) -> Result<(), TarError> {
        if !extended.is_empty() {
            let mut before = Header::new_ustar();
            let _ = before.set_path("PaxHeaders.0/x");
            before.set_mode(0o644);
            before.set_size(extended.len() as u64);
            before.set_entry_type(EntryType::XHeader);
            before.set_cksum();
            self.buffer.extend_from_slice(before.as_bytes());
            self.buffer.extend_from_slice(extended);
            self.pad(extended.len() as u64);
        }
        header.set_size(if size > MAX_SIZE { 0 } else { size });
        header.set_entry_type(kind);
        header.set_cksum();
        self.buffer.extend_from_slice(header.as_bytes());
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn pad(&mut self, size: u64) {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        if over > 0 {
            self.buffer.resize(self.buffer.len() + BLOCK - over, 0);
        }
    }

    /// Just `size` bytes, whatever becomes of the file meanwhile.
    fn content(&mut self, path: &[u8], file: File, size: u64) -> Result<(), TarError> {
        let failed = |source| TarError::Read { path: String::from_utf8_lossy(path).into_owned(), source };
        let mut limited = file.take(size);
        let mut copied = 0;
        if size > BUFFER as u64 {
            self.flush()?;
            copied = io::copy(&mut limited, &mut self.to).map_err(TarError::Write)?;
        } else {
            copied += limited.read_to_end(&mut self.buffer).map_err(failed)? as u64;
        }
        if copied < size {
            self.flush()?;
            io::copy(&mut io::repeat(0).take(size - copied), &mut self.to).map_err(TarError::Write)?;
        }
        self.pad(size);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), TarError> {
        self.to.write_all(&self.buffer).map_err(TarError::Write)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Those attributes that an archive has.
fn shown(attributes: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let own = |name: &[u8]| name.starts_with(b"user.") && !name.starts_with(OVERLAY);
    attributes.iter().filter(|(name, _)| own(name) || name == b"security.capability").cloned().collect()
}

fn read(path: &[u8]) -> impl FnOnce(Errno) -> TarError {
    let path = String::from_utf8_lossy(path).into_owned();
    move |errno| TarError::Read { path, source: errno.into() }
}

/// Puts a name and what it points to into `header`; what does not fit there is answered as extended records.
fn fill(header: &mut Header, path: &[u8], target: Option<&[u8]>, attributes: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut extended = Vec::new();
    let place = header.as_ustar_mut();
    if let Some(place) = place {
        if path.len() <= place.name.len() {
            place.name[..path.len()].copy_from_slice(path);
        } else {
            let length = place.name.len();
            place.name.copy_from_slice(&path[..length]);
            record(&mut extended, b"path", path);
        }
        if let Some(target) = target {
            let length = target.len().min(place.linkname.len());
            place.linkname[..length].copy_from_slice(&target[..length]);
            if length < target.len() {
                record(&mut extended, b"linkpath", target);
            }
        }
    }
    for (name, value) in attributes {
        record(&mut extended, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    extended
}

/// One record of an extended header: `LENGTH KEY=VALUE\n`, the length counting itself.
fn record(extended: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    extended.extend_from_slice(length.to_string().as_bytes());
    extended.push(b' ');
    extended.extend_from_slice(key);
    extended.push(b'=');
    extended.extend_from_slice(value);
    extended.push(b'\n');
}

/// The extended attributes that a file has and that can be read.
pub(crate) fn attributes(file: &OwnedFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    // Most have none: asked for its length first, which costs nothing.
    let length = match rustix::fs::flistxattr_query(file) {
        Ok(0) | Err(_) => return Vec::new(),
        Ok(length) => length,
    };
    let mut list = vec![0_u8; length];
    let Ok(length) = rustix::fs::flistxattr(file, list.as_mut_slice()) else { return Vec::new() };
    let names = list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let name = CString::new(name).ok()?;
        let mut value = vec![0_u8; 64 << 10];
        let length = rustix::fs::fgetxattr(file, &name, value.as_mut_slice()).ok()?;
        value.truncate(length);
        Some(value)
    };
    names.filter_map(|name| Some((name.to_vec(), value(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn written(folder: &std::path::Path, kind: Kind) -> BTreeMap<String, (char, u64, String)> {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(file.try_clone().unwrap().into(), kind);
        writer.contents(File::open(folder).unwrap().as_fd(), b"").unwrap();
        writer.finish().unwrap();
        let mut file = file;
        io::Seek::rewind(&mut file).unwrap();
        let mut archive = tar::Archive::new(file);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
            let kind = char::from(entry.header().entry_type().as_byte());
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            (path, (kind, entry.size(), link.unwrap_or(content)))
        });
        entries.collect()
    }

    #[test]
    fn a_tree_comes_back_with_long_names_links_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let long = "n".repeat(200);
        fs::create_dir_all(folder.path().join("a").join(&long)).unwrap();
        fs::write(folder.path().join("a").join(&long).join("f"), "deep").unwrap();
        fs::write(folder.path().join("b"), "x".repeat(300_000)).unwrap();
        fs::hard_link(folder.path().join("b"), folder.path().join("c")).unwrap();
        symlink("t".repeat(150), folder.path().join("l")).unwrap();
        let found = written(folder.path(), Kind::Tree);
        assert_eq!(found[&format!("a/{long}/f")], ('0', 4, "deep".to_owned()));
        assert_eq!(found["b"].1, 300_000);
        assert_eq!(found["c"], ('1', 0, "b".to_owned()));
        assert_eq!(found["l"], ('2', 0, "t".repeat(150)));
        assert_eq!(found["a/"].0, '5');
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for length in [1, 85, 86, 87, 985, 986, 987] {
            let mut record_ = Vec::new();
            record(&mut record_, b"path", &vec![b'x'; length]);
            let said: usize = String::from_utf8_lossy(&record_).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, record_.len(), "{length}");
        }
    }

    #[test]
    fn what_hides_a_whole_folder_becomes_an_opaque_mark_and_is_no_attribute() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("d");
        fs::create_dir(&dir).unwrap();
        let fd = OwnedFd::from(File::open(&dir).unwrap());
        if rustix::fs::fsetxattr(&fd, "user.overlay.opaque", b"y", rustix::fs::XattrFlags::empty()).is_err() {
            // A file system without attributes of users.
            return;
        }
        assert!(written(folder.path(), Kind::Changes).contains_key("d/.wh..wh..opq"));
        assert!(!written(folder.path(), Kind::Tree).contains_key("d/.wh..wh..opq"));
    }
}
