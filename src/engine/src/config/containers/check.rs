// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong with the values of a file of settings, as far as the file alone can tell. In Podman's words where it has some.

use std::path::Path;

use super::Settings;
use crate::size;
use crate::spec::limits;

/// Where containers.conf(5) looks time zones up.
const ZONES: &str = "/usr/share/zoneinfo";

/// A log that is begun anew sooner would be of no use (containers.conf(5)).
const LOG_SIZE_LEAST: i64 = 8192;

/// A value that will not do.
pub(super) struct Wrong {
    pub table: &'static str,
    pub key: &'static str,
    pub reason: String,
}

/// The first value of `settings` that will not do.
pub(super) fn wrong(settings: &Settings) -> Option<Wrong> {
    let in_table = |table| move |(key, reason)| Wrong { table, key, reason };
    wrong_of_containers(settings)
        .map(in_table("containers"))
        .or_else(|| wrong_of_engine(settings).map(in_table("engine")))
        .or_else(|| wrong_of_network(settings).map(in_table("network")))
}

type Found = Option<(&'static str, String)>;

fn wrong_of_containers(settings: &Settings) -> Found {
    let containers = &settings.containers;
    if let Some(umask) = containers.umask.as_deref()
        && !(matches!(umask.len(), 1..=4) && umask.bytes().all(|digit| (b'0'..=b'7').contains(&digit)))
    {
        return Some(("umask", format!("not a valid umask {umask}")));
    }
    if let Some(zone) = containers.tz.as_deref()
        && !(zone.is_empty() || zone == "local" || Path::new(ZONES).join(zone).is_file())
    {
        return Some(("tz", format!("find timezone {zone} in paths: {ZONES}")));
    }
    if let Some(text) = containers.shm_size.as_deref().filter(|text| !text.is_empty())
        && size::parse(text).is_none()
    {
        return Some(("shm_size", format!("invalid --shm-size {text}, \"invalid size: '{text}'\"")));
    }
    if let Err(error) = limits::rlimits(containers.default_ulimits.items()) {
        return Some(("default_ulimits", error.to_string()));
    }
    if containers.log_size_max.is_some_and(|size| (0..LOG_SIZE_LEAST).contains(&size)) {
        return Some(("log_size_max", format!("log size max should be negative or >= {LOG_SIZE_LEAST}")));
    }
    if let Some(sysctl) = containers.default_sysctls.items().iter().find(|sysctl| !sysctl.contains('=')) {
        return Some((
            "default_sysctls",
            format!("{sysctl} is invalid, sysctl values must be in the form of KEY=VALUE"),
        ));
    }
    let known = |key, value: &Option<String>, known: &[&str], words: &str| {
        value.as_deref().filter(|value| !known.contains(value)).map(|value| (key, format!("{words} {value:?}")))
    };
    known("cgroups", &containers.cgroups, &["", "enabled", "disabled", "no-conmon", "split"], "invalid cgroup mode")
        .or_else(|| {
            let drivers = ["", "k8s-file", "json-file", "journald", "none", "passthrough", "passthrough-tty"];
            known("log_driver", &containers.log_driver, &drivers, "invalid log driver")
        })
        .or_else(|| known("interface_name", &containers.interface_name, &["", "device"], "invalid interface_name"))
}

fn wrong_of_engine(settings: &Settings) -> Found {
    let engine = &settings.engine;
    let known = |key, value: &Option<String>, known: &[&str], words: &str, hint: &str| {
        value.as_deref().filter(|value| !known.contains(value)).map(|value| (key, format!("{words} {value:?}{hint}")))
    };
    let policies = ["", "always", "missing", "ifnotpresent", "never", "newer", "ifnewer"];
    let modes = ["", "bind", "anonymous", "tmpfs", "ignore", "nil"];
    let compressions = ["", "gzip", "zstd", "zstd:chunked"];
    if let Some((key, path)) = [
        ("volume_path", &engine.volume_path),
        ("static_dir", &engine.static_dir),
        ("tmp_dir", &engine.tmp_dir),
        ("events_logfile_path", &engine.events_logfile_path),
    ]
    .into_iter()
    .find_map(|(key, path)| Some((key, path.as_ref()?)).filter(|(_, path)| is_relative(path)))
    {
        return Some((key, format!("{key} must be an absolute path - instead got {:?}", path.display().to_string())));
    }
    if let Some(text) = engine.events_logfile_max_size.as_deref().filter(|text| !text.is_empty())
        && size::parse(text).is_none()
    {
        return Some(("events_logfile_max_size", format!("invalid size: '{text}'")));
    }
    if let Some(text) = engine.env.items().iter().find(|text| !text.contains('=') || text.starts_with('=')) {
        return Some(("env", format!("{text:?} is no variable: it should be NAME=value")));
    }
    if let Some(text) = engine.add_compression.items().iter().find(|text| !compressions.contains(&text.as_str())) {
        return Some(("add_compression", format!("unknown compression algorithm {text:?}")));
    }
    known("pull_policy", &engine.pull_policy, &policies, "unsupported pull policy", "")
        .or_else(|| {
            let required = " required value: anonymous, tmpfs, ignore";
            known("image_volume_mode", &engine.image_volume_mode, &modes, "invalid image volume mode", required)
        })
        .or_else(|| {
            known(
                "database_backend",
                &engine.database_backend,
                &["", "sqlite", "boltdb"],
                "unsupported database backend:",
                "",
            )
        })
        .or_else(|| known("lock_type", &engine.lock_type, &["", "shm", "file"], "unknown lock type", ""))
        .or_else(|| {
            let managers = ["", "systemd", "cgroupfs"];
            let hint = ": it must be one of cgroupfs and systemd";
            known("cgroup_manager", &engine.cgroup_manager, &managers, "unsupported Cgroup manager:", hint)
        })
        .or_else(|| {
            known(
                "events_logger",
                &engine.events_logger,
                &["", "file", "journald", "none"],
                "unknown event logger type:",
                "",
            )
        })
        .or_else(|| {
            known("compression_format", &engine.compression_format, &compressions, "unknown compression algorithm", "")
        })
        .or_else(|| {
            let formats = ["", "oci", "v2s2", "v2s1"];
            known(
                "image_default_format",
                &engine.image_default_format,
                &formats,
                "unknown image format",
                ": use oci, v2s2 or v2s1",
            )
        })
}

/// Nothing at all is as good as not said.
fn is_relative(path: &Path) -> bool {
    !path.as_os_str().is_empty() && path.is_relative()
}

fn wrong_of_network(settings: &Settings) -> Found {
    let known = |key, value: &Option<String>, known: &[&str], words: &str| {
        value.as_deref().filter(|value| !known.contains(value)).map(|value| (key, format!("{words} {value:?}")))
    };
    let network = &settings.network;
    let commands = ["", "pasta", "slirp4netns"];
    let wrong = "invalid default_rootless_network_cmd option";
    known("default_rootless_network_cmd", &network.default_rootless_network_cmd, &commands, wrong).or_else(|| {
        known("network_backend", &network.network_backend, &["", "netavark"], "unsupported network backend")
    })
}
