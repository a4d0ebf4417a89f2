// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The anchor (`haulout-monitor --hold FILE`), which does nothing but hold the user namespace that it is in.
//!
//! The engine forks it, gives its namespace the user's ids, and has it become that program, because a sleeping copy of the
//! command line would keep a megabyte and a half of memory for it, and this needs a tenth.
//!
//! It is found by its pid file. Without that nobody can ask for it any more, and it ends: a runtime folder that was somebody's for
//! an hour leaves no process when it is deleted. Whoever is in the namespace stays there, and keeps it.

use std::path::Path;
use std::{fs, io};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::process::Process;

/// Sleeps as long as `file` names this process. For ever where it cannot be told of changes.
pub fn hold(file: Option<&Path>) -> ! {
    let _ = rustix::thread::set_name(c"haulout-anchor");
    if let (Some(file), Some(own)) = (file, Process::of(std::process::id().cast_signed()))
        && wait_until_nameless(file, own).is_ok()
    {
        std::process::exit(0);
    }
    loop {
        // No descriptors, no time: for ever, but for a signal that does not kill.
        let _ = rustix::event::poll(&mut [], None);
    }
}

/// Waits until there is no `file`, or one that does not name `process`.
///
/// The file is watched and not its folder, in which something happens with every container.
fn wait_until_nameless(file: &Path, process: Process) -> io::Result<()> {
    let changes = inotify::init(CreateFlags::CLOEXEC)?;
    // That its last link goes is a change of its attributes.
    let wanted = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::CLOSE_WRITE;
    loop {
        // Watched before it is read: what becomes of it after that is told. The same file again changes nothing.
        let watched = inotify::add_watch(&changes, file, wanted);
        if !names(file, process) {
            return Ok(());
        }
        watched?;
        // What has happened need not be known: it is read again.
        rustix::io::retry_on_intr(|| rustix::io::read(&changes, &mut [0; 1024]))?;
    }
}

/// Whether `file` may name `process`: one that cannot be read may.
fn names(file: &Path, process: Process) -> bool {
    match fs::metadata(file) {
        Ok(_) => Process::read(file).is_none_or(|named| named == process),
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}
