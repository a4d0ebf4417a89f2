// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A layer that someone reads. Its image may be removed meanwhile, and even come back: who reads it reads on, as from a file that was
//! deleted.
//!
//! A lease is a shared lock (flock(2)) on the layer's folder. Whoever removes a layer puts its folder aside at once, but leaves the
//! files of one that is locked to whoever has it, or else to the next writer.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, Error};

/// A layer whose files stay as long as this lives, or a copy of its descriptor.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    folder: File,
}

impl Lease {
    /// Takes the layer in the folder `path`; nothing when it is not there (any more). Blocks, but for nobody: only who removes what
    /// is aside locks alone.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let folder = match File::open(path) {
                Ok(folder) => folder,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            folder.lock_shared()?;
            // Else it was put aside before it was locked: whoever did so may be removing it.
            if is_at(&folder, path) {
                return Ok(Some(Self { path: path.to_owned(), folder }));
            }
        }
    }

    /// The folder, to be read by whoever gets it.
    pub(crate) fn folder(&self) -> io::Result<OwnedFd> {
        Ok(self.folder.try_clone()?.into())
    }

    /// Gives the layer back, and removes its files if it is none any more.
    pub(crate) async fn close(self, engine: &Engine) {
        let left = !is_at(&self.folder, &self.path);
        drop(self);
        if left && let Err(error) = remove_what_is_left(engine).await {
            tracing::warn!("{error}");
        }
    }
}

async fn remove_what_is_left(engine: &Engine) -> Result<(), Error> {
    let paths = engine.paths().clone();
    let garbage = engine.state(move |database| Ok(super::litter(database, &paths))).await??;
    Ok(super::remove(engine.steps().await?, garbage).await?)
}

/// Whether someone reads what is in a folder that was put aside. Nobody begins to: what has such a name is not locked any more.
pub(super) fn is_leased(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Whether an open file is still what its name leads to.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_is_leased_as_long_as_anybody_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (layer, aside) = (folder.path().join("layer"), folder.path().join("aside"));
        assert!(Lease::take(&layer).unwrap().is_none());
        std::fs::create_dir(&layer).unwrap();
        let lease = Lease::take(&layer).unwrap().unwrap();
        std::fs::rename(&layer, &aside).unwrap();
        assert!(!is_at(&lease.folder, &lease.path));
        let copy = lease.folder().unwrap();
        drop(lease);
        assert!(is_leased(&aside));
        drop(copy);
        assert!(!is_leased(&aside));
    }
}
