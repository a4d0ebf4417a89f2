// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `info` tells: the machine, the store, and the programs that the engine runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Error};

/// Everything of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// The machine.
    pub host: Host,
    /// What is kept, and where.
    pub store: Store,
    /// The engine's own version.
    pub version: String,
}

/// The machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    /// `amd64`, `arm64` …: as images say it.
    pub arch: String,
    /// `linux`.
    pub os: String,
    /// How many processors there are.
    pub cpus: usize,
    /// Its name.
    pub hostname: String,
    /// The kernel's release.
    pub kernel: String,
    /// `ID`, `VERSION_ID` and `VERSION_CODENAME` of os-release(5).
    pub distribution: Distribution,
    /// Bytes of memory.
    pub mem_total: u64,
    /// Bytes of it that can be had.
    pub mem_free: u64,
    /// Bytes of swap.
    pub swap_total: u64,
    /// Bytes of it that are free.
    pub swap_free: u64,
    /// Seconds since boot.
    pub uptime: u64,
    /// The cgroup v2 controllers that the user may use.
    pub cgroup_controllers: Vec<String>,
    /// Whether a user manager answers (scopes, limits, `systemctl --user`).
    pub user_manager: bool,
    /// The user namespace's mapping: container id, host id, count.
    pub uid_map: Vec<(u32, u32, u32)>,
    /// The same for groups.
    pub gid_map: Vec<(u32, u32, u32)>,
    /// Whether AppArmor is on.
    pub apparmor: bool,
    /// Whether `SELinux` is on.
    pub selinux: bool,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// The capabilities that a container has when nothing is said.
    pub capabilities: Vec<String>,
    /// The OCI runtime.
    pub oci_runtime: Program,
    /// What joins a container to the host's network.
    pub pasta: Program,
    /// What is a container's first process with `--init`.
    pub init: Program,
    /// What stays beside each container.
    pub monitor: Program,
    /// The log driver when nothing is said.
    pub log_driver: String,
}

/// Which distribution it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// `debian`.
    pub id: String,
    /// `13`.
    pub version: String,
    /// `trixie`.
    pub codename: String,
}

/// A program that the engine runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Where it is; nothing when it is not there.
    pub path: Option<PathBuf>,
    /// What it says of its version, all lines.
    pub version: String,
}

/// What is kept, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// `overlay`.
    pub driver: String,
    /// What survives a reboot.
    pub data: PathBuf,
    /// What does not.
    pub runtime: PathBuf,
    /// Where named volumes are.
    pub volumes: PathBuf,
    /// The kind of file system below `data`.
    pub file_system: String,
    /// Bytes of that file system.
    pub allocated: u64,
    /// Bytes of it that are used.
    pub used: u64,
    /// How many containers there are.
    pub containers: usize,
    /// How many of them run.
    pub running: usize,
    /// How many images there are.
    pub images: usize,
}

pub(crate) async fn gather(engine: &Engine) -> Result<Info, Error> {
    let _ = engine;
    todo!()
}

/// This machine's architecture as images say it (Go's `GOARCH`).
pub(crate) fn image_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
