// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout info`.

use anyhow::{Result, bail};
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

/// Prints what is known of the machine and the store.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    let info = invocation.engine().info().await?;
    let report = report(&info, invocation);
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

fn report(info: &Info, invocation: &Invocation) -> Data {
    Struct::of("*define.Info")
        .with_as("Host", "host", host(info, invocation))
        .with_as("Store", "store", store(info))
        .with_as("Registries", "registries", Data::map_or_nil(&std::collections::BTreeMap::new()))
        .with_as(
            "Plugins",
            "plugins",
            Struct::of("define.Plugins")
                .with_as("Volume", "volume", vec!["local"])
                .with_as("Network", "network", vec!["pasta"])
                .with_as("Log", "log", vec!["k8s-file", "none", "journald"])
                .with_as("Authorization", "authorization", Data::Nil),
        )
        .with_as("Version", "version", version::one(invocation))
        .into()
}

fn program(kind: &'static str, program: &Program) -> Data {
    let path = program.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    Struct::of(kind)
        .with_as("Name", "name", &program.name)
        .with_as("Package", "package", "")
        .with_as("Path", "path", path)
        .with_as("Version", "version", program.version.trim_end())
        .into()
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
    let (minutes, hours) = (host.uptime / 60 % 60, host.uptime / 3600);
    let uptime = format!("{hours}h {minutes}m {:.2}s", f64::from(u32::try_from(host.uptime % 60).unwrap_or(0)));
    let pasta = host.pasta.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let socket = invocation.paths().runtime.join("haulout.sock");
    Struct::of("*define.HostInfo")
        .with_as("Arch", "arch", &host.arch)
        .with_as("CgroupManager", "cgroupManager", if host.user_manager { "systemd" } else { "cgroupfs" })
        .with_as("CgroupsVersion", "cgroupVersion", "v2")
        .with_as("CgroupControllers", "cgroupControllers", host.cgroup_controllers.clone())
        .with_as("Conmon", "conmon", program("*define.ConmonInfo", &host.monitor))
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
        .with_as("EventLogger", "eventLogger", "file")
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
                .with_as("SECCOMPProfilePath", "seccompProfilePath", "")
                .with_as("SELinuxEnabled", "selinuxEnabled", host.selinux),
        )
        .with_as(
            "Pasta",
            "pasta",
            Struct::of("define.PastaInfo")
                .with_as("Executable", "executable", pasta)
                .with_as("Package", "package", "")
                .with_as("Version", "version", host.pasta.version.trim_end()),
        )
        .with_as("SwapFree", "swapFree", host.swap_free)
        .with_as("SwapTotal", "swapTotal", host.swap_total)
        .with_as("Uptime", "uptime", uptime)
        .with_as("Variant", "variant", "")
        .with_as("Linkmode", "linkmode", "static")
        .into()
}

fn store(info: &Info) -> Data {
    let store = &info.store;
    let path = |path: &std::path::Path| path.display().to_string();
    Struct::of("*define.StoreInfo")
        .with_as(
            "ContainerStore",
            "containerStore",
            Struct::of("define.ContainerStore")
                .with_as("Number", "number", store.containers)
                .with_as("Paused", "paused", 0)
                .with_as("Running", "running", store.running)
                .with_as("Stopped", "stopped", store.containers.saturating_sub(store.running)),
        )
        .with_as("GraphDriverName", "graphDriverName", &store.driver)
        .with_as("GraphRoot", "graphRoot", path(&store.data))
        .with_as("GraphRootAllocated", "graphRootAllocated", store.allocated)
        .with_as("GraphRootUsed", "graphRootUsed", store.used)
        .with_as(
            "GraphStatus",
            "graphStatus",
            &std::collections::BTreeMap::from([("Backing Filesystem", store.file_system.clone())]),
        )
        .with_as("ImageStore", "imageStore", Struct::of("define.ImageStore").with_as("Number", "number", store.images))
        .with_as("RunRoot", "runRoot", path(&store.runtime))
        .with_as("VolumePath", "volumePath", path(&store.volumes))
        .with_as("TransientStore", "transientStore", false)
        .into()
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
