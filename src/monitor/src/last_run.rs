// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `last-run` in a container's folder on disk: when it last ran and how that ended.
//!
//! Written by the monitor by rename after sync: once when the container's process starts, once when it ends.
//! The runtime folder goes at logout; this stays. An end that the disk does not take (it is full, or was made read-only while the
//! container ran) waits in the runtime folder, and goes to the disk as soon as that is written to again.

use std::io::Write;
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// The last (or the present) run of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// `/proc/sys/kernel/random/boot_id` at the start.
    pub boot_id: String,
    /// When it started: seconds and nanoseconds since 1970.
    pub started: (i64, u32),
    /// The container's process, as the host sees it.
    pub pid: i32,
    /// How it ended; nothing while it runs (or when its monitor was killed).
    pub exit: Option<Exit>,
    /// How often it was restarted by its policy since a user started it.
    #[serde(default)]
    pub restarts: u32,
}

/// How a container's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit status as a shell gives it: 128 + the signal for a signal. Nothing when nobody saw it end.
    pub status: Option<i32>,
    /// When: seconds and nanoseconds since 1970.
    pub finished: (i64, u32),
    /// Whether the kernel killed a process of it for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Whether a user had it stopped, or sent it a signal before.
    #[serde(default)]
    pub by_user: bool,
}

impl LastRun {
    /// Reads `folder/last-run`; nothing when the container never ran.
    ///
    /// One that is not what [`LastRun::write`] writes, as a power cut or a broken disk may leave it, says of the run only that it was:
    /// one container's file is no reason not to list the others.
    ///
    /// # Errors
    /// What reading it met.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join("last-run");
        match fs::read(&path) {
            // What was not synced before a power cut.
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(run) => Ok(Some(run)),
                Err(_) => Ok(Some(Self::lost(&path.metadata()?))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads `folder/last-run`, or of the same run what waits in `waiting` to be written there: then how it ended. Also whether it does.
    ///
    /// # Errors
    /// What reading the first met.
    pub fn read_with(folder: &Path, waiting: &Path) -> io::Result<(Option<Self>, bool)> {
        let run = Self::read(folder)?;
        if let Some(run) = run.as_ref().filter(|run| run.exit.is_none())
            && let Ok(Some(ended)) = Self::read(waiting)
            && (&ended.boot_id, ended.started, ended.pid) == (&run.boot_id, run.started, run.pid)
        {
            return Ok((Some(ended), true));
        }
        Ok((run, false))
    }

    /// What is known when only the file is: that it was written.
    fn lost(file: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let written = (file.mtime(), u32::try_from(file.mtime_nsec()).unwrap_or_default());
        let exit = Exit { status: None, finished: written, oom_killed: false, by_user: false };
        Self { boot_id: String::new(), started: written, pid: 0, exit: Some(exit), restarts: 0 }
    }

    /// Replaces `folder/last-run`, whole or not at all, on disk when this returns. On a disk that is full, the place of an
    /// older one is written to: how a container ended is not lost because its log has filled the disk.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        self.put(folder, true)?;
        fs::File::open(folder)?.sync_all()
    }

    /// The same, but a power cut may take it: for a container that is removed when it ends.
    pub fn replace(&self, folder: &Path) -> io::Result<()> {
        self.put(folder, false)
    }

    fn put(&self, folder: &Path, synced: bool) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let (temporary, place) = (folder.join(".last-run.new"), folder.join("last-run"));
        match write_file(&temporary, &text, synced) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                let _ = fs::remove_file(&temporary);
                return overwrite(&place, &text);
            }
            Err(error) => return Err(error),
        }
        fs::rename(&temporary, place)
    }
}

fn write_file(path: &Path, text: &[u8], synced: bool) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text)?;
    if synced { file.sync_data() } else { Ok(()) }
}

/// Writes to a file that is there, in the block that it has.
fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::File::options().write(true).open(path)?;
    file.write_all(text)?;
    file.set_len(text.len() as u64)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_cannot_be_read_says_that_there_was_a_run_and_not_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LastRun::read(folder.path()).unwrap(), None);
        fs::write(folder.path().join("last-run"), [0; 100]).unwrap();
        let run = LastRun::read(folder.path()).unwrap().unwrap();
        assert_eq!(run.exit.unwrap().status, None);
        assert!(run.started.0 > 0);
    }

    #[test]
    fn an_end_that_waits_counts_for_its_own_run_only() {
        let (folder, waiting) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut run = LastRun { boot_id: "b".into(), started: (10, 0), pid: 1, exit: None, restarts: 0 };
        run.write(folder.path()).unwrap();
        assert_eq!(LastRun::read_with(folder.path(), waiting.path()).unwrap(), (Some(run.clone()), false));
        run.exit = Some(Exit { status: Some(3), finished: (11, 0), oom_killed: false, by_user: false });
        run.replace(waiting.path()).unwrap();
        assert_eq!(LastRun::read_with(folder.path(), waiting.path()).unwrap(), (Some(run.clone()), true));
        let later = LastRun { started: (12, 0), exit: None, ..run };
        later.write(folder.path()).unwrap();
        assert_eq!(LastRun::read_with(folder.path(), waiting.path()).unwrap(), (Some(later), false));
    }

    #[test]
    fn whatever_is_in_the_file_it_is_read_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        haulout_fuzz::feed("last-run", |bytes| {
            fs::write(folder.path().join("last-run"), bytes).unwrap();
            let _ = LastRun::read(folder.path());
        });
    }
}
