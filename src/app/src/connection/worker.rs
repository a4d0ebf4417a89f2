// SPDX-License-Identifier: GPL-3.0-or-later
//! `haulout worker`: the process that enters the user namespace for us, since a program with threads cannot.

#![allow(unsafe_code, reason = "the number of a descriptor in a process that is yet to be is no borrowed descriptor")]

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use relm4::gtk::{gio, glib};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// The descriptor on which it listens.
const SOCKET: i32 = 3;

/// Starts one; answers our end of its socket. It ends when that is closed; nobody here has to wait for it.
pub fn start() -> Result<OwnedFd, glib::Error> {
    let program = program().ok_or_else(|| {
        glib::Error::new(
            gio::IOErrorEnum::NotFound,
            "the program “haulout” is neither beside haulout-app nor on the PATH",
        )
    })?;
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|error| glib::Error::new(gio::IOErrorEnum::Failed, &format!("making a pair of sockets: {error}")))?;
    let launcher = gio::SubprocessLauncher::new(gio::SubprocessFlags::NONE);
    // SAFETY: it is never used as a descriptor here: the launcher takes only its number, for the child.
    launcher.take_fd(far, unsafe { BorrowedFd::borrow_raw(SOCKET) });
    launcher.spawn(&[program.as_os_str(), OsStr::new("worker")])?;
    Ok(near)
}

/// `haulout` beside ourselves, else on the `PATH`.
pub fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("haulout"));
    beside.filter(|path| path.is_file()).or_else(|| glib::find_program_in_path("haulout"))
}
