// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process that cannot be mistaken for another one: its pid and the moment it began.
//!
//! The files `monitor.pid` and `init.pid` in a container's runtime folder hold one: `PID STARTTIME`, the start
//! time being field 22 of `/proc/PID/stat` (`proc_pid_stat(5)`), in clock ticks since boot.

use std::path::Path;
use std::{fmt, fs, io};

/// Whether this process is root, and not of a user namespace that maps another user to it.
pub fn is_root_of_machine() -> bool {
    rustix::process::geteuid().is_root()
        && fs::read_to_string("/proc/self/uid_map").map_or(true, |map| {
            let mut numbers = map.split_ascii_whitespace();
            (numbers.next(), numbers.next()) == (Some("0"), Some("0"))
        })
}

/// A process, alive or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// Its process id as the host sees it.
    pub pid: i32,
    /// When it began, in clock ticks since boot.
    pub start_time: u64,
}

impl Process {
    /// The process that has `pid` now; nothing when none has, or when it is a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command may hold spaces and brackets: count from the last bracket.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        Some(Self { pid, start_time: fields.nth(18)?.parse().ok()? })
    }

    /// Whether it is still there.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Reads `file`; nothing when there is no such file or it holds something else.
    pub fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, start_time) = text.trim().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? })
    }

    /// Replaces `file`, whole or not at all. Not synced: it means nothing after a reboot.
    pub fn write(self, file: &Path) -> io::Result<()> {
        let temporary = file.with_extension("new");
        fs::write(&temporary, self.to_string())?;
        fs::rename(temporary, file)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.start_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_process_is_alive_and_another_start_time_is_another_process() {
        let me = Process::of(std::process::id().cast_signed()).unwrap();
        assert!(me.is_alive());
        assert!(!Process { start_time: me.start_time + 1, ..me }.is_alive());
    }

    #[test]
    fn whatever_is_in_a_pid_file_it_is_a_process_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("monitor.pid");
        haulout_fuzz::feed("pid", |bytes| {
            fs::write(&file, bytes).unwrap();
            let _ = Process::read(&file).map(Process::is_alive);
        });
    }
}
