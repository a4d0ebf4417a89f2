// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The start of a container, from the side of the child that becomes its monitor.

mod account;
pub(crate) mod child;
mod copy;
pub(crate) mod place;
mod stage;

use std::path::PathBuf;

use haulout_monitor::process::Process;
use serde::{Deserialize, Serialize};

use crate::secret::place::Given;
use crate::store::driver::Driver;
use crate::store::mounting::Mounting;
use crate::userns::modes::Mapping;

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
    /// `process.capabilities` when that user turns out not to be root: the bounding set, and of the others only what was asked for
    /// by name. Those of the specification stay when nothing.
    #[serde(default)]
    pub capabilities_of_user: Option<oci_spec::runtime::LinuxCapabilities>,
    /// Whether the working folder was asked for by `-w`: then it is not made when it is missing.
    #[serde(default)]
    pub workdir_must_exist: bool,
    /// What is made for mounts before the runtime mounts them.
    #[serde(default)]
    pub stages: Stages,
    /// Volumes that are new.
    pub fresh: Vec<Fresh>,
    /// Secrets: where each is to be in the bundle, and what.
    #[serde(default)]
    pub secrets: Vec<(PathBuf, Given)>,
    /// Folders and files that become the container's user's, with all that is in them (`U`).
    #[serde(default)]
    pub owned: Vec<PathBuf>,
    /// Its own map of ids: the root's files are owned so.
    #[serde(default)]
    pub mapping: Option<Mapping>,
    /// The process in whose user namespace it is to be; one of its own is made when nothing, if it has a map.
    #[serde(default)]
    pub shared_userns: Option<Process>,
    /// A group that its process is in whoever it is.
    #[serde(default)]
    pub kept_group: Option<u32>,
    /// What `/etc/passwd` and `/etc/group` are told.
    #[serde(default)]
    pub accounts: Accounts,
    /// Further groups of its process, by name or number.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The monitor's program.
    pub monitor: PathBuf,
    /// What the monitor is told; its `bundle` is the folder that everything is written to.
    pub config: haulout_monitor::config::Config,
}

/// What the container's `/etc/passwd` and `/etc/group` are told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Accounts {
    /// Nothing.
    pub untouched: bool,
    /// The entry of its user, if not ours.
    pub user_entry: Option<String>,
    /// The entry of its user's group, if not ours.
    pub group_entry: Option<String>,
    /// Users of the host's that it shall know.
    pub host_users: Vec<HostUser>,
    /// How the caller's own group is called on the host, when it keeps its number inside.
    pub kept_group: Option<String>,
}

/// A user of the host's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostUser {
    /// The login name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
    /// The full name.
    pub about: String,
}

/// A root filesystem to mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Root {
    /// The layers' folders, the uppermost first.
    pub lower: Vec<PathBuf>,
    /// Where changes go. Made when it is missing, owned as the uppermost layer's folder is; `work` and `target` too.
    pub upper: PathBuf,
    /// The kernel's scratch folder beside it.
    pub work: PathBuf,
    /// Where it is mounted.
    pub target: PathBuf,
    /// Whether nobody minds when a power cut takes the changes: for a container that is removed when it ends. Saves a
    /// sync of the whole file system at the unmount; it cannot be mounted a second time then.
    #[serde(default)]
    pub volatile: bool,
    /// The folder that the lower layers' files lead into by overlay's attributes (`::` in its options), if they do.
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// The one lower folder is the root itself: what is changed is changed there.
    #[serde(default)]
    pub bare: bool,
    /// How it is made; by vfs `upper` is a copy of the lower folders, and the root itself.
    #[serde(default)]
    pub driver: Driver,
    /// What storage.conf says of mounts.
    #[serde(default)]
    pub mounting: Mounting,
}

/// What is made for mounts of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stages {
    /// The folder that it is all in, emptied before; nothing when there is none of it.
    pub folder: Option<PathBuf>,
    /// Images, and folders whose changes go elsewhere (`O`).
    pub overlays: Vec<Root>,
    /// Parts of volumes and images.
    pub parts: Vec<Part>,
    /// What another container has mounted.
    #[serde(default)]
    pub shared: Vec<SharedMount>,
}

/// A mount of another container's, mounted here as well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SharedMount {
    /// A process of the other container.
    pub process: Process,
    /// Where it is in that container.
    pub path: PathBuf,
    /// Where it is mounted here.
    pub target: PathBuf,
}

/// A part of a folder, mounted for itself: no link in it leads out of the folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The folder.
    pub of: PathBuf,
    /// The part's path in it.
    pub path: PathBuf,
    /// Where it is mounted.
    pub target: PathBuf,
}

/// Volumes that are filled before their container is started.
#[derive(Debug, Serialize, Deserialize)]
pub struct Filling {
    /// The container's root filesystem.
    pub root: Root,
    /// Which.
    pub fresh: Vec<Fresh>,
    /// Whose they become where the root has nothing.
    pub user: String,
    /// The container's own map of ids.
    pub mapping: Option<Mapping>,
}

/// A volume that was never mounted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fresh {
    /// Its place inside.
    pub inside: PathBuf,
    /// Its folder.
    pub outside: PathBuf,
    /// Whether it takes what the image has at its place.
    pub filled: bool,
    /// Whom it shall belong to whatever the image has.
    pub owner: (Option<u32>, Option<u32>),
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
    /// Where a program may have mounted its root, which nobody unmounted.
    #[serde(default)]
    pub mounted: Option<PathBuf>,
}
