// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Limits: of a container's cgroup, as far as the machine lets the user set them, and of its processes (getrlimit(2)).

use std::fs;
use std::path::{Path, PathBuf};

use haulout_monitor::process::is_root_of_machine;
use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPidsBuilder, LinuxResources, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType,
};
use rustix::process::Resource;

use super::SpecError;
use crate::container::options::{Cgroups, Limits};
use crate::systemd;

/// Processes of a container when nothing is said.
const PIDS: i64 = 2048;

/// The most that Podman takes for a process's limits when the host has more.
const MAX_FILES: u64 = 1 << 20;
const MAX_PROCESSES: u64 = 1 << 22;

/// Microseconds over which `--cpus` is counted.
const PERIOD: u64 = 100_000;

/// Where the cgroup2 tree is mounted: below `unified` on a machine that has both versions.
pub fn cgroup_mount() -> PathBuf {
    let unified = Path::new("/sys/fs/cgroup/unified");
    if unified.join("cgroup.procs").exists() { unified.into() } else { "/sys/fs/cgroup".into() }
}

/// The controllers that a container's cgroup can have: those that systemd's manager was given, or of our own cgroup.
pub fn controllers(cgroups: Cgroups) -> Vec<String> {
    let folder = match cgroups {
        Cgroups::Disabled => None,
        Cgroups::Split => own_cgroup(),
        Cgroups::Enabled => Some(systemd::cgroup_of_manager()),
    };
    let text =
        folder.and_then(|folder| fs::read_to_string(cgroup_mount().join(folder).join("cgroup.controllers")).ok());
    text.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

fn own_cgroup() -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::/")).map(str::to_owned)
}

/// The limits that can be set, and what should be said of those that cannot but were asked for.
pub fn resources(
    limits: &Limits,
    pids_by_default: Option<i64>,
    controllers: &[String],
) -> Result<(LinuxResources, Option<String>), SpecError> {
    let can = |controller: &str| controllers.iter().any(|known| known == controller);
    let mut resources = LinuxResources::default();
    resources.set_devices(None);
    let mut dropped = Vec::new();
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let named = |flags: &[(&'static str, bool)]| {
        flags.iter().filter(|(_, asked)| *asked).map(|(flag, _)| *flag).collect::<Vec<_>>().join(", ")
    };
    let memory = named(&[
        ("--memory", limits.memory.is_some()),
        ("--memory-swap", limits.memory_swap.is_some()),
        ("--memory-reservation", limits.memory_reservation.is_some()),
    ]);
    if !memory.is_empty() {
        if can("memory") {
            let mut set = LinuxMemory::default();
            set.set_limit(limits.memory.map(signed));
            // As Podman has it: as much again of swap.
            let twice = limits.memory.map(|bytes| signed(bytes).saturating_mul(2));
            set.set_swap(limits.memory_swap.or(twice));
            set.set_reservation(limits.memory_reservation.map(signed));
            resources.set_memory(Some(set));
        } else {
            dropped.push(format!("{memory} (controller memory)"));
        }
    }
    let cpu = named(&[
        ("--cpus", limits.cpus.is_some()),
        ("--cpu-shares", limits.cpu_shares.is_some()),
        ("--cpu-period", limits.cpu_period.is_some()),
        ("--cpu-quota", limits.cpu_quota.is_some()),
    ]);
    let sets =
        named(&[("--cpuset-cpus", limits.cpuset_cpus.is_some()), ("--cpuset-mems", limits.cpuset_mems.is_some())]);
    let mut set = LinuxCpu::default();
    if !cpu.is_empty() && can("cpu") {
        // Thousandths are exact enough, and a quota of less than a millisecond is refused by the kernel.
        #[allow(clippy::cast_possible_truncation, reason = "a quota that is too large is cut to the largest")]
        let of_cpus = limits.cpus.map(|cpus| ((cpus * 100_000.0).round() as i64).max(1000));
        set.set_quota(limits.cpu_quota.or(of_cpus));
        set.set_period(limits.cpu_period.or(of_cpus.map(|_| PERIOD)));
        set.set_shares(limits.cpu_shares);
    } else if !cpu.is_empty() {
        dropped.push(format!("{cpu} (controller cpu)"));
    }
    if !sets.is_empty() && can("cpuset") {
        set.set_cpus(limits.cpuset_cpus.clone());
        set.set_mems(limits.cpuset_mems.clone());
    } else if !sets.is_empty() {
        dropped.push(format!("{sets} (controller cpuset)"));
    }
    if set != LinuxCpu::default() {
        resources.set_cpu(Some(set));
    }
    if let Some(weight) = limits.blkio_weight {
        if can("io") {
            let mut io = LinuxBlockIo::default();
            io.set_weight(Some(weight));
            resources.set_block_io(Some(io));
        } else {
            dropped.push("--blkio-weight (controller io)".to_owned());
        }
    }
    let pids = limits.pids.or(pids_by_default).unwrap_or(PIDS);
    if pids > 0 {
        if can("pids") {
            resources.set_pids(Some(LinuxPidsBuilder::default().limit(pids).build()?));
        } else if limits.pids.is_some() {
            dropped.push("--pids-limit (controller pids)".to_owned());
        }
    }
    let warning = (!dropped.is_empty()).then(|| {
        let why = if is_root_of_machine() {
            "the machine's cgroup2 tree has not what it needs"
        } else {
            "the user manager was not given what it needs (Delegate= of user@.service)"
        };
        format!("the container runs without {}: {why}", dropped.join(", "))
    });
    Ok((resources, warning))
}

/// The limits of processes: what the host lets them have, up to Podman's most; `configured` (`name=soft:hard`) before that.
pub fn rlimits(configured: &[String]) -> Result<Vec<PosixRlimit>, SpecError> {
    let mut limits = Vec::new();
    for written in configured {
        limits.push(parse(written).ok_or_else(|| SpecError::Rlimit { written: written.clone() })?);
    }
    for (kind, resource, most) in [
        (PosixRlimitType::RlimitNofile, Resource::Nofile, MAX_FILES),
        (PosixRlimitType::RlimitNproc, Resource::Nproc, MAX_PROCESSES),
    ] {
        if limits.iter().all(|limit: &PosixRlimit| limit.typ() != kind) {
            let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
            limits.push(PosixRlimitBuilder::default().typ(kind).soft(most).hard(most).build()?);
        }
    }
    Ok(limits)
}

fn parse(written: &str) -> Option<PosixRlimit> {
    let (name, values) = written.split_once('=')?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let value = |text: &str| if text == "-1" { Some(u64::MAX) } else { text.parse().ok() };
    let kind: PosixRlimitType = serde_json::from_value(format!("RLIMIT_{}", name.to_ascii_uppercase()).into()).ok()?;
    PosixRlimitBuilder::default().typ(kind).soft(value(soft)?).hard(value(hard)?).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { memory: Some(1 << 20), cpus: Some(0.5), ..Limits::default() }
    }

    #[test]
    fn a_limit_without_a_controller_is_dropped_and_told_once() {
        let (set, warning) = resources(&limits(), None, &["cpu".to_owned()]).unwrap();
        assert!(set.memory().is_none() && set.pids().is_none());
        assert_eq!(set.cpu().as_ref().unwrap().quota(), Some(50_000));
        let warning = warning.unwrap();
        assert!(warning.contains("--memory") && !warning.contains("--cpus"), "{warning}");
    }

    #[test]
    fn the_limit_that_nobody_asked_for_is_dropped_in_silence() {
        let (set, warning) = resources(&Limits::default(), None, &[]).unwrap();
        assert!(set.pids().is_none() && warning.is_none());
        let asked = Limits { pids: Some(5), ..Limits::default() };
        assert!(resources(&asked, None, &[]).unwrap().1.unwrap().contains("--pids-limit"));
    }

    #[test]
    fn the_number_of_processes_is_what_was_asked_then_configured_then_podmans() {
        let pids = |asked, configured| {
            let limits = Limits { pids: asked, ..Limits::default() };
            let (set, _) = resources(&limits, configured, &["pids".to_owned()]).unwrap();
            set.pids().as_ref().map(oci_spec::runtime::LinuxPids::limit)
        };
        assert_eq!(pids(None, None), Some(2048));
        assert_eq!(pids(None, Some(7)), Some(7));
        assert_eq!(pids(Some(9), Some(7)), Some(9));
        assert_eq!(pids(Some(-1), Some(7)), None);
        assert_eq!(pids(None, Some(0)), None);
    }

    #[test]
    fn the_hosts_hard_limits_are_the_containers() {
        let limits = rlimits(&["nofile=10:20".to_owned(), "core=-1".to_owned()]).unwrap();
        let find = |kind| limits.iter().find(|limit| limit.typ() == kind).unwrap();
        assert_eq!((find(PosixRlimitType::RlimitNofile).soft(), find(PosixRlimitType::RlimitNofile).hard()), (10, 20));
        assert_eq!(find(PosixRlimitType::RlimitCore).hard(), u64::MAX);
        let host = rustix::process::getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX).min(MAX_PROCESSES);
        assert_eq!(find(PosixRlimitType::RlimitNproc).hard(), host);
        assert!(rlimits(&["files".to_owned()]).is_err());
    }
}
