// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about what a container's processes may use.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{Limits, Rate, Weight};

use super::{given, non_empty};
use crate::exit::os_words;
use crate::size;

/// The names of setrlimit(2)'s limits.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Flags about what all of it may use: those of `update` too.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct LimitFlags {
    /// Block IO weight (relative weight) accepts a weight value between 10 and 1000.
    #[arg(long)]
    pub blkio_weight: Option<String>,
    // Its help is a text, not documentation in which names of placeholders would want backticks.
    #[arg(
        long,
        help = "Block IO weight (relative device weight, format: DEVICE_NAME:WEIGHT)",
        value_name = "DEVICE_NAME:WEIGHT"
    )]
    pub blkio_weight_device: Vec<String>,
    /// Limit the CPU CFS (Completely Fair Scheduler) period
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Limit the CPU CFS (Completely Fair Scheduler) quota
    #[arg(long)]
    pub cpu_quota: Option<i64>,
    /// Limit the CPU real-time period in microseconds
    #[arg(long)]
    pub cpu_rt_period: Option<u64>,
    /// Limit the CPU real-time runtime in microseconds
    #[arg(long)]
    pub cpu_rt_runtime: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long)]
    pub cpu_shares: Option<u64>,
    /// Number of CPUs. The default is 0.000 which means no limit
    #[arg(long)]
    pub cpus: Option<f64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes (MEMs) in which to allow execution (0-3, 0,1). Only effective on NUMA systems.
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Limit read rate (bytes per second) from a device (e.g. --device-read-bps=/dev/sda:1mb)
    #[arg(long)]
    pub device_read_bps: Vec<String>,
    /// Limit read rate (IO per second) from a device (e.g. --device-read-iops=/dev/sda:1000)
    #[arg(long)]
    pub device_read_iops: Vec<String>,
    /// Limit write rate (bytes per second) to a device (e.g. --device-write-bps=/dev/sda:1mb)
    #[arg(long)]
    pub device_write_bps: Vec<String>,
    /// Limit write rate (IO per second) to a device (e.g. --device-write-iops=/dev/sda:1000)
    #[arg(long)]
    pub device_write_iops: Vec<String>,
    /// Memory limit (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(short, long, value_name = "<number>[<unit>]")]
    pub memory: Option<String>,
    /// Soft limit on memory (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(long)]
    pub memory_reservation: Option<String>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long)]
    pub memory_swap: Option<String>,
    /// Tune container memory swappiness (0 to 100, or -1 for system default)
    #[arg(long, default_value_t = -1)]
    pub memory_swappiness: i64,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long)]
    pub pids_limit: Option<i64>,
}

/// Flags about what its processes may use that cannot be changed afterwards.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct ProcessLimitFlags {
    /// Not used: the kernel has no such limit any more
    #[arg(long, hide = true)]
    pub kernel_memory: Option<String>,
    /// Disable OOM Killer
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// Tune the host's OOM preferences (-1000 to 1000)
    #[arg(long)]
    pub oom_score_adj: Option<i64>,
    /// Class of Service (COS) that the container should be assigned to
    #[arg(long)]
    pub rdt_class: Option<String>,
    /// Ulimit options
    #[arg(long, value_delimiter = ',')]
    pub ulimit: Vec<String>,
}

impl LimitFlags {
    /// What of it the kernel's cgroups of version 2 do not have, in Podman's words.
    pub fn unsupported(&self) -> Vec<&'static str> {
        let asked = [
            (self.cpu_rt_period.unwrap_or(0) != 0, "Realtime period not supported on cgroups V2 systems"),
            (self.cpu_rt_runtime.unwrap_or(0) > 0, "Realtime runtime not supported on cgroups V2 systems"),
        ];
        asked.into_iter().filter(|(asked, _)| *asked).map(|(_, words)| words).collect()
    }

    /// The limits that are asked for.
    pub fn limits(&self) -> Result<Limits> {
        let bytes = |text: Option<&String>, flag: &str| -> Result<Option<u64>> {
            let Some(text) = given(text) else { return Ok(None) };
            let bytes = size::parse(text).ok_or_else(|| anyhow!("invalid value for {flag}: invalid size: '{text}'"))?;
            Ok(Some(bytes).filter(|&bytes| bytes > 0))
        };
        if self.cpu_quota.is_some_and(|quota| quota != 0) && self.cpus.is_some_and(|cpus| cpus > 0.0) {
            bail!("--cpu-quota and --cpus cannot be set together");
        }
        if self.cpu_period.is_some_and(|period| period != 0) && self.cpus.is_some_and(|cpus| cpus > 0.0) {
            bail!("--cpu-period and --cpus cannot be set together");
        }
        let memory_swap = match given(self.memory_swap.as_ref()).map(String::as_str) {
            Some("-1") => Some(-1),
            _ => bytes(self.memory_swap.as_ref(), "memory-swap")?.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        };
        let blkio_weight = given(self.blkio_weight.as_ref()).map(|text| {
            text.parse().map_err(|_| {
                anyhow!("invalid value for blkio-weight: strconv.ParseUint: parsing {text:?}: invalid syntax")
            })
        });
        Ok(Limits {
            memory: bytes(self.memory.as_ref(), "memory")?,
            cpus: self.cpus.filter(|&cpus| cpus > 0.0),
            pids: self.pids_limit.map(|limit| if limit <= 0 { -1 } else { limit }),
            memory_swap,
            memory_reservation: bytes(self.memory_reservation.as_ref(), "memory-reservation")?,
            cpu_shares: self.cpu_shares.filter(|&shares| shares > 0),
            cpu_period: self.cpu_period.filter(|&period| period > 0),
            cpu_quota: self.cpu_quota.filter(|&quota| quota != 0),
            cpuset_cpus: given(self.cpuset_cpus.as_ref()).cloned(),
            cpuset_mems: given(self.cpuset_mems.as_ref()).cloned(),
            blkio_weight: blkio_weight.transpose()?.filter(|&weight: &u16| weight > 0),
            blkio_weights: self.blkio_weight_device.iter().map(|text| weight(text)).collect::<Result<_>>()?,
            read_bytes: self.device_read_bps.iter().map(|text| bytes_rate(text)).collect::<Result<_>>()?,
            write_bytes: self.device_write_bps.iter().map(|text| bytes_rate(text)).collect::<Result<_>>()?,
            read_operations: self.device_read_iops.iter().map(|text| operations_rate(text)).collect::<Result<_>>()?,
            write_operations: self.device_write_iops.iter().map(|text| operations_rate(text)).collect::<Result<_>>()?,
            swappiness: u64::try_from(self.memory_swappiness).ok(),
            ..Limits::default()
        })
    }
}

impl ProcessLimitFlags {
    pub(super) fn ulimits(&self) -> Result<Vec<String>> {
        let asked = || non_empty(&self.ulimit);
        for text in asked().filter(|text| *text != "host") {
            ulimit(text)
                .map_err(|why| anyhow!("ulimit option {text:?} requires name=SOFT:HARD, failed to be parsed: {why}"))?;
        }
        Ok(asked().cloned().collect())
    }

    /// `limits`, with those of these flags that are the cgroup's.
    pub(super) fn with(&self, limits: Limits) -> Limits {
        let rdt_class = given(self.rdt_class.as_ref()).cloned();
        Limits { oom_kill_disable: self.oom_kill_disable, rdt_class, ..limits }
    }

    pub(super) fn oom_score(&self) -> Option<i32> {
        // Of what is none the OCI runtime tells.
        self.oom_score_adj.map(|score| i32::try_from(score.clamp(i32::MIN.into(), i32::MAX.into())).unwrap_or(0))
    }
}

/// `DEVICE:WEIGHT`.
fn weight(text: &str) -> Result<Weight> {
    let (device, weight) = of_device(text)?;
    let weight = weight.parse().ok().filter(|weight| *weight == 0 || (10..=1000).contains(weight));
    let weight = weight.ok_or_else(|| anyhow!("invalid weight for device: {text}"))?;
    std::fs::metadata(&device).map_err(|error| {
        anyhow!("failed to inspect '{}' in --blkio-weight-device: {}", device.display(), os_words(&error))
    })?;
    Ok(Weight { device, weight })
}

/// `DEVICE:BYTES`.
fn bytes_rate(text: &str) -> Result<Rate> {
    let (device, rate) = of_device(text)?;
    let rate = size::parse(rate).ok_or_else(|| {
        anyhow!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        )
    })?;
    throttle(device, rate)
}

/// `DEVICE:NUMBER`.
fn operations_rate(text: &str) -> Result<Rate> {
    let (device, rate) = of_device(text)?;
    let rate = rate.parse().map_err(|_| {
        anyhow!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive integer"
        )
    })?;
    throttle(device, rate)
}

fn throttle(device: PathBuf, rate: u64) -> Result<Rate> {
    std::fs::metadata(&device)
        .map_err(|error| anyhow!("could not parse throttle device at {}: {}", device.display(), os_words(&error)))?;
    Ok(Rate { device, rate })
}

/// A device's file and what is said of it.
fn of_device(text: &str) -> Result<(PathBuf, &str)> {
    let Some((device, value)) = text.split_once(':') else { bail!("bad format: {text}") };
    if !device.starts_with("/dev/") {
        bail!("bad format for device path: {text}");
    }
    Ok((device.into(), value))
}

fn ulimit(text: &str) -> Result<()> {
    let Some((name, values)) = text.split_once('=') else { bail!("invalid ulimit argument: {text}") };
    if !ULIMITS.contains(&name.trim_start_matches("RLIMIT_").to_ascii_lowercase().as_str()) {
        bail!("invalid ulimit type: {name}");
    }
    let number =
        |text: &str| text.parse::<i64>().map_err(|_| anyhow!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    if hard.contains(':') {
        bail!("too many limit value arguments - {values}, can only have up to two, `soft[:hard]`");
    }
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard != -1 && (soft > hard || soft == -1) {
        bail!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
    }
    Ok(())
}
