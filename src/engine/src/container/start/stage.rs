// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is made for a container's mounts before the runtime mounts them: overlays, parts of volumes, other owners.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags};
use rustix::thread::LinkNameSpaceType;

use super::{Part, SharedMount, Stages, place};
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
    #[error("mounting {} of the container of process {pid}: {source}", path.display())]
    Shared { pid: i32, path: PathBuf, source: io::Error },
    #[error("the container whose {} is to be shared has ended: container is stopped", path.display())]
    Ended { path: PathBuf },
    #[error("making {}: {source}", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("giving {} to the container's user: {source}", path.display())]
    Own { path: PathBuf, source: io::Error },
}

impl StageError {
    /// What a command ends with that this ends: as Podman's does.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Part { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Shared { .. } | Self::Ended { .. } => 126,
            _ => 125,
        }
    }
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
    for shared in &stages.shared {
        make(&shared.target)?;
        share(shared).map_err(|errno| match errno {
            Errno::SRCH => StageError::Ended { path: shared.path.clone() },
            _ => StageError::Shared { pid: shared.process.pid, path: shared.path.clone(), source: errno.into() },
        })?;
    }
    Ok(())
}

/// The mount as the other container has it. Only in its own mount namespace can it be taken hold of, so this process, which has but one
/// thread, goes there and comes back.
fn share(shared: &SharedMount) -> Result<(), Errno> {
    let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &str, flags: OFlags| rustix::fs::openat(CWD, path, flags, Mode::empty());
    let (root, here) = (open("/", path)?, open(".", path)?);
    let own = open("/proc/self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC)?;
    let other = open(&format!("/proc/{}/ns/mnt", shared.process.pid), OFlags::RDONLY | OFlags::CLOEXEC);
    let other = other.map_err(|_| Errno::SRCH)?;
    if !shared.process.is_alive() {
        return Err(Errno::SRCH);
    }
    let mounts = Some(LinkNameSpaceType::Mount);
    rustix::thread::move_into_link_name_space(other.as_fd(), mounts)?;
    // A link in it could lead to anything else of the other's.
    let found = rustix::fs::openat2(CWD, &shared.path, path, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let tree = found.and_then(|found| {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        rustix::mount::open_tree(&found, c"", flags)
    });
    rustix::thread::move_into_link_name_space(own.as_fd(), mounts)?;
    rustix::process::fchdir(&root)?;
    rustix::process::chroot(".")?;
    rustix::process::fchdir(&here)?;
    let tree = tree?;
    let target = rustix::fs::openat(CWD, &shared.target, path, Mode::empty())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(&tree, c"", &target, c"", flags)
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
