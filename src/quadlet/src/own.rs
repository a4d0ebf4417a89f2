// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The folder of the units that somebody writes for themselves: each is changed whole or not at all, and never over what somebody else has
//! written meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::home;
use crate::kind::UnitName;
use crate::lasting;

/// How files begin that have no other name yet, which is no unit's; random letters and digits follow.
pub const PART: &str = ".haulout-part-";

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFolder {
    path: PathBuf,
}

/// What stands in the place of a unit before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before<'a> {
    /// Nothing.
    Nothing,
    /// This text.
    Text(&'a str),
    /// Whatever it is.
    Anything,
}

/// A unit was not written or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// Neither `XDG_CONFIG_HOME` nor `HOME` says where it would be.
    #[error("the folder of your units is not known: neither XDG_CONFIG_HOME nor HOME is set")]
    NoHome,
    /// There is one of this name.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// It does not say any more what it said.
    #[error("{} was changed meanwhile by somebody else", .0.display())]
    Changed(PathBuf),
    /// It belongs to somebody else.
    #[error("{} is not in your own folder of units, {}", path.display(), folder.display())]
    NotOwn {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The system says no.
    #[error("writing {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl OwnFolder {
    /// Of a user `~/.config/containers/systemd`, of the machine `/etc/containers/systemd`.
    ///
    /// # Errors
    /// [`OwnError::NoHome`].
    pub fn of_environment(user: bool) -> Result<Self, OwnError> {
        let config = if user { home::config().ok_or(OwnError::NoHome)? } else { PathBuf::from("/etc") };
        Ok(Self { path: config.join("containers/systemd") })
    }

    /// The folder at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a new unit of that name goes.
    pub fn path_of(&self, name: &UnitName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// Whether the file at `path` is below it, and so to be changed.
    pub fn holds(&self, path: &Path) -> bool {
        path.strip_prefix(&self.path).is_ok_and(|below| below.components().all(|part| part.as_os_str() != ".."))
    }

    /// Writes `text` to the file at `path`, whole or not at all, if what stands there is what `before` says. Where a link leads, there it
    /// is written.
    ///
    /// # Errors
    /// [`OwnError::Exists`] and [`OwnError::Changed`] when something else stands there.
    pub fn write(&self, path: &Path, text: &str, before: Before<'_>) -> Result<(), OwnError> {
        let _lock = self.lock(path)?;
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let found = match fs::read_to_string(&real) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(OwnError::Io { path: real, source }),
        };
        match (before, found) {
            (Before::Nothing, Some(_)) => return Err(OwnError::Exists(path.to_owned())),
            (Before::Text(before), found) if found.as_deref() != Some(before) => {
                return Err(OwnError::Changed(path.to_owned()));
            }
            _ => {}
        }
        replace(&real, text).map_err(|source| OwnError::Io { path: real, source })
    }

    /// Removes the file at `path` if it still says `text`.
    ///
    /// # Errors
    /// [`OwnError::Changed`] when it says something else.
    pub fn remove(&self, path: &Path, text: &str) -> Result<(), OwnError> {
        let _lock = self.lock(path)?;
        let failed = |source| OwnError::Io { path: path.to_owned(), source };
        if fs::read_to_string(path).map_err(failed)? != text {
            return Err(OwnError::Changed(path.to_owned()));
        }
        fs::remove_file(path).and_then(|()| lasting::sync_names(path.parent().unwrap_or(&self.path))).map_err(failed)
    }

    /// Keeps others of us from changing anything in the folder, as long as it is kept.
    fn lock(&self, path: &Path) -> Result<fs::File, OwnError> {
        if !self.holds(path) {
            return Err(OwnError::NotOwn { path: path.to_owned(), folder: self.path.clone() });
        }
        self.alone().map_err(|source| OwnError::Io { path: self.path.clone(), source })
    }

    /// The same, for who writes files into it. The folder is made if it is not there, and what was left of one that ended meanwhile goes.
    pub fn alone(&self) -> io::Result<fs::File> {
        lasting::make_folder(&self.path)?;
        let lock = fs::File::open(&self.path)?;
        lock.lock()?;
        for entry in fs::read_dir(&self.path)?.flatten().filter(|entry| is_part(&entry.file_name())) {
            fs::remove_file(entry.path())?;
        }
        Ok(lock)
    }
}

/// Whether a file of that name is one that has no other yet.
fn is_part(name: &OsStr) -> bool {
    let rest = name.to_str().and_then(|name| name.strip_prefix(PART)).unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Puts a file with `text` in the place of the one at `path`, with its permissions.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    lasting::make_folder(folder)?;
    let mode = fs::metadata(path).map_or(0o644, |data| data.permissions().mode() & 0o777);
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(PART).permissions(fs::Permissions::from_mode(mode)).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    lasting::sync_names(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_s_change_is_written_over() {
        let home = tempfile::tempdir().unwrap();
        let folder = OwnFolder::at(home.path().join("systemd"));
        let path = folder.path_of(&UnitName::parse("web.container").unwrap());
        folder.write(&path, "one", Before::Nothing).unwrap();
        assert!(matches!(folder.write(&path, "two", Before::Nothing), Err(OwnError::Exists(_))));
        folder.write(&path, "two", Before::Text("one")).unwrap();
        assert!(matches!(folder.write(&path, "three", Before::Text("one")), Err(OwnError::Changed(_))));
        assert!(matches!(folder.remove(&path, "one"), Err(OwnError::Changed(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        folder.remove(&path, "two").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_one_left_that_was_killed_goes_with_the_next() {
        let home = tempfile::tempdir().unwrap();
        let folder = OwnFolder::at(home.path());
        for name in [".haulout-part-Ab3xyZ", ".haulout-sync", ".haulout-part-of.toml"] {
            fs::write(home.path().join(name), "half").unwrap();
        }
        folder.write(&home.path().join("web.container"), "one", Before::Nothing).unwrap();
        let mut left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".haulout-part-of.toml", ".haulout-sync", "web.container"]);
    }

    #[test]
    fn a_link_into_somebodys_own_repository_stays_one() {
        let home = tempfile::tempdir().unwrap();
        let folder = OwnFolder::at(home.path().join("systemd"));
        let (real, link) = (home.path().join("web.container"), folder.path().join("web.container"));
        fs::create_dir(folder.path()).unwrap();
        fs::write(&real, "one").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        folder.write(&link, "two", Before::Text("one")).unwrap();
        assert_eq!((fs::read_link(&link).unwrap(), fs::read_to_string(&real).unwrap()), (real, "two".to_owned()));
    }

    #[test]
    fn what_is_elsewhere_is_not_touched() {
        let folder = OwnFolder::at("/nope/systemd");
        for path in ["/etc/containers/systemd/a.container", "/nope/systemd/../a.container"] {
            let refused = folder.write(Path::new(path), "", Before::Anything);
            assert!(matches!(refused, Err(OwnError::NotOwn { .. })), "{refused:?}");
        }
    }
}
