// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is made for a container's mounts before the runtime mounts them: overlays, parts of volumes, other owners.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::{Part, Stages, place};
use crate::step::remove;
use crate::store::overlay::{self, OverlayError};

/// Why it could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    #[error(transparent)]
    Remove(#[from] remove::RemoveError),
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error("mounting {} of {}: {source}", path.display(), of.display())]
    Part { of: PathBuf, path: PathBuf, source: io::Error },
    #[error("making {}: {source}", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("giving {} to the container's user: {source}", path.display())]
    Own { path: PathBuf, source: io::Error },
}

/// Makes all of it, in a folder that is empty before: what an earlier run wrote goes.
pub(super) fn make(stages: &Stages) -> Result<(), StageError> {
    let Some(folder) = &stages.folder else { return Ok(()) };
    remove::remove(folder)?;
    let make = |path: &Path| {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| StageError::Make { path: path.to_owned(), source })
    };
    for overlay in &stages.overlays {
        overlay.target.parent().map(make).transpose()?;
        overlay::mount(overlay)?;
    }
    for part in &stages.parts {
        part.target.parent().map(make).transpose()?;
        mount_part(part).map_err(|errno| StageError::Part {
            of: part.of.clone(),
            path: part.path.clone(),
            source: errno.into(),
        })?;
    }
    Ok(())
}

fn mount_part(part: &Part) -> Result<(), Errno> {
    let folder = rustix::fs::openat(CWD, &part.of, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let found = place::open(folder.as_fd(), &part.path, OFlags::PATH | OFlags::CLOEXEC)?;
    let is_folder = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) == FileType::Directory;
    if is_folder {
        rustix::fs::mkdir(&part.target, Mode::RWXU)?;
    } else {
        rustix::fs::openat(CWD, &part.target, OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::RUSR)?;
    }
    rustix::mount::mount_bind_recursive(format!("/proc/self/fd/{}", found.as_raw_fd()), &part.target)
}

/// Gives `path` and everything in it to `uid` and `gid`; links are not followed.
pub(super) fn own(path: &Path, uid: u32, gid: u32) -> Result<(), StageError> {
    let failed = |source: Errno| StageError::Own { path: path.to_owned(), source: source.into() };
    let stat = rustix::fs::statat(CWD, path, AtFlags::empty()).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        own_tree(path, uid, gid)?;
    }
    own_one(path, (stat.st_uid, stat.st_gid), uid, gid, AtFlags::empty()).map_err(failed)
}

fn own_one(path: &Path, is: (u32, u32), uid: u32, gid: u32, flags: AtFlags) -> Result<(), Errno> {
    if is == (uid, gid) {
        return Ok(());
    }
    rustix::fs::chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)
}

/// What is in the folder `top`, without leaving it: each folder is opened by its own name, no link is followed.
fn own_tree(top: &Path, uid: u32, gid: u32) -> Result<(), StageError> {
    let failed = |errno: Errno| StageError::Own { path: top.to_owned(), source: errno.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folders = vec![rustix::fs::openat(CWD, top, flags, Mode::empty()).map_err(failed)?];
    while let Some(folder) = folders.pop() {
        for entry in Dir::read_from(folder.as_fd()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                // It has gone meanwhile.
                Err(Errno::NOENT) => continue,
                other => other.map_err(failed)?,
            };
            if (stat.st_uid, stat.st_gid) != (uid, gid) {
                let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                rustix::fs::chownat(&folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let below = rustix::fs::openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty());
                folders.push(below.map_err(failed)?);
            }
        }
    }
    Ok(())
}
