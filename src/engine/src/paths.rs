// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where Haulout keeps things: nothing of it is shared with another engine.

use std::path::PathBuf;

use crate::container::ContainerId;

/// The two folders that everything lives below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What survives a reboot: `$XDG_DATA_HOME/containers/haulout`.
    pub data: PathBuf,
    /// What does not: `$XDG_RUNTIME_DIR/haulout`.
    pub runtime: PathBuf,
}

impl Paths {
    /// The SQLite database of what should be.
    pub fn database(&self) -> PathBuf {
        self.data.join("state.db")
    }

    /// The layers, one folder each, named by the hexadecimal digits of their diffID; their files are in `diff` below it.
    pub fn layers(&self) -> PathBuf {
        self.data.join("layers")
    }

    /// The folders of the containers.
    pub fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    /// A container's folder on disk: `upper`, `work`, `merged`, `last-run`, `ctr.log`, `lock`.
    pub fn container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.to_string())
    }

    /// The folders of the volumes.
    pub fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }

    /// A named volume's folder; its files are in `_data` below it.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// The folders of the running containers.
    pub fn bundles(&self) -> PathBuf {
        self.runtime.join("containers")
    }

    /// A running container's folder, its OCI bundle: `config.json`, `monitor.json`, `monitor.pid`, `init.pid`, `attach`.
    pub fn bundle(&self, id: &ContainerId) -> PathBuf {
        self.bundles().join(id.to_string())
    }

    /// The OCI runtime's own state (`--root`).
    pub fn runtime_root(&self) -> PathBuf {
        self.runtime.join("crun")
    }

    /// The process that holds the user namespace: `PID STARTTIME`.
    pub fn anchor(&self) -> PathBuf {
        self.runtime.join("anchor")
    }

    /// The event log, one JSON object a line.
    pub fn events(&self) -> PathBuf {
        self.runtime.join("events")
    }
}
