// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about a container's processes: namespaces, limits, devices, kernel settings, names.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{
    Device, Limits, Names, Namespace, Namespaces, Network, Protocol, Seccomp, Security,
};

use super::{Flags, given, non_empty};
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

/// Settings of the kernel that belong to a namespace.
const SYSCTLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

impl Flags {
    pub(super) fn namespaces(&self) -> Result<Namespaces> {
        let namespaces = Namespaces {
            pid: namespace("PID", self.pid.as_ref(), &["private"])?,
            ipc: namespace("IPC", self.ipc.as_ref(), &["private", "shareable", "none"])?,
            uts: namespace("UTS", self.uts.as_ref(), &["private"])?,
            cgroup: namespace("cgroup", self.cgroupns.as_ref(), &["private"])?,
        };
        if namespaces.uts == Namespace::Host && given(self.hostname.as_ref()).is_some() {
            bail!(
                "invalid config provided: cannot set hostname when running in the host UTS namespace: invalid configuration"
            );
        }
        Ok(namespaces)
    }

    pub(super) fn names(&self, network: &Network) -> Result<Names> {
        if self.no_hosts && !self.add_host.is_empty() {
            bail!("--no-hosts and --add-host cannot be set together");
        }
        for server in self.dns.iter().filter(|server| *server != "none") {
            server.parse::<IpAddr>().map_err(|_| anyhow!("{server} is not an ip address"))?;
        }
        if self.dns.iter().any(|server| server == "none") && self.dns.len() > 1 {
            bail!("{} is not allowed to be specified with other DNS ip addresses", "none");
        }
        if !self.dns.is_empty() && *network == Network::None {
            bail!("conflicting options: dns and the network mode: none");
        }
        for domain in self.dns_search.iter().filter(|domain| *domain != ".") {
            let ok =
                !domain.is_empty() && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if !ok {
                bail!("{domain} is not a valid domain");
            }
        }
        Ok(Names {
            dns: self.dns.clone(),
            search: self.dns_search.clone(),
            options: self.dns_option.clone(),
            no_hosts: self.no_hosts,
            no_hostname: self.no_hostname,
            hosts_file: given(self.hosts_file.as_ref()).cloned(),
        })
    }

    pub(super) fn ulimits(&self) -> Result<Vec<String>> {
        for text in self.ulimit.iter().filter(|text| *text != "host") {
            ulimit(text)
                .map_err(|why| anyhow!("ulimit option {text:?} requires name=SOFT:HARD, failed to be parsed: {why}"))?;
        }
        Ok(self.ulimit.clone())
    }

    pub(super) fn sysctls(&self, network: &Network) -> Result<BTreeMap<String, String>> {
        let mut sysctls = BTreeMap::new();
        for text in &self.sysctl {
            let Some((key, value)) = text.split_once('=') else {
                bail!("{text} is invalid, sysctl values must be in the form of KEY=VALUE");
            };
            if !SYSCTLS.contains(&key) && !key.starts_with("fs.mqueue.") && !key.starts_with("net.") {
                bail!("sysctl '{key}' is not allowed");
            }
            if key.starts_with("net.") && *network == Network::Host {
                bail!("sysctl {key}={value} can't be set since Network Namespace set to host: invalid argument");
            }
            sysctls.insert(key.to_owned(), value.to_owned());
        }
        Ok(sysctls)
    }

    pub(super) fn groups(&self) -> Result<Vec<String>> {
        if self.group_add.len() > 1 && self.group_add.iter().any(|group| group == "keep-groups") {
            bail!("the '--group-add keep-groups' option is not allowed with any other --group-add options");
        }
        Ok(non_empty(&self.group_add).cloned().collect())
    }

    pub(super) fn umask(&self) -> Result<Option<String>> {
        let Some(text) = given(self.umask.as_ref()) else { return Ok(None) };
        if text.len() > 4 || u32::from_str_radix(text, 8).is_err() {
            bail!("running container create option: invalid umask string {text}: invalid argument");
        }
        Ok(Some(text.clone()))
    }

    pub(super) fn shm_size(&self) -> Result<Option<u64>> {
        let bytes = given(self.shm_size.as_ref()).map(|text| {
            size::parse(text).ok_or_else(|| anyhow!("unable to translate --shm-size: invalid size: '{text}'"))
        });
        bytes.transpose()
    }

    pub(super) fn env_merge(&self) -> Result<Vec<(String, String)>> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => bail!("missing `=` for --env-merge substitution {text}"),
        };
        self.env_merge.iter().map(pair).collect()
    }

    pub(super) fn devices(&self) -> Result<Vec<Device>> {
        self.device.iter().map(|text| device(text)).collect()
    }

    pub(super) fn exposed(&self) -> Result<Vec<(u16, Protocol)>> {
        let mut ports = Vec::new();
        for text in &self.expose {
            let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let number = |text: &str| {
                text.parse::<u16>().map_err(|_| {
                    anyhow!("invalid range format for --expose: {range}: strconv.ParseUint: parsing {text:?}: invalid syntax")
                })
            };
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            let protocol = match protocol.to_ascii_lowercase().as_str() {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                other => {
                    bail!(
                        "validating protocols for exposed port {first}: unrecognized protocol {other:?} in port mapping"
                    )
                }
            };
            ports.extend((first..=last).map(|port| (port, protocol)));
        }
        Ok(ports)
    }

    pub(super) fn limits(&self) -> Result<Limits> {
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
        })
    }

    pub(super) fn security(&self) -> Result<Security> {
        let mut security = Security::default();
        for option in &self.security_opt {
            if option == "no-new-privileges" {
                security.no_new_privileges = true;
                continue;
            }
            let Some((key, value)) = option.split_once(['=', ':']) else {
                bail!("invalid --security-opt 1: {option:?}");
            };
            match (key, value) {
                ("no-new-privileges", "true") => security.no_new_privileges = true,
                ("no-new-privileges", "false") => security.no_new_privileges = false,
                ("seccomp", "unconfined") => security.seccomp = Seccomp::Unconfined,
                ("seccomp", path) => {
                    std::fs::metadata(path).map_err(|error| {
                        anyhow!("opening seccomp profile failed: open {path}: {}", os_words(&error))
                    })?;
                    security.seccomp = Seccomp::Profile(std::fs::canonicalize(path)?);
                }
                ("mask", paths) => security.mask.extend(paths.split(':').map(PathBuf::from)),
                ("unmask", paths) if paths.eq_ignore_ascii_case("all") => security.unmask.push("ALL".to_owned()),
                ("unmask", paths) => security.unmask.extend(paths.split(':').map(str::to_owned)),
                ("systempaths", "unconfined") => security.unmask.push("ALL".to_owned()),
                ("proc-opts", words) => security.proc.extend(words.split(',').map(str::to_owned)),
                ("label", "nested") => bail!("statfs /sys/fs/selinux: no such file or directory"),
                // Without the security module none of it means anything; nor does Podman mind.
                ("label", _) | ("apparmor", "unconfined") => {}
                ("apparmor", profile) => {
                    bail!("apparmor profile {profile:?} specified, but Apparmor is not enabled on this system")
                }
                _ => bail!("invalid --security-opt 2: {option:?}"),
            }
        }
        Ok(security)
    }
}

/// One of the flags that name a namespace; `own` are the words for its own.
fn namespace(kind: &str, text: Option<&String>, own: &[&str]) -> Result<Namespace> {
    let Some(text) = given(text) else { return Ok(Namespace::Default) };
    if let Some(path) = text.strip_prefix("ns:") {
        let why = std::fs::metadata(path)
            .err()
            .map_or_else(|| "paths are not supported yet".to_owned(), |error| os_words(&error));
        bail!("cannot find specified {kind} namespace path: faccessat {path}: {why}");
    }
    match text.as_str() {
        "host" => Ok(Namespace::Host),
        "private" if own.contains(&"private") => Ok(Namespace::Private),
        "shareable" if own.contains(&"shareable") => Ok(Namespace::Shareable),
        "none" if own.contains(&"none") => Ok(Namespace::None),
        _ => match text.strip_prefix("container:").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Namespace::Container(name.to_owned())),
            None => bail!("unrecognized namespace mode {text} passed"),
        },
    }
}

fn ulimit(text: &str) -> Result<()> {
    let Some((name, values)) = text.split_once('=') else { bail!("invalid ulimit argument: {text}") };
    if !ULIMITS.contains(&name.trim_start_matches("RLIMIT_").to_ascii_lowercase().as_str()) {
        bail!("invalid ulimit type: {name}");
    }
    let number =
        |text: &str| text.parse::<i64>().map_err(|_| anyhow!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard != -1 && (soft > hard || soft == -1) {
        bail!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
    }
    Ok(())
}

/// `HOST[:INSIDE][:ACCESS]`.
fn device(text: &str) -> Result<Device> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_access = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| b"rwm".contains(&byte));
    let host = parts.first().copied().unwrap_or_default();
    std::fs::metadata(host).map_err(|error| anyhow!("stat {host}: {}", os_words(&error)))?;
    let (inside, access) = match parts[1..] {
        [] => (host, "rwm"),
        [inside] if inside.starts_with('/') => (inside, "rwm"),
        [access] if is_access(access) => (host, access),
        [inside, access] if is_access(access) => (inside, access),
        [access] | [_, access] => bail!("invalid device mode: {access}"),
        _ => bail!("invalid device specification: {text}"),
    };
    if !Path::new(inside).is_absolute() {
        bail!("invalid device path: {inside}");
    }
    Ok(Device { host: host.into(), inside: inside.into(), access: access.to_owned() })
}
