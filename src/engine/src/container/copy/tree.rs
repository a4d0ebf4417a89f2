// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copying a tree into another: contents, modes, times, attributes, hard links. No link is followed on either side.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::resolve::{Found, reopen, shown};
use crate::engine::os_words;
use crate::step::remove;
use crate::store::tar::attributes;
use crate::store::tree::contents;
use crate::userns::modes::Mapping;

/// Deeper trees are refused: every folder on the way is open.
const DEPTH: usize = 400;

const READ_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// How files are copied.
pub(super) struct Copier {
    /// Whose the copies are; the originals' when nothing.
    owner: Option<(u32, u32)>,
    overwrite: bool,
    /// The maps of the containers that are copied from and to, if they have their own.
    from: Option<Mapping>,
    to: Option<Mapping>,
    /// The folder that the copy is made in, of which nothing is copied: it may be below the original.
    made: Option<(u64, u64)>,
    /// Where the first copy of a file with several names is.
    links: HashMap<(u64, u64), (OwnedFd, CString)>,
    /// The path of what is being copied, for messages.
    path: Vec<u8>,
}

/// What something is to be like.
pub(super) struct Like<'a> {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) times: Timestamps,
    pub(super) attributes: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> Like<'a> {
    fn of(stat: &Stat, attributes: &'a [(Vec<u8>, Vec<u8>)]) -> Self {
        let time =
            |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
        Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            times: Timestamps {
                last_access: time(stat.st_atime, stat.st_atime_nsec),
                last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
            },
            attributes,
        }
    }
}

impl Copier {
    pub(super) fn new(owner: Option<(u32, u32)>, overwrite: bool) -> Self {
        Self { owner, overwrite, from: None, to: None, made: None, links: HashMap::new(), path: Vec::new() }
    }

    /// The same between containers with maps of their own.
    pub(super) fn between(mut self, from: Option<&Mapping>, to: Option<&Mapping>) -> Self {
        (self.from, self.to) = (from.cloned(), to.cloned());
        self
    }

    pub(super) fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// What the next file is called in errors, where it comes from no folder.
    pub(super) fn at(&mut self, path: &Path) {
        self.path = path.as_os_str().as_bytes().to_vec();
    }

    fn failed(&self) -> impl FnOnce(Errno) -> String + use<> {
        let path = shown(&self.path);
        move |errno| format!("copying {path:?}: {errno}")
    }

    /// Copies one file, which is no folder, as `name` into `to`.
    pub(super) fn one(&mut self, source: &Found, to: &OwnedFd, name: &CStr) -> Result<(), String> {
        self.path = name.to_bytes().to_vec();
        match FileType::from_raw_mode(source.stat.st_mode) {
            FileType::RegularFile => {
                let from = reopen(source.fd.as_fd(), OFlags::RDONLY | OFlags::NONBLOCK).map_err(self.failed())?;
                self.file(from, &source.stat, to.as_fd(), name)
            }
            kind => {
                let made = self.node(kind, source.stat.st_rdev, to.as_fd(), name, &Like::of(&source.stat, &[]));
                made.map_err(|errno| format!("error creating {:?}: {}", shown(&self.path), words(errno)))
            }
        }
    }

    /// Copies the folder `from` as `name` into `to`, into the one that is there if there is one.
    pub(super) fn folder(&mut self, from: &OwnedFd, stat: &Stat, to: &OwnedFd, name: &CStr) -> Result<(), String> {
        self.path = name.to_bytes().to_vec();
        self.tree(from, stat, to.as_fd(), name, 0)
    }

    /// Copies what is in `from` into `to`.
    pub(super) fn contents(&mut self, from: &OwnedFd, to: &OwnedFd) -> Result<(), String> {
        self.made = Some(identity(&rustix::fs::fstat(to).map_err(self.failed())?));
        self.below(from, to, 0)
    }

    fn tree(
        &mut self,
        from: &OwnedFd,
        stat: &Stat,
        to: BorrowedFd<'_>,
        name: &CStr,
        depth: usize,
    ) -> Result<(), String> {
        let (made, is_new) = self.make_folder(to, name)?;
        if depth == 0 {
            self.made = Some(identity(&rustix::fs::fstat(&made).map_err(self.failed())?));
        }
        self.below(from, &made, depth)?;
        if is_new {
            self.settle(&made, &Like::of(stat, &attributes(from))).map_err(self.failed())?;
        }
        Ok(())
    }

    /// The folder `name` in `to`, and whether it was made now.
    pub(super) fn make_folder(&mut self, to: BorrowedFd<'_>, name: &CStr) -> Result<(OwnedFd, bool), String> {
        let is_new = match rustix::fs::mkdirat(to, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW).map_err(self.failed())?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    false
                } else if self.overwrite {
                    rustix::fs::unlinkat(to, name, AtFlags::empty()).map_err(self.failed())?;
                    rustix::fs::mkdirat(to, name, Mode::RWXU).map_err(self.failed())?;
                    true
                } else {
                    return Err(format!("cannot overwrite non-directory {:?} with directory", shown(&self.path)));
                }
            }
            Err(errno) => return Err(self.failed()(errno)),
        };
        let made = rustix::fs::openat(to, name, READ_FOLDER, Mode::empty()).map_err(self.failed())?;
        Ok((made, is_new))
    }

    fn below(&mut self, from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(self.failed()(Errno::NAMETOOLONG));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(from.as_fd()).map_err(self.failed())? {
            let entry = entry.map_err(self.failed())?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        let length = self.path.len();
        for name in names {
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            self.entry(from, to, &name, depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr, depth: usize) -> Result<(), String> {
        let stat = match rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
            // It has gone since the folder was read.
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(self.failed())?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let identity = identity(&stat);
        if kind == FileType::Directory {
            if self.made == Some(identity) {
                return Ok(());
            }
            let lower = rustix::fs::openat(from, name, READ_FOLDER, Mode::empty()).map_err(self.failed())?;
            return self.tree(&lower, &stat, to.as_fd(), name, depth + 1);
        }
        if stat.st_nlink > 1
            && let Some((folder, first)) = self.links.get(&identity)
        {
            let linked = again(to.as_fd(), name, || rustix::fs::linkat(folder, first, to, name, AtFlags::empty()));
            return linked.map_err(self.failed());
        }
        match kind {
            FileType::RegularFile => {
                let file = rustix::fs::openat(from, name, READ, Mode::empty()).map_err(self.failed())?;
                self.file(file, &stat, to.as_fd(), name)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new()).map_err(self.failed())?;
                self.symlink(&target, to.as_fd(), name, &Like::of(&stat, &[]))?;
            }
            // Sockets belong to whoever listens.
            FileType::Socket => return Ok(()),
            kind => match self.node(kind, stat.st_rdev, to.as_fd(), name, &Like::of(&stat, &[])) {
                // Devices are root's to make; the runtime makes those of a container.
                Err(Errno::PERM) if kind != FileType::Fifo => return Ok(()),
                other => other.map_err(self.failed())?,
            },
        }
        if stat.st_nlink > 1 {
            let folder = to.try_clone().map_err(|error| format!("copying {:?}: {error}", shown(&self.path)))?;
            self.links.insert(identity, (folder, name.to_owned()));
        }
        Ok(())
    }

    /// Room for something that is no folder.
    fn clear(&self, to: BorrowedFd<'_>, name: &CStr) -> Result<(), String> {
        match rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                if !self.overwrite {
                    return Err(format!("cannot overwrite directory {:?} with non-directory", shown(&self.path)));
                }
                remove::remove_at(to, name.to_bytes()).map_err(self.failed())
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, from: OwnedFd, stat: &Stat, to: BorrowedFd<'_>, name: &CStr) -> Result<(), String> {
        let there = rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|there| identity(&there) == identity(stat)) {
            // Made anew it would be empty before it is read, where something is mounted on it.
            return Ok(());
        }
        let own = attributes(&from);
        let mut source = File::from(from);
        let mut target = File::from(self.create(to, name, stat.st_mode)?);
        contents(&mut source, &mut target)
            .map_err(|error| format!("copying {:?}: {}", shown(&self.path), os_words(&error)))?;
        self.settle(&target.into(), &Like::of(stat, &own)).map_err(self.failed())
    }

    /// A new empty file in the place of what is there.
    pub(super) fn create(&self, to: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd, String> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(to, name, flags, Mode::from_raw_mode(mode & 0o777));
        match create() {
            Err(Errno::EXIST) => {}
            other => return other.map_err(self.failed()),
        }
        self.clear(to, name)?;
        match rustix::fs::unlinkat(to, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => create().map_err(self.failed()),
            // Something is mounted on it, as on /etc/hosts: its content can still be another one.
            Err(Errno::BUSY) => {
                let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(to, name, flags, Mode::empty()).map_err(self.failed())
            }
            Err(errno) => Err(self.failed()(errno)),
        }
    }

    pub(super) fn symlink(
        &self,
        target: &CStr,
        to: BorrowedFd<'_>,
        name: &CStr,
        like: &Like<'_>,
    ) -> Result<(), String> {
        self.clear(to, name)?;
        again(to, name, || rustix::fs::symlinkat(target, to, name)).map_err(self.failed())?;
        self.settle_unopened(to, name, like).map_err(self.failed())
    }

    /// A fifo or a device.
    pub(super) fn node(
        &self,
        kind: FileType,
        device: u64,
        to: BorrowedFd<'_>,
        name: &CStr,
        like: &Like<'_>,
    ) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(like.mode);
        again(to, name, || rustix::fs::mknodat(to, name, kind, mode, device))?;
        self.settle_unopened(to, name, like)
    }

    fn owner_of(&self, like: &Like<'_>) -> (u32, u32) {
        let seen = (like.uid, like.gid);
        let inside = self.owner.unwrap_or_else(|| self.from.as_ref().map_or(seen, |from| from.inside(seen)));
        self.to.as_ref().map_or(inside, |to| to.outside(inside))
    }

    /// Owner, mode, attributes and times.
    pub(super) fn settle(&self, made: &OwnedFd, like: &Like<'_>) -> Result<(), Errno> {
        let (uid, gid) = self.owner_of(like);
        let is = rustix::fs::fstat(made)?;
        if (is.st_uid, is.st_gid) != (uid, gid) {
            rustix::fs::fchown(made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        if is.st_mode & 0o7777 != like.mode || (is.st_uid, is.st_gid) != (uid, gid) {
            rustix::fs::fchmod(made, Mode::from_raw_mode(like.mode))?;
        }
        for (name, value) in like.attributes {
            if name.starts_with(b"user.overlay.") {
                continue;
            }
            match rustix::fs::fsetxattr(made, name.as_slice(), value, XattrFlags::empty()) {
                // Labels of the machine's, or a file system without.
                Ok(()) | Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS | Errno::INVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
        rustix::fs::futimens(made, &like.times)
    }

    fn settle_unopened(&self, folder: BorrowedFd<'_>, name: &CStr, like: &Like<'_>) -> Result<(), Errno> {
        let (uid, gid) = self.owner_of(like);
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::utimensat(folder, name, &like.times, AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// What tells a file from all others.
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Makes something, once more without what was in its place if there was something.
pub(super) fn again(folder: BorrowedFd<'_>, name: &CStr, make: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
            make()
        }
        other => other,
    }
}

/// The C library's words in lower case, as Go has them.
fn words(errno: Errno) -> String {
    os_words(&errno.into())
}
