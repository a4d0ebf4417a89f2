// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Places inside a mounted root filesystem, whose links lead nowhere else.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether `path` is a folder in `root`.
pub(crate) fn is_folder(root: BorrowedFd<'_>, path: &Path) -> bool {
    open(root, path, FOLDER).is_ok()
}

/// Opens `path` in `root`.
pub(crate) fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(root, path, flags, Mode::empty(), IN_ROOT)
}

/// A user and a group.
pub(crate) type Owner = (u32, u32);

/// Opens the folder `path` in `root`; makes it, as `owner`'s, and what is missing above it, as `above`'s.
pub(crate) fn make_folder(root: BorrowedFd<'_>, path: &Path, owner: Owner, above: Owner) -> Result<OwnedFd, Errno> {
    if let Ok(there) = open(root, path, FOLDER) {
        return Ok(there);
    }
    let mut at = open(root, Path::new("/"), FOLDER)?;
    let mut walked = PathBuf::from("/");
    let mut names = path.components().peekable();
    while let Some(part) = names.next() {
        let Component::Normal(name) = part else {
            if part == Component::ParentDir {
                return Err(Errno::INVAL);
            }
            continue;
        };
        walked.push(name);
        at = match open(root, &walked, FOLDER) {
            Ok(found) => found,
            Err(Errno::NOENT) if names.peek().is_none() => make_one(at.as_fd(), name, owner)?,
            Err(Errno::NOENT) => make_one(at.as_fd(), name, above)?,
            Err(errno) => return Err(errno),
        };
    }
    Ok(at)
}

fn make_one(above: BorrowedFd<'_>, name: &OsStr, (uid, gid): Owner) -> Result<OwnedFd, Errno> {
    rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o755))?;
    let made = rustix::fs::openat(
        above,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // What is made is the maker's, who is root in the user namespace.
    if (uid, gid) != (0, 0) {
        rustix::fs::fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_is_made_inside_the_root_even_where_a_link_leads_out() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path().join("root");
        fs::create_dir(&root).unwrap();
        symlink("../../outside", root.join("out")).unwrap();
        symlink("/inside", root.join("in")).unwrap();
        fs::create_dir(root.join("inside")).unwrap();
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let fd = File::open(&root).unwrap();
        make_folder(fd.as_fd(), Path::new("/a/b/c"), (uid, gid), (0, 0)).unwrap();
        make_folder(fd.as_fd(), Path::new("/in/d"), (uid, gid), (0, 0)).unwrap();
        // A link to what is not there: making it fails, and nothing is made outside.
        assert!(make_folder(fd.as_fd(), Path::new("/out/e"), (uid, gid), (0, 0)).is_err());
        assert!(root.join("a/b/c").is_dir() && root.join("inside/d").is_dir());
        assert!(!host.path().join("outside").exists());
        assert!(is_folder(fd.as_fd(), Path::new("/in/d")) && !is_folder(fd.as_fd(), Path::new("/nope")));
    }
}
