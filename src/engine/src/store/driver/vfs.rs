// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver vfs: each container has all of its image's files for itself, in one folder that is its root.
//!
//! Copied when the container is first mounted, with shared contents where the file system can (reflinks), else byte by byte. Nothing is
//! asked of the kernel but a bind mount: it reads the layers itself, as overlay would show them.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, MemfdFlags, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use crate::container::changes::list_differences;
use crate::container::start::Root;
use crate::step::remove;
use crate::store::layered::{Below, FOLDER, Layers, below, opened, shown};
use crate::store::overlay::{self, OverlayError};
use crate::store::tree;

/// Deeper trees than that are not copied: no image has them, and a hostile one would use up the descriptors.
const DEPTH: usize = 200;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum VfsError {
    /// A file.
    #[error("copying {} of the image: {source}", path.display())]
    File {
        /// Where it is in the image.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
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
    /// The layers, or what is other in them.
    #[error("{0}")]
    Layers(String),
    /// What was there before.
    #[error(transparent)]
    Remove(#[from] remove::RemoveError),
    /// Mounting the copy.
    #[error(transparent)]
    Mount(#[from] OverlayError),
}

fn store(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VfsError {
    let path = path.to_owned();
    move |source| VfsError::Store { doing, path, source }
}

fn failed(here: &Path) -> impl Fn(Errno) -> VfsError {
    let path = Path::new("/").join(here);
    move |errno| VfsError::File { path: path.clone(), source: errno.into() }
}

/// Mounts the copy in `root.upper`, which is made if it is not there: then whole, or not at all.
pub(super) fn mount(root: &Root) -> Result<(), VfsError> {
    let files = &root.upper;
    if !files.is_dir() {
        let staging = files.with_file_name("copying");
        remove::remove(&staging)?;
        copy(&root.lower, &staging, !root.volatile)?;
        fs::rename(&staging, files).map_err(store("renaming", &staging))?;
    }
    Ok(overlay::mount_bare(files, &root.target)?)
}

/// Copies what the folders `lower`, the uppermost first, show together into the new folder `into`; `synced`, it is on the disk then.
pub(crate) fn copy(lower: &[PathBuf], into: &Path, synced: bool) -> Result<(), VfsError> {
    let top = Path::new("");
    let layers = opened(lower).map_err(VfsError::Layers)?;
    rustix::fs::mkdir(into, Mode::RWXU).map_err(failed(top))?;
    let to = rustix::fs::openat(CWD, into, FOLDER, Mode::empty()).map_err(failed(top))?;
    Copier { links: HashMap::new(), top: &to }.folder(&layers, &to, top, 0)?;
    match layers.iter().flatten().next() {
        Some(like) => alike(&to, like, top)?,
        // An image without layers.
        None => rustix::fs::fchmod(&to, Mode::from_raw_mode(0o755)).map_err(failed(top))?,
    }
    if synced {
        rustix::fs::syncfs(&to).map_err(|errno| store("syncing", into)(errno.into()))?;
    }
    Ok(())
}

struct Copier<'a> {
    /// Where the first name of a file with several is.
    links: HashMap<(u64, u64), PathBuf>,
    top: &'a OwnedFd,
}

impl Copier<'_> {
    fn folder(&mut self, layers: &Layers, to: &OwnedFd, path: &Path, depth: usize) -> Result<(), VfsError> {
        let broken = |error: io::Error| VfsError::File { path: Path::new("/").join(path), source: error };
        if depth > DEPTH {
            return Err(failed(path)(Errno::NAMETOOLONG));
        }
        for name in shown(layers).map_err(broken)? {
            let here = path.join(OsStr::from_bytes(name.to_bytes()));
            if let Below::Folder(folders) = below(layers, &name).map_err(broken)? {
                rustix::fs::mkdirat(to, &name, Mode::RWXU).map_err(failed(&here))?;
                let made = rustix::fs::openat(to, &name, FOLDER, Mode::empty()).map_err(failed(&here))?;
                self.folder(&folders, &made, &here, depth + 1)?;
                if let Some(like) = folders.iter().flatten().next() {
                    alike(&made, like, &here)?;
                }
                continue;
            }
            let mut holders = layers.iter().flatten();
            let stat = |layer: &OwnedFd| rustix::fs::statat(layer, &name, AtFlags::SYMLINK_NOFOLLOW);
            let found = holders.find_map(|layer| Some((layer, stat(layer).ok()?)));
            let Some((from, stat)) = found else { continue };
            self.file(from, to, &name, &stat, &here)?;
        }
        Ok(())
    }

    fn file(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &Stat, here: &Path) -> Result<(), VfsError> {
        if stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                return rustix::fs::linkat(self.top, first, to, name, AtFlags::empty()).map_err(failed(here));
            }
            self.links.insert(key, here.to_owned());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let open = rustix::fs::openat(from, name, read, Mode::empty()).map_err(failed(here))?;
                let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = rustix::fs::openat(to, name, write, Mode::RUSR | Mode::WUSR).map_err(failed(here))?;
                let (mut open, mut made) = (File::from(open), File::from(made));
                tree::contents(&mut open, &mut made)
                    .map_err(|source| VfsError::File { path: Path::new("/").join(here), source })?;
                alike(&made.into(), &open.into(), here)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new()).map_err(failed(here))?;
                rustix::fs::symlinkat(target.as_c_str(), to, name).map_err(failed(here))?;
                unopened(to, name, stat, here)
            }
            // A socket without a listener is nothing.
            FileType::Socket => Ok(()),
            kind => {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                match rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev) {
                    // Only root makes devices.
                    Err(Errno::PERM) => Ok(()),
                    made => made.map_err(failed(here)).and_then(|()| unopened(to, name, stat, here)),
                }
            }
        }
    }
}

/// Gives `made` the owner, mode, attributes and times of `like`.
fn alike(made: &OwnedFd, like: &OwnedFd, here: &Path) -> Result<(), VfsError> {
    let stat = rustix::fs::fstat(like).map_err(failed(here))?;
    rustix::fs::fchown(made, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
        .and_then(|()| rustix::fs::fchmod(made, Mode::from_raw_mode(stat.st_mode & 0o7777)))
        .and_then(|()| tree::attributes(made, like))
        .map_err(failed(here))?;
    // Overlay's mark of a layer: here is nothing below.
    let _ = rustix::fs::fremovexattr(made, "user.overlay.opaque");
    rustix::fs::futimens(made, &tree::times(&stat)).map_err(failed(here))
}

fn unopened(folder: &OwnedFd, name: &CStr, stat: &Stat, here: &Path) -> Result<(), VfsError> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .and_then(|()| rustix::fs::utimensat(folder, name, &tree::times(stat), AtFlags::SYMLINK_NOFOLLOW))
        .map_err(failed(here))
}

/// Makes a folder of what is other in `files` than in the layers `lower`, as overlay would have it in its upper one: the same files by
/// a further name each, and whiteouts. The folder is beside `files`; whoever asked for it removes it.
pub(crate) fn distil(files: &Path, lower: &[PathBuf]) -> Result<PathBuf, VfsError> {
    let into = files.with_file_name("changed");
    remove::remove(&into)?;
    let list = rustix::fs::memfd_create("changes", MemfdFlags::CLOEXEC).map_err(failed(Path::new("")))?;
    let mut list = File::from(list);
    let copy = list.try_clone().map_err(store("listing the changes in", files))?;
    list_differences(&[files.to_owned()], lower, Some(copy.into())).map_err(VfsError::Layers)?;
    let mut changes = Vec::new();
    list.rewind().and_then(|()| list.read_to_end(&mut changes)).map_err(store("listing the changes in", files))?;
    let mut changes: Vec<(&Path, u8)> = changes
        .split(|byte| *byte == 0)
        .filter_map(|line| line.split_first())
        .map(|(letter, path)| (Path::new(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path))), *letter))
        .collect();
    // Each folder before what is in it.
    changes.sort_unstable();
    let open = |path: &Path| rustix::fs::openat(CWD, path, FOLDER, Mode::empty());
    rustix::fs::mkdir(&into, Mode::RWXU).map_err(failed(Path::new("")))?;
    let (from, to) = (open(files).map_err(failed(files))?, open(&into).map_err(failed(&into))?);
    let mut folders = vec![PathBuf::new()];
    for (path, letter) in changes {
        if letter == b'D' {
            match rustix::fs::mknodat(&to, path, FileType::CharacterDevice, Mode::empty(), 0) {
                // It was in a folder that is none any more.
                Err(Errno::NOTDIR | Errno::NOENT) => continue,
                made => made.map_err(failed(path))?,
            }
            continue;
        }
        let stat = rustix::fs::statat(&from, path, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(path))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            rustix::fs::mkdirat(&to, path, Mode::RWXU).map_err(failed(path))?;
            folders.push(path.to_owned());
        } else {
            rustix::fs::linkat(&from, path, &to, path, AtFlags::empty()).map_err(failed(path))?;
        }
    }
    // What is in a folder changes its times.
    for path in folders.iter().rev() {
        let (made, like) = (open(&into.join(path)), open(&files.join(path)));
        alike(&made.map_err(failed(path))?, &like.map_err(failed(path))?, path)?;
    }
    Ok(into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Two layers: the upper one replaces a file, and has an opaque folder.
    fn layers(folder: &Path) -> Vec<PathBuf> {
        let (low, high) = (folder.join("low"), folder.join("high"));
        write(&low.join("etc/passwd"), "old");
        write(&low.join("etc/group"), "kept");
        write(&low.join("gone/file"), "hidden");
        fs::hard_link(low.join("etc/group"), low.join("etc/again")).unwrap();
        symlink("passwd", low.join("etc/link")).unwrap();
        write(&high.join("etc/passwd"), "new");
        write(&high.join("gone/other"), "shown");
        rustix::fs::setxattr(high.join("gone"), "user.overlay.opaque", b"y", rustix::fs::XattrFlags::empty()).unwrap();
        vec![high, low]
    }

    #[test]
    fn a_copy_is_what_the_layers_show() {
        let folder = tempfile::tempdir().unwrap();
        let layers = layers(folder.path());
        let into = folder.path().join("copy");
        copy(&layers, &into, false).unwrap();
        let text = |path: &str| fs::read_to_string(into.join(path)).ok();
        assert_eq!(text("etc/passwd").as_deref(), Some("new"));
        assert_eq!(text("etc/link").as_deref(), Some("new"));
        assert_eq!((text("gone/file"), text("gone/other").as_deref()), (None, Some("shown")));
        let inode = |path: &str| fs::metadata(into.join(path)).unwrap().ino();
        assert_eq!(inode("etc/group"), inode("etc/again"));
        let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(&into.join("etc/group")), time(&layers[1].join("etc/group")));
        // It is no layer: nothing in it hides anything.
        let mark = rustix::fs::getxattr(into.join("gone"), "user.overlay.opaque", &mut [0; 2][..]);
        assert_eq!(mark, Err(Errno::NODATA));
        // And what was only copied was not changed.
        let changed = distil(&into, &layers).unwrap();
        assert_eq!(fs::read_dir(changed).unwrap().count(), 0);
    }

    #[test]
    fn what_was_changed_in_a_copy_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let layers = layers(folder.path());
        let into = folder.path().join("copy");
        copy(&layers, &into, false).unwrap();
        fs::write(into.join("etc/passwd"), "mine").unwrap();
        write(&into.join("opt/a/b"), "x");
        let changed = distil(&into, &layers).unwrap();
        let has = |path: &str| changed.join(path).exists();
        assert!(has("etc/passwd") && has("opt/a/b") && !has("etc/group") && !has("gone"));
        assert_eq!(fs::read_to_string(changed.join("etc/passwd")).unwrap(), "mine");
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(changed.join("opt/a/b")), inode(into.join("opt/a/b")), "nothing is copied for it");
    }
}
