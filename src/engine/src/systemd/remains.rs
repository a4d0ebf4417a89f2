// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is left in the scopes of containers whose monitor, or whose start, was killed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::container::ContainerId;
use crate::paths::Paths;
use crate::spec::limits;

/// Kills every process in the scopes of container `id`: what its monitor had started may not be written down anywhere yet (the OCI
/// runtime at work, a first process that was just born). The files of the scope are the user's own, so this needs no user namespace
/// (cgroups(7), `cgroup.kill`), and unlike asking the manager it waits for no process that ignores SIGTERM.
pub(crate) fn kill_scopes(paths: &Paths, id: &ContainerId) {
    if let Some(made) = made_cgroup(&paths.bundle(id), &id.to_string()) {
        let _ = fs::write(made.join("cgroup.kill"), "1");
    }
    let prefix = format!("haulout-{id}");
    for scope in fs::read_dir(scopes()).into_iter().flatten().flatten() {
        if !scope.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        if let Err(error) = fs::write(scope.path().join("cgroup.kill"), "1") {
            tracing::debug!("killing what is in {}: {error}", scope.path().display());
        }
    }
}

/// The folder of the cgroup that a monitor made for container `id` without systemd, as the container's `bundle` tells.
pub(crate) fn made_cgroup(bundle: &Path, id: &str) -> Option<PathBuf> {
    let text = fs::read(bundle.join("config.json")).ok()?;
    let spec: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let part = spec["linux"]["cgroupsPath"].as_str()?.strip_suffix("/container")?;
    let ours = part.rsplit('/').next().and_then(|name| name.strip_prefix("haulout-")) == Some(id);
    ours.then(|| limits::cgroup_mount().join(part.trim_start_matches('/')))
}

/// The scopes of containers in which no process is: who asked for them was killed before the monitor was in them. Or they are
/// about to get one.
pub(crate) fn empty_scopes() -> Vec<(ContainerId, String)> {
    let entries = fs::read_dir(scopes()).into_iter().flatten().flatten();
    let empty = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let id: ContainerId = name.strip_prefix("haulout-")?.strip_suffix(".scope")?.get(..64)?.parse().ok()?;
        is_empty(&name).then_some((id, name))
    });
    empty.collect()
}

/// Whether no process is in the scope of that name, which is there.
pub(crate) fn is_empty(scope: &str) -> bool {
    let events = fs::read_to_string(scopes().join(scope).join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line == "populated 0")
}

/// Where the containers' scopes are.
fn scopes() -> PathBuf {
    limits::cgroup_mount().join(super::cgroup_of_manager()).join(super::slice())
}
