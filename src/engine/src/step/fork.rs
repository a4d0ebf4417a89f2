// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Forking, and what a forked process does before it is a process of its own.

#![allow(unsafe_code, reason = "fork(2), sigaction(2), close_range(2), dup2(2) and execve(2) have no safe wrapper")]

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, waitid};

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one.
    Parent(Child),
}

/// A child that was not waited for yet: its pid cannot become another process's.
#[derive(Debug)]
pub(crate) struct Child {
    pub pid: Pid,
    pub pidfd: OwnedFd,
}

/// Forks. The child has one thread: whatever locks others held stay held, so callers fork from a single thread (or, in
/// tests, do little in the child).
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: no memory is shared with the child; callers have one thread, so no lock is left behind locked.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => {
            let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::Other)?;
            match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => Ok(Fork::Parent(Child { pid, pidfd })),
                Err(errno) => {
                    // Nobody is going to watch it.
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                    let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED));
                    Err(errno.into())
                }
            }
        }
    }
}

/// Ends this process at once: no destructor, no `atexit`.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: does not return and touches no memory.
    unsafe { libc::_exit(status) }
}

/// Every signal as a process has it at first, none blocked: Rust ignores SIGPIPE, a shell's `nohup` SIGHUP, a zygote SIGINT,
/// and ignored signals stay ignored over an `execve`.
pub(crate) fn reset_signals() {
    // The kernel's `struct sigaction`: all zero is SIG_DFL, no flags, an empty mask. By the system call itself, because the C
    // library keeps two signals (32 and 33) to itself, and they too may have been left ignored by whoever started us.
    let default = [0_u64; 4];
    let set = size_of::<u64>();
    // SAFETY: the kernel reads one `struct sigaction`, at most 32 bytes; a set of signals is plain memory that sigemptyset fills.
    unsafe {
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), set);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Waits until this process has no child any more, nobody else's that became its own either; at most so long.
pub(crate) fn wait_for_children(patience: Duration) {
    let end = Instant::now() + patience;
    // SAFETY: a set of signals is plain memory that sigemptyset fills.
    let ended = unsafe {
        let mut ended = std::mem::zeroed();
        libc::sigemptyset(&raw mut ended);
        libc::sigaddset(&raw mut ended, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const ended, std::ptr::null_mut());
        ended
    };
    loop {
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(None) => {}
            Ok(Some(_)) | Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let left = libc::timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        // SAFETY: two structures that live here; nothing is wanted of the signal but that it came.
        unsafe { libc::sigtimedwait(&raw const ended, std::ptr::null_mut(), &raw const left) };
    }
}

/// Ignores `signal` from now on.
pub(crate) fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN is no handler that could run.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Closes every descriptor but `keep` and the standard three.
///
/// What closes here may belong to values that are still alive in this process; callers never drop or use those again: they
/// end by [`exit`] or [`execute`].
pub(crate) fn close_all_but(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).filter(|fd| *fd > 2).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        if first < fd {
            close_range(first, fd - 1);
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: descriptors are plain numbers to the kernel; see `close_all_but` for their owners.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result != 0 {
        // Before Linux 5.9.
        for fd in first..=last.min(65535) {
            // SAFETY: as above.
            unsafe { libc::close(fd.cast_signed()) };
        }
    }
}

/// Makes standard input, output and error `/dev/null`: nobody who reads our caller's output is kept waiting by us.
pub(crate) fn silence() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for place in 0..3 {
        place_at(&null, place)?;
    }
    Ok(())
}

/// Puts `fd` at the number `place`, open across an `execve`.
pub(crate) fn place_at(fd: impl AsFd, place: RawFd) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: plain numbers; `place` is a number that no value of the caller owns.
    let result = unsafe { if fd == place { libc::fcntl(fd, libc::F_SETFD, 0) } else { libc::dup2(fd, place) } };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the descriptor `number` that this process was started with (`haulout worker` gets its socket as 3).
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: asks about a number.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nothing else in this process took it: callers do so once, first thing.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A copy of the descriptor `number` that whoever started this process left open in it; nothing when there is none. What this
/// process has opened itself is closed over an `execve`, and so told apart.
pub(crate) fn left_open(number: u32) -> io::Result<Option<OwnedFd>> {
    let Ok(number) = RawFd::try_from(number) else { return Ok(None) };
    // SAFETY: asks about a number.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 || flags & libc::FD_CLOEXEC != 0 {
        return Ok(None);
    }
    // SAFETY: a number to the kernel.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nothing else knows it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(copy) }))
}

/// Becomes `program`. Returns only why not.
pub(crate) fn execute(program: &Path, arguments: &[OsString], environment: &[(OsString, OsString)]) -> io::Error {
    fn c_string(bytes: &[u8]) -> io::Result<CString> {
        CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
    }
    let build = || -> io::Result<_> {
        let program = c_string(program.as_os_str().as_bytes())?;
        let arguments: Vec<CString> =
            arguments.iter().map(|word| c_string(word.as_bytes())).collect::<Result<_, _>>()?;
        let environment: Vec<CString> = environment
            .iter()
            .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<_, _>>()?;
        Ok((program, arguments, environment))
    };
    let (program, arguments, environment) = match build() {
        Ok(built) => built,
        Err(error) => return error,
    };
    let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
        words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    // SAFETY: three pointers to nul-terminated strings, the lists ended by a null pointer, all alive here.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// The environment as it is.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Has what `command` starts inherit the standard three descriptors and no other: what is kept open for the program that this process
/// becomes is not for those that it starts before.
pub(crate) fn alone(command: &mut Command) {
    // SAFETY: one system call between fork and exec, on plain numbers. Marked only: an error of the exec is still told.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}

/// Names this process, in `ps` and `top` both: its command (15 bytes at most) and its arguments, which would else show those
/// of the process that it was forked from. To be called before it enters a user namespace.
pub(crate) fn rename(name: &str) {
    if let Ok(name) = CString::new(name) {
        let _ = rustix::thread::set_name(&name);
    }
    let _ = rewrite_arguments(name);
}

/// Writes over the memory in which the kernel finds `/proc/PID/cmdline`.
fn rewrite_arguments(name: &str) -> io::Result<()> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // proc_pid_stat(5): fields 48 and 49 are arg_start and arg_end; the command (2) may hold spaces and brackets.
    let mut fields = stat.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?.1.split_ascii_whitespace().skip(45);
    let mut address = || fields.next().and_then(|text| text.parse::<u64>().ok()).filter(|address| *address != 0);
    let (Some(start), Some(end)) = (address(), address()) else { return Err(io::ErrorKind::Unsupported.into()) };
    let length = usize::try_from(end.saturating_sub(start)).unwrap_or(0).min(1 << 20);
    let mut text = name.as_bytes().to_vec();
    text.truncate(length.saturating_sub(1));
    text.resize(length, 0);
    File::options().write(true).open("/proc/self/mem")?.write_all_at(&text, start)
}

/// What `bytes` from the kernel or an archive name.
pub(crate) fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
