// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Taking turns: of those who bring the same image in at the same time, in whichever processes, one does it and the others find it
//! done.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use super::lease::is_at;
use super::{StoreError, TURN, failed};
use crate::digest::Digest;
use crate::paths::Paths;

/// How often someone who waits looks again: the kernel wakes nobody who can also be cancelled.
const INTERVAL: Duration = Duration::from_millis(50);

/// The right to bring one image in. A process that is killed loses it.
#[derive(Debug)]
pub(crate) struct Turn {
    path: PathBuf,
    _lock: File,
}

impl Turn {
    /// Waits for it.
    pub(crate) async fn take(paths: &Paths, image: &Digest) -> Result<Self, StoreError> {
        super::settle_images(paths)?;
        let folder = paths.layers();
        fs::create_dir_all(&folder).map_err(failed("making", &folder))?;
        let path = folder.join(format!("{TURN}{}", image.hex()));
        loop {
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(failed("opening", &path))?;
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path) => return Ok(Self { path, _lock: lock }),
                // Whoever had it removed the file after we opened it.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => tokio::time::sleep(INTERVAL).await,
                Err(TryLockError::Error(error)) => return Err(failed("locking", &path)(error)),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the lock goes with the file.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the file of someone who was killed.
pub(super) fn clear(path: &std::path::Path) {
    if let Ok(lock) = OpenOptions::new().write(true).open(path)
        && lock.try_lock().is_ok()
        && is_at(&lock, path)
    {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folder: &tempfile::TempDir) -> Paths {
        Paths::at(folder.path().to_owned(), folder.path().join("run"))
    }

    #[tokio::test]
    async fn one_image_is_brought_in_by_one_at_a_time_and_another_is_not_held_up() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(&folder);
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let first = Turn::take(&paths, &one).await.unwrap();
        let _other = Turn::take(&paths, &two).await.unwrap();
        let mut second = std::pin::pin!(Turn::take(&paths, &one));
        assert!(tokio::time::timeout(INTERVAL * 3, &mut second).await.is_err());
        drop(first);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn many_take_turns_without_losing_one() {
        let folder = tempfile::tempdir().unwrap();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let (folder, inside) = (&folder, &inside);
        let turns = (0..30).map(|_| async move {
            let _turn = Turn::take(&paths(folder), &Digest::of(b"1")).await.unwrap();
            assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        });
        futures_util::future::join_all(turns).await;
        assert_eq!(fs::read_dir(folder.path().join("layers")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_file_of_one_who_was_killed_is_cleared_and_that_of_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let turn = Turn::take(&paths(&folder), &Digest::of(b"1")).await.unwrap();
        clear(&turn.path);
        assert!(turn.path.exists());
        let left = folder.path().join("layers/left");
        fs::write(&left, "").unwrap();
        clear(&left);
        assert!(!left.exists());
    }
}
