// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The few calls to the kernel and the C library that rustix does not have.

#![allow(unsafe_code, reason = "signal handlers, raw system calls and localtime_r have no safe wrapper here")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

use haulout_monitor::config::{MAX_PASSED, NETWORK, PASSED, USERNS};
use rustix::pipe::PipeFlags;

/// The descriptor of the starter's socket.
const STARTER: i32 = 3;

/// `NS_GET_NSTYPE` of linux/nsfs.h.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;

/// Takes the starter's socket and closes every descriptor after it, which could be anything: a lock, a terminal. Only the container's
/// user namespace and network stay, under their numbers, and the `passed` ones after them.
pub fn starter(passed: u32) -> io::Result<OwnedFd> {
    // SAFETY: nothing has opened a descriptor yet, so none that is closed here has an owner.
    unsafe {
        // ioctl_nsfs(2): what is no namespace has no type.
        if libc::ioctl(USERNS, NS_GET_NSTYPE) != libc::CLONE_NEWUSER {
            libc::close(USERNS);
        }
        let [namespace, ready] = NETWORK;
        if libc::ioctl(namespace, NS_GET_NSTYPE) != libc::CLONE_NEWNET {
            libc::close(namespace);
            libc::close(ready);
        }
        libc::close_range(PASSED.cast_unsigned() + passed.min(MAX_PASSED), u32::MAX, 0)
    };
    // SAFETY: only asks whether the number is a descriptor.
    if unsafe { libc::fcntl(STARTER, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as was just seen, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(STARTER) })
}

/// The pipe's end that the signal handler writes to.
static NOTES: AtomicI32 = AtomicI32::new(-1);

/// Signals as bytes on a descriptor. Handlers rather than a signal mask, because a mask would be inherited by every
/// program that is started.
#[derive(Debug)]
pub struct Signals {
    notes: OwnedFd,
}

/// A signal that came.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// Who sent it.
    pub sender: i32,
}

extern "C" fn note(number: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: only async-signal-safe calls; the kernel gives a valid `info`; errno is put back.
    unsafe {
        let errno = *libc::__errno_location();
        let words = [number, (*info).si_pid()];
        libc::write(NOTES.load(Ordering::Relaxed), words.as_ptr().cast(), size_of_val(&words));
        *libc::__errno_location() = errno;
    }
}

impl Signals {
    /// Catches SIGCHLD, SIGTERM, SIGINT and SIGHUP from now on.
    pub fn catch() -> io::Result<Self> {
        let (notes, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        NOTES.store(writer.as_raw_fd(), Ordering::Relaxed);
        // The handler writes to it as long as the process lives.
        std::mem::forget(writer);
        for number in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            // SAFETY: `action` is a whole sigaction; `note` has the signature that SA_SIGINFO asks for.
            let caught = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = note as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_NOCLDSTOP;
                libc::sigaction(number, &raw const action, std::ptr::null_mut())
            };
            if caught == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        // Of a child that has ended by now nobody was told.
        // SAFETY: sends this process a signal that is caught.
        unsafe { libc::raise(libc::SIGCHLD) };
        Ok(Self { notes })
    }

    /// The next one, if there is any.
    pub fn next(&self) -> Option<Signal> {
        let mut bytes = [0; 8];
        if rustix::io::read(&self.notes, &mut bytes).ok()? != bytes.len() {
            return None;
        }
        let (number, sender) = bytes.split_at(4);
        let word = |bytes: &[u8]| bytes.try_into().map(i32::from_ne_bytes).ok();
        Some(Signal { number: word(number)?, sender: word(sender)? })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notes.as_fd()
    }
}

/// Sends signal `number` (real-time ones too) to the process of `pidfd`.
pub fn send_signal(pidfd: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: no memory is passed but a null pointer, which pidfd_send_signal(2) allows.
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), number, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    if sent == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Keeps the descriptor of the container's user namespace from the programs that this one starts.
pub fn close_on_exec(config: &haulout_monitor::config::Config) {
    if let Some(number) = config.userns {
        // SAFETY: a flag of a number; it is open from the start and nobody's in this process.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Takes the descriptors that are passed on to the container, with the numbers that they have there.
pub fn passed(numbers: &[u32]) -> Vec<(u32, OwnedFd)> {
    let mut found = Vec::with_capacity(numbers.len());
    for (place, number) in (PASSED..).zip(numbers) {
        // SAFETY: only asks whether the number is a descriptor, and keeps it from other programs.
        if unsafe { libc::fcntl(place, libc::F_SETFD, libc::FD_CLOEXEC) } != -1 {
            // SAFETY: it is open, as was just seen; it is asked for once, before the monitor opens anything.
            found.push((*number, unsafe { OwnedFd::from_raw_fd(place) }));
        }
    }
    found
}

/// Gives what `command` starts these descriptors, under these numbers.
pub fn pass(command: &mut Command, descriptors: &[(u32, OwnedFd)]) {
    let pairs: Vec<(i32, i32)> =
        descriptors.iter().map(|(number, fd)| (fd.as_raw_fd(), number.cast_signed())).collect();
    let mut aside = vec![0; pairs.len()];
    let highest = pairs.iter().map(|(_, number)| *number).max().unwrap_or_default();
    // SAFETY: runs between fork and exec, allocates nothing and makes only system calls on numbers. First all go where none of
    // them is to be, then each to its place.
    unsafe {
        command.pre_exec(move || {
            for (index, (from, _)) in pairs.iter().enumerate() {
                aside[index] = libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, highest + 1);
                if aside[index] == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            for (index, (_, number)) in pairs.iter().enumerate() {
                if libc::dup2(aside[index], *number) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// The calendar's fields of a second in local time, and the zone's distance from UTC in seconds.
pub fn local_time(second: i64) -> (libc::tm, i64) {
    // SAFETY: tm is plain numbers (and a pointer that is not used); localtime_r writes it whole or not at all.
    let mut fields = unsafe { std::mem::zeroed::<libc::tm>() };
    // SAFETY: both pointers are valid.
    unsafe { libc::localtime_r(&raw const second, &raw mut fields) };
    let offset = fields.tm_gmtoff;
    (fields, offset)
}

unsafe extern "C" {
    /// Where the program begins in memory, and where its code ends: the linker's.
    static __executable_start: u8;
    static etext: u8;
}

/// Gives memory back to the kernel: what was freed, and the pages of the program itself. Of those only the few come back
/// that the loop needs, while a monitor may sleep for months with all that its start has touched.
pub fn give_back_memory() {
    // SAFETY: touches only the allocator's own free lists.
    unsafe { libc::malloc_trim(0) };
    let start = (&raw const __executable_start).map_addr(|address| address & !0xfff);
    let length = (&raw const etext).addr() - start.addr();
    // SAFETY: these pages are the file's, never written to: what is needed again is read from there.
    unsafe { libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED) };
}
