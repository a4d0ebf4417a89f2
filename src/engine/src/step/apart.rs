// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A step whose programs end with it: in a PID namespace of its own, whose processes the kernel kills when its first one ends, and in
//! a mount namespace of its own, so that what it unmounts in the end is nobody else's.
//!
//! A `mount_program` leaves a process behind, which does the mounting from then on. It is nobody's child, and it keeps the mount
//! namespace that it serves: whoever kills the step does not reach it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sched::CloneFlags;
use rustix::mount::UnmountFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Signal, WaitId, WaitIdOptions};

use super::fork::{self, Fork};
use crate::userns;

/// How long a program may take to write down what it has, when what it mounted is unmounted.
const PATIENCE: Duration = Duration::from_secs(10);

/// Goes on in a child that is the first process of such a PID namespace; this process waits for its end, and ends. It goes on in this
/// one where there can be none.
pub(super) fn enter() -> Result<(), String> {
    userns::own_mounts().map_err(|error| error.to_string())?;
    let failed = |error: std::io::Error| format!("making a process for a step: {error}");
    let (wait, go) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    if nix::sched::unshare(CloneFlags::CLONE_NEWPID).is_err() {
        return Ok(());
    }
    match fork::fork().map_err(failed)? {
        Fork::Child => {
            drop(go);
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            // Of a parent that ended before that no signal comes.
            if File::from(wait).read_exact(&mut [0]).is_err() {
                fork::exit(1);
            }
            Ok(())
        }
        Fork::Parent(child) => {
            // Whoever waits for the end of what the step reads or writes, or for its answer, waits for the child only.
            fork::close_all_but(&[go.as_raw_fd(), child.pidfd.as_raw_fd()]);
            let _ = File::from(go).write_all(b"!");
            let _ =
                rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(child.pid), WaitIdOptions::EXITED));
            fork::exit(0)
        }
    }
}

/// Unmounts what programs have mounted at `places`, and lets them end: they may have something to write. Nothing of it may be open.
pub(super) fn leave(places: &[std::path::PathBuf]) {
    for place in places {
        let _ = rustix::mount::unmount(place, UnmountFlags::DETACH);
    }
    fork::wait_for_children(PATIENCE);
}
