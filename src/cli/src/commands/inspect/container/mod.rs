// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container as `inspect` shows it.

mod config;
mod host_config;
mod mounts;
mod network;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use haulout_engine::Engine;
use haulout_engine::container::options::{IdMap, Options, Seccomp, Userns};
use haulout_engine::container::{ContainerId, Details, Status};
use haulout_engine::store::driver::Driver;
use serde_json::Value;

use super::health;
use super::image::strings;
use crate::format::{Data, Struct};
use crate::{rows, time};

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
    let image = images.into_iter().find(|image| Some(image.id) == details.summary.record.image);
    let view = View {
        engine,
        options: &details.summary.record.options,
        image: serde_json::to_value(&details.image).unwrap_or_default(),
        spec: details.spec.as_ref().and_then(|spec| serde_json::to_value(spec).ok()).unwrap_or_default(),
        details: &details,
    };
    let digest = image.as_ref().map(|image| image.digest.to_string()).unwrap_or_default();
    let sizes = if sizes {
        let own = engine.containers().written(&details.summary.record).await;
        Some((own, own + image.map_or(0, |image| image.size)))
    } else {
        None
    };
    Ok(view.whole(digest, sizes))
}

impl View<'_> {
    fn whole(&self, digest: String, sizes: Option<(u64, u64)>) -> Data {
        let record = &self.details.summary.record;
        let folder = self.engine.paths().container(&record.id);
        let bundle = self.engine.paths().bundle(&record.id);
        let at = |base: &Path, name: &str| base.join(name).display().to_string();
        let paths = self.engine.paths();
        let file = |asked: Option<&PathBuf>, usual: PathBuf| asked.unwrap_or(&usual).display().to_string();
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
            .with("Image", record.image_id())
            .with("ImageDigest", digest)
            .with("ImageName", &record.image_name)
            .with(
                "Rootfs",
                self.options.rootfs.as_ref().map_or(String::new(), |rootfs| rootfs.path.display().to_string()),
            )
            .with("Pod", "")
            .with("ResolvConfPath", shown(at(&bundle, "resolv.conf")))
            .with("HostnamePath", shown(at(&bundle, "hostname")))
            .with("HostsPath", shown(at(&bundle, "hosts")))
            .with("StaticDir", folder.display().to_string())
            .with_omitted("OCIConfigPath", "OCIConfigPath", shown(at(&bundle, "config.json")))
            .with("OCIRuntime", &self.details.runtime)
            .with("ConmonPidFile", file(self.options.conmon_pidfile.as_ref(), paths.conmon_pidfile(&record.id)))
            .with("PidFile", file(self.options.pidfile.as_ref(), paths.pidfile(&record.id)))
            .with("Name", record.name.to_string())
            .with("RestartCount", self.details.summary.restarts)
            .with("Driver", self.engine.paths().driver().name())
            .with("MountLabel", "")
            .with("ProcessLabel", "")
            .with("AppArmorProfile", "")
            .with("EffectiveCaps", self.capabilities("effective"))
            .with("BoundingCaps", self.capabilities("bounding"))
            .with("ExecIDs", Vec::<String>::new())
            .with("GraphDriver", self.driver(&folder));
        let whole = match sizes {
            Some((own, root)) => whole.with("SizeRw", own).with("SizeRootFs", root),
            None => whole.with_hidden("SizeRw", Data::Nil).with_hidden("SizeRootFs", 0),
        };
        whole
            .with("Mounts", self.mounts())
            .with("Dependencies", record.dependencies())
            .with("NetworkSettings", self.network(&bundle, running))
            .with("Namespace", "")
            .with("IsInfra", false)
            .with("IsService", false)
            .with("KubeExitCodePropagation", "invalid")
            .with_as("LockNumber", "lockNumber", 0)
            .with("Config", self.config())
            .with("HostConfig", self.host_config())
            .with("UseImageHosts", self.options.names.no_hosts)
            .with("UseImageHostname", self.options.names.no_hostname)
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
            Status::Initialized(process) | Status::Running(process) | Status::Paused(process) => (process.pid, None),
            Status::Exited(exit) => (0, Some(exit)),
            Status::Created => (0, None),
        };
        let running = pid != 0;
        let started = summary.status.is_started();
        let paused = matches!(summary.status, Status::Paused(_));
        let finished = exit.map(|exit| exit.finished.0 * time::SECOND + i64::from(exit.finished.1));
        let monitor = std::fs::read_to_string(self.engine.paths().bundle(&summary.record.id).join("monitor.pid"));
        let monitor =
            monitor.ok().and_then(|text| text.split_whitespace().next()?.parse::<i32>().ok()).filter(|_| running);
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let cgroup =
            cgroup.lines().find_map(|line| line.strip_prefix("0::")).filter(|_| running).unwrap_or("").to_owned();
        let health = match self.options.health.command() {
            Some(_) => health::known(self.details.health.as_ref()),
            None => Data::Nil,
        };
        Struct::of("*define.InspectContainerState")
            .with("OciVersion", self.spec["ociVersion"].as_str().unwrap_or("1.2.0"))
            .with("Status", rows::state(&summary.status))
            .with("Running", started && !paused)
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
            .with_omitted("Health", "Health", health.clone())
            .with_hidden("Healthcheck", health)
            .with_omitted("CgroupPath", "CgroupPath", cgroup)
            .with("CheckpointedAt", Data::Time(None))
            .with("RestoredAt", Data::Time(None))
            .with_omitted("StoppedByUser", "StoppedByUser", exit.is_some_and(|exit| exit.by_user))
            .into()
    }

    /// Whether it was started at some time: what it is made of is known from then on.
    fn was_started(&self) -> bool {
        self.details.summary.status != Status::Created
    }

    fn capabilities(&self, set: &str) -> Data {
        let is_root = matches!(
            self.options.user.as_deref().and_then(|user| user.split(':').next()),
            None | Some("" | "0" | "root")
        );
        let mut capabilities = strings(&self.spec["process"]["capabilities"][set]);
        // Who is not root will have those that were asked for.
        if set == "effective" && !is_root && !self.was_started() {
            let added = host_config::capability_names(&self.options.cap_add);
            capabilities.retain(|name| added.contains(name));
        }
        capabilities.sort();
        Data::list_or_nil(capabilities)
    }

    fn driver(&self, folder: &Path) -> Data {
        let driver = self.engine.paths().driver();
        if driver == Driver::Vfs {
            return Struct::of("*define.DriverData").with("Name", driver.name()).with("Data", Data::Nil).into();
        }
        let layers: Vec<String> = self.details.layers.iter().map(|layer| layer.display().to_string()).collect();
        let at = |name: &str| folder.join(name).display().to_string();
        let mut data = BTreeMap::from([("UpperDir", at("upper")), ("WorkDir", at("work"))]);
        if self.options.rootfs.is_none() {
            data.insert("LowerDir", layers.join(":"));
        }
        if self.details.summary.status.process().is_some() {
            data.insert("MergedDir", at("merged"));
        }
        Struct::of("*define.DriverData").with("Name", "overlay").with("Data", &data).into()
    }

    fn annotations(&self) -> Data {
        let mut annotations = match serde_json::from_value(self.spec["annotations"].clone()) {
            Ok(annotations) if self.was_started() => annotations,
            _ => self.options.annotations.clone(),
        };
        annotations.extend(noted(self.options));
        Data::map_or_nil(&annotations)
    }
}

/// What podman notes of some flags among the annotations.
fn noted(options: &Options) -> BTreeMap<String, String> {
    let truth = |flag: bool| flag.then(|| "TRUE".to_owned());
    let seccomp = match &options.security.seccomp {
        Seccomp::Default | Seccomp::OfImage => None,
        Seccomp::Unconfined => Some("unconfined".to_owned()),
        Seccomp::Profile(path) => Some(path.display().to_string()),
    };
    let notes = [
        ("autoremove", truth(options.remove)),
        ("cid-file", options.id_file.clone()),
        ("init", truth(options.init)),
        ("privileged", truth(options.privileged)),
        ("publish-all", truth(options.publish_all)),
        ("seccomp", seccomp),
        ("userns", userns(&options.userns)),
        ("volumes-from", Some(options.volumes_from.join(",")).filter(|names| !names.is_empty())),
    ];
    let named = |(name, value): (&str, Option<String>)| Some((format!("io.podman.annotations.{name}"), value?));
    notes.into_iter().filter_map(named).collect()
}

/// The mode of a user namespace as `--userns` has it; nothing for the one that everybody has.
fn userns(mode: &Userns) -> Option<String> {
    let number = |key: &str, value: &Option<u32>| value.map(|value| format!("{key}={value}"));
    let maps = |key: &str, maps: &[IdMap]| maps.iter().map(|map| format!("{key}={map}")).collect::<Vec<_>>();
    let (name, words): (_, Vec<String>) = match mode {
        Userns::Host | Userns::Container(_) | Userns::Maps { .. } => return None,
        Userns::Nomap => ("nomap", Vec::new()),
        Userns::Auto { size, users, groups } => {
            let maps = maps("uidmapping", users).into_iter().chain(maps("gidmapping", groups));
            ("auto", number("size", size).into_iter().chain(maps).collect())
        }
        Userns::KeepId { uid, gid, size } => {
            ("keep-id", [number("uid", uid), number("gid", gid), number("size", size)].into_iter().flatten().collect())
        }
    };
    Some(if words.is_empty() { name.to_owned() } else { format!("{name}:{}", words.join(",")) })
}
