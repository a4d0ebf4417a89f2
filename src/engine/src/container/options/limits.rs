// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Limits; nothing is limited that nobody asked for (but the number of processes: 2048, where that can be done).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// `--memory`, in bytes.
    pub memory: Option<u64>,
    /// `--cpus`.
    pub cpus: Option<f64>,
    /// `--pids-limit`; -1 for none.
    pub pids: Option<i64>,
    /// `--memory-swap`, in bytes, memory included; -1 for none.
    pub memory_swap: Option<i64>,
    /// `--memory-reservation`, in bytes.
    pub memory_reservation: Option<u64>,
    /// `--cpu-shares`.
    pub cpu_shares: Option<u64>,
    /// `--cpu-period`, in microseconds.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota`, in microseconds.
    pub cpu_quota: Option<i64>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`.
    pub cpuset_mems: Option<String>,
    /// `--blkio-weight`.
    pub blkio_weight: Option<u16>,
    /// `--blkio-weight-device`.
    pub blkio_weights: Vec<Weight>,
    /// `--device-read-bps`: bytes a second.
    pub read_bytes: Vec<Rate>,
    /// `--device-write-bps`: bytes a second.
    pub write_bytes: Vec<Rate>,
    /// `--device-read-iops`: operations a second.
    pub read_operations: Vec<Rate>,
    /// `--device-write-iops`: operations a second.
    pub write_operations: Vec<Rate>,
    /// `--memory-swappiness`, of 100.
    pub swappiness: Option<u64>,
    /// `--oom-kill-disable`.
    pub oom_kill_disable: bool,
    /// `--cgroup-conf`: a file of the cgroup's, and what is written to it.
    pub conf: BTreeMap<String, String>,
    /// `--device-cgroup-rule`.
    pub device_rules: Vec<DeviceRule>,
    /// `--rdt-class`.
    pub rdt_class: Option<String>,
}

/// A weight for one block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Its file.
    pub device: PathBuf,
    /// From 10 to 1000.
    pub weight: u16,
}

/// The most that is read from or written to one device, a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Its file.
    pub device: PathBuf,
    /// Bytes, or operations.
    pub rate: u64,
}

/// Devices that may be used: `c 1:3 rwm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// `a`, `b` or `c`.
    pub kind: char,
    /// Which; all when nothing.
    pub major: Option<i64>,
    /// The same for the minor number.
    pub minor: Option<i64>,
    /// `r`, `w` and `m`.
    pub access: String,
}

/// `--cgroups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroups {
    /// A scope of its own.
    #[default]
    Enabled,
    /// One that is made without systemd, beside the cgroup of whoever starts it (`cgroup_manager = "cgroupfs"`).
    Unmanaged,
    /// Below the cgroup of whoever starts it.
    Split,
    /// None.
    Disabled,
}
