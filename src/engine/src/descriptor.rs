// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors that tokio waits for: inotify's, processes', pipes' and terminals'.

#![allow(unsafe_code, reason = "tokio cannot see that an OwnedFd is always the same open descriptor")]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime tell when `descriptor`, which must not block, can be read or written, or has no other end any more.
pub(crate) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open as long as it lives, and gives the same number all the time.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(io::Error::from)
}
