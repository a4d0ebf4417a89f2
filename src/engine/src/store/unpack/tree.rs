// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing entries below one folder, never outside it.
//!
//! The folders on the way to the present entry stay open, because archives are in the order of their folders: the next
//! entry needs one `openat` at most. A folder's mode and time are set when it is left, since its entries change them.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::entry::{Entry, Kind};
use super::stream::Blocks;
use super::{Limits, UnpackError};
use crate::step::remove;
use crate::store::parts::KEPT;

const CHANGING_OWNER: &str = "changing the owner";
/// A tar's blocks.
const BLOCK: u64 = 512;
const OPEN_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// What the kernel's overlay takes an opaque folder by (mounted with `userxattr`).
const OPAQUE: &str = "user.overlay.opaque";

/// The folder that is being filled.
pub(super) struct Tree<'a> {
    into: PathBuf,
    root: OwnedFd,
    /// The open folders, the lowest last; the root is not among them.
    open: Vec<Open>,
    /// The path of the lowest open folder.
    path: Vec<u8>,
    /// What is to be so when a folder is left, by its path: of every folder that was an entry.
    folders: HashMap<Vec<u8>, Attributes>,
    /// Whose new files are: root's, in the user namespace.
    own: (Uid, Gid),
    limits: &'a Limits,
    size: u64,
    /// How many replaced files and folders are kept.
    kept: Cell<u64>,
}

/// An open folder.
struct Open {
    fd: OwnedFd,
    /// The length of its path in [`Tree::path`].
    end: usize,
    /// Whether new entries take its group instead of the creator's (set-group-id).
    inherits: bool,
    /// Whether it, or one above it, was reached by a link.
    linked: bool,
}

/// What a folder is to be when it is left.
#[derive(Clone, Copy)]
struct Attributes {
    mode: u32,
    /// What it has now, if that is known to be less.
    mode_pending: bool,
    mtime: (i64, u32),
}

/// A failure without the entry's name.
struct Failure {
    doing: &'static str,
    errno: Errno,
}

fn doing(doing: &'static str) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure { doing, errno }
}

impl<'a> Tree<'a> {
    /// Opens the folder `into`.
    pub(super) fn open(into: &Path, limits: &'a Limits) -> Result<Self, UnpackError> {
        let failed = |errno: Errno| UnpackError::Folder { path: into.into(), source: errno.into() };
        let root = rustix::fs::openat(CWD, into, OPEN_FOLDER, Mode::empty()).map_err(failed)?;
        // Modes are set as they are said.
        let _ = rustix::process::umask(Mode::empty());
        Ok(Self {
            into: into.into(),
            root,
            open: Vec::new(),
            path: Vec::new(),
            folders: HashMap::new(),
            own: (rustix::process::geteuid(), rustix::process::getegid()),
            limits,
            size: 0,
            kept: Cell::new(0),
        })
    }

    /// Leaves the last folders; answers the bytes of all files.
    pub(super) fn finish(mut self) -> Result<u64, UnpackError> {
        let left = self.leave_to(0).and_then(|()| {
            match self.folders.get(b"".as_slice()) {
                Some(attributes) => set_times(&self.root, attributes.mtime),
                // As podman has it for an archive that does not say.
                None => set_mode(&self.root, 0o555),
            }
        });
        left.map_err(|failure| UnpackError::Folder { path: self.into.clone(), source: failure.errno.into() })?;
        Ok(self.size)
    }

    /// Writes `entry`, whose content comes next in `blocks`, and goes on behind it.
    pub(super) fn write(&mut self, entry: &Entry, blocks: &mut Blocks) -> Result<(), UnpackError> {
        let short = || UnpackError::Short(entry.name.clone());
        let padded = entry.size.checked_next_multiple_of(BLOCK).ok_or_else(short)?;
        let owner = owner(entry, self.limits.any_owner)?;
        self.enter(&entry.parent).map_err(|failure| failed(entry, failure))?;
        match &entry.kind {
            Kind::File => {
                let file = self.create(entry, owner, blocks)?;
                self.count(entry, entry.size)?;
                blocks.begin_content(|| self.place(entry), &[], entry.size);
                fill(&file, entry, entry.size, blocks)?;
                blocks.end_content();
                finish_file(&file, entry).map_err(|failure| failed(entry, failure))?;
                if blocks.skip(padded - entry.size) { Ok(()) } else { Err(short()) }
            }
            Kind::Sparse(map, length) => {
                let file = self.create(entry, owner, blocks)?;
                self.count(entry, entry.size)?;
                let cannot = |errno| failed(entry, Failure { doing: "making its holes", errno });
                rustix::fs::ftruncate(&file, *length).map_err(cannot)?;
                let regions: Vec<(u64, u64)> = map.iter().map(|region| (region.offset, region.length)).collect();
                blocks.begin_content(|| self.place(entry), &regions, entry.size);
                for region in map {
                    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(region.offset)).map_err(cannot)?;
                    fill(&file, entry, region.length, blocks)?;
                }
                blocks.end_content();
                finish_file(&file, entry).map_err(|failure| failed(entry, failure))?;
                if blocks.skip(padded - entry.size) { Ok(()) } else { Err(short()) }
            }
            _ => {
                self.make(entry, owner, blocks).map_err(|failure| failed(entry, failure))?;
                if blocks.skip(padded) { Ok(()) } else { Err(short()) }
            }
        }
    }

    fn count(&mut self, entry: &Entry, size: u64) -> Result<(), UnpackError> {
        self.size = self.size.saturating_add(size);
        if self.size > self.limits.size {
            let entry = entry.name.clone();
            return Err(UnpackError::Limit { what: "bytes of files", limit: self.limits.size, entry, key: "size" });
        }
        let image = self.limits.image;
        if self.size.saturating_add(self.limits.before) > image {
            let (what, entry) = ("bytes of files of an image", entry.name.clone());
            return Err(UnpackError::Limit { what, limit: image, entry, key: "image-size" });
        }
        Ok(())
    }

    /// Where the entry really is in the layer: links on the way may be replaced later.
    fn place(&self, entry: &Entry) -> Vec<u8> {
        let shown = joined(&entry.parent, &entry.base);
        let Some(Open { fd, linked: true, .. }) = self.open.last() else { return shown };
        let real = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        match (real(&self.root), real(fd)) {
            (Ok(root), Ok(folder)) => match folder.strip_prefix(root) {
                Ok(folder) => joined(folder.as_os_str().as_bytes(), &entry.base),
                Err(_) => shown,
            },
            _ => shown,
        }
    }

    /// The folder that was entered last.
    fn folder(&self) -> (BorrowedFd<'_>, bool) {
        self.open.last().map_or((self.root.as_fd(), false), |open| (open.fd.as_fd(), open.inherits))
    }

    /// Makes the folder `parent` the lowest open one; makes what is missing on the way.
    fn enter(&mut self, parent: &[u8]) -> Result<(), Failure> {
        let leads_there = |path: &[u8]| {
            parent.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
        };
        let keep = self.open.iter().take_while(|open| leads_there(&self.path[..open.end])).count();
        self.leave_to(keep)?;
        let rest = &parent[self.path.len().min(parent.len())..];
        for name in rest.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            self.descend(name)?;
        }
        Ok(())
    }

    /// Opens the folder `name` in the lowest open one; makes it if it is missing.
    fn descend(&mut self, name: &[u8]) -> Result<(), Failure> {
        if self.open.len() >= self.limits.depth {
            return Err(Failure {
                doing: "going deeper than depth below [limits] in ~/.config/haulout/config.toml allows",
                errno: Errno::NAMETOOLONG,
            });
        }
        let (folder, _) = self.folder();
        let mut linked = self.open.last().is_some_and(|open| open.linked);
        let fd = match rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o755)).map_err(doing("making its folder"))?;
                rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty()).map_err(doing("opening its folder"))?
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                linked = true;
                self.descend_odd(name)?
            }
            Err(errno) => return Err(Failure { doing: "opening its folder", errno }),
        };
        self.push(fd, name, linked);
        Ok(())
    }

    /// Opens the folder `name` where something lies that is none: a link that leads to one *inside the layer* (the kernel sees
    /// to that), or a whiteout of this layer, which the folder replaces.
    fn descend_odd(&self, name: &[u8]) -> Result<OwnedFd, Failure> {
        let (folder, _) = self.folder();
        let stat =
            rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(doing("looking at its folder"))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let path = joined(&self.path, name);
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
                let flags = OPEN_FOLDER.difference(OFlags::NOFOLLOW);
                rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
                    .map_err(doing("opening its folder, which is a link,"))
            }
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                rustix::fs::unlinkat(folder, name, AtFlags::empty()).map_err(doing("replacing a whiteout"))?;
                rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o755)).map_err(doing("making its folder"))?;
                let fd = rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty())
                    .map_err(doing("opening its folder"))?;
                set_opaque(&fd)?;
                Ok(fd)
            }
            _ => Err(Failure { doing: "opening its folder", errno: Errno::NOTDIR }),
        }
    }

    fn push(&mut self, fd: OwnedFd, name: &[u8], linked: bool) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        let end = self.path.len();
        // A folder that was left before has its mode already.
        let inherits =
            self.folders.get(&self.path).is_some_and(|known| !known.mode_pending && known.mode & 0o2000 != 0);
        self.open.push(Open { fd, end, inherits, linked });
    }

    /// Leaves folders until `keep` are open, and makes each what it is to be.
    fn leave_to(&mut self, keep: usize) -> Result<(), Failure> {
        while self.open.len() > keep {
            let Some(Open { fd, end, .. }) = self.open.pop() else { break };
            if let Some(attributes) = self.folders.get_mut(&self.path[..end]) {
                if attributes.mode_pending {
                    set_mode(&fd, attributes.mode)?;
                    attributes.mode_pending = false;
                }
                set_times(&fd, attributes.mtime)?;
            }
            self.path.truncate(self.open.last().map_or(0, |open| open.end));
        }
        Ok(())
    }

    /// Makes an entry that has no content.
    fn make(&mut self, entry: &Entry, owner: Option<(Uid, Gid)>, blocks: &mut Blocks) -> Result<(), Failure> {
        match &entry.kind {
            Kind::Folder => self.make_folder(entry, owner, blocks),
            Kind::Symlink(target) => {
                let (folder, inherits) = self.folder();
                self.again(entry, blocks, || rustix::fs::symlinkat(target.as_slice(), folder, entry.base.as_slice()))
                    .map_err(doing("making the link"))?;
                self.settle(entry, owner, inherits)
            }
            Kind::Hardlink(parent, base) => {
                let target = self.find(parent)?;
                let (folder, _) = self.folder();
                if *parent == entry.parent && *base == entry.base {
                    // A link to itself: it is there, or nothing is.
                    return rustix::fs::statat(folder, base.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                        .map(drop)
                        .map_err(doing("finding what it is a link to"));
                }
                self.again(entry, blocks, || {
                    rustix::fs::linkat(&target, base.as_slice(), folder, entry.base.as_slice(), AtFlags::empty())
                })
                .map_err(doing("making the link"))
            }
            Kind::Fifo => self.node(entry, owner, FileType::Fifo, 0, blocks),
            // 0/0 would be a whiteout, which an image says otherwise.
            Kind::Device { major: 0, minor: 0, .. } | Kind::Nothing | Kind::File | Kind::Sparse(..) => Ok(()),
            Kind::Device { block, major, minor } => {
                let kind = if *block { FileType::BlockDevice } else { FileType::CharacterDevice };
                match self.node(entry, owner, kind, rustix::fs::makedev(*major, *minor), blocks) {
                    // As podman without root: the devices of a container come from its runtime.
                    Err(Failure { errno: Errno::PERM, .. }) => Ok(()),
                    other => other,
                }
            }
            Kind::Whiteout => self.whiteout(entry),
            Kind::Opaque => set_opaque(self.folder().0),
        }
    }

    fn make_folder(&mut self, entry: &Entry, owner: Option<(Uid, Gid)>, blocks: &mut Blocks) -> Result<(), Failure> {
        if entry.base.is_empty() {
            self.set_owner(&self.root, owner)?;
            set_mode(&self.root, entry.mode)?;
            set_attributes(&self.root, entry)?;
            let attributes = Attributes { mode: entry.mode, mode_pending: false, mtime: entry.mtime };
            self.folders.insert(Vec::new(), attributes);
            return Ok(());
        }
        let (folder, inherits) = self.folder();
        // Its own mode comes when it is left: set-group-id would show in its entries, and one that cannot be written could
        // not be filled by an ordinary user.
        let first = 0o700 | (entry.mode & 0o777);
        let mut existed = false;
        let fd = match rustix::fs::mkdirat(folder, entry.base.as_slice(), Mode::from_raw_mode(first)) {
            Ok(()) => rustix::fs::openat(folder, entry.base.as_slice(), OPEN_FOLDER, Mode::empty())
                .map_err(doing("opening the folder"))?,
            Err(Errno::EXIST) => {
                existed = true;
                self.existing_folder(entry, blocks)?
            }
            Err(errno) => return Err(Failure { doing: "making the folder", errno }),
        };
        if owner.is_some() || inherits || existed {
            self.set_owner(&fd, Some(owner.unwrap_or(self.own)))?;
        }
        set_attributes(&fd, entry)?;
        let path = joined(&entry.parent, &entry.base);
        self.folders.insert(
            path,
            Attributes {
                mode: entry.mode,
                mode_pending: first != entry.mode || inherits || existed,
                mtime: entry.mtime,
            },
        );
        let linked = self.open.last().is_some_and(|open| open.linked);
        self.push(fd, &entry.base, linked);
        Ok(())
    }

    /// Makes a file, empty, and whose it is to be.
    fn create(&self, entry: &Entry, owner: Option<(Uid, Gid)>, blocks: &mut Blocks) -> Result<OwnedFd, UnpackError> {
        let (folder, inherits) = self.folder();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let create = || rustix::fs::openat(folder, entry.base.as_slice(), flags, mode);
        let mut settle = || -> Result<OwnedFd, Failure> {
            let file = self.again(entry, blocks, create).map_err(doing("making the file"))?;
            if owner.is_some() || inherits {
                self.set_owner(&file, Some(owner.unwrap_or(self.own)))?;
            }
            Ok(file)
        };
        settle().map_err(|failure| failed(entry, failure))
    }

    fn node(
        &self,
        entry: &Entry,
        owner: Option<(Uid, Gid)>,
        kind: FileType,
        device: u64,
        blocks: &mut Blocks,
    ) -> Result<(), Failure> {
        let (folder, inherits) = self.folder();
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.again(entry, blocks, || rustix::fs::mknodat(folder, entry.base.as_slice(), kind, mode, device))
            .map_err(doing("making the node"))?;
        self.settle(entry, owner, inherits)
    }

    fn set_owner(&self, fd: impl AsFd, owner: Option<(Uid, Gid)>) -> Result<(), Failure> {
        let Some((uid, gid)) = owner else { return Ok(()) };
        self.owned(rustix::fs::fchown(fd, Some(uid), Some(gid)))
    }

    /// Whether it is somebody's: one whom the user namespace does not have need not be.
    fn owned(&self, set: Result<(), Errno>) -> Result<(), Failure> {
        match set {
            Err(Errno::INVAL) if self.limits.any_owner => Ok(()),
            set => set.map_err(doing(CHANGING_OWNER)),
        }
    }

    /// Owner and time of what cannot be opened.
    fn settle(&self, entry: &Entry, owner: Option<(Uid, Gid)>, inherits: bool) -> Result<(), Failure> {
        let (folder, _) = self.folder();
        let name = entry.base.as_slice();
        if owner.is_some() || inherits {
            let (uid, gid) = owner.unwrap_or(self.own);
            self.owned(rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))?;
        }
        rustix::fs::utimensat(folder, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(doing("setting the time"))
    }

    /// Hides `entry.base` of the layers below. What this layer itself has under that name stays; a folder hides by being opaque.
    fn whiteout(&self, entry: &Entry) -> Result<(), Failure> {
        let (folder, _) = self.folder();
        let name = entry.base.as_slice();
        match rustix::fs::mknodat(folder, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => match rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty()) {
                Ok(existing) => set_opaque(&existing),
                Err(_) => Ok(()),
            },
            other => other.map_err(doing("making the whiteout")),
        }
    }

    /// Opens the folder that is there under the entry's name; what is no folder is replaced by one.
    fn existing_folder(&self, entry: &Entry, blocks: &mut Blocks) -> Result<OwnedFd, Failure> {
        let (folder, _) = self.folder();
        let name = entry.base.as_slice();
        match rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(doing("looking at what it replaces"))?;
                let whiteout = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0;
                self.take_away(entry, blocks).map_err(doing("replacing what was there"))?;
                rustix::fs::mkdirat(folder, name, Mode::RWXU).map_err(doing("making the folder"))?;
                let fd = rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty())
                    .map_err(doing("opening the folder"))?;
                if whiteout {
                    set_opaque(&fd)?;
                }
                Ok(fd)
            }
            other => other.map_err(doing("opening the folder")),
        }
    }

    /// Does `make`; what is already there under the entry's name goes first, as in any tar: the last one wins.
    fn again<T>(&self, entry: &Entry, blocks: &mut Blocks, make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match make() {
            Err(Errno::EXIST) => {
                self.take_away(entry, blocks)?;
                make()
            }
            other => other,
        }
    }

    /// Takes away what is there under the entry's name. A file's content, and a folder's, is kept beside the layer's folder when the
    /// tar is to be put together again.
    fn take_away(&self, entry: &Entry, blocks: &mut Blocks) -> Result<(), Errno> {
        let (folder, _) = self.folder();
        let name = entry.base.as_slice();
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let has_content = matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory);
        if !(has_content && blocks.is_recorded()) {
            return remove::remove_at(folder, name);
        }
        let kept = self.kept.get() + 1;
        self.kept.set(kept);
        let place = self.into.with_file_name(KEPT);
        if kept == 1 {
            rustix::fs::mkdir(&place, Mode::RWXU)?;
        }
        rustix::fs::renameat(folder, name, CWD, place.join(kept.to_string()))?;
        blocks.replaced(&self.place(entry), kept);
        Ok(())
    }

    /// Opens the folder `path` of this layer, which has to be there, apart from the open ones.
    fn find(&self, path: &[u8]) -> Result<OwnedFd, Failure> {
        let path = if path.is_empty() { b".".as_slice() } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
            .map_err(doing("finding what it is a link to"))
    }
}

/// Writes the next `size` bytes of `blocks` to `file`, where it is.
fn fill(file: &OwnedFd, entry: &Entry, size: u64, blocks: &mut Blocks) -> Result<(), UnpackError> {
    let mut left = size;
    while left > 0 {
        let bytes = blocks.some(usize::try_from(left).unwrap_or(usize::MAX));
        if bytes.is_empty() {
            return Err(UnpackError::Short(entry.name.clone()));
        }
        let written = rustix::io::retry_on_intr(|| rustix::io::write(file, bytes))
            .map_err(|errno| failed(entry, Failure { doing: "writing", errno }))?;
        if written == 0 {
            return Err(failed(entry, Failure { doing: "writing", errno: Errno::NOSPC }));
        }
        blocks.consume(written);
        left -= written as u64;
    }
    Ok(())
}

/// What a write or a change of owner would take away again: set-id bits and file capabilities; then the time.
fn finish_file(file: &OwnedFd, entry: &Entry) -> Result<(), Failure> {
    if entry.mode & 0o7000 != 0 {
        set_mode(file, entry.mode)?;
    }
    set_attributes(file, entry)?;
    set_times(file, entry.mtime)
}

/// The owner to set; nothing for root's, which everything is at first.
fn owner(entry: &Entry, any: bool) -> Result<Option<(Uid, Gid)>, UnpackError> {
    if matches!(entry.kind, Kind::Hardlink(..) | Kind::Whiteout | Kind::Opaque | Kind::Nothing) {
        return Ok(None);
    }
    if (entry.uid, entry.gid) == (0, 0) {
        return Ok(None);
    }
    let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
    match (id(entry.uid), id(entry.gid)) {
        (Some(uid), Some(gid)) => Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid)))),
        _ if any => Ok(None),
        _ => Err(unmapped(entry)),
    }
}

fn unmapped(entry: &Entry) -> UnpackError {
    UnpackError::Unmapped {
        name: entry.name.trim_start_matches("./").trim_end_matches('/').to_owned(),
        uid: entry.uid,
        gid: entry.gid,
    }
}

fn failed(entry: &Entry, Failure { doing, errno }: Failure) -> UnpackError {
    if doing == CHANGING_OWNER && errno == Errno::INVAL {
        return unmapped(entry);
    }
    UnpackError::Write { name: entry.name.clone(), doing, source: io::Error::from(errno) }
}

fn set_mode(fd: impl AsFd, mode: u32) -> Result<(), Failure> {
    rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(doing("setting the mode"))
}

fn set_times(fd: impl AsFd, mtime: (i64, u32)) -> Result<(), Failure> {
    rustix::fs::futimens(fd, &timestamps(mtime)).map_err(doing("setting the time"))
}

fn timestamps((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}

fn set_opaque(fd: impl AsFd) -> Result<(), Failure> {
    rustix::fs::fsetxattr(fd, OPAQUE, b"y", XattrFlags::empty()).map_err(doing("making the folder opaque"))
}

/// Extended attributes; those that the file system or the kernel has no place for are left out, as podman does.
fn set_attributes(fd: impl AsFd, entry: &Entry) -> Result<(), Failure> {
    for (name, value) in &entry.xattrs {
        match rustix::fs::fsetxattr(&fd, name.as_str(), value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(errno) => return Err(Failure { doing: "setting an extended attribute", errno }),
        }
    }
    Ok(())
}

fn joined(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}
