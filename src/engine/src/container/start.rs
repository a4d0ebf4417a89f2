// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The start of a container, from the side of the child that becomes its monitor.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the child of the zygote needs to become a container's monitor: it joins the user namespace, makes a mount namespace
/// (a recursive slave of the caller's), mounts the root, finishes the spec (user names, the working folder, copies into new
/// volumes) and writes `config.json` and `monitor.json` into the bundle, then executes the monitor.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The anchor's pid file.
    pub anchor: PathBuf,
    /// The root filesystem.
    pub root: Root,
    /// The specification, complete but for what only the mounted root can tell.
    pub spec: oci_spec::runtime::Spec,
    /// `-u`, or the image's user; root when nothing.
    pub user: Option<String>,
    /// Volumes that are new and take what the image has at their place: place inside, folder outside.
    pub copies: Vec<(PathBuf, PathBuf)>,
    /// The monitor's program.
    pub monitor: PathBuf,
    /// What the monitor is told; its `bundle` is the folder that everything is written to.
    pub config: haulout_monitor::config::Config,
}

/// A root filesystem to mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Root {
    /// The layers' folders, the uppermost first.
    pub lower: Vec<PathBuf>,
    /// Where changes go.
    pub upper: PathBuf,
    /// The kernel's scratch folder beside it.
    pub work: PathBuf,
    /// Where it is mounted.
    pub target: PathBuf,
}

/// What a killed monitor left behind.
#[derive(Debug, Serialize, Deserialize)]
pub struct Remains {
    /// The container.
    pub id: String,
    /// Its runtime folder.
    pub bundle: PathBuf,
    /// The OCI runtime: program, then arguments before its command.
    pub runtime: Vec<String>,
}
