// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `last-run` in a container's folder on disk: when it last ran and how that ended.
//!
//! Written by the monitor by rename after sync: once when the container's process starts, once when it ends.
//! The runtime folder goes at logout; this stays.

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
}

impl LastRun {
    /// Reads `folder/last-run`; nothing when the container never ran.
    ///
    /// # Errors
    /// What reading it met; `InvalidData` when it is not what [`LastRun::write`] writes.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match fs::read(folder.join("last-run")) {
            // What was not synced before a power cut.
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
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
