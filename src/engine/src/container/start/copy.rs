// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Filling a new volume with what the image has at its place: contents, owners, modes, times, attributes and hard links.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::{Fresh, place};
use crate::store::tree::{READ_FOLDER, attributes, contents, times};

/// A volume that could not be filled.
#[derive(Debug, thiserror::Error)]
#[error("copying the image's {} into the new volume {}: {source}", inside.display(), outside.display())]
pub(super) struct CopyError {
    inside: PathBuf,
    outside: PathBuf,
    source: io::Error,
}

/// Deeper trees than that are not copied: no image has them, and a hostile one would use up the descriptors.
const DEPTH: usize = 200;

/// Copies what is at its place in `root` into a volume's empty folder, which itself becomes as the image's folder is. Where the
/// image has nothing, the volume becomes the container's `user`'s, as podman has it; where it is not empty, nothing is done.
pub(super) fn into_volume(root: BorrowedFd<'_>, fresh: &Fresh, user: (u32, u32)) -> Result<(), CopyError> {
    let Fresh { inside, outside, filled, owner } = fresh;
    let own = |to: &OwnedFd| match owner {
        (None, None) => Ok(()),
        (uid, gid) => rustix::fs::fchown(to, uid.map(Uid::from_raw), gid.map(Gid::from_raw)),
    };
    let copy = || -> Result<(), Errno> {
        if !filled {
            return Ok(());
        }
        let to = rustix::fs::openat(CWD, outside, READ_FOLDER, Mode::empty())?;
        if names(&to)?.next().is_some() {
            return Ok(());
        }
        let from = match place::open(root, inside, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC) {
            Ok(from) => from,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                rustix::fs::fchown(&to, Some(Uid::from_raw(user.0)), Some(Gid::from_raw(user.1)))?;
                return own(&to);
            }
            Err(errno) => return Err(errno),
        };
        let stat = rustix::fs::fstat(&from)?;
        let mut links = HashMap::new();
        tree(&from, &to, &to, Path::new(""), &mut links, 0)?;
        like(&to, &from, &stat)?;
        own(&to)
    };
    copy().map_err(|errno| CopyError { inside: inside.into(), outside: outside.into(), source: errno.into() })
}

/// Where the first name of a file with several is in the volume.
type Links = HashMap<(u64, u64), PathBuf>;

fn tree(
    from: &OwnedFd,
    to: &OwnedFd,
    top: &OwnedFd,
    path: &Path,
    links: &mut Links,
    depth: usize,
) -> Result<(), Errno> {
    if depth > DEPTH {
        return Err(Errno::NAMETOOLONG);
    }
    for name in names(from)? {
        let name = name.as_c_str();
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let here = path.join(std::ffi::OsStr::new(&*crate::step::fork::os(name.to_bytes())));
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = links.get(&(stat.st_dev, stat.st_ino)) {
                rustix::fs::linkat(top, first, to, name, AtFlags::empty())?;
                continue;
            }
            links.insert((stat.st_dev, stat.st_ino), here.clone());
        }
        match kind {
            FileType::Directory => {
                let lower = rustix::fs::openat(from, name, READ_FOLDER, Mode::empty())?;
                rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                let made = rustix::fs::openat(to, name, READ_FOLDER, Mode::empty())?;
                tree(&lower, &made, top, &here, links, depth + 1)?;
                like(&made, &lower, &stat)?;
            }
            FileType::RegularFile => file(from, to, name, &stat)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(target.as_c_str(), to, name)?;
                like_unopened(to, name, &stat)?;
            }
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                match rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev) {
                    Err(Errno::PERM) if kind != FileType::Fifo => continue,
                    other => other?,
                }
                like_unopened(to, name, &stat)?;
            }
            // Sockets belong to whoever listens, and nobody does.
            _ => {}
        }
    }
    Ok(())
}

fn file(from: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let source = rustix::fs::openat(from, name, read, Mode::empty())?;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::openat(to, name, write, Mode::RUSR | Mode::WUSR)?;
    let (mut source, mut target) = (std::fs::File::from(source), std::fs::File::from(target));
    contents(&mut source, &mut target).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    like(&OwnedFd::from(target), &OwnedFd::from(source), stat)
}

/// Owner, mode, attributes and times of `like`, whose `stat` was taken before it was read.
fn like(made: &OwnedFd, like: &OwnedFd, stat: &Stat) -> Result<(), Errno> {
    rustix::fs::fchown(made, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(made, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    attributes(made, like)?;
    rustix::fs::futimens(made, &times(stat))
}

fn like_unopened(folder: &OwnedFd, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::utimensat(folder, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

fn names(folder: &OwnedFd) -> Result<std::vec::IntoIter<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names.into_iter())
}
