// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ending what is left in the scope of a container whose monitor was killed.

use std::fs;

use crate::container::ContainerId;
use crate::spec::limits;

/// Kills every process in the scopes of container `id`: what its monitor had started may not be written down anywhere yet (the OCI
/// runtime at work, a first process that was just born). The files of the scope are the user's own, so this needs no user namespace
/// (cgroups(7), `cgroup.kill`), and unlike asking the manager it waits for no process that ignores SIGTERM.
pub(crate) fn kill_scopes(id: &ContainerId) {
    let uid = rustix::process::getuid().as_raw();
    let slice = format!("user.slice/user-{uid}.slice/user@{uid}.service/{}", super::SLICE);
    let prefix = format!("haulout-{id}");
    for scope in fs::read_dir(limits::cgroup_mount().join(slice)).into_iter().flatten().flatten() {
        if !scope.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        if let Err(error) = fs::write(scope.path().join("cgroup.kill"), "1") {
            tracing::debug!("killing what is in {}: {error}", scope.path().display());
        }
    }
}
