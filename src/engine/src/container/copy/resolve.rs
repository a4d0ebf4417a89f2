// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the path that a user wrote to the file that is meant, on the host or in a container.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::Side;
use crate::step::{Failure, fork};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// A tree that paths are looked up in.
pub(super) struct Root {
    pub(super) fd: OwnedFd,
    /// Whether it is a container's or a volume's, out of which no link may lead.
    closed: bool,
    /// Whose it is, in messages.
    of: String,
    /// The path from the root, and as it was given.
    pub(super) path: PathBuf,
    pub(super) given: String,
}

/// A file that is there.
pub(super) struct Found {
    /// Opened for nothing but to be named (`O_PATH`).
    pub(super) fd: OwnedFd,
    pub(super) stat: Stat,
}

impl Found {
    pub(super) fn is_folder(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }
}

impl Root {
    pub(super) fn open(side: &Side) -> Result<Self, Failure> {
        match side {
            Side::Host { path, given } => {
                let fd = rustix::fs::openat(rustix::fs::CWD, "/", PATH | OFlags::DIRECTORY, Mode::empty());
                Ok(Self {
                    fd: fd.map_err(|errno| format!("opening /: {errno}"))?,
                    closed: false,
                    of: "the host".to_owned(),
                    path: path.clone(),
                    given: given.clone(),
                })
            }
            Side::Container { place, name, path, workdir, .. } => {
                Ok(Self::in_container(place.open()?, name, path, workdir))
            }
            Side::Volume { path, name } => {
                let fd = rustix::fs::openat(rustix::fs::CWD, path, PATH | OFlags::DIRECTORY, Mode::empty());
                Ok(Self {
                    fd: fd.map_err(|errno| format!("opening {}: {errno}", path.display()))?,
                    closed: true,
                    of: format!("volume {name}"),
                    path: PathBuf::from("."),
                    given: ".".to_owned(),
                })
            }
            Side::Tar => Err("a tar is no tree".into()),
        }
    }

    fn in_container(fd: OwnedFd, name: &str, path: &str, workdir: &Path) -> Self {
        Self { fd, closed: true, of: format!("container {name}"), path: workdir.join(path), given: path.to_owned() }
    }

    /// Another place in the same container.
    pub(super) fn again(&self, side: &Side) -> Result<Self, Failure> {
        let Side::Container { name, path, workdir, .. } = side else { return Self::open(side) };
        let fd = self.fd.try_clone().map_err(|error| format!("opening the root of the container: {error}"))?;
        Ok(Self::in_container(fd, name, path, workdir))
    }

    /// Opens `path`; links are followed, but not out of a container.
    pub(super) fn at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        if self.closed {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            return rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve);
        }
        rustix::fs::openat(&self.fd, path, flags, Mode::empty())
    }

    /// What is there; nothing when nothing is.
    pub(super) fn find(&self) -> Result<Option<Found>, String> {
        match self.at(&self.path, PATH).and_then(|fd| Ok(Found { stat: rustix::fs::fstat(&fd)?, fd })) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.failed(errno)),
        }
    }

    /// The folder and the name in it that the path stands for, where something is to be made or replaced: a link at its end is
    /// followed as long as there is one.
    pub(super) fn place(&self) -> Result<(OwnedFd, CString), String> {
        let mut path = self.path.clone();
        for _ in 0..MAX_LINKS {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { break };
            let folder = match self.at(parent, PATH | OFlags::DIRECTORY) {
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(self.missing()),
                other => other.map_err(|errno| self.failed(errno))?,
            };
            match rustix::fs::readlinkat(&folder, name, Vec::new()) {
                Ok(target) => path = parent.join(OsStr::from_bytes(target.as_bytes())),
                Err(Errno::INVAL | Errno::NOENT) => {
                    let name = CString::new(name.as_bytes()).map_err(|_| self.missing())?;
                    return Ok((folder, name));
                }
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        Err(self.missing())
    }

    /// The name that what is copied from here has elsewhere; nothing when it is the contents of a folder that are meant.
    pub(super) fn base(&self) -> Option<CString> {
        let given = Path::new(&self.given);
        if self.given.ends_with("/.") || self.given == "." {
            return None;
        }
        match given.components().next_back() {
            Some(Component::Normal(name)) => CString::new(name.as_bytes()).ok(),
            _ => None,
        }
    }

    /// Whether the path says itself that it is a folder.
    pub(super) fn says_folder(&self) -> bool {
        self.given.ends_with('/')
    }

    pub(super) fn missing(&self) -> String {
        format!("{:?} could not be found on {}: no such file or directory", self.given, self.of)
    }

    pub(super) fn failed(&self, errno: Errno) -> String {
        format!("{:?} on {}: {errno}", self.given, self.of)
    }
}

/// Opens again, to be read, what was opened only to be named.
pub(super) fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::openat(rustix::fs::CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// A name as text, for messages.
pub(super) fn shown(path: &[u8]) -> String {
    fork::os(path).to_string_lossy().into_owned()
}

impl Found {
    /// The folder, to be read.
    pub(super) fn folder(&self) -> Result<OwnedFd, Errno> {
        reopen(self.fd.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY)
    }
}
