// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container as `inspect` shows it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use haulout_engine::Engine;
use haulout_engine::container::options::{
    Cgroups, Exposure, LogDriver, Namespace, Network, Options, Publish, Seccomp, Userns,
};
use haulout_engine::container::{ContainerId, Details, Mount, Status};
use serde_json::Value;

use super::image::{layers_below, strings};
use crate::format::{Data, Struct};
use crate::{rows, size, time};

/// Seconds that a container has to stop when nothing is said.
const STOP_TIMEOUT: u64 = 10;

/// What `inspect` needs at hand, as JSON where only some keys of it are shown.
struct View<'a> {
    engine: &'a Engine,
    details: &'a Details,
    options: &'a Options,
    image: Value,
    spec: Value,
}

/// Everything about a container, under podman's names.
pub async fn data(engine: &Engine, id: &ContainerId, sizes: bool) -> Result<Data> {
    let details = engine.containers().inspect(id).await?;
    let images = engine.images().list().await?;
    let image = images.into_iter().find(|image| image.id == details.summary.record.image);
    let view = View {
        engine,
        options: &details.summary.record.options,
        image: serde_json::to_value(&details.image).unwrap_or_default(),
        spec: details.spec.as_ref().and_then(|spec| serde_json::to_value(spec).ok()).unwrap_or_default(),
        details: &details,
    };
    let digest = image.as_ref().map(|image| image.digest.to_string()).unwrap_or_default();
    let sizes = sizes.then(|| {
        let own = tree_size(&engine.paths().container(id).join("upper"));
        (own, own + image.map_or(0, |image| image.size))
    });
    Ok(view.whole(digest, sizes))
}

impl View<'_> {
    fn whole(&self, digest: String, sizes: Option<(u64, u64)>) -> Data {
        let record = &self.details.summary.record;
        let folder = self.engine.paths().container(&record.id);
        let bundle = self.engine.paths().bundle(&record.id);
        let at = |base: &Path, name: &str| base.join(name).display().to_string();
        let running = self.details.summary.status.process().is_some();
        let shown = |path: String| if running { path } else { String::new() };
        let (path, arguments) = match self.words().split_first() {
            // A command of one word is its own argument; so says podman.
            Some((path, [])) => (path.clone(), vec![path.clone()]),
            Some((path, arguments)) => (path.clone(), arguments.to_vec()),
            None => (String::new(), Vec::new()),
        };
        let whole = Struct::of("interface {}")
            .with_as("ID", "Id", record.id.to_string())
            .with("Created", Data::Time(Some(record.created)))
            .with("Path", path)
            .with("Args", arguments)
            .with("State", self.state())
            .with("Image", record.image.hex())
            .with("ImageDigest", digest)
            .with("ImageName", &record.image_name)
            .with("Rootfs", "")
            .with("Pod", "")
            .with("ResolvConfPath", shown(at(&bundle, "resolv.conf")))
            .with("HostnamePath", shown(at(&bundle, "hostname")))
            .with("HostsPath", shown(at(&bundle, "hosts")))
            .with("StaticDir", folder.display().to_string())
            .with("OCIConfigPath", shown(at(&bundle, "config.json")))
            .with("OCIRuntime", "crun")
            .with("ConmonPidFile", at(&bundle, "monitor.pid"))
            .with("PidFile", at(&bundle, "init.pid"))
            .with("Name", record.name.to_string())
            .with("RestartCount", self.details.restarts)
            .with("Driver", "overlay")
            .with("MountLabel", "")
            .with("ProcessLabel", "")
            .with("AppArmorProfile", "")
            .with("EffectiveCaps", self.capabilities("effective"))
            .with("BoundingCaps", self.capabilities("bounding"))
            .with("ExecIDs", Vec::<String>::new())
            .with("GraphDriver", self.driver(&folder));
        let whole = match sizes {
            Some((own, root)) => whole.with("SizeRw", own).with("SizeRootFs", root),
            None => whole.with_hidden("SizeRw", Data::Nil).with_hidden("SizeRootFs", Data::Nil),
        };
        whole
            .with(
                "Mounts",
                self.details.mounts.iter().filter(|mount| mount.kind != "tmpfs").map(mount).collect::<Vec<_>>(),
            )
            .with("Dependencies", Vec::<String>::new())
            .with("NetworkSettings", self.network(&bundle, running))
            .with("Namespace", "")
            .with("IsInfra", false)
            .with("IsService", false)
            .with("KubeExitCodePropagation", "invalid")
            .with_as("LockNumber", "lockNumber", 0)
            .with("Config", self.config())
            .with("HostConfig", self.host_config())
            .into()
    }

    /// The words of its process, whatever starts it.
    fn words(&self) -> Vec<String> {
        let run = strings(&self.spec["process"]["args"]);
        if run.is_empty() { self.details.summary.record.command.clone() } else { run }
    }

    fn state(&self) -> Data {
        let summary = &self.details.summary;
        let (pid, exit) = match &summary.status {
            Status::Running(process) | Status::Paused(process) => (process.pid, None),
            Status::Exited(exit) => (0, Some(exit)),
            Status::Created => (0, None),
        };
        let running = pid != 0;
        let paused = matches!(summary.status, Status::Paused(_));
        let finished = exit.map(|exit| exit.finished.0 * time::SECOND + i64::from(exit.finished.1));
        let monitor = std::fs::read_to_string(self.engine.paths().bundle(&summary.record.id).join("monitor.pid"));
        let monitor =
            monitor.ok().and_then(|text| text.split_whitespace().next()?.parse::<i32>().ok()).filter(|_| running);
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let cgroup =
            cgroup.lines().find_map(|line| line.strip_prefix("0::")).filter(|_| running).unwrap_or("").to_owned();
        Struct::of("*define.InspectContainerState")
            .with("OciVersion", self.spec["ociVersion"].as_str().unwrap_or("1.2.0"))
            .with("Status", rows::state(&summary.status))
            .with("Running", running && !paused)
            .with("Paused", paused)
            .with("Restarting", false)
            .with("OOMKilled", exit.is_some_and(|exit| exit.oom_killed))
            .with("Dead", false)
            .with("Pid", pid)
            .with_omitted("ConmonPid", "ConmonPid", monitor.unwrap_or(0))
            .with("ExitCode", exit.map_or(0, |exit| exit.status.unwrap_or(-1)))
            .with("Error", "")
            .with("StartedAt", Data::Time(summary.started.map(|at| at * time::SECOND)))
            .with("FinishedAt", Data::Time(finished))
            .with_hidden("Healthcheck", Data::Nil)
            .with_hidden("Health", Data::Nil)
            .with_omitted("CgroupPath", "CgroupPath", cgroup)
            .with("CheckpointedAt", Data::Time(None))
            .with("RestoredAt", Data::Time(None))
            .into()
    }

    fn capabilities(&self, set: &str) -> Data {
        let mut capabilities = strings(&self.spec["process"]["capabilities"][set]);
        capabilities.sort();
        Data::list_or_nil(capabilities)
    }

    fn driver(&self, folder: &Path) -> Data {
        let layers = layers_below(self.engine, &strings(&self.image["rootfs"]["diff_ids"]));
        let at = |name: &str| folder.join(name).display().to_string();
        let data = BTreeMap::from([
            ("LowerDir", layers.join(":")),
            ("MergedDir", at("merged")),
            ("UpperDir", at("upper")),
            ("WorkDir", at("work")),
        ]);
        Struct::of("*define.DriverData").with("Name", "overlay").with("Data", &data).into()
    }

    fn network(&self, bundle: &Path, running: bool) -> Data {
        let name = rows::network(&self.options.network);
        // One that pasta has connected is none of the networks that could be listed.
        let networks = if running && name == "pasta" {
            Data::Map(None)
        } else {
            BTreeMap::from([(name.to_owned(), Data::from(membership(name)))]).into()
        };
        let sandbox = running && !matches!(self.options.network, Network::Host);
        Struct::of("*define.InspectNetworkSettings")
            .with("EndpointID", "")
            .with("Gateway", "")
            .with("IPAddress", "")
            .with("IPPrefixLen", 0)
            .with("IPv6Gateway", "")
            .with("GlobalIPv6Address", "")
            .with("GlobalIPv6PrefixLen", 0)
            .with("MacAddress", "")
            .with("Bridge", "")
            .with("SandboxID", "")
            .with("HairpinMode", false)
            .with("LinkLocalIPv6Address", "")
            .with("LinkLocalIPv6PrefixLen", 0)
            .with("Ports", bindings(&self.details.summary.record.ports))
            .with("SandboxKey", if sandbox { bundle.join("netns").display().to_string() } else { String::new() })
            .with_omitted("Networks", "Networks", networks)
            .into()
    }

    fn secrets(&self) -> Data {
        let mounted = self.options.secrets.iter().filter(|secret| secret.exposure == Exposure::Mount);
        let secrets = mounted.map(|secret| {
            Struct::of("*define.InspectSecret")
                .with("Name", &secret.name)
                .with("ID", &secret.id)
                .with("UID", secret.uid)
                .with("GID", secret.gid)
                .with("Mode", secret.mode)
        });
        secrets.collect::<Vec<_>>().into()
    }

    fn config(&self) -> Data {
        let record = &self.details.summary.record;
        let image = &self.image["config"];
        let text = |key: &str| image[key].as_str().unwrap_or("").to_owned();
        let environment = match strings(&self.spec["process"]["env"]) {
            env if env.is_empty() => {
                let given = self.options.env.iter().map(|(name, value)| format!("{name}={value}"));
                strings(&image["Env"]).into_iter().chain(["container=podman".to_owned()]).chain(given).collect()
            }
            env => env,
        };
        let mut labels: BTreeMap<String, String> = serde_json::from_value(image["Labels"].clone()).unwrap_or_default();
        labels.extend(self.options.labels.clone());
        let hostname = self.options.hostname.clone().unwrap_or_else(|| record.id.short());
        let entrypoint = match &self.options.entrypoint {
            Some(words) => words.clone(),
            None => strings(&image["Entrypoint"]),
        };
        let command = record.command.strip_prefix(entrypoint.as_slice()).unwrap_or(&record.command).to_vec();
        let workdir = self.options.workdir.as_ref().map_or_else(
            || if text("WorkingDir").is_empty() { "/".to_owned() } else { text("WorkingDir") },
            |path| path.display().to_string(),
        );
        let signal = self.options.stop_signal.clone().unwrap_or_else(|| match text("StopSignal") {
            none if none.is_empty() => "SIGTERM".to_owned(),
            signal => crate::signal::parse(&signal).map_or(signal, crate::signal::name),
        });
        let ports: BTreeMap<String, Value> =
            each_port(&record.ports).map(|(port, _)| (port, Value::Object(serde_json::Map::new()))).collect();
        let exposed = ports.iter().map(|(port, value)| (port.clone(), Data::from(value))).collect::<BTreeMap<_, _>>();
        Struct::of("*define.InspectContainerConfig")
            .with("Hostname", hostname)
            .with("Domainname", "")
            .with("User", self.options.user.clone().unwrap_or_else(|| text("User")))
            .with("AttachStdin", false)
            .with("AttachStdout", false)
            .with("AttachStderr", false)
            .with("Tty", self.options.terminal)
            .with("OpenStdin", self.options.interactive)
            .with("StdinOnce", false)
            .with("Env", Data::from(environment))
            .with("Cmd", Data::list_or_nil(command))
            .with("Image", &record.image_name)
            .with("Volumes", Data::Map(None))
            .with("WorkingDir", workdir)
            .with("Entrypoint", Data::list_or_nil(entrypoint))
            .with("OnBuild", Data::Nil)
            .with("Labels", Data::map_or_nil(&labels))
            .with("Annotations", self.annotations())
            .with("StopSignal", signal)
            .with_hidden("Healthcheck", Data::Nil)
            .with("CreateCommand", Data::list_or_nil(self.options.create_command.clone()))
            .with("Umask", self.options.umask.clone().unwrap_or_else(|| "0022".to_owned()))
            .with_omitted("Secrets", "Secrets", self.secrets())
            .with("Timeout", self.options.timeout.unwrap_or(0))
            .with("StopTimeout", self.options.stop_timeout.unwrap_or(STOP_TIMEOUT))
            .with("Passwd", true)
            .with_as("SdNotifyMode", "sdNotifyMode", "container")
            .with_omitted("ExposedPorts", "ExposedPorts", exposed)
            .into()
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        match serde_json::from_value(self.spec["annotations"].clone()) {
            Ok(annotations) => annotations,
            Err(_) => self.options.annotations.clone(),
        }
    }

    fn host_config(&self) -> Data {
        let record = &self.details.summary.record;
        let (policy, retries) = rows::restart(self.options.restart);
        let limits = &self.options.limits;
        #[allow(clippy::cast_possible_truncation, reason = "so many processors are not made")]
        let nano_cpus = limits.cpus.map_or(0, |cpus| (cpus * 1e9) as i64);
        let upper = |names: &[String]| {
            let names = names.iter().map(|name| {
                let name = name.to_uppercase();
                if name.starts_with("CAP_") || name == "ALL" { name } else { format!("CAP_{name}") }
            });
            names.collect::<Vec<_>>()
        };
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
        Struct::of("*define.InspectContainerHostConfig")
            .with(
                "Binds",
                self.details
                    .mounts
                    .iter()
                    .filter(|mount| !["tmpfs", "image"].contains(&mount.kind.as_str()))
                    .map(bind)
                    .collect::<Vec<_>>(),
            )
            .with("CgroupManager", "systemd")
            .with("CgroupMode", mode(&self.options.namespaces.cgroup, "private"))
            .with("ContainerIDFile", "")
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
            .with("CapAdd", upper(&self.options.cap_add))
            .with("CapDrop", upper(&self.options.cap_drop))
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
                    Cgroups::Enabled => "default",
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
            .with("IDMappings", self.mappings())
            .with("ShmSize", self.options.shm_size.map_or(65_536_000, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
            .with("Runtime", "oci")
            .with("ConsoleSize", vec![0, 0])
            .with("Isolation", "")
            .with("CpuShares", limits.cpu_shares.unwrap_or(0))
            .with("Memory", limits.memory.unwrap_or(0))
            .with("NanoCpus", nano_cpus)
            .with("CgroupParent", "")
            .with("CpuPeriod", limits.cpu_period.unwrap_or(if nano_cpus > 0 { 100_000 } else { 0 }))
            .with("CpuQuota", limits.cpu_quota.unwrap_or(nano_cpus / 10_000))
            .with("CpusetCpus", limits.cpuset_cpus.clone().unwrap_or_default())
            .with("CpusetMems", limits.cpuset_mems.clone().unwrap_or_default())
            .with("Devices", Vec::<String>::new())
            .with("DiskQuota", 0)
            .with("KernelMemory", 0)
            .with("MemoryReservation", limits.memory_reservation.unwrap_or(0))
            .with("MemorySwap", 0)
            .with("MemorySwappiness", 0)
            .with("OomKillDisable", false)
            .with("Init", self.options.init)
            .with(
                "PidsLimit",
                self.spec["linux"]["resources"]["pids"]["limit"].as_i64().or(limits.pids).unwrap_or(0).max(0),
            )
            .with("Ulimits", self.ulimits())
            .with("CgroupConf", Data::Map(None))
            .into()
    }

    fn log(&self) -> Data {
        let log = &self.options.log;
        let driver = match log.driver {
            LogDriver::Default | LogDriver::K8sFile => "k8s-file",
            LogDriver::Journald => "journald",
            LogDriver::None => "none",
        };
        let path = match log.driver {
            LogDriver::Default | LogDriver::K8sFile => {
                self.engine.paths().container(&self.details.summary.record.id).join("ctr.log").display().to_string()
            }
            LogDriver::Journald | LogDriver::None => String::new(),
        };
        Struct::of("*define.InspectLogConfig")
            .with("Type", driver)
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
        match &security.seccomp {
            Seccomp::Default => {}
            Seccomp::Unconfined => words.push("seccomp=unconfined".to_owned()),
            Seccomp::Profile(path) => words.push(format!("seccomp={}", path.display())),
        }
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

    fn ulimits(&self) -> Vec<Data> {
        let limits = self.spec["process"]["rlimits"].as_array().into_iter().flatten();
        let limits = limits.map(|limit| {
            Struct::of("define.InspectUlimit")
                .with("Name", limit["type"].as_str().unwrap_or(""))
                .with("Soft", limit["soft"].as_i64().unwrap_or(-1))
                .with("Hard", limit["hard"].as_i64().unwrap_or(-1))
                .into()
        });
        limits.collect()
    }
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
    }
}

/// A network that a container is in, of which there is nothing to say but its name.
fn membership(name: &str) -> Struct {
    Struct::of("*define.InspectAdditionalNetwork")
        .with("EndpointID", "")
        .with("Gateway", "")
        .with("IPAddress", "")
        .with("IPPrefixLen", 0)
        .with("IPv6Gateway", "")
        .with("GlobalIPv6Address", "")
        .with("GlobalIPv6PrefixLen", 0)
        .with("MacAddress", "")
        .with("NetworkID", name.to_owned())
        .with("DriverOpts", Data::Map(None))
        .with("IPAMConfig", Data::Map(None))
        .with("Links", Data::List(None))
}

/// Every published port by itself: `80/tcp`, and where it is on the host.
fn each_port(ports: &[Publish]) -> impl Iterator<Item = (String, (String, u16))> {
    ports.iter().flat_map(|port| {
        let address = port.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
        (0..port.count).map(move |offset| {
            let host = port.host.unwrap_or(0).saturating_add(offset);
            let inside = format!("{}/{}", port.container.saturating_add(offset), rows::protocol(port));
            (inside, (address.clone(), host))
        })
    })
}

fn bindings(ports: &[Publish]) -> Data {
    let mut bindings: BTreeMap<String, Vec<Data>> = BTreeMap::new();
    for (inside, (address, host)) in each_port(ports) {
        let binding = Struct::of("define.InspectHostPort")
            .with_as("HostIP", "HostIp", address)
            .with("HostPort", host.to_string());
        bindings.entry(inside).or_default().push(binding.into());
    }
    bindings.into()
}

/// How a mount spreads: one of the options.
fn propagation(mount: &Mount) -> &str {
    let spreads = ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"];
    mount.options.iter().map(String::as_str).find(|option| spreads.contains(option)).unwrap_or("rprivate")
}

/// The options that are shown: neither how it spreads, nor its label, nor whether it can be written.
fn other_options(mount: &Mount) -> Vec<String> {
    let shown = |option: &&String| **option != propagation(mount) && !["ro", "rw", "z", "Z"].contains(&option.as_str());
    mount.options.iter().filter(shown).cloned().collect()
}

fn mount(mount: &Mount) -> Data {
    let driver = if mount.kind == "volume" { "local" } else { "" };
    let is_image = mount.kind == "image";
    let special = ["ramfs", "devpts"].contains(&mount.kind.as_str());
    let mode = mount.options.iter().find(|option| ["z", "Z"].contains(&option.as_str()));
    let propagation = if is_image || special { "" } else { propagation(mount) };
    Struct::of("define.InspectMount")
        .with("Type", if special { "bind" } else { &mount.kind })
        .with_omitted("Name", "Name", mount.name.clone().unwrap_or_default())
        .with("Source", mount.source.display().to_string())
        .with("Destination", mount.destination.display().to_string())
        .with("Driver", driver)
        .with("Mode", mode.map_or("", String::as_str))
        .with("Options", if is_image { Data::List(None) } else { other_options(mount).into() })
        .with("RW", mount.writable)
        .with("Propagation", propagation.to_owned())
        .with_omitted(
            "SubPath",
            "SubPath",
            mount.subpath.as_ref().map_or(String::new(), |path| path.display().to_string()),
        )
        .into()
}

fn bind(mount: &Mount) -> String {
    let source = mount.name.clone().unwrap_or_else(|| mount.source.display().to_string());
    let place = mount.destination.display();
    match mount.options.join(",") {
        none if none.is_empty() => format!("{source}:{place}"),
        options => format!("{source}:{place}:{options}"),
    }
}

/// The bytes of the files below a folder, as far as they can be seen.
pub fn tree_size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => tree_size(&entry.path()),
        Ok(meta) if meta.is_file() => meta.len(),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}
