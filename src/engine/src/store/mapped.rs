// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An image's files as a container with other ids needs them: the same files with other owners.
//!
//! `mapped/<image>-<map>/` holds one tree, whiteouts applied. Where the kernel can (Linux 6.16: metacopy for data-only layers), it is
//! `meta`: empty files with owner, mode, times and attributes, which lead to the contents in `layers` by overlay's attributes; nothing
//! is copied but names. Else it is `copy`, made with reflinks where the file system has them. It is there whole or not at all.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::Stack;
use super::driver::Driver;
use super::overlay::{self, OverlayError};
use super::tree::{self, READ_FOLDER};
use crate::container::start::Root;
use crate::digest::Digest;
use crate::paths::Paths;
use crate::step::remove;
use crate::userns::modes::{Mapping, NOBODY};
use crate::userns::{self, UsernsError};

/// Deeper trees than that are not mapped: no image has them, and a hostile one would use up the descriptors.
const DEPTH: usize = 200;

/// What is to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Where: a folder for one image and one map.
    pub folder: PathBuf,
    /// The folder of all layers.
    pub layers: PathBuf,
    /// The image's layers in it, the uppermost first; of each the path of its files, from the folder of all layers.
    pub lower: Vec<PathBuf>,
    /// The map.
    pub mapping: Mapping,
    /// The contents are copied even where the kernel would find them in the layers: for who reads the files without overlay.
    #[serde(default)]
    pub whole: bool,
}

/// Why it could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappedError {
    /// An id that the map does not have.
    #[error(
        "potentially insufficient UIDs or GIDs available in user namespace (requested {uid}:{gid} for {}): the container's map of ids is too small for its image",
        path.display()
    )]
    NoId {
        /// The file's owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// The file.
        path: PathBuf,
    },
    /// A file.
    #[error("giving {} of the image another owner: {source}", path.display())]
    File {
        /// Where it is in the image.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// The image could not be mounted to be read.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// No mount namespace.
    #[error(transparent)]
    Userns(#[from] UsernsError),
    /// What was there before.
    #[error(transparent)]
    Remove(#[from] remove::RemoveError),
    /// A folder of the store's.
    #[error("{doing} {}: {source}", path.display())]
    Store {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

impl Wanted {
    /// What `layers`, the uppermost first, are for a container with `mapping`.
    pub(crate) fn new(paths: &Paths, image: &Digest, layers: &Stack, mapping: &Mapping) -> Self {
        let words = format!("{:?}", (&mapping.users, &mapping.groups));
        let map = Digest::of(words.as_bytes());
        let name = format!("{}-{}", image.hex(), &map.hex()[..16]);
        Self {
            folder: paths.mapped().join(name),
            layers: layers.root.clone(),
            lower: layers.layers.clone(),
            mapping: mapping.clone(),
            // No program mounts one file in another's place.
            whole: paths.driver() == Driver::Vfs || paths.elsewhere.mounting.program.is_some(),
        }
    }

    /// The layers to mount, and the folder of data below them, if it is there.
    pub(crate) fn found(&self) -> Option<(PathBuf, Option<PathBuf>)> {
        let (meta, copy) = (self.folder.join("meta"), self.folder.join("copy"));
        if meta.is_dir() && !self.whole {
            return Some((meta, Some(self.layers.clone())));
        }
        copy.is_dir().then_some((copy, None))
    }
}

/// Makes it, unless it is there. In the rootless user namespace.
pub(crate) fn make(wanted: &Wanted) -> Result<(), MappedError> {
    let store = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| MappedError::Store { doing, path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&wanted.folder).map_err(store("making", &wanted.folder))?;
    let lock = wanted.folder.join("lock");
    let lock = File::options().create(true).append(true).open(&lock).map_err(store("opening", &lock))?;
    lock.lock().map_err(store("locking", &wanted.folder))?;
    if wanted.found().is_some() {
        return Ok(());
    }
    let place = |name: &str| wanted.folder.join(name);
    let staging = place("staging");
    // A killed maker's.
    for left in ["staging", "seen", "upper", "work", "probe"] {
        remove::remove(&place(left))?;
    }
    userns::own_mounts()?;
    let seen = Root {
        lower: wanted.lower.iter().map(|layer| wanted.layers.join(layer)).collect(),
        upper: place("upper"),
        work: place("work"),
        target: place("seen"),
        volatile: true,
        ..Root::default()
    };
    overlay::mount(&seen)?;
    let mut kind = "meta";
    let mut maker = Maker { wanted, meta: true, links: HashMap::new(), sample: None };
    let works = match (!wanted.whole).then(|| maker.whole(&seen.target, &staging)) {
        None => false,
        // A file system that keeps no attributes of overlay's.
        Some(Err(MappedError::File { source, .. }))
            if source.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) =>
        {
            false
        }
        Some(made) => {
            made?;
            reads(wanted, &staging, &place("probe"), &seen.target, maker.sample.take().as_deref())
        }
    };
    if !works {
        remove::remove(&staging)?;
        kind = "copy";
        maker = Maker { wanted, meta: false, links: HashMap::new(), sample: None };
        maker.whole(&seen.target, &staging)?;
    }
    let synced = File::open(&staging).map_err(store("opening", &staging))?;
    rustix::fs::syncfs(&synced).map_err(|errno| store("syncing", &staging)(errno.into()))?;
    fs::rename(&staging, place(kind)).map_err(store("renaming", &staging))?;
    let _ = rustix::mount::unmount(&seen.target, rustix::mount::UnmountFlags::DETACH);
    for left in ["seen", "upper", "work", "probe"] {
        remove::remove(&place(left))?;
    }
    Ok(())
}

/// Whether the kernel reads the contents of `meta` out of the layers: a file of it is read, because a mount alone says nothing.
fn reads(wanted: &Wanted, meta: &Path, probe: &Path, seen: &Path, sample: Option<&Path>) -> bool {
    let Some(sample) = sample else { return true };
    let root = Root {
        lower: vec![meta.to_owned()],
        upper: probe.join("upper"),
        work: probe.join("work"),
        target: probe.join("merged"),
        volatile: true,
        data: Some(wanted.layers.clone()),
        ..Root::default()
    };
    let read = || -> Option<()> {
        fs::create_dir(probe).ok()?;
        overlay::mount(&root).ok()?;
        let begin = |path: PathBuf| {
            let mut bytes = Vec::new();
            let read = io::Read::take(File::open(path).ok()?, 4096);
            io::Read::read_to_end(&mut { read }, &mut bytes).ok()?;
            Some(bytes)
        };
        (begin(root.target.join(sample))? == begin(seen.join(sample))?).then_some(())
    };
    let read = read().is_some();
    let _ = rustix::mount::unmount(&root.target, rustix::mount::UnmountFlags::DETACH);
    read
}

struct Maker<'a> {
    wanted: &'a Wanted,
    meta: bool,
    /// Where the first name of a file with several is.
    links: HashMap<(u64, u64), PathBuf>,
    /// An ordinary file that is not empty.
    sample: Option<PathBuf>,
}

impl<'a> Maker<'a> {
    fn whole(&mut self, seen: &Path, staging: &Path) -> Result<(), MappedError> {
        let failed = |errno: Errno| MappedError::File { path: "/".into(), source: errno.into() };
        rustix::fs::mkdir(staging, Mode::RWXU).map_err(failed)?;
        let from = rustix::fs::openat(CWD, seen, READ_FOLDER, Mode::empty()).map_err(failed)?;
        let to = rustix::fs::openat(CWD, staging, READ_FOLDER, Mode::empty()).map_err(failed)?;
        self.folder(&from, &to, &to, Path::new(""), 0)?;
        let stat = rustix::fs::fstat(&from).map_err(failed)?;
        self.like(&to, &from, &stat, Path::new("/"))
    }

    fn folder(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        top: &OwnedFd,
        path: &Path,
        depth: usize,
    ) -> Result<(), MappedError> {
        let failed = |path: &Path| {
            let path = Path::new("/").join(path);
            move |errno: Errno| MappedError::File { path, source: errno.into() }
        };
        if depth > DEPTH {
            return Err(failed(path)(Errno::NAMETOOLONG));
        }
        for name in names(from).map_err(failed(path))? {
            let name = name.as_c_str();
            let here = path.join(OsStr::from_bytes(name.to_bytes()));
            let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(&here))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let lower = rustix::fs::openat(from, name, READ_FOLDER, Mode::empty()).map_err(failed(&here))?;
                    rustix::fs::mkdirat(to, name, Mode::RWXU).map_err(failed(&here))?;
                    let made = rustix::fs::openat(to, name, READ_FOLDER, Mode::empty()).map_err(failed(&here))?;
                    self.folder(&lower, &made, top, &here, depth + 1)?;
                    self.like(&made, &lower, &stat, &here)?;
                }
                FileType::RegularFile => self.file(from, to, top, name, &stat, &here)?,
                FileType::Symlink | FileType::Fifo
                    if self.link_again(to, top, name, &stat, &here).map_err(failed(&here))? => {}
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(from, name, Vec::new()).map_err(failed(&here))?;
                    rustix::fs::symlinkat(target.as_c_str(), to, name).map_err(failed(&here))?;
                    self.like_unopened(to, name, &stat, &here)?;
                }
                FileType::Fifo => {
                    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                    rustix::fs::mknodat(to, name, FileType::Fifo, mode, 0).map_err(failed(&here))?;
                    self.like_unopened(to, name, &stat, &here)?;
                }
                // Nobody can make devices here, and a socket without a listener is nothing.
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes what has several names, and no contents, one more name, if it was made under another already.
    fn link_again(
        &mut self,
        to: &OwnedFd,
        top: &OwnedFd,
        name: &CStr,
        stat: &Stat,
        here: &Path,
    ) -> Result<bool, Errno> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.links.get(&key) {
            return rustix::fs::linkat(top, first, to, name, AtFlags::empty()).map(|()| true);
        }
        self.links.insert(key, here.to_owned());
        Ok(false)
    }

    fn file(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        top: &OwnedFd,
        name: &CStr,
        stat: &Stat,
        here: &Path,
    ) -> Result<(), MappedError> {
        let failed = |errno: Errno| MappedError::File { path: Path::new("/").join(here), source: errno.into() };
        let (layer, source) = self.source(here).map_err(failed)?;
        if source.st_nlink > 1 {
            let key = (source.st_dev, source.st_ino);
            if let Some(first) = self.links.get(&key) {
                return rustix::fs::linkat(top, first, to, name, AtFlags::empty()).map_err(failed);
            }
            self.links.insert(key, here.to_owned());
        }
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = rustix::fs::openat(from, name, read, Mode::empty()).map_err(failed)?;
        let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(to, name, write, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        if self.meta {
            // An empty file needs no contents, and has the right to be just that.
            if stat.st_size > 0 {
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                rustix::fs::ftruncate(&made, size).map_err(failed)?;
                let redirect = Path::new("/").join(layer).join(here);
                let set = |name: &str, value: &[u8]| rustix::fs::fsetxattr(&made, name, value, XattrFlags::empty());
                set("user.overlay.metacopy", b"").map_err(failed)?;
                set("user.overlay.redirect", redirect.as_os_str().as_bytes()).map_err(failed)?;
                self.sample.get_or_insert_with(|| here.to_owned());
            }
            return self.like(&made, &open, stat, here);
        }
        let (mut open, mut made) = (File::from(open), File::from(made));
        tree::contents(&mut open, &mut made)
            .map_err(|source| MappedError::File { path: Path::new("/").join(here), source })?;
        self.like(&OwnedFd::from(made), &OwnedFd::from(open), stat, here)
    }

    /// The layer that a file comes from, the uppermost that has it, and what it is there: whatever hides it above would hide it from
    /// the whole as well.
    fn source(&self, here: &Path) -> Result<(&'a Path, Stat), Errno> {
        let wanted: &'a Wanted = self.wanted;
        for layer in &wanted.lower {
            let folder = wanted.layers.join(layer);
            let folder =
                rustix::fs::openat(CWD, &folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(&folder, here, flags, Mode::empty(), resolve) {
                Ok(found) => {
                    let stat = rustix::fs::fstat(&found)?;
                    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                        return Ok((layer, stat));
                    }
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::NOENT)
    }

    fn owner(&self, stat: &Stat, here: &Path) -> Result<(Uid, Gid), MappedError> {
        let Mapping { users, groups } = &self.wanted.mapping;
        let mapping = &self.wanted.mapping;
        // Whose id the container does not have is nobody's in it.
        let nobody = |map: &[(u32, u32, u32)]| {
            let taken = map.iter().any(|(_, outside, count)| NOBODY >= *outside && NOBODY - outside < *count);
            (!taken).then_some(NOBODY)
        };
        let uid = mapping.user(stat.st_uid).or_else(|| nobody(users));
        let gid = mapping.group(stat.st_gid).or_else(|| nobody(groups));
        match (uid, gid) {
            (Some(uid), Some(gid)) => Ok((Uid::from_raw(uid), Gid::from_raw(gid))),
            _ => Err(MappedError::NoId { uid: stat.st_uid, gid: stat.st_gid, path: Path::new("/").join(here) }),
        }
    }

    /// The owner that the map makes of the file's; its mode, attributes and times.
    fn like(&self, made: &OwnedFd, like: &OwnedFd, stat: &Stat, here: &Path) -> Result<(), MappedError> {
        let failed = |errno: Errno| MappedError::File { path: Path::new("/").join(here), source: errno.into() };
        let (uid, gid) = self.owner(stat, here)?;
        rustix::fs::fchown(made, Some(uid), Some(gid)).map_err(failed)?;
        rustix::fs::fchmod(made, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed)?;
        tree::attributes(made, like).map_err(failed)?;
        rustix::fs::futimens(made, &tree::times(stat)).map_err(failed)
    }

    fn like_unopened(&self, folder: &OwnedFd, name: &CStr, stat: &Stat, here: &Path) -> Result<(), MappedError> {
        let failed = |errno: Errno| MappedError::File { path: Path::new("/").join(here), source: errno.into() };
        let (uid, gid) = self.owner(stat, here)?;
        rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        rustix::fs::utimensat(folder, name, &tree::times(stat), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
    }
}

fn names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Puts the trees of images that are not here any more aside, for them to be removed. `is_known` answers for an image's hexadecimal id.
pub(crate) fn garbage(paths: &Paths, is_known: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(paths.mapped()).into_iter().flatten().flatten();
    let gone = entries.filter(|entry| {
        let name = entry.file_name();
        let image = name.to_str().and_then(|name| name.split('-').next());
        !image.is_some_and(&is_known)
    });
    gone.map(|entry| entry.path()).collect()
}
