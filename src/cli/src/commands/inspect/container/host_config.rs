// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `HostConfig`: what a container has of the host.

use std::collections::BTreeMap;

use haulout_engine::container::options::{Cgroups, Limits, Namespace, Rate, Seccomp, Userns, Weight};

use super::View;
use super::network::bindings;
use crate::format::{Data, Struct};
use crate::{rows, size};

impl View<'_> {
    pub(super) fn host_config(&self) -> Data {
        let record = &self.details.summary.record;
        let (policy, retries) = rows::restart(self.options.restart);
        let limits = &self.options.limits;
        let tmpfs: BTreeMap<String, String> = self
            .details
            .mounts
            .iter()
            .filter(|mount| mount.kind == "tmpfs")
            .map(|mount| (mount.destination.display().to_string(), mount.options.join(",")))
            .collect();
        let hosts: Vec<String> = self
            .options
            .add_host
            .iter()
            .map(|(name, address)| match address {
                Some(address) => format!("{name}:{address}"),
                None => format!("{name}:host-gateway"),
            })
            .collect();
        let fields = Struct::of("*define.InspectContainerHostConfig")
            .with("Binds", self.binds())
            .with("CgroupManager", if self.options.cgroups == Cgroups::Unmanaged { "cgroupfs" } else { "systemd" })
            .with("CgroupMode", mode(&self.options.namespaces.cgroup, "private"))
            .with("ContainerIDFile", self.options.id_file.clone().unwrap_or_default())
            .with("LogConfig", self.log())
            .with("NetworkMode", rows::network(&self.options.network))
            .with("PortBindings", bindings(&record.ports))
            .with(
                "RestartPolicy",
                Struct::of("*define.InspectRestartPolicy").with("Name", policy).with("MaximumRetryCount", retries),
            )
            .with("AutoRemove", self.options.remove)
            .with("AutoRemoveImage", false)
            .with("Annotations", self.annotations())
            .with("VolumeDriver", "")
            .with("VolumesFrom", Data::list_or_nil(self.options.volumes_from.clone()))
            .with("CapAdd", capability_names(&self.options.cap_add))
            .with("CapDrop", capability_names(&self.options.cap_drop))
            .with("Dns", self.options.names.dns.clone())
            .with("DnsOptions", self.options.names.options.clone())
            .with("DnsSearch", self.options.names.search.clone())
            .with("ExtraHosts", hosts)
            .with("HostsFile", self.options.names.hosts_file.clone().unwrap_or_default())
            .with("GroupAdd", self.options.groups.clone())
            .with("IpcMode", mode(&self.options.namespaces.ipc, "shareable"))
            .with("Cgroup", "")
            .with(
                "Cgroups",
                match self.options.cgroups {
                    Cgroups::Enabled | Cgroups::Unmanaged => "default",
                    Cgroups::Split => "split",
                    Cgroups::Disabled => "disabled",
                },
            )
            .with("Links", Data::List(None))
            .with("OomScoreAdj", self.options.oom_score_adj.unwrap_or(0))
            .with("PidMode", mode(&self.options.namespaces.pid, "private"))
            .with("Privileged", self.options.privileged)
            .with("PublishAllPorts", self.options.publish_all)
            .with("ReadonlyRootfs", self.options.read_only)
            .with("SecurityOpt", self.security())
            .with("Tmpfs", &tmpfs)
            .with("UTSMode", mode(&self.options.namespaces.uts, "private"))
            .with("UsernsMode", self.userns())
            .with_omitted("IDMappings", "IDMappings", self.mappings())
            .with("ShmSize", self.options.shm_size.map_or(65_536_000, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
            .with("Runtime", "oci")
            .with("ConsoleSize", vec![0, 0])
            .with("Isolation", "");
        self.limits(fields, limits)
            .with("Ulimits", self.ulimits())
            .with("CpuCount", 0)
            .with("CpuPercent", 0)
            .with("IOMaximumIOps", 0)
            .with("IOMaximumBandwidth", 0)
            .with("CgroupConf", Data::map_or_nil(&limits.conf))
            .with_omitted("IntelRdtClosID", "IntelRdtClosID", limits.rdt_class.clone().unwrap_or_default())
            .into()
    }

    /// Adds the limits of its cgroup, those that it is to have.
    fn limits(&self, fields: Struct, limits: &Limits) -> Struct {
        let (quota, period, nano_cpus) = processors(limits);
        let memory = limits.memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let of_memory = memory.is_some() || limits.memory_swap.is_some() || limits.memory_reservation.is_some();
        let unset = if of_memory { -1 } else { 0 };
        let swappiness = limits.swappiness.and_then(|asked| i64::try_from(asked).ok()).unwrap_or(unset);
        let pids = self.spec["linux"]["resources"]["pids"]["limit"].as_i64();
        // Without any limit of this kind podman has no list, with one an empty one.
        let rated = [&limits.read_bytes, &limits.write_bytes, &limits.read_operations, &limits.write_operations];
        let of_devices = limits.blkio_weight.is_some()
            || !limits.blkio_weights.is_empty()
            || rated.iter().any(|rates| !rates.is_empty());
        let devices = |list: Vec<Data>| if of_devices { Data::from(list) } else { Data::List(None) };
        fields
            .with("CpuShares", limits.cpu_shares.unwrap_or(0))
            .with("Memory", memory.unwrap_or(0))
            .with("NanoCpus", nano_cpus)
            .with(
                "CgroupParent",
                match &self.options.cgroup_parent {
                    Some(parent) => parent,
                    None if self.options.cgroups == Cgroups::Enabled => haulout_engine::systemd::slice(),
                    None => "",
                },
            )
            .with("BlkioWeight", limits.blkio_weight.unwrap_or(0))
            .with("BlkioWeightDevice", devices(weights(&limits.blkio_weights)))
            .with("BlkioDeviceReadBps", devices(rates(&limits.read_bytes)))
            .with("BlkioDeviceWriteBps", devices(rates(&limits.write_bytes)))
            .with("BlkioDeviceReadIOps", devices(rates(&limits.read_operations)))
            .with("BlkioDeviceWriteIOps", devices(rates(&limits.write_operations)))
            .with("CpuPeriod", period)
            .with("CpuQuota", quota)
            .with("CpuRealtimePeriod", 0)
            .with("CpuRealtimeRuntime", 0)
            .with("CpusetCpus", limits.cpuset_cpus.clone().unwrap_or_default())
            .with("CpusetMems", limits.cpuset_mems.clone().unwrap_or_default())
            .with("Devices", Vec::<String>::new())
            .with("DiskQuota", 0)
            .with("KernelMemory", 0)
            .with("MemoryReservation", limits.memory_reservation.unwrap_or(0))
            // As much again of swap, when nothing is said of that.
            .with("MemorySwap", limits.memory_swap.or(memory.map(|bytes| bytes.saturating_mul(2))).unwrap_or(0))
            .with("MemorySwappiness", swappiness)
            .with("OomKillDisable", limits.oom_kill_disable)
            .with_omitted("Init", "Init", self.options.init)
            .with("PidsLimit", limits.pids.or(pids).unwrap_or(0))
    }

    fn log(&self) -> Data {
        let log = &self.options.log;
        let path = self.details.log_path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        Struct::of("*define.InspectLogConfig")
            .with("Type", log.driver.name())
            .with("Config", Data::Map(None))
            .with("Path", path)
            .with("Tag", log.tag.clone().unwrap_or_default())
            .with("Size", size::human(log.max_size.unwrap_or(0), 4, ""))
            .into()
    }

    fn security(&self) -> Vec<String> {
        let security = &self.options.security;
        let mut words = Vec::new();
        if security.no_new_privileges {
            words.push("no-new-privileges".to_owned());
        }
        if self.options.privileged || security.unmask.iter().any(|path| path.eq_ignore_ascii_case("all")) {
            words.push("unmask=all".to_owned());
        }
        if !security.labels.is_empty() {
            let labels: Vec<String> = security.labels.iter().map(|label| format!("label={label}")).collect();
            words.push(labels.join(","));
        }
        match &security.seccomp {
            Seccomp::Default | Seccomp::OfImage => {}
            Seccomp::Unconfined => words.push("seccomp=unconfined".to_owned()),
            Seccomp::Profile(path) => words.push(format!("seccomp={}", path.display())),
        }
        words.extend(security.apparmor.iter().map(|profile| format!("apparmor={profile}")));
        words
    }

    fn userns(&self) -> String {
        match &self.options.userns {
            Userns::Host | Userns::Auto { .. } => String::new(),
            Userns::Container(id) => format!("container:{id}"),
            Userns::KeepId { .. } | Userns::Nomap | Userns::Maps { .. } => "private".to_owned(),
        }
    }

    fn mappings(&self) -> Data {
        let words = |map: &[(u32, u32, u32)]| {
            map.iter().map(|(inside, outside, count)| format!("{inside}:{outside}:{count}")).collect::<Vec<_>>()
        };
        if matches!(self.options.userns, Userns::Host) {
            return Data::Nil;
        }
        // Podman's own map is the one into the rootless namespace.
        let (users, groups) = match &self.details.summary.record.mapping {
            Some(mapping) => (&mapping.users, &mapping.groups),
            None => (&self.details.uid_map, &self.details.gid_map),
        };
        Struct::of("*define.InspectIDMappings")
            .with_as("UIDMap", "UidMap", words(users))
            .with_as("GIDMap", "GidMap", words(groups))
            .into()
    }

    /// Those that were asked for, and of one that was started all that it got.
    fn ulimits(&self) -> Vec<Data> {
        let asked = |kind: &str| {
            self.options.ulimits.iter().any(|limit| {
                let name = limit.split('=').next().unwrap_or(limit);
                kind.strip_prefix("RLIMIT_").is_some_and(|kind| kind.eq_ignore_ascii_case(name))
            })
        };
        let limits = self.spec["process"]["rlimits"].as_array().into_iter().flatten();
        let shown = limits.filter(|limit| self.was_started() || asked(limit["type"].as_str().unwrap_or("")));
        let shown = shown.map(|limit| {
            Struct::of("define.InspectUlimit")
                .with("Name", limit["type"].as_str().unwrap_or(""))
                .with("Soft", limit["soft"].as_i64().unwrap_or(-1))
                .with("Hard", limit["hard"].as_i64().unwrap_or(-1))
                .into()
        });
        shown.collect()
    }
}

/// Capabilities as they were asked for, under their names.
pub fn capability_names(written: &[String]) -> Vec<String> {
    let name = |text: &String| {
        let name = text.to_uppercase();
        if name.starts_with("CAP_") || name == "ALL" { name } else { format!("CAP_{name}") }
    };
    written.iter().map(name).collect()
}

/// Microseconds of processors' time, in how many; and the same in billionths of a processor.
fn processors(limits: &Limits) -> (i64, u64, i64) {
    let quota = |cpus: f64| haulout_engine::spec::limits::quota(cpus);
    let of_cpus = limits.cpus.map(quota);
    let amount = limits.cpu_quota.or(of_cpus.map(|(amount, _)| amount)).unwrap_or(0);
    let period = limits.cpu_period.or(of_cpus.map(|(_, period)| period)).unwrap_or(0);
    // Of another period than that of `--cpus` podman makes no processors.
    let nano_cpus = if period == 100_000 { amount.saturating_mul(10_000) } else { 0 };
    (amount, period, nano_cpus)
}

/// A namespace's mode; `own` when nothing was said.
fn mode(namespace: &Namespace, own: &str) -> String {
    match namespace {
        Namespace::Default => own.to_owned(),
        Namespace::Private => "private".to_owned(),
        Namespace::Shareable => "shareable".to_owned(),
        Namespace::None => "none".to_owned(),
        Namespace::Host => "host".to_owned(),
        Namespace::Container(id) => format!("container:{id}"),
        Namespace::Path(path) => format!("ns:{}", path.display()),
    }
}

fn weights(weights: &[Weight]) -> Vec<Data> {
    let one = |weight: &Weight| {
        let path = weight.device.display().to_string();
        Struct::of("define.InspectBlkioWeightDevice").with("Path", path).with("Weight", weight.weight).into()
    };
    weights.iter().map(one).collect()
}

fn rates(rates: &[Rate]) -> Vec<Data> {
    let one = |rate: &Rate| {
        let path = rate.device.display().to_string();
        Struct::of("define.InspectBlkioThrottleDevice").with("Path", path).with("Rate", rate.rate).into()
    };
    rates.iter().map(one).collect()
}
