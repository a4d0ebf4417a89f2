// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a network takes of the kernel that has no safe wrapper: a namespace, descriptors under certain numbers, and a helper that dies with
//! whoever started it.

#![allow(unsafe_code, reason = "clone(2), dup2(2), and what is done between fork and exec")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, set_parent_process_death_signal};

/// A new network namespace, which lives as long as the descriptor (and whatever is in it): of the user namespace that the descriptor
/// `userns` is of, or of this process's.
pub(super) fn make(userns: Option<i32>) -> io::Result<OwnedFd> {
    let (said, say) = pipe_with(PipeFlags::CLOEXEC)?;
    let flags = if userns.is_some() { libc::SIGCHLD } else { libc::CLONE_NEWNET | libc::SIGCHLD };
    // A process that enters a new one cannot come back to the host's, so another one makes it. Not fork(3), since the child
    // makes nothing but system calls.
    // SAFETY: like fork(2): without CLONE_VM the child has its own memory, and the null stack means a copy of this one.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    if pid == 0 {
        // SAFETY: async-signal-safe system calls only; it never returns.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if let Some(userns) = userns {
                let joined = libc::setns(userns, libc::CLONE_NEWUSER) == 0 && libc::unshare(libc::CLONE_NEWNET) == 0;
                // A change of credentials makes it unreadable for the one that made it.
                libc::prctl(libc::PR_SET_DUMPABLE, 1);
                let errno: i32 = if joined { 0 } else { *libc::__errno_location() };
                libc::write(say.as_raw_fd(), (&raw const errno).cast(), size_of::<i32>());
            }
            loop {
                libc::pause();
            }
        }
    }
    drop(say);
    let joined = || {
        let mut errno = [0; 4];
        io::Read::read_exact(&mut File::from(said), &mut errno)?;
        match i32::from_ne_bytes(errno) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    };
    let joined = if userns.is_some() { joined() } else { Ok(()) };
    let namespace = joined.and_then(|()| File::open(format!("/proc/{pid}/ns/net")));
    #[allow(clippy::cast_possible_truncation, reason = "a pid")]
    let pid = pid as libc::pid_t;
    // Not waited for: the kernel takes its time to end it, and has it while more is being done. It is one of those that a monitor does
    // not know and takes note of when they have ended.
    // SAFETY: it is this process's child and not yet waited for, so the number is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    namespace.map(OwnedFd::from)
}

/// Moves a descriptor to the number `place`, open across an `execve`. Nobody may have that number.
pub(super) fn place(descriptor: OwnedFd, place: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the caller says that nothing owns `place`, unless it is this descriptor.
    let placed = unsafe {
        match descriptor.as_raw_fd() {
            same if same == place => libc::fcntl(same, libc::F_SETFD, 0),
            other => libc::dup2(other, place),
        }
    };
    if placed == -1 {
        return Err(io::Error::last_os_error());
    }
    if descriptor.as_raw_fd() == place {
        return Ok(descriptor);
    }
    // SAFETY: the kernel has just made it, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(place) })
}

/// Takes the descriptor that this process was started with under the number `place`, and keeps it from the programs that it starts.
pub(super) fn take(place: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: a flag of a number, which also says whether it is a descriptor.
    if unsafe { libc::fcntl(place, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as was just seen, and was left for the network of this process, which takes it once.
    Ok(unsafe { OwnedFd::from_raw_fd(place) })
}

/// Has what `command` starts inherit the standard three descriptors and no other, and be killed when this process ends, however it ends.
pub(super) fn keep_close(command: &mut Command) {
    // SAFETY: runs between fork and exec and makes two system calls. The descriptors are only marked: an error of the exec is still told.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)
        });
    }
}
