// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What copying a tree has to keep of each file.

use std::os::fd::OwnedFd;

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
