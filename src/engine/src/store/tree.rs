// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What copying a tree has to keep of each file.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, Stat, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

/// To read the names in a folder, which is no link.
pub(crate) const READ_FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A file's times.
pub(crate) fn times(stat: &Stat) -> Timestamps {
    let time =
        |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Gives `made` the extended attributes of `like`, as far as may be.
pub(crate) fn attributes(made: &OwnedFd, like: &OwnedFd) -> Result<(), Errno> {
    let mut list = vec![0_u8; 64 << 10];
    let length = match rustix::fs::flistxattr(like, list.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 64 << 10];
        let Ok(length) = rustix::fs::fgetxattr(like, name, value.as_mut_slice()) else { continue };
        match rustix::fs::fsetxattr(made, name, &value[..length], XattrFlags::empty()) {
            // Labels of the machine's, or a file system without.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether `copy_file_range(2)` is of no use between the two places of this process: it copies one tree, and another one ends with it.
static APART: AtomicBool = AtomicBool::new(false);

/// So much at once, where the kernel does not copy.
const CHUNK: usize = 1 << 20;

/// Copies the rest of `from` to `to`: by `copy_file_range(2)`, which shares the bytes where the file system can, or else by hand. That
/// two file systems are apart (EXDEV) is asked once, not for every file.
pub(crate) fn contents(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut copied = false;
    while !APART.load(Ordering::Relaxed) {
        match rustix::fs::copy_file_range(&*from, None, &*to, None, 1 << 30) {
            Ok(0) if copied => return Ok(()),
            // Empty, or a file whose length the kernel does not know.
            Ok(0) => break,
            Ok(_) => copied = true,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) if !copied => {
                APART.store(true, Ordering::Relaxed);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_copied_within_a_file_system_and_from_one_to_another() {
        let here = tempfile::tempdir().unwrap();
        // Another file system than that of the folder, or the same: it comes out the same.
        for folder in [here.path(), std::path::Path::new("/dev/shm")] {
            for length in [0, 5, 3 << 20] {
                let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
                std::fs::write(here.path().join("from"), &bytes).unwrap();
                let mut from = File::open(here.path().join("from")).unwrap();
                let mut to = tempfile::NamedTempFile::new_in(folder).unwrap();
                contents(&mut from, to.as_file_mut()).unwrap();
                assert_eq!(std::fs::read(to.path()).unwrap(), bytes);
            }
        }
    }
}
