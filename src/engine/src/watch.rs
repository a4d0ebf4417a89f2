// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tells when files in folders change (inotify(7)).

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use rustix::fs::inotify::{self, CreateFlags, Event, Reader, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::descriptor;

/// How deep folders are watched.
const DEEPEST: usize = 8;

/// What somebody's editor does when it saves, whichever way it does it.
const CHANGES: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

/// Folders, and those below them, watched.
#[derive(Debug)]
pub struct Folders {
    paths: Vec<PathBuf>,
    inotify: AsyncFd<OwnedFd>,
    watched: Mutex<Watched>,
}

/// What the kernel watches, by the numbers that it gives.
#[derive(Debug, Default)]
struct Watched {
    /// The folders, and those below them.
    entered: HashSet<i32>,
    /// Folders in which one is to come, and its name: what else happens there is nothing to us.
    awaited: HashMap<i32, HashSet<OsString>>,
}

impl Watched {
    fn counts(&self, event: &Event<'_>) -> bool {
        match self.awaited.get(&event.wd()) {
            Some(names) if !self.entered.contains(&event.wd()) => {
                event.file_name().is_some_and(|name| names.contains(OsStr::from_bytes(name.to_bytes())))
            }
            _ => true,
        }
    }
}

impl Folders {
    /// Watches those that are there, and where those would be that are not. Has to be called on the runtime.
    ///
    /// # Errors
    /// The user has no more instances of inotify.
    pub fn watch(paths: Vec<PathBuf>) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let inotify = descriptor::watch(inotify, Interest::READABLE)?;
        let folders = Self { paths, inotify, watched: Mutex::default() };
        folders.look();
        Ok(folders)
    }

    /// Waits until something in them changes.
    ///
    /// # Errors
    /// Reading what the kernel says failed.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            match ready.try_io(|inotify| self.read(inotify.get_ref())) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => continue,
                Ok(Err(error)) => return Err(error),
            }
            // A folder may have come.
            self.look();
            return Ok(());
        }
    }

    /// Tells whenever something in them changes; ends with the error that [`Self::changed`] has.
    pub fn changes(self) -> BoxStream<'static, io::Result<()>> {
        stream::try_unfold(self, |folders| async move {
            folders.changed().await?;
            Ok(Some(((), folders)))
        })
        .boxed()
    }

    /// Reads what the kernel says; whether any of it counts.
    fn read(&self, inotify: &OwnedFd) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut buffer);
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = false;
        loop {
            counts |= watched.counts(&reader.next()?);
            if reader.is_buffer_empty() {
                return Ok(counts);
            }
        }
    }

    /// Watches all folders there are. One that is watched already stays so.
    fn look(&self) {
        let mut watched = Watched::default();
        for folder in &self.paths {
            self.enter(folder, DEEPEST, &mut watched.entered);
            let above = nearest(folder);
            let Some(name) = above.and_then(|above| folder.strip_prefix(above).ok()?.components().next()) else {
                continue;
            };
            // Of what cannot be watched nothing is heard: the next look at everything shows it.
            let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MASK_ADD;
            if let Some(number) = above.and_then(|above| inotify::add_watch(&self.inotify, above, flags).ok()) {
                watched.awaited.entry(number).or_default().insert(name.as_os_str().to_owned());
            }
        }
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    fn enter(&self, folder: &Path, deep: usize, entered: &mut HashSet<i32>) {
        if deep == 0 {
            return;
        }
        let Ok(number) = inotify::add_watch(&self.inotify, folder, CHANGES | WatchFlags::ONLYDIR) else { return };
        entered.insert(number);
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            self.enter(&entry.path(), deep - 1, entered);
        }
    }
}

/// The nearest folder above `path` that is there.
fn nearest(path: &Path) -> Option<&Path> {
    path.ancestors().find(|above| above.is_dir())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_file_in_a_folder_that_was_not_there_is_heard_of() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let folders = Folders::watch(vec![path.clone()]).unwrap();
        let heard = async || tokio::time::timeout(Duration::from_secs(20), folders.changed()).await.unwrap().unwrap();
        fs::create_dir_all(&path).unwrap();
        heard().await;
        // Whichever folder was told of first, all are watched by now.
        while tokio::time::timeout(Duration::from_millis(100), folders.changed()).await.is_ok() {}
        fs::write(path.join("web.container"), "[Container]").unwrap();
        heard().await;
    }

    #[tokio::test]
    async fn a_change_between_two_looks_at_the_stream_is_not_lost() {
        let home = tempfile::tempdir().unwrap();
        let mut changes = Folders::watch(vec![home.path().to_owned()]).unwrap().changes();
        for name in ["a", "b"] {
            fs::write(home.path().join(name), "").unwrap();
            tokio::time::timeout(Duration::from_secs(20), changes.next()).await.unwrap().unwrap().unwrap();
            while tokio::time::timeout(Duration::from_millis(100), changes.next()).await.is_ok() {}
        }
    }

    #[tokio::test]
    async fn what_else_happens_where_a_folder_is_to_come_is_not_heard_of() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::watch(vec![home.path().join("a")]).unwrap();
        fs::write(home.path().join("b"), "").unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(200), folders.changed()).await.is_err());
        fs::create_dir(home.path().join("a")).unwrap();
        tokio::time::timeout(Duration::from_secs(20), folders.changed()).await.unwrap().unwrap();
    }
}
