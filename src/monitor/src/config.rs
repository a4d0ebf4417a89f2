// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a monitor needs to know to run one container: `monitor.json` in the container's runtime folder.
//!
//! The process that becomes the monitor is already in the right user namespace, as its root, and in a mount
//! namespace of its own in which the root filesystem is mounted.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The number under which a monitor gets the container's own user namespace.
pub const USERNS: i32 = 4;

/// The numbers under which a monitor gets the container's network, where that was begun before it: the namespace, and where its helper says
/// that it is ready.
pub const NETWORK: [i32; 2] = [5, 6];

/// The number of the first descriptor that a monitor passes on to its container; the others follow.
pub const PASSED: i32 = 7;

/// A monitor gets no more of them.
pub const MAX_PASSED: u32 = 48;

/// In the bundle as long as a container is made and waits to be started: its process, as `init.pid` has that of a running one.
pub const CREATED: &str = "created.pid";

/// In the bundle: what is mounted into a container that tells the service manager of itself.
pub const NOTIFY_FOLDER: &str = "notify";

/// The socket in it.
pub const NOTIFY_SOCKET: &str = "notify.sock";

/// Everything about one container that its monitor has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The container's full id: 64 hexadecimal digits.
    pub id: String,
    /// The container's name, for events and the journal.
    pub name: String,
    /// The image's name, for events and the journal.
    pub image: String,
    /// The OCI runtime: program, then arguments that come before its command (`--root DIR --cgroup-manager=cgroupfs`).
    pub runtime: Vec<String>,
    /// Further arguments of the runtime's `create` and `run`: `--no-pivot`.
    #[serde(default)]
    pub create_flags: Vec<String>,
    /// The OCI bundle, which is also the container's runtime folder: `config.json` is here, and here the
    /// monitor puts `monitor.pid`, `init.pid` and its socket `attach`.
    pub bundle: PathBuf,
    /// The container's folder on disk, where `last-run` is written.
    pub folder: PathBuf,
    /// The mounted root filesystem, unmounted when the container has ended for good.
    pub rootfs: Option<PathBuf>,
    /// Whether the container has a terminal (`-t`).
    pub terminal: bool,
    /// The terminal's first size, columns and rows.
    pub terminal_size: Option<(u16, u16)>,
    /// Whether standard input is kept open (`-i`); else the container reads end-of-file at once.
    pub stdin_open: bool,
    /// Whether its output goes to the starter connection as well, and its input comes from there (a foreground `run`).
    /// If not, the starter may close once it has `Started`.
    pub attach_starter: bool,
    /// Where its output goes.
    pub log: Log,
    /// How it reaches a network.
    pub network: Network,
    /// The process that joins it to that network, where it was started before the monitor ([`crate::network::Network::begin`]).
    #[serde(default)]
    pub helper: Option<i32>,
    /// How it gets a cgroup.
    pub cgroup: Cgroup,
    /// Where what happens to it is told.
    pub events: crate::event::Log,
    /// Started when the container has ended for good (or could not be started) and the starter did not say
    /// [`crate::frame::Kind::Removed`] (`--rm`): program and arguments.
    pub cleanup: Option<Vec<String>>,
    /// The signal that asks it to end, sent on to it when the monitor itself is asked to (SIGTERM): a number of signal(7).
    #[serde(default)]
    pub stop_signal: Option<i32>,
    /// So many seconds after that it is killed.
    #[serde(default)]
    pub stop_timeout: Option<u64>,
    /// The container is killed after so many seconds (`--timeout`).
    pub timeout: Option<u64>,
    /// When it is started again by itself (`--restart`).
    pub restart: Restart,
    /// How its health is checked.
    #[serde(default)]
    pub health: Option<crate::health::Checks>,
    /// Whether its checks are no events (`healthcheck_events = false`).
    #[serde(default)]
    pub quiet_health: bool,
    /// The service manager that is told when it is ready.
    #[serde(default)]
    pub notify: Option<Notify>,
    /// A file for the pid of the container's process.
    #[serde(default)]
    pub pidfile: Option<PathBuf>,
    /// A file for the monitor's own.
    #[serde(default)]
    pub monitor_pidfile: Option<PathBuf>,
    /// Under which numbers, in order, the container's process gets the descriptors from [`PASSED`] on.
    #[serde(default)]
    pub passed: Vec<u32>,
    /// The container's labels, for events.
    pub labels: std::collections::BTreeMap<String, String>,
    /// The descriptor ([`USERNS`]) of the container's own user namespace, which is inside this process's; nothing when it lives in this one's. In
    /// `config.json` it is [`Config::bundle`]`/userns`, which leads to it.
    #[serde(default)]
    pub userns: Option<i32>,
    /// Who the container's root is in this process's user namespace, when it is not its own: whose the container's cgroup becomes.
    #[serde(default)]
    pub root_ids: Option<(u32, u32)>,
}

impl Config {
    /// Where an end waits that the disk does not take: `ended/ID` beside the folder of the bundles.
    #[must_use]
    pub fn waiting(&self) -> PathBuf {
        let runtime = self.bundle.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        runtime.join("ended").join(&self.id)
    }
}

/// Who is told when the container is ready (`sd_notify(3)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// The manager's socket: a path, or a name after `@`.
    pub socket: String,
    /// When.
    pub mode: NotifyMode,
}

/// When a container is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotifyMode {
    /// When it says so, on the socket [`NOTIFY_SOCKET`] of its own.
    Container,
    /// When its process runs.
    Started,
    /// When its health was checked and found good.
    Healthy,
}

/// Where the output goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "driver")]
pub enum Log {
    /// A file of lines `TIME STREAM P|F TEXT` (CRI's format).
    K8sFile {
        /// The log file.
        path: PathBuf,
        /// It is begun anew when it grows past so many bytes.
        max_size: Option<u64>,
    },
    /// systemd's journal.
    Journald {
        /// `CONTAINER_TAG=`, if any.
        tag: Option<String>,
    },
    /// Nowhere.
    None,
    /// Nowhere that the monitor knows of: of the descriptors that are passed on ([`Config::passed`]), those with the numbers 0 to 2
    /// are its standard streams.
    Passthrough,
}

/// How a container reaches a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum Network {
    /// The monitor has nothing to do: the host's network, another container's, or an empty one that the runtime makes.
    Runtime,
    /// The monitor holds a network namespace by a descriptor, and runs pasta beside it. The path in `config.json`'s
    /// network namespace entry is [`Config::bundle`]`/netns`, a symbolic link that the monitor makes to `/proc/PID/fd/N`.
    Pasta {
        /// pasta and all its arguments but the namespace, `--pid` and `--foreground`.
        command: Vec<String>,
    },
    /// The same with slirp4netns.
    Slirp {
        /// slirp4netns and all its arguments but the namespace, `--ready-fd` and `--api-socket`.
        command: Vec<String>,
        /// The container's address.
        guest: Ipv4Addr,
        /// The ports that it is to forward.
        forwards: Vec<Forward>,
    },
}

/// A port of the host's that is one of the container's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// UDP, not TCP.
    pub udp: bool,
    /// The host's address.
    pub address: IpAddr,
    /// The host's port.
    pub host: u16,
    /// The container's.
    pub container: u16,
}

/// How a container gets its cgroup.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    /// The engine asks the user manager for a scope with this process in it, and says so by
    /// [`crate::frame::Kind::Cgroup`]; the monitor waits for that before it calls the runtime, moves itself
    /// to `SCOPE/supervisor` and gives the container `SCOPE/container`.
    Scope,
    /// The cgroup that the monitor is in is divided into `supervisor` and `container` (`--cgroups=split`).
    Split,
    /// The monitor makes one for the container, without asking any manager, and stays in its own (`cgroup_manager = "cgroupfs"`).
    Beside {
        /// In which other one, by its path below the mount; beside the monitor's own when nothing.
        parent: Option<String>,
    },
    /// None of its own.
    Disabled,
}

/// When a container is started again by itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When its exit status is not 0, at most so many times in a row (no limit if none).
    OnFailure(Option<u32>),
    /// Whenever it ends, unless a user stopped it.
    Always,
}
