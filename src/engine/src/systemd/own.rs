// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Units of systemd's own kinds that are written for itself: a timer, a path. What a person wrote is never touched.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::userns;

/// The first line of a file that was written here, and not by a person.
const MARK: &str = "# Written by haulout";

/// How files begin that have no other name yet; random letters and digits follow.
const PART: &str = ".haulout-part-";

/// The folder of the units that outrank installed ones (systemd.unit(5)).
pub struct OwnUnits {
    folder: PathBuf,
}

/// Why a unit is not there, or is there still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnUnitsError {
    /// Nobody knows where the folder is.
    #[error("finding the folder of your units: neither XDG_CONFIG_HOME nor HOME is set")]
    NoHome,
    /// A unit could not be written or removed.
    #[error("{doing} {}", path.display())]
    File {
        /// `writing`, `removing` or `linking units in`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

impl OwnUnits {
    /// Of whoever asks.
    pub fn find() -> Result<Self, OwnUnitsError> {
        if userns::is_root() {
            return Ok(Self { folder: PathBuf::from("/etc/systemd/system") });
        }
        let said = |name: &str| env::var_os(name).filter(|said| !said.is_empty()).map(PathBuf::from);
        let config = said("XDG_CONFIG_HOME").or_else(|| Some(said("HOME")?.join(".config")));
        Ok(Self { folder: config.ok_or(OwnUnitsError::NoHome)?.join("systemd/user") })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is a file of this name that was written here.
    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// What a file that was written here says below its mark.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        let (mark, rest) = text.split_once('\n')?;
        mark.starts_with(MARK).then(|| rest.to_owned())
    }

    /// Writes a unit or a drop-in, whole or not at all, also where the power goes: an empty one would be masked, and nobody's.
    pub fn write(&self, name: &str, text: &str) -> Result<(), OwnUnitsError> {
        let path = self.folder.join(name);
        let failed = |source| OwnUnitsError::File { doing: "writing", path: path.clone(), source };
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(failed)?;
        let _lock = alone(folder).map_err(failed)?;
        let readable = fs::Permissions::from_mode(0o644);
        let made = tempfile::Builder::new().prefix(PART).permissions(readable).tempfile_in(folder);
        let mut file = made.map_err(failed)?;
        file.write_all(format!("{MARK}\n{text}").as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        sync_names(folder).map_err(failed)
    }

    /// Removes a file that was written here, if it is there, and the folder of drop-ins that it was alone in.
    pub fn remove(&self, name: &str) -> Result<(), OwnUnitsError> {
        if !self.has(name) {
            return Ok(());
        }
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(OwnUnitsError::File { doing: "removing", path, source });
            }
            _ => {}
        }
        let folder = path.parent().unwrap_or(&self.folder);
        let emptied = folder.extension().is_some_and(|end| end == "d") && fs::remove_dir(folder).is_ok();
        let left = if emptied { &self.folder } else { folder };
        sync_names(left).map_err(|source| OwnUnitsError::File { doing: "removing", path, source })
    }

    /// Has the links outlast a power cut that systemd made and removed here: it does not see to that itself.
    pub fn sync_links(&self) -> Result<(), OwnUnitsError> {
        let is_of_links = |path: &PathBuf| path.extension().is_some_and(|end| end == "wants") && path.is_dir();
        let below = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in below.filter(is_of_links).chain(Some(self.folder.clone()).filter(|folder| folder.is_dir())) {
            sync_names(&folder).map_err(|source| OwnUnitsError::File {
                doing: "linking units in",
                path: folder,
                source,
            })?;
        }
        Ok(())
    }
}

/// Keeps others of us from writing into a folder, and removes what was left of one that ended meanwhile.
fn alone(folder: &Path) -> io::Result<fs::File> {
    let lock = fs::File::open(folder)?;
    lock.lock()?;
    let is_part = |name: &str| {
        let rest = name.strip_prefix(PART).unwrap_or_default();
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_part)) {
        fs::remove_file(entry.path())?;
    }
    Ok(lock)
}

/// Has the names in a folder outlast a power cut, as they are now (fsync(2)).
fn sync_names(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
