// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers on disk.
//!
//! `layers/<diffID>/diff` holds the files of one layer; it is there whole, and recorded in the database, or it is garbage. What
//! is being made is in a folder `.staging-…`, whose maker holds a lock on the file `lock` in it; what is to be removed is called
//! `.garbage-…`. Everything that the database does not know and nobody holds is garbage, whoever left it, and the next writer
//! removes it.

mod commit;
pub mod driver;
pub(crate) mod layered;
mod lease;
pub mod mapped;
pub mod mounting;
pub mod overlay;
pub mod pack;
mod parts;
pub(crate) mod podman;
mod stack;
mod staging;
pub(crate) mod tar;
mod tar_split;
pub(crate) mod tree;
mod turn;
pub mod unpack;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub(crate) use commit::{Commit, Committed, commit, sync};
pub(crate) use lease::Lease;
pub(crate) use stack::{Kept, Stack};
pub use staging::LayerError;
pub(crate) use staging::{MAGIC_LENGTH, Staging, UnpackFailure, Unpacked, compression};
pub(crate) use turn::Turn;

use crate::digest::Digest;
use crate::paths::Paths;
use crate::state::{Database, StateError, images};
use crate::step::{Step, StepError, Steps};

const STAGING: &str = ".staging-";
const GARBAGE: &str = ".garbage-";
const TURN: &str = ".turn-";
const LOCK: &str = ".lock";

/// Why the store could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or a folder.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done, such as "syncing".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    State(#[from] StateError),
    /// In the user namespace.
    #[error("removing {} in the user namespace", path.display())]
    Remove {
        /// The folder.
        path: PathBuf,
        /// What came back.
        source: StepError,
    },
}

/// The right to move things in `layers` and to say what is garbage. Held for milliseconds, also by other processes: nothing is
/// fetched or removed under it.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    _lock: File,
}

impl Guard {
    /// Takes it, and makes the folder if it is not there. Blocks.
    pub(crate) fn take(paths: &Paths) -> Result<Self, StoreError> {
        let folder = paths.layers();
        fs::create_dir_all(&folder).map_err(failed("making", &folder))?;
        let path = folder.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed("opening", &path))?;
        lock.lock().map_err(failed("locking", &path))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where the layers are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a layer.
    fn layer(&self, diff_id: &Digest) -> PathBuf {
        self.folder.join(diff_id.hex())
    }

    /// Makes a layer's folder garbage: it is there no more, but not yet gone. Where the disk has no room even for another name it keeps
    /// its own, and [`Guard::collect`] finds it.
    pub(crate) fn discard(&self, diff_id: &Digest) -> Result<(), StoreError> {
        self.throw_away(&self.layer(diff_id)).map(drop)
    }

    /// Whether it is called garbage now.
    fn throw_away(&self, folder: &Path) -> Result<bool, StoreError> {
        use io::ErrorKind::{NotFound, QuotaExceeded, StorageFull};
        let garbage = self.folder.join(format!("{GARBAGE}{}", random()?));
        match fs::rename(folder, &garbage) {
            Err(error) if matches!(error.kind(), QuotaExceeded | StorageFull) => Ok(false),
            Err(error) if error.kind() != NotFound => Err(failed("renaming", folder)(error)),
            _ => Ok(true),
        }
    }

    /// Finds what a killed process left, and all garbage; the folders that are to be removed, which nobody needs any more.
    pub(crate) fn collect(&self, connection: &Connection) -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(&self.folder).map_err(failed("reading", &self.folder))?;
        let mut unnamed = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("reading", &self.folder))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let left = if name.starts_with(STAGING) {
                !staging::is_held(&path)
            } else if name.starts_with(TURN) {
                turn::clear(&path);
                false
            } else if let Ok(diff_id) = Digest::from_hex(name) {
                // Whoever moved it here did so under this guard, and recorded it before giving it back.
                !images::has_layer(connection, &diff_id)?
            } else {
                false
            };
            if left && !self.throw_away(&path)? && !lease::is_leased(&path) {
                unnamed.push(path);
            }
        }
        let mut garbage = self.garbage()?;
        garbage.append(&mut unnamed);
        Ok(garbage)
    }

    /// What is called garbage already and is not read by anyone who began when it was a layer.
    pub(crate) fn garbage(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut garbage = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("reading", &self.folder))? {
            let path = entry.map_err(failed("reading", &self.folder))?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(GARBAGE))
                && !lease::is_leased(&path)
            {
                garbage.push(path);
            }
        }
        Ok(garbage)
    }
}

/// What killed processes left behind, found for whoever would not look at the layers otherwise: nearly always there is nothing,
/// and then this is one look into a folder. Blocks.
pub(crate) fn litter(database: &Database, paths: &Paths) -> Result<Vec<PathBuf>, StoreError> {
    let Ok(mut entries) = fs::read_dir(paths.layers()) else { return Ok(Vec::new()) };
    let is_litter = |name: &str| name.starts_with(STAGING) || name.starts_with(GARBAGE);
    if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_litter))) {
        Guard::take(paths)?.collect(database.reader())
    } else {
        Ok(Vec::new())
    }
}

/// Removes folders that are garbage. Others may be doing the same.
pub(crate) async fn remove(steps: &Steps, folders: Vec<PathBuf>) -> Result<(), StoreError> {
    for path in folders {
        let step = Step::Remove { path: path.clone() };
        steps.run(&step, Vec::new()).await.map_err(|source| StoreError::Remove { path, source })?;
    }
    Ok(())
}

/// Has the images of a store that has none yet kept in a folder of its own below `images`: links in the store lead there, so that it
/// finds them whatever it is told later. A folder that two stores had would be swept by each of what is the other's.
pub(crate) fn settle_images(paths: &Paths) -> Result<(), StoreError> {
    let Some(images) = &paths.elsewhere.image_store else { return Ok(()) };
    let of = Digest::of(paths.data.as_os_str().as_encoded_bytes()).hex();
    let place = images.join(format!("haulout-{}", &of[..16]));
    for link in [paths.mapped(), paths.layers()] {
        if fs::symlink_metadata(&link).is_ok() {
            continue;
        }
        let folder = place.join(link.file_name().unwrap_or_default());
        fs::create_dir_all(&folder).map_err(failed("making", &folder))?;
        fs::create_dir_all(&paths.data).map_err(failed("making", &paths.data))?;
        match std::os::unix::fs::symlink(&folder, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("making", &link)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("syncing", folder))
}

/// 16 random hexadecimal digits.
fn random() -> Result<String, StoreError> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(|error| StoreError::File {
        doing: "reading random numbers for a name in",
        path: PathBuf::from("layers"),
        source: error.into(),
    })?;
    Ok(hex::encode(bytes))
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::File { doing, path: path.to_owned(), source }
}
