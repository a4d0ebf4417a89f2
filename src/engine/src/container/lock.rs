// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's lock: a file in its folder, held (flock(2)) by who starts or removes it, only as long as they change it.
//!
//! Where the disk has no room for that file, which is to be no reason not to remove the container, one in the runtime folder stands in
//! for it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

use super::ContainerId;
use crate::paths::Paths;

/// Held until it is dropped, or until every copy of its descriptor is closed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Waits for it. Makes the container's folder when it is not there, which it is not before the first start: who calls this
    /// must see afterwards whether there still is such a container.
    pub(crate) fn take(paths: &Paths, id: &ContainerId) -> io::Result<Self> {
        loop {
            let file = match Self::open(paths, id) {
                Ok(file) => file,
                // The folder that it was to be in has just been removed: before it was looked into, or before it was looked at.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            file.lock()?;
            if Self::is_current(paths, id, &file)? {
                return Ok(Self { file });
            }
        }
    }

    /// The same for who does not start the container, and needs no folder of it.
    pub(crate) fn take_without_room(paths: &Paths, id: &ContainerId) -> io::Result<Self> {
        match Self::take(paths, id) {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Self::stand_in(paths, id).map_err(|_| error)
            }
            taken => taken,
        }
    }

    /// Takes it unless someone has it, or there is no folder to lock.
    pub(crate) fn try_take(paths: &Paths, id: &ContainerId) -> io::Result<Option<Self>> {
        let file = match Self::options().open(paths.container(id).join("lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(Self::is_current(paths, id, &file)?.then_some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for the file that stands in for one that the disk has no room for. It stays as long as the login.
    fn stand_in(paths: &Paths, id: &ContainerId) -> io::Result<Self> {
        let folder = paths.locks();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let file = Self::options().open(folder.join(id.to_string()))?;
        file.lock()?;
        Ok(Self { file })
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options
    }

    fn open(paths: &Paths, id: &ContainerId) -> io::Result<File> {
        let path = paths.container(id).join("lock");
        let options = Self::options();
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(paths.container(id))?;
                options.open(&path)
            }
            other => other,
        }
    }

    /// Whether the file that was locked is still the one at its place: the folder may have been removed while we waited.
    fn is_current(paths: &Paths, id: &ContainerId, file: &File) -> io::Result<bool> {
        match fs::metadata(paths.container(id).join("lock")) {
            Ok(there) => Ok(there.ino() == file.metadata()?.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A descriptor to be given to a child: the lock is held until that one is closed as well.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_one_at_a_time_and_a_shared_one_is_held_until_the_last_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        let id = ContainerId::random().unwrap();
        assert!(Lock::try_take(&paths, &id).unwrap().is_none(), "there is no such container");
        let lock = Lock::take(&paths, &id).unwrap();
        assert!(Lock::try_take(&paths, &id).unwrap().is_none());
        let shared = lock.share().unwrap();
        drop(lock);
        assert!(Lock::try_take(&paths, &id).unwrap().is_none());
        drop(shared);
        assert!(Lock::try_take(&paths, &id).unwrap().is_some());
    }

    #[test]
    fn a_folder_that_was_just_made_is_locked_by_whoever_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        let id = ContainerId::random().unwrap();
        fs::create_dir_all(paths.container(&id)).unwrap();
        let lock = Lock::try_take(&paths, &id).unwrap();
        assert!(lock.is_some());
        assert!(Lock::try_take(&paths, &id).unwrap().is_none());
    }

    #[test]
    fn who_waited_while_the_folder_was_removed_gets_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        let id = ContainerId::random().unwrap();
        let lock = Lock::take(&paths, &id).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::take(&paths, &id).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::rename(paths.container(&id), paths.containers().join("gone")).unwrap();
            drop(lock);
            waiting.join().unwrap();
        });
        assert!(paths.container(&id).join("lock").exists());
    }
}
