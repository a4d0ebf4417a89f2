// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The anchor: a sleeping process that holds the user namespace, so that only the first command of a login has to make it.
//!
//! Its pid file names it (`PID STARTTIME`). Making it costs two setuid programs, about 5 ms; joining it 0.1 ms. When it is
//! gone, the namespace may still live in the monitors of running containers: then a new anchor is born in theirs, because
//! a container can only be reached from its own.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use haulout_monitor::process::Process;
use nix::sched::CloneFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use super::map::Map;
use super::{UsernsError, is_root};
use crate::runtime;
use crate::step::fork::{self, Child, Fork};

/// What joining came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The anchor; nothing when this process needs none.
    pub anchor: Option<Process>,
    /// Whether it was made just now.
    pub made: bool,
    /// What is to be told about the namespace that was made.
    pub warning: Option<String>,
}

/// The anchor that `file` names, if it lives. Costs two reads.
pub fn alive(file: &Path) -> Option<Process> {
    Process::read(file).filter(|process| process.is_alive())
}

/// Moves this (single-threaded) process into the user namespace that the anchor named by `file` holds; makes both when
/// there are none. Root needs none and stays where it is.
///
/// # Errors
/// Why no user namespace can be had.
pub fn join(file: &Path) -> Result<Joined, UsernsError> {
    if is_root() {
        return Ok(Joined::default());
    }
    if let Some(anchor) = join_living(file) {
        return Ok(Joined { anchor: Some(anchor), ..Joined::default() });
    }
    let _lock = lock(file)?;
    // Whoever held the lock before may have made it.
    if let Some(anchor) = join_living(file) {
        return Ok(Joined { anchor: Some(anchor), ..Joined::default() });
    }
    let (anchor, warning) = if join_monitor(file) { (hold(file)?, None) } else { make_and_join(file)? };
    Ok(Joined { anchor: Some(anchor), made: true, warning })
}

/// Joins the namespace of the anchor that `file` names; nothing when it is not there.
fn join_living(file: &Path) -> Option<Process> {
    let anchor = Process::read(file)?;
    join_process(anchor).then_some(anchor)
}

/// Joins `process`'s user namespace, if it still is that process.
pub(crate) fn join_process(process: Process) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else { return false };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return false };
    // Asked after the descriptor was opened: it cannot be another process's then.
    process.is_alive() && enter(pidfd.as_fd()).is_ok()
}

fn enter(pidfd: impl AsFd) -> io::Result<()> {
    nix::sched::setns(pidfd, CloneFlags::CLONE_NEWUSER)?;
    // A change of capabilities makes a process unreadable even to itself; the kernel's files of ours are ours to read.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(())
}

/// Joins the namespace of any monitor that lives, beside the anchor's file in `containers`.
fn join_monitor(file: &Path) -> bool {
    let Some(entries) = file.parent().and_then(|runtime| fs::read_dir(runtime.join("containers")).ok()) else {
        return false;
    };
    entries.filter_map(|entry| Process::read(&entry.ok()?.path().join("monitor.pid"))).any(join_process)
}

/// One at a time.
fn lock(file: &Path) -> Result<File, UsernsError> {
    let io = |doing: &str, path: &Path| {
        let doing = format!("{doing} {}", path.display());
        move |source| UsernsError::Io { doing, source }
    };
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("making", folder))?;
    }
    let path: PathBuf = file.with_extension("lock");
    let lock = File::options().create(true).append(true).open(&path).map_err(io("opening", &path))?;
    lock.lock().map_err(io("locking", &path))?;
    Ok(lock)
}

/// Makes a user namespace, with a process that holds it, and joins it. Answers also what is to be told about it.
fn make_and_join(file: &Path) -> Result<(Process, Option<String>), UsernsError> {
    let mut map = Map::of_user()?;
    let mut newborn = Newborn::fork(file, true)?;
    match map.give(newborn.process()?.pid) {
        Ok(()) => {}
        // As podman does: one id is better than none, and says so. A namespace takes a map once: it is another one.
        Err(error @ (UsernsError::Missing { .. } | UsernsError::Refused { .. })) => {
            map.users.truncate(1);
            map.groups.truncate(1);
            map.warning = Some(format!("{error}; falling back to a single mapping, which might break some images"));
            newborn.end();
            newborn = Newborn::fork(file, true)?;
            map.give(newborn.process()?.pid)?;
        }
        Err(error) => return Err(error),
    }
    let anchor = newborn.settle(file, true)?;
    Ok((anchor, map.warning))
}

/// Leaves a process that holds the user namespace that this one is in.
fn hold(file: &Path) -> Result<Process, UsernsError> {
    Newborn::fork(file, false)?.settle(file, false)
}

/// A process that becomes the anchor when it is told to, and ends when whoever made it ends before.
struct Newborn {
    child: Child,
    go: File,
}

impl Newborn {
    /// Forks it, and waits until it has a namespace of its own, if it is to make one.
    fn fork(file: &Path, makes: bool) -> Result<Self, UsernsError> {
        let io =
            |source| UsernsError::Io { doing: "making the process that holds the user namespace".to_owned(), source };
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| io(error.into()));
        let (wait, go) = pipe()?;
        let (said, say) = pipe()?;
        match fork::fork().map_err(io)? {
            Fork::Child => become_anchor(file, makes, wait, say),
            Fork::Parent(child) => {
                drop((wait, say));
                let newborn = Self { child, go: go.into() };
                let mut errno = [0; 4];
                File::from(said).read_exact(&mut errno).map_err(|_| UsernsError::NoAnchor)?;
                match i32::from_ne_bytes(errno) {
                    0 => Ok(newborn),
                    errno => {
                        newborn.end();
                        Err(UsernsError::Forbidden(io::Error::from_raw_os_error(errno)))
                    }
                }
            }
        }
    }

    fn process(&self) -> Result<Process, UsernsError> {
        Process::of(self.child.pid.as_raw_pid()).ok_or(UsernsError::NoAnchor)
    }

    /// Joins it if `join`, writes its name down and lets it be.
    fn settle(mut self, file: &Path, join: bool) -> Result<Process, UsernsError> {
        let io = |doing: String| move |source| UsernsError::Io { doing, source };
        let process = self.process()?;
        process.write(file).map_err(io(format!("writing {}", file.display())))?;
        if join {
            enter(self.child.pidfd.as_fd()).map_err(io("joining the new user namespace".to_owned()))?;
        }
        self.go.write_all(b"!").map_err(|_| UsernsError::NoAnchor)?;
        Ok(process)
    }

    fn end(self) {
        let _ = rustix::process::pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        let _ = rustix::process::waitid(WaitId::PidFd(self.child.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

/// The anchor's whole life. Once it is told to go on it is named by `file`, and ends when it is not any more.
fn become_anchor(file: &Path, makes: bool, wait: OwnedFd, say: OwnedFd) -> ! {
    fork::reset_signals();
    fork::close_all_but(&[wait.as_raw_fd(), say.as_raw_fd()]);
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = fork::silence();
    fork::rename("haulout-anchor");
    let errno =
        if makes { nix::sched::unshare(CloneFlags::CLONE_NEWUSER).err().map_or(0, |errno| errno as i32) } else { 0 };
    // Whoever joins has to be allowed to look at this process.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
    let (mut wait, mut say) = (File::from(wait), File::from(say));
    if say.write_all(&errno.to_ne_bytes()).is_err() || wait.read_exact(&mut [0]).is_err() {
        fork::exit(1);
    }
    drop((wait, say));
    // A small program does the sleeping, where there is one; this one's memory is the command line's.
    if let Ok(monitor) = runtime::monitor() {
        let environment: [(OsString, OsString); 0] = [];
        let _ = fork::execute(&monitor, &["haulout-anchor".into(), "--hold".into(), file.into()], &environment);
    }
    haulout_monitor::anchor::hold(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_that_names_a_process_that_is_gone_names_no_anchor() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchor");
        assert_eq!(alive(&file), None);
        let me = Process::of(std::process::id().cast_signed()).unwrap();
        me.write(&file).unwrap();
        assert_eq!(alive(&file), Some(me));
        Process { start_time: me.start_time + 1, ..me }.write(&file).unwrap();
        assert_eq!(alive(&file), None);
        fs::write(&file, "nonsense").unwrap();
        assert_eq!(alive(&file), None);
    }
}
