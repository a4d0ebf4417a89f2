// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a container's own user namespace inside the rootless one.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sched::CloneFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Signal, WaitId, WaitIdOptions};

use super::UsernsError;
use super::modes::{Mapping, split};
use crate::step::fork::{self, Fork};

/// Makes one that is mapped so; it lives as long as the descriptor, or whatever is in it. This (single-threaded) process is root in
/// the rootless namespace and stays there.
///
/// # Errors
/// What the kernel refused.
pub(crate) fn make(mapping: &Mapping) -> Result<OwnedFd, UsernsError> {
    let io = |source: io::Error| UsernsError::Io { doing: "making the container's user namespace".to_owned(), source };
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| io(error.into()));
    let (wait, go) = pipe()?;
    let (said, say) = pipe()?;
    let child = match fork::fork().map_err(io)? {
        Fork::Child => be_in_it(wait, say),
        Fork::Parent(child) => child,
    };
    drop((wait, say));
    let made = || -> Result<OwnedFd, UsernsError> {
        let mut errno = [0; 4];
        File::from(said).read_exact(&mut errno).map_err(|_| UsernsError::NoAnchor)?;
        match i32::from_ne_bytes(errno) {
            0 => {}
            errno => return Err(UsernsError::Forbidden(io::Error::from_raw_os_error(errno))),
        }
        let pid = child.pid.as_raw_pid();
        for (file, extents) in [("uid_map", &mapping.users), ("gid_map", &mapping.groups)] {
            let path = format!("/proc/{pid}/{file}");
            // The kernel wants each line to lead into one line of the map of the namespace that this one is in.
            let outer = super::map::of_process(rustix::process::getpid().as_raw_nonzero().get(), file).map_err(io)?;
            let mut lines = String::new();
            for (inside, outside, count) in split(extents, &outer) {
                // Writing to a String cannot fail.
                let _ = writeln!(lines, "{inside} {outside} {count}");
            }
            fs::write(&path, lines).map_err(|source| UsernsError::Io { doing: format!("writing {path}"), source })?;
        }
        File::open(format!("/proc/{pid}/ns/user")).map(OwnedFd::from).map_err(io)
    };
    let made = made();
    drop(go);
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
    let _ = rustix::process::waitid(WaitId::Pid(child.pid), WaitIdOptions::EXITED);
    made
}

fn be_in_it(wait: OwnedFd, say: OwnedFd) -> ! {
    fork::close_all_but(&[wait.as_raw_fd(), say.as_raw_fd()]);
    let errno = nix::sched::unshare(CloneFlags::CLONE_NEWUSER).err().map_or(0, |errno| errno as i32);
    // Its maps are written by who made it.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable);
    let _ = File::from(say).write_all(&errno.to_ne_bytes());
    let _ = File::from(wait).read(&mut [0]);
    fork::exit(0)
}
