// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a running container uses, as its cgroup (version 2) and its network namespace count it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::status::Seen;
use super::{ContainerId, Containers, Status};
use crate::engine::Error;
use crate::spec::limits::cgroup_mount;
use crate::{event, systemd};

/// What has passed through one network interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that came.
    pub received: u64,
    /// Bytes that went.
    pub sent: u64,
}

/// What a container uses. What the machine does not count is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// When it was measured: nanoseconds since 1970.
    pub time: i64,
    /// When the container was started: nanoseconds since 1970.
    pub started: i64,
    /// Nanoseconds of processor time since then.
    pub cpu: u64,
    /// Those of them that the kernel spent for it.
    pub cpu_kernel: u64,
    /// Bytes of memory, files that could be dropped not counted.
    pub memory: u64,
    /// Bytes of memory that it may use: its limit, or all that the machine has.
    pub memory_limit: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to disks.
    pub written: u64,
    /// By interface; the loopback is left out.
    pub networks: BTreeMap<String, Traffic>,
}

impl Containers {
    /// On one thread: reading a few small files takes less than a thread for each.
    pub(super) async fn measure_all(&self, ids: Vec<ContainerId>) -> Result<Vec<Option<Usage>>, Error> {
        let engine = self.engine.clone();
        let measured = self.engine.blocking("measuring containers", move || {
            let machine = field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:") * 1024;
            let measured = ids.iter().map(|id| {
                let seen = Seen::look(engine.paths(), id);
                let seen = seen.map_err(|source| Error::Io { doing: format!("looking at container {id}"), source })?;
                let Some(init) = seen.status.process() else { return Ok(None) };
                let (seconds, nanoseconds) = seen.last_run.map(|run| run.started).unwrap_or_default();
                let started = seconds * 1_000_000_000 + i64::from(nanoseconds);
                if let Status::Initialized(_) = seen.status {
                    return Ok(Some(Usage::default()));
                }
                Ok(Some(measure(init.pid, started, machine)))
            });
            measured.collect()
        });
        measured.await
    }
}

/// A container that ends meanwhile has used nothing. `machine` is the bytes of memory that there are.
fn measure(init: i32, started: i64, machine: u64) -> Usage {
    let path = systemd::cgroup_of(init).unwrap_or_default();
    // Only a cgroup that was made for it counts it alone.
    let own = path.split('/').any(|part| part == "container" || part.starts_with("haulout-"));
    let folder = cgroup_mount().join(path.trim_start_matches('/'));
    let mut usage = if own { of_cgroup(&folder) } else { Usage::default() };
    usage.time = event::now();
    usage.started = started;
    usage.networks = networks(&fs::read_to_string(format!("/proc/{init}/net/dev")).unwrap_or_default());
    usage.memory_limit = if usage.memory_limit == 0 { machine } else { usage.memory_limit.min(machine) };
    usage
}

fn of_cgroup(folder: &Path) -> Usage {
    let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let number = |file: &str| text(file).trim().parse::<u64>().unwrap_or_default();
    let cpu = text("cpu.stat");
    let (read, written) = disks(&text("io.stat"));
    Usage {
        cpu: field(&cpu, "usage_usec") * 1000,
        cpu_kernel: field(&cpu, "system_usec") * 1000,
        memory: number("memory.current").saturating_sub(field(&text("memory.stat"), "inactive_file")),
        // `max` is no number.
        memory_limit: number("memory.max"),
        processes: number("pids.current"),
        read,
        written,
        ..Usage::default()
    }
}

/// The number after `name`, on the line that begins with it.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next());
    line.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// `io.stat`: a line for each disk, `MAJOR:MINOR rbytes=N wbytes=N …`.
fn disks(text: &str) -> (u64, u64) {
    let sum = |key: &str| {
        let numbers = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
        numbers.sum()
    };
    (sum("rbytes="), sum("wbytes="))
}

/// `/proc/PID/net/dev` (`proc_pid_net(5)`): `NAME: RECEIVED … SENT …`, the ninth number being the first of what went.
fn networks(text: &str) -> BTreeMap<String, Traffic> {
    let mut networks = BTreeMap::new();
    for (name, numbers) in text.lines().filter_map(|line| line.split_once(':')) {
        let mut numbers = numbers.split_ascii_whitespace().map(|number| number.parse::<u64>().unwrap_or_default());
        let (Some(received), Some(sent)) = (numbers.next(), numbers.nth(7)) else { continue };
        if name.trim() != "lo" {
            networks.insert(name.trim().to_owned(), Traffic { received, sent });
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_read_as_the_kernel_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cpu.stat", "usage_usec 7326\nuser_usec 3000\nsystem_usec 4326\n"),
            ("memory.current", "1000000\n"),
            ("memory.stat", "anon 5\ninactive_file 400000\n"),
            ("memory.max", "max\n"),
            ("pids.current", "3\n"),
            ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n"),
        ] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let usage = of_cgroup(folder.path());
        assert_eq!((usage.cpu, usage.cpu_kernel, usage.memory), (7_326_000, 4_326_000, 600_000));
        assert_eq!((usage.memory_limit, usage.processes, usage.read, usage.written), (0, 3, 11, 22));
        assert_eq!(of_cgroup(&folder.path().join("nothing")), Usage::default());
    }

    #[test]
    fn traffic_is_counted_by_interface_without_the_loopback() {
        let text = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets\n    lo:       5       0    0    0    0     0          0         0        5       0    0    0    0     0       0          0\n  eth0: 70 1 0 0 0 0 0 0 90 1 0 0 0 0 0 0\n";
        let networks = networks(text);
        assert_eq!(networks.len(), 1);
        assert_eq!(networks["eth0"], Traffic { received: 70, sent: 90 });
    }
}
