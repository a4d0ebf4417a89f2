// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The event log: one JSON object a line.
//!
//! A line is one `write` on a descriptor opened with `O_APPEND`, so that two writers never mix. A log that has grown too long is
//! put aside by renaming it, over the one that was put aside before. Whoever follows holds a shared lock (flock(2)) on the log that
//! it reads until it has found the next one: as long as one that was put aside is held, the next one is not, so that nobody misses any.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// When the log is put aside, unless something else is said.
pub const MAX_SIZE: u64 = 1 << 20;

/// A follower that has fallen asleep is waited for until the log is as long as this, or [`TIMES`] as long as it should be.
const TOO_LONG: u64 = 16 << 20;
const TIMES: u64 = 16;

/// So often a line is looked at that may be torn, a millisecond apart.
const LOOKS: u32 = 10;

/// Appends `line`, which ends with a newline, to the log, which is made if it is not there; one that is longer than `max_size` then is put aside.
pub(super) fn append(path: &Path, line: &[u8], max_size: Option<u64>) -> io::Result<()> {
    loop {
        let mut log = open(path)?;
        // Held while it is written to: one that was put aside is replaced by none meanwhile, and so read by everybody who reads it.
        log.lock_shared()?;
        let before = log.metadata()?;
        if before.nlink() == 0 {
            continue;
        }
        if is_torn(&log)? {
            log.write_all(&[b"\n", line].concat())?;
        } else {
            log.write_all(line)?;
        }
        let written = log.metadata()?;
        // Put aside and replaced before it was written to: nobody would read it there.
        if written.nlink() == 0 {
            continue;
        }
        return match max_size {
            Some(most) if written.len() >= most => put_aside(path, &log, most),
            _ => Ok(()),
        };
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    match open() {
        // A log that is to be elsewhere, and is the first there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            open()
        }
        opened => opened,
    }
}

/// Whether somebody was interrupted while writing the last line (a full disk), so that what comes now would be taken for its end. One
/// that is just being written, over the end of a page, looks like that, but not for long.
fn is_torn(log: &File) -> io::Result<bool> {
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let length = log.metadata()?.len();
        let mut last = [b'\n'];
        if length == 0 || log.read_exact_at(&mut last, length - 1).is_err() || last == *b"\n" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the event log `file` goes when it has grown too long.
pub fn old(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

/// Puts the log aside, unless another one is at it, or a follower still reads the one before.
fn put_aside(path: &Path, log: &File, max_size: u64) -> io::Result<()> {
    let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
    if folder.try_lock().is_err() {
        return Ok(());
    }
    let (here, now) = (log.metadata()?, fs::metadata(path)?);
    if now.ino() != here.ino() {
        return Ok(());
    }
    let before = File::open(old(path));
    let followed = before.as_ref().is_ok_and(|before| before.try_lock().is_err());
    if followed && now.len() < TOO_LONG.max(max_size.saturating_mul(TIMES)) {
        return Ok(());
    }
    fs::rename(path, old(path))
}

/// Makes the log if it is not there: who follows from the beginning can only hold what is there.
pub fn make(path: &Path) -> io::Result<()> {
    open(path).map(drop)
}

/// Opens the log that is at `path` now to follow it, and holds it. Nothing when there is none.
pub fn follow(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.lock_shared()?;
        // It may have been put aside between the opening and the lock, and then another one as well.
        match fs::metadata(path) {
            Ok(now) if now.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_write_at_once_leave_no_empty_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let line = [vec![b'x'; 2999], vec![b'\n']].concat();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| append(&path, &line, None).unwrap()));
            }
        });
        let text = fs::read(&path).unwrap();
        assert_eq!(text.len(), 8 * 1000 * line.len());
    }
}
