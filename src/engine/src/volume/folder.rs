// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The folders of volumes.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::container::ContainerId;
use crate::paths::Paths;

/// The file beside a volume's files that says that it was never mounted.
pub(crate) const NEW: &str = "new";

/// A volume's folder, from the moment it is being removed.
const REMOVING: &str = ".removing-";

/// A volume's folder, before it is one.
const MAKING: &str = ".making-";

/// The right to make and remove volumes' folders. Held for milliseconds, also by other processes.
pub(crate) struct Guard<'a> {
    paths: &'a Paths,
    _lock: File,
}

impl<'a> Guard<'a> {
    /// Waits for it. Makes the folder of all volumes when it is not there.
    pub(crate) fn take(paths: &'a Paths) -> io::Result<Self> {
        let folder = paths.volumes();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = File::options().create(true).append(true).open(folder.join(".lock"))?;
        lock.lock()?;
        Ok(Self { paths, _lock: lock })
    }

    /// Puts every folder aside that is none of a volume that there is: of one that was removed just now, or whose maker was killed.
    /// Answers what is to be removed.
    pub(crate) fn garbage(&self, is_known: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
        let mut garbage = Vec::new();
        for entry in fs::read_dir(self.paths.volumes())? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| *name != ".lock") else { continue };
            if name.starts_with(REMOVING) {
                garbage.push(entry.path());
            } else if name.starts_with(MAKING) {
                // One that is not there any more was somebody else's to remove.
                match File::open(entry.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    folder => garbage.extend(folder?.try_lock().is_ok().then(|| entry.path())),
                }
            } else if !is_known(name) {
                let aside = self.paths.volumes().join(format!("{REMOVING}{}", ContainerId::random()?.short()));
                fs::rename(entry.path(), &aside)?;
                garbage.push(aside);
            }
        }
        Ok(garbage)
    }
}

/// Folders that were made for volumes that are not in the database yet. Those that are not kept go.
pub(crate) struct Made<'a> {
    guard: &'a Guard<'a>,
    names: Vec<String>,
}

impl<'a> Made<'a> {
    /// None yet.
    pub(crate) fn of(guard: &'a Guard<'a>) -> Self {
        Self { guard, names: Vec::new() }
    }

    /// Makes the folder of the volume `name`, unless it is there.
    pub(crate) fn make(&mut self, name: &str) -> io::Result<()> {
        let there = self.guard.paths.volume(name).exists();
        if !there {
            self.names.push(name.to_owned());
        }
        make(self.guard.paths, name)
    }

    /// They are in the database.
    pub(crate) fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            // Nobody has mounted it: what is in it is ours.
            let _ = fs::remove_dir_all(self.guard.paths.volume(name));
        }
    }
}

/// A volume whose files are being copied: its folder is locked, and nobody's garbage before whoever copies has ended.
pub(crate) struct Making {
    folder: PathBuf,
    lock: File,
}

impl Making {
    /// Makes the folder, in which there are no files yet.
    pub(crate) fn begin(guard: &Guard<'_>) -> io::Result<Self> {
        let folder = guard.paths.volumes().join(format!("{MAKING}{}", ContainerId::random()?.short()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let lock = File::open(&folder)?;
        lock.lock()?;
        Ok(Self { folder, lock })
    }

    /// Where the files shall be; this is not there yet.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("_data")
    }

    /// The lock, for a step that may live longer than this process.
    pub(crate) fn lock(&self) -> io::Result<OwnedFd> {
        Ok(self.lock.try_clone()?.into())
    }

    /// It becomes none: its folder is to be removed.
    pub(crate) fn give_up(self) -> PathBuf {
        self.folder
    }

    /// Gives it its name, which no folder has; before it is in the database, and on the disk.
    pub(crate) fn become_volume(self, guard: &Guard<'_>, name: &str) -> io::Result<()> {
        fs::rename(&self.folder, guard.paths.volume(name))?;
        File::open(guard.paths.volumes())?.sync_all()
    }
}

/// The mark of a volume that was never mounted, locked: whoever fills the volume holds it until it is filled, and removes it then.
pub(crate) struct Mark {
    /// The volume's folder, wherever it is by now: one that was removed and made again has a mark of its own.
    folder: File,
    _lock: File,
}

impl Mark {
    /// Waits for whoever is filling the volume. Nothing when it is filled.
    pub(crate) fn take(paths: &Paths, name: &str) -> io::Result<Option<Self>> {
        let Ok(folder) = File::open(paths.volume(name)) else { return Ok(None) };
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(lock) = rustix::fs::openat(&folder, NEW, flags, Mode::empty()) else { return Ok(None) };
        let lock = File::from(lock);
        lock.lock()?;
        let is_new = rustix::fs::statat(&folder, NEW, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        Ok(is_new.then_some(Self { folder, _lock: lock }))
    }

    /// It is filled, or was removed meanwhile.
    pub(crate) fn remove(self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, NEW, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

/// Makes a volume's folder, unless it is there.
pub(crate) fn make(paths: &Paths, name: &str) -> io::Result<()> {
    let folder = paths.volume(name);
    let data = folder.join("_data");
    if data.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // Before its files' folder: that one's being there without a mark says that it is filled.
    File::options().create(true).append(true).open(folder.join(NEW))?;
    match DirBuilder::new().mode(0o755).create(&data) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
