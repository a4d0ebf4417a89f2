// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user's settings, in the same files that Podman reads.

pub mod auth;
pub mod containers;
pub mod limits;
pub mod lookaside;
pub(crate) mod own;
mod place;
pub mod policy;
pub mod registries;
pub mod storage;
mod table;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The folders in which settings are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The user's: `$XDG_CONFIG_HOME/containers`. Nothing when the user has no home.
    pub user: Option<PathBuf>,
    /// The machine's: `/etc/containers`.
    pub system: PathBuf,
    /// The distribution's: `/usr/share/containers`.
    pub vendor: PathBuf,
    /// What was learned and may be lost: `$XDG_CACHE_HOME/containers`.
    pub cache: Option<PathBuf>,
}

impl Folders {
    /// As the environment says.
    pub fn from_environment() -> Self {
        let below = |variable: &str, home: &str| {
            absolute(variable).or_else(|| Some(absolute("HOME")?.join(home))).map(|folder| folder.join("containers"))
        };
        Self {
            user: below("XDG_CONFIG_HOME", ".config"),
            system: "/etc/containers".into(),
            vendor: "/usr/share/containers".into(),
            cache: below("XDG_CACHE_HOME", ".cache"),
        }
    }
}

/// A variable that names a folder. The XDG specification says to ignore one that is not absolute.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The `*.conf` of a folder, sorted; none when there is no such folder. An error names the folder.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
