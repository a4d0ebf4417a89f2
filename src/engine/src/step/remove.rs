// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing a tree, whoever owns its files and however deep it is, without ever leaving it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

/// A tree that could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("removing {}: {source}", path.display())]
pub struct RemoveError {
    path: PathBuf,
    source: io::Error,
}

/// A folder on the way down: only the lowest is open, so that a deep tree does not run out of descriptors.
struct Level {
    /// The folder's name in the one above.
    name: CString,
    /// The folders in it that are still to be removed.
    left: Vec<CString>,
    /// The device and inode of the one above, to be sure that `..` leads back to it.
    above: (u64, u64),
}

/// How often a tree is begun anew that others remove at the same time: each time something of it has gone.
const MAX_TRIES: usize = 10_000;

/// Removes `path` and everything in it. It need not be there.
///
/// # Errors
/// What stopped it; a part of the tree is gone then.
pub fn remove(path: &Path) -> Result<(), RemoveError> {
    for _ in 0..MAX_TRIES {
        match remove_tree(path) {
            // Another process removes it as well: what is left of it is ours to remove still.
            Err(Errno::NOENT) => {}
            removed => return removed.map_err(|errno| RemoveError { path: path.into(), source: errno.into() }),
        }
    }
    Err(RemoveError { path: path.into(), source: Errno::NOENT.into() })
}

fn remove_tree(path: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = match openat(CWD, parent, flags, Mode::empty()) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    remove_at(top.as_fd(), name.as_encoded_bytes())
}

/// Removes what has `name` in `folder`, and everything in it. It need not be there.
pub(crate) fn remove_at(top: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    match unlinkat(top, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR, POSIX EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let above = identity(&fstat(top)?);
    let (mut folder, left) = descend(top, &name)?;
    let mut levels = vec![Level { name, left, above }];
    while let Some(level) = levels.last_mut() {
        if let Some(next) = level.left.pop() {
            let above = identity(&fstat(&folder)?);
            let (lower, left) = descend(folder.as_fd(), &next)?;
            folder = lower;
            levels.push(Level { name: next, left, above });
            continue;
        }
        // Everything in it is gone: back up, and remove it from there.
        folder = openat(&folder, c"..", flags | OFlags::NOFOLLOW, Mode::empty())?;
        if identity(&fstat(&folder)?) != level.above {
            return Err(Errno::LOOP);
        }
        unlinkat(&folder, &level.name, AtFlags::REMOVEDIR)?;
        levels.pop();
    }
    Ok(())
}

/// Opens the folder `name` in `above`, removes what is no folder from it, and answers the folders that are left.
fn descend(above: BorrowedFd<'_>, name: &CString) -> Result<(OwnedFd, Vec<CString>), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(above, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // A folder that its owner may not read; without a namespace only the owner's permission helps.
            rustix::fs::chmodat(above, name, Mode::RWXU, AtFlags::empty())?;
            openat(above, name, flags, Mode::empty())?
        }
        other => other?,
    };
    let mut left = Vec::new();
    // Read again until nothing was removed: removing while reading may skip entries on some file systems.
    loop {
        left.clear();
        let mut removed = false;
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if is_folder(&folder, &entry)? {
                left.push(name.to_owned());
            } else {
                match unlink(&folder, name) {
                    Ok(()) | Err(Errno::NOENT) => removed = true,
                    Err(errno) => return Err(errno),
                }
            }
        }
        if !removed {
            return Ok((folder, left));
        }
    }
}

/// Removes an entry that is no folder.
fn unlink(folder: &OwnedFd, name: &std::ffi::CStr) -> Result<(), Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(folder, Mode::RWXU)?;
            unlinkat(folder, name, AtFlags::empty())
        }
        other => other,
    }
}

fn is_folder(folder: impl AsFd, entry: &rustix::fs::DirEntry) -> Result<bool, Errno> {
    match entry.file_type() {
        FileType::Directory => Ok(true),
        FileType::Unknown => {
            let stat = statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        }
        _ => Ok(false),
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_tree_goes_and_what_its_links_point_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        for number in 0..2000 {
            fs::write(tree.join(format!("a/{number}")), "").unwrap();
        }
        symlink(&outside, tree.join("a/link")).unwrap();
        symlink("nowhere", tree.join("a/b/dangling")).unwrap();
        fs::set_permissions(tree.join("a/b/c"), fs::Permissions::from_mode(0o000)).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("kept").exists());
        remove(&tree).unwrap();
        remove(&folder.path().join("no/such/parent")).unwrap();
    }

    #[test]
    fn a_link_in_the_tree_s_own_place_goes_and_what_it_points_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        symlink("target", folder.path().join("link")).unwrap();
        remove(&folder.path().join("link")).unwrap();
        assert!(!folder.path().join("link").is_symlink());
        assert!(folder.path().join("target").exists());
    }

    #[test]
    fn a_tree_deeper_than_there_are_descriptors_or_bytes_in_a_path_goes() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut at = openat(CWD, &top, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..5000 {
            rustix::fs::mkdirat(&at, c"d", Mode::RWXU).unwrap();
            at = openat(&at, c"d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(at);
        remove(&top).unwrap();
        assert!(!top.exists());
    }
}
