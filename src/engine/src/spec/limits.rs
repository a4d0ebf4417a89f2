// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Limits: of a container's cgroup, as far as the machine lets the user set them, and of its processes (getrlimit(2)).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use haulout_monitor::process::is_root_of_machine;
use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemory,
    LinuxPidsBuilder, LinuxResources, LinuxThrottleDeviceBuilder, LinuxWeightDeviceBuilder, PosixRlimit,
    PosixRlimitBuilder, PosixRlimitType,
};
use rustix::process::{Resource, getrlimit};

use super::SpecError;
use crate::container::options::{Cgroups, DeviceRule, Limits, Rate};
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

/// The controllers that a container's cgroup can have: those that systemd's manager was given, or of our own cgroup; of one that is made in
/// `parent`, or beside ours, those that are given on there.
pub fn controllers(cgroups: Cgroups, parent: Option<&str>) -> Vec<String> {
    let whole = "cgroup.controllers";
    let found = match cgroups {
        Cgroups::Disabled => None,
        Cgroups::Split => own_cgroup().map(|own| (own, whole)),
        Cgroups::Enabled => Some((systemd::cgroup_of_manager(), whole)),
        Cgroups::Unmanaged => {
            let beside = || own_cgroup().map(|own| own.rsplit_once('/').unwrap_or_default().0.to_owned());
            let parent = parent.map(|parent| parent.trim_start_matches('/').to_owned()).or_else(beside);
            parent.map(|parent| (parent, "cgroup.subtree_control"))
        }
    };
    let text = found.and_then(|(folder, file)| fs::read_to_string(cgroup_mount().join(folder).join(file)).ok());
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
    let mut resources = LinuxResources::default();
    let mut asked = Asked { controllers, dropped: Vec::new() };
    resources
        .set_devices(device_rules(&limits.device_rules)?)
        .set_memory(memory(limits, &mut asked))
        .set_cpu(cpu(limits, &mut asked))
        .set_block_io(block_io(limits, &mut asked)?)
        .set_unified((!limits.conf.is_empty()).then(|| limits.conf.clone().into_iter().collect()));
    let pids = limits.pids.or(pids_by_default).unwrap_or(PIDS);
    if pids > 0 {
        // What nobody asked for is dropped in silence.
        if asked.can("pids", &[("--pids-limit", limits.pids.is_some())]) || asked.has("pids") {
            resources.set_pids(Some(LinuxPidsBuilder::default().limit(pids).build()?));
        }
    }
    Ok((resources, asked.warning()))
}

/// What was asked for, and what of it there is no controller for.
struct Asked<'a> {
    controllers: &'a [String],
    dropped: Vec<String>,
}

impl Asked<'_> {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|known| known == controller)
    }

    /// Whether any of `flags` was given and its controller is there.
    fn can(&mut self, controller: &str, flags: &[(&str, bool)]) -> bool {
        let given: Vec<&str> = flags.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag).collect();
        if given.is_empty() {
            return false;
        }
        if !self.has(controller) {
            self.dropped.push(format!("{} (controller {controller})", given.join(", ")));
            return false;
        }
        true
    }

    fn warning(self) -> Option<String> {
        if self.dropped.is_empty() {
            return None;
        }
        let why = if is_root_of_machine() {
            "the machine's cgroup2 tree has not what it needs"
        } else {
            "the user manager was not given what it needs (Delegate= of user@.service)"
        };
        Some(format!("the container runs without {}: {why}", self.dropped.join(", ")))
    }
}

fn memory(limits: &Limits, asked: &mut Asked<'_>) -> Option<LinuxMemory> {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut set = LinuxMemory::default();
    let flags = [
        ("--memory", limits.memory.is_some()),
        ("--memory-swap", limits.memory_swap.is_some()),
        ("--memory-reservation", limits.memory_reservation.is_some()),
    ];
    if asked.can("memory", &flags) {
        set.set_limit(limits.memory.map(signed));
        // As Podman has it: as much again of swap.
        let twice = limits.memory.map(|bytes| signed(bytes).saturating_mul(2));
        set.set_swap(limits.memory_swap.or(twice));
        set.set_reservation(limits.memory_reservation.map(signed));
    }
    // Neither is there in cgroup2: the runtime says so.
    set.set_swappiness(limits.swappiness);
    set.set_disable_oom_killer(limits.oom_kill_disable.then_some(true));
    (set != LinuxMemory::default()).then_some(set)
}

fn cpu(limits: &Limits, asked: &mut Asked<'_>) -> Option<LinuxCpu> {
    let mut set = LinuxCpu::default();
    let flags = [
        ("--cpus", limits.cpus.is_some()),
        ("--cpu-shares", limits.cpu_shares.is_some()),
        ("--cpu-period", limits.cpu_period.is_some()),
        ("--cpu-quota", limits.cpu_quota.is_some()),
    ];
    if asked.can("cpu", &flags) {
        let of_cpus = limits.cpus.map(quota);
        set.set_quota(limits.cpu_quota.or(of_cpus.map(|(quota, _)| quota)));
        set.set_period(limits.cpu_period.or(of_cpus.map(|(_, period)| period)));
        set.set_shares(limits.cpu_shares);
    }
    let flags = [("--cpuset-cpus", limits.cpuset_cpus.is_some()), ("--cpuset-mems", limits.cpuset_mems.is_some())];
    if asked.can("cpuset", &flags) {
        set.set_cpus(limits.cpuset_cpus.clone());
        set.set_mems(limits.cpuset_mems.clone());
    }
    (set != LinuxCpu::default()).then_some(set)
}

/// What `--cpus` comes to: microseconds of a processor's time, and the period in which they may be used.
pub fn quota(cpus: f64) -> (i64, u64) {
    // Thousandths are exact enough, and a quota of less than a millisecond is refused by the kernel.
    #[allow(clippy::cast_possible_truncation, reason = "a quota that is too large is cut to the largest")]
    let quota = ((cpus * 100_000.0).round() as i64).max(1000);
    (quota, PERIOD)
}

fn block_io(limits: &Limits, asked: &mut Asked<'_>) -> Result<Option<LinuxBlockIo>, SpecError> {
    let flags = [
        ("--blkio-weight", limits.blkio_weight.is_some()),
        ("--blkio-weight-device", !limits.blkio_weights.is_empty()),
        ("--device-read-bps", !limits.read_bytes.is_empty()),
        ("--device-write-bps", !limits.write_bytes.is_empty()),
        ("--device-read-iops", !limits.read_operations.is_empty()),
        ("--device-write-iops", !limits.write_operations.is_empty()),
    ];
    if !asked.can("io", &flags) {
        return Ok(None);
    }
    let rates = |rates: &[Rate]| {
        let rates = rates.iter().map(|rate| {
            let (major, minor) = number(&rate.device)?;
            Ok(LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(rate.rate).build()?)
        });
        rates.collect::<Result<Vec<_>, SpecError>>().map(|rates| (!rates.is_empty()).then_some(rates))
    };
    let weights = limits.blkio_weights.iter().map(|weight| {
        let (major, minor) = number(&weight.device)?;
        Ok(LinuxWeightDeviceBuilder::default().major(major).minor(minor).weight(weight.weight).build()?)
    });
    let weights = weights.collect::<Result<Vec<_>, SpecError>>()?;
    let mut io = LinuxBlockIo::default();
    io.set_weight(limits.blkio_weight)
        .set_weight_device((!weights.is_empty()).then_some(weights))
        .set_throttle_read_bps_device(rates(&limits.read_bytes)?)
        .set_throttle_write_bps_device(rates(&limits.write_bytes)?)
        .set_throttle_read_iops_device(rates(&limits.read_operations)?)
        .set_throttle_write_iops_device(rates(&limits.write_operations)?);
    Ok(Some(io))
}

/// The number of the device that a file stands for.
fn number(device: &Path) -> Result<(i64, i64), SpecError> {
    let found = fs::metadata(device).map_err(|error| SpecError::NoDevice { path: device.into(), error })?;
    let number = found.rdev();
    Ok((rustix::fs::major(number).into(), rustix::fs::minor(number).into()))
}

/// Beside those that every container may use.
fn device_rules(rules: &[DeviceRule]) -> Result<Option<Vec<LinuxDeviceCgroup>>, SpecError> {
    let rules = rules.iter().map(|rule| {
        let kind = match rule.kind {
            'b' => LinuxDeviceType::B,
            'c' => LinuxDeviceType::C,
            _ => LinuxDeviceType::A,
        };
        let mut allowed =
            LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(rule.access.clone()).build()?;
        allowed.set_major(rule.major).set_minor(rule.minor);
        Ok(allowed)
    });
    let rules = rules.collect::<Result<Vec<_>, SpecError>>()?;
    Ok((!rules.is_empty()).then_some(rules))
}

/// The limits of processes: what the host lets them have, up to Podman's most; `configured` (`name=soft:hard`) before that.
pub fn rlimits(configured: &[String]) -> Result<Vec<PosixRlimit>, SpecError> {
    let mut limits = Vec::new();
    for written in configured {
        let limit = parse(written).ok_or_else(|| SpecError::Rlimit { written: written.clone() })?;
        // The last one counts: a second setrlimit(2) might have to raise what the first has lowered.
        limits.retain(|known: &PosixRlimit| known.typ() != limit.typ());
        limits.push(limit);
    }
    for (kind, resource, most) in [
        (PosixRlimitType::RlimitNofile, Resource::Nofile, MAX_FILES),
        (PosixRlimitType::RlimitNproc, Resource::Nproc, MAX_PROCESSES),
    ] {
        if limits.iter().all(|limit: &PosixRlimit| limit.typ() != kind) {
            let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
            limits.push(PosixRlimitBuilder::default().typ(kind).soft(most).hard(most).build()?);
        }
    }
    Ok(limits)
}

fn parse(written: &str) -> Option<PosixRlimit> {
    let (name, values) = written.split_once('=')?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("RLIMIT_").unwrap_or(&name);
    let kind: PosixRlimitType = serde_json::from_value(format!("RLIMIT_{name}").into()).ok()?;
    // An ordinary user has no more than the hard limit: without end is that for them.
    let most = if is_root_of_machine() { None } else { getrlimit(resource(kind)).maximum };
    let value = |text: &str| match text.parse::<i64>().ok()? {
        -1 => Some(most.unwrap_or(u64::MAX)),
        // As setrlimit(2) takes it; it refuses what is too large.
        number => Some(number.cast_unsigned()),
    };
    PosixRlimitBuilder::default().typ(kind).soft(value(soft)?).hard(value(hard)?).build().ok()
}

/// The kernel's limit of that name.
fn resource(kind: PosixRlimitType) -> Resource {
    match kind {
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitStack => Resource::Stack,
    }
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
        let core = getrlimit(Resource::Core).maximum.filter(|_| !is_root_of_machine());
        assert_eq!(find(PosixRlimitType::RlimitCore).hard(), core.unwrap_or(u64::MAX));
        let host = getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX).min(MAX_PROCESSES);
        assert_eq!(find(PosixRlimitType::RlimitNproc).hard(), host);
        assert!(rlimits(&["files".to_owned()]).is_err());
    }
}
