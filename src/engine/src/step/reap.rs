// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Giving back what a killed monitor held.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use haulout_monitor::process::Process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::remove;
use crate::container::start::Remains;
use crate::spec::limits::cgroup_mount;
use crate::systemd::remains;

/// How long a killed process may take to be gone: what it waits for is the kernel's (a slow disk's) business.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills the container's processes and waits until they are gone, removes the runtime's state, then the bundle.
pub(super) fn reap(remains: &Remains) -> Result<(), String> {
    let init = Process::read(&remains.bundle.join("init.pid"));
    let cgroup = init.filter(|init| init.is_alive()).and_then(|init| cgroup_of(init.pid));
    if let Some(init) = init {
        // The first process of a pid namespace takes all others with it.
        kill(init).map_err(|error| format!("killing process {}: {error}", init.pid))?;
    }
    if let Some(cgroup) = cgroup {
        let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    }
    for file in ["pasta.pid", "slirp4netns.pid"] {
        if let Some(network) = Process::read(&remains.bundle.join(file)) {
            kill(network).map_err(|error| format!("killing process {}: {error}", network.pid))?;
        }
    }
    delete(remains)?;
    if let Some(mounted) = &remains.mounted {
        // Without its place it is mounted nowhere, and the program ends.
        let _ = fs::remove_dir(mounted);
    }
    if let Some(made) = remains::made_cgroup(&remains.bundle, &remains.id) {
        // What the runtime left of it.
        let _ = fs::remove_dir(made.join("container"));
        let _ = fs::remove_dir(made);
    }
    remove::remove(&remains.bundle).map_err(|error| error.to_string())
}

/// Kills `process` if it is still that one, and waits until it is gone.
fn kill(process: Process) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(()) };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    if !process.is_alive() {
        return Ok(());
    }
    match rustix::process::pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) => {}
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    let gone = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience)))?;
    if gone == 0 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
}

/// The folder of the cgroup that the container's first process is in, when it is one that we made for containers: another's is
/// not ours to kill.
fn cgroup_of(pid: i32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let ours = Path::new(path).components().any(|part| part.as_os_str() == "container");
    ours.then(|| cgroup_mount().join(path))
}

/// Has the OCI runtime forget the container; that it does not know it is as good.
fn delete(remains: &Remains) -> Result<(), String> {
    let Some((program, arguments)) = remains.runtime.split_first() else { return Ok(()) };
    let root = arguments.iter().zip(arguments.iter().skip(1)).find(|(flag, _)| *flag == "--root").map(|(_, root)| root);
    if root.is_some_and(|root| !Path::new(root).join(&remains.id).exists()) {
        return Ok(());
    }
    let output = Command::new(program)
        .args(arguments)
        .args(["delete", "--force", &remains.id])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("running {program} to delete {}: {error}", remains.id))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    match root {
        // What it could not do cleanly is done by hand: the process is dead already.
        Some(root) => remove::remove(&Path::new(root).join(&remains.id)).map_err(|error| error.to_string()),
        None => Err(format!("{program} delete {}: {}", remains.id, words.trim())),
    }
}
