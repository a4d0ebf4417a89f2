// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Room for removals on a full disk.
//!
//! To take a row away is to write into the log, so on a full disk nothing could be removed. A file beside the database keeps a little
//! room; whoever removes something where there is none gives it up, and the next change that finds room again makes it anew.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Some removals' worth of pages in the log.
const SIZE: u64 = 256 << 10;

/// So much has to be free before some of it is kept.
const PLENTY: u64 = 16 * SIZE;

/// Keeps room beside `database`, unless some is kept already or there is little. File systems that promise no room have none kept.
pub(super) fn keep(database: &Path) {
    let path = path(database);
    if path.exists() || free(database).is_none_or(|free| free < PLENTY) {
        return;
    }
    if File::create(&path).is_ok_and(|file| fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_err()) {
        let _ = fs::remove_file(&path);
    }
}

/// Gives the room up; whether there was any.
pub(super) fn give_up(database: &Path) -> bool {
    fs::remove_file(path(database)).is_ok()
}

/// Whether the user may have no more on the disk of `database`, though it has room.
pub(super) fn is_over_quota(database: &Path) -> bool {
    let Some(folder) = database.parent() else { return false };
    // Not only a file, which may be had when its contents may not.
    let written = tempfile::tempfile_in(folder).and_then(|mut file| {
        file.write_all(&vec![1; 1 << 16])?;
        file.sync_all()
    });
    written.is_err_and(|error| error.kind() == io::ErrorKind::QuotaExceeded)
}

/// How many bytes an ordinary user may still write there.
fn free(database: &Path) -> Option<u64> {
    let found = statvfs(database).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-reserve");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_once_and_given_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("state.db");
        File::create(&database).unwrap();
        keep(&database);
        let kept = fs::metadata(path(&database));
        let Ok(kept) = kept else { return eprintln!("skipped: this file system promises no room") };
        assert_eq!(kept.len(), SIZE);
        keep(&database);
        assert!(give_up(&database));
        assert!(!path(&database).exists());
        assert!(!give_up(&database));
        assert!(!is_over_quota(&database));
    }
}
