// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout info`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use haulout_engine::config::Folders;
use haulout_engine::config::registries::Registries;
use haulout_engine::info::{Info, Program};

use super::version;
use crate::format::{Data, Format, Struct, data, render};
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Display system information
///
/// Display information pertaining to the host, current storage stats, and build.
/// Useful for the user and when reporting issues.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also show debug information (it is always shown)
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
    /// Change the output format to JSON or a Go template
    #[arg(short, long)]
    format: Option<String>,
    words: Vec<String>,
}

/// As many as Podman has when nothing is configured; ours are files, and never run out.
const LOCKS: u32 = 2048;

/// Prints what is known of the machine and the store.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    let info = invocation.engine().info().await?;
    let report = report(&info, invocation)?;
    let text = match args.format.as_deref().map(Format::parse) {
        None => {
            let mut text = String::new();
            yaml(&mut text, &report.json(), 0);
            text + "\n"
        }
        Some(Format::Json) => data::print_json(&report.json(), "  ") + "\n",
        Some(Format::Template { table, text }) => render("info", table, &version::unranged(&text), report, None)?,
    };
    output::print(&text)?;
    Ok(0)
}

fn report(info: &Info, invocation: &Invocation) -> Result<Data> {
    let report = Struct::of("system.infoReport")
        .with_as("Host", "host", host(info, invocation))
        .with_as("Store", "store", store(info, invocation))
        .with_as("Registries", "registries", registries()?)
        .with_as(
            "Plugins",
            "plugins",
            Struct::of("define.Plugins")
                .with_as("Volume", "volume", vec!["local"])
                .with_as("Network", "network", vec!["pasta"])
                .with_as("Log", "log", vec!["k8s-file", "none", "journald"])
                .with_as("Authorization", "authorization", Data::Nil),
        )
        .with_as("Version", "version", version::one(invocation));
    Ok(report.into())
}

/// What registries.conf says: each registry by its prefix, and those in which short names are looked for.
fn registries() -> Result<Data> {
    let registries = Registries::read(&Folders::from_environment())?;
    let mut all: BTreeMap<String, Data> = BTreeMap::new();
    for known in registries.known() {
        let mirrors: Vec<Data> = known
            .mirrors
            .iter()
            .map(|mirror| {
                Struct::of("sysregistriesv2.Endpoint")
                    .with("Location", mirror.location)
                    .with("Insecure", mirror.insecure)
                    .with("PullFromMirror", mirror.pulls)
                    .into()
            })
            .collect();
        let shown = Struct::of("sysregistriesv2.Registry")
            .with("Prefix", known.prefix)
            .with("Location", known.location)
            .with("Insecure", known.insecure)
            .with("PullFromMirror", "")
            .with("Mirrors", Data::list_or_nil(mirrors))
            .with("Blocked", known.blocked)
            .with("MirrorByDigestOnly", known.by_digest_only);
        all.insert(known.prefix.to_owned(), shown.into());
    }
    if !registries.searched().is_empty() {
        all.insert("search".to_owned(), registries.searched().to_vec().into());
    }
    Ok(Data::from(all))
}

fn program(kind: &'static str, program: &Program) -> Data {
    let path = path_of(program);
    Struct::of(kind)
        .with_as("Name", "name", &program.name)
        .with_as("Package", "package", &program.package)
        .with_as("Path", "path", path)
        .with_as("Version", "version", program.version.trim_end())
        .into()
}

fn path_of(program: &Program) -> String {
    program.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
}

fn ids(map: &[(u32, u32, u32)]) -> Data {
    let entries = map.iter().map(|&(container, host, count)| {
        Struct::of("idtools.IDMap")
            .with_as("ContainerID", "container_id", container)
            .with_as("HostID", "host_id", host)
            .with_as("Size", "size", count)
    });
    entries.collect::<Vec<_>>().into()
}

fn host(info: &Info, invocation: &Invocation) -> Data {
    let host = &info.host;
    let pasta = path_of(&host.pasta);
    let first = Struct::of("*define.HostInfo")
        .with_as("Arch", "arch", &host.arch)
        .with_as("BuildahVersion", "buildahVersion", "")
        .with_as(
            "CgroupManager",
            "cgroupManager",
            if host.user_manager { host.cgroup_manager.as_str() } else { "cgroupfs" },
        )
        .with_as("CgroupsVersion", "cgroupVersion", "v2")
        .with_as("CgroupControllers", "cgroupControllers", host.cgroup_controllers.clone())
        .with_as("Conmon", "conmon", program("*define.ConmonInfo", &host.monitor))
        .with_as(
            "CPUUtilization",
            "cpuUtilization",
            Struct::of("*define.CPUUsage")
                .with_as("UserPercent", "userPercent", host.cpu_utilization.0)
                .with_as("SystemPercent", "systemPercent", host.cpu_utilization.1)
                .with_as("IdlePercent", "idlePercent", host.cpu_utilization.2),
        )
        .with_as("CPUs", "cpus", host.cpus)
        .with_as("DatabaseBackend", "databaseBackend", "sqlite")
        .with_as(
            "Distribution",
            "distribution",
            Struct::of("define.DistributionInfo")
                .with_as("Distribution", "distribution", &host.distribution.id)
                .with_as("Version", "version", &host.distribution.version)
                .with_omitted("Codename", "codename", &host.distribution.codename),
        )
        .with_as("EventLogger", "eventLogger", &host.event_logger)
        .with_as("FreeLocks", "freeLocks", LOCKS)
        .with_as("Hostname", "hostname", &host.hostname)
        .with_as(
            "IDMappings",
            "idMappings",
            Struct::of("define.IDMappings").with_as("GIDMap", "gidmap", ids(&host.gid_map)).with_as(
                "UIDMap",
                "uidmap",
                ids(&host.uid_map),
            ),
        )
        .with_as("Kernel", "kernel", &host.kernel)
        .with_as("Init", "init", program("define.Init", &host.init))
        .with_as("LogDriver", "logDriver", &host.log_driver)
        .with_as("MemFree", "memFree", host.mem_free)
        .with_as("MemTotal", "memTotal", host.mem_total)
        .with_as("NetworkBackend", "networkBackend", "pasta")
        .with_as(
            "NetworkBackendInfo",
            "networkBackendInfo",
            Struct::of("types.NetworkInfo")
                .with_as("Backend", "backend", "pasta")
                .with_omitted("Version", "version", host.pasta.version.trim_end())
                .with_omitted("Package", "package", &host.pasta.package)
                .with_omitted("Path", "path", &pasta),
        );
    outward(first, info, invocation).into()
}

/// What of the machine leads out of a container: programs, the network, what it may do.
fn outward(first: Struct, info: &Info, invocation: &Invocation) -> Struct {
    let host = &info.host;
    let (minutes, hours) = (host.uptime / 60 % 60, host.uptime / 3600);
    let uptime = format!("{hours}h {minutes}m {:.2}s", f64::from(u32::try_from(host.uptime % 60).unwrap_or(0)));
    let socket = invocation.paths().runtime.join("haulout.sock");
    first
        .with_as("OCIRuntime", "ociRuntime", program("*define.OCIRuntimeInfo", &host.oci_runtime))
        .with_as("OS", "os", &host.os)
        .with_as(
            "RemoteSocket",
            "remoteSocket",
            Struct::of("*define.RemoteSocket").with_as("Path", "path", socket.display().to_string()).with_as(
                "Exists",
                "exists",
                socket.exists(),
            ),
        )
        .with_as("RootlessNetworkCmd", "rootlessNetworkCmd", "pasta")
        .with_as("ServiceIsRemote", "serviceIsRemote", false)
        .with_as(
            "Security",
            "security",
            Struct::of("define.SecurityInfo")
                .with_as("AppArmorEnabled", "apparmorEnabled", host.apparmor)
                .with_as("DefaultCapabilities", "capabilities", host.capabilities.join(","))
                .with_as("Rootless", "rootless", info.host.uid_map.first().is_none_or(|&(_, first, _)| first != 0))
                .with_as("SECCOMPEnabled", "seccompEnabled", host.seccomp)
                .with_as("SECCOMPProfilePath", "seccompProfilePath", &host.seccomp_profile)
                .with_as("SELinuxEnabled", "selinuxEnabled", host.selinux),
        )
        .with_as(
            "Pasta",
            "pasta",
            Struct::of("define.PastaInfo")
                .with_as("Executable", "executable", path_of(&host.pasta))
                .with_as("Package", "package", &host.pasta.package)
                .with_as("Version", "version", host.pasta.version.trim_end()),
        )
        .with_as(
            "Slirp4NetNS",
            "slirp4netns",
            Struct::of("define.SlirpInfo")
                .with_as("Executable", "executable", path_of(&host.slirp4netns))
                .with_as("Package", "package", &host.slirp4netns.package)
                .with_as("Version", "version", host.slirp4netns.version.trim_end()),
        )
        .with_as("SwapFree", "swapFree", host.swap_free)
        .with_as("SwapTotal", "swapTotal", host.swap_total)
        .with_as("Uptime", "uptime", uptime)
        .with_as("Variant", "variant", "")
        .with_as("Linkmode", "linkmode", "static")
}

fn store(info: &Info, invocation: &Invocation) -> Data {
    let store = &info.store;
    let (file, options) = invocation
        .storage()
        .map_or_else(Default::default, |storage| (path_text(&storage.file), storage.options.shown()));
    let options: BTreeMap<String, Data> = options.into_iter().map(|(key, value)| (key, value.into())).collect();
    let path = |path: &std::path::Path| path.display().to_string();
    Struct::of("*define.StoreInfo")
        .with_as("ConfigFile", "configFile", file)
        .with_as(
            "ContainerStore",
            "containerStore",
            Struct::of("define.ContainerStore")
                .with_as("Number", "number", store.containers)
                .with_as("Paused", "paused", store.paused)
                .with_as("Running", "running", store.running)
                .with_as("Stopped", "stopped", store.containers.saturating_sub(store.running + store.paused)),
        )
        .with_as("GraphDriverName", "graphDriverName", &store.driver)
        .with_as("GraphOptions", "graphOptions", Data::from(options))
        .with_as("GraphRoot", "graphRoot", path(&store.data))
        .with_as("GraphRootAllocated", "graphRootAllocated", store.allocated)
        .with_as("GraphRootUsed", "graphRootUsed", store.used)
        .with_as(
            "GraphStatus",
            "graphStatus",
            &BTreeMap::from([
                ("Backing Filesystem", store.file_system.clone()),
                ("Native Overlay Diff", "true".to_owned()),
                ("Supports d_type", "true".to_owned()),
                ("Supports shifting", "false".to_owned()),
                ("Supports volatile", "true".to_owned()),
                ("Using metacopy", "false".to_owned()),
            ]),
        )
        .with_as("ImageCopyTmpDir", "imageCopyTmpDir", path(&store.image_copy))
        .with_as("ImageStore", "imageStore", Struct::of("define.ImageStore").with_as("Number", "number", store.images))
        .with_as("RunRoot", "runRoot", path(&store.runtime))
        .with_as("VolumePath", "volumePath", path(&store.volumes))
        .with_as("TransientStore", "transientStore", store.transient)
        .into()
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

/// Prints JSON as YAML with sorted keys, as podman's `info` is read by people.
fn yaml(text: &mut String, value: &serde_json::Value, depth: usize) {
    use serde_json::Value;
    use std::fmt::Write as _;
    let indent = "  ".repeat(depth);
    let Value::Object(map) = value else { return };
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort();
    for key in keys {
        match &map[key] {
            Value::Object(inner) if inner.is_empty() => {
                let _ = writeln!(text, "{indent}{key}: {{}}");
            }
            inner @ Value::Object(_) => {
                let _ = writeln!(text, "{indent}{key}:");
                yaml(text, inner, depth + 1);
            }
            Value::Array(items) if items.is_empty() => {
                let _ = writeln!(text, "{indent}{key}: []");
            }
            Value::Array(items) => {
                let _ = writeln!(text, "{indent}{key}:");
                for item in items {
                    let mut inner = String::new();
                    yaml(&mut inner, item, depth + 1);
                    let inner =
                        if inner.is_empty() { scalar(item, depth) + "\n" } else { inner.trim_start().to_owned() };
                    let _ = write!(text, "{indent}- {inner}");
                }
            }
            inner => {
                let _ = writeln!(text, "{indent}{key}: {}", scalar(inner, depth));
            }
        }
    }
}

/// A value that is no list and no map: quoted where it would be read as something else.
fn scalar(value: &serde_json::Value, depth: usize) -> String {
    let serde_json::Value::String(text) = value else { return value.to_string() };
    if text.contains('\n') {
        let indent = "  ".repeat(depth + 1);
        return format!("|-\n{indent}{}", text.replace('\n', &format!("\n{indent}")));
    }
    let other = text.parse::<f64>().is_ok() || ["true", "false", "null", "yes", "no", "~"].contains(&text.as_str());
    let special = text.starts_with(|letter: char| "-?:,[]{}#&*!|>'\"%@` ".contains(letter))
        || text.contains(": ")
        || text.contains(" #");
    if text.is_empty() || other {
        format!("{text:?}")
    } else if special {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_read_otherwise_is_quoted() {
        let value = serde_json::json!({
            "b": {"version": "13", "name": "x", "none": null, "empty": {}, "list": [{"a": 1, "b": 2}], "words": ["x"]},
            "a": "commit: unknown", "lines": "a\nb",
        });
        let mut text = String::new();
        yaml(&mut text, &value, 0);
        assert_eq!(
            text,
            "a: 'commit: unknown'\nb:\n  empty: {}\n  list:\n  - a: 1\n    b: 2\n  name: x\n  none: null\n  version: \"13\"\n  words:\n  - x\nlines: |-\n  a\n  b\n"
        );
    }
}
