// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container is made from: the flags of `create` and `run`, parsed.
//!
//! Stored in the database as it is, so that `inspect` and every later start derive from one truth.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::id::ContainerName;
pub use crate::userns::modes::{Asked as IdMap, Userns};

/// Everything that a user may say of a container. `Default` is what Podman does when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// `--name`; two random words when none.
    pub name: Option<ContainerName>,
    /// The image, as the user wrote it.
    pub image: String,
    /// The words after the image; the image's `Cmd` when empty.
    pub command: Vec<String>,
    /// `--entrypoint`; `Some` and empty removes the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `-e`: name and value; later ones win, over the image's as well.
    pub env: Vec<(String, String)>,
    /// `-v`, and `--mount` of a bind mount or a volume.
    pub volumes: Vec<Volume>,
    /// `--mount type=image`.
    pub images: Vec<ImageMount>,
    /// `--mount type=ramfs` and `type=devpts`.
    pub special: Vec<Special>,
    /// `--volumes-from`: a container, and perhaps options after a colon.
    pub volumes_from: Vec<String>,
    /// `--image-volume`.
    pub image_volume: ImageVolume,
    /// `--tmpfs`: path and mount options.
    pub tmpfs: Vec<(PathBuf, Vec<String>)>,
    /// `-w`.
    pub workdir: Option<PathBuf>,
    /// `-u`: `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// `--hostname`; the short id when none.
    pub hostname: Option<String>,
    /// `-p`.
    pub publish: Vec<Publish>,
    /// `--network`.
    pub network: Network,
    /// `--add-host`: name (or several with `;` between them) and address (nothing for `host-gateway`).
    pub add_host: Vec<(String, Option<IpAddr>)>,
    /// `--cap-add`, as written: `NET_ADMIN`, `cap_net_admin`, `all`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, as written.
    pub cap_drop: Vec<String>,
    /// `--security-opt`.
    pub security: Security,
    /// `--privileged`.
    pub privileged: bool,
    /// `--userns`, `--uidmap` and the like.
    pub userns: Userns,
    /// Whether that was said: if not, containers.conf may say otherwise.
    pub userns_said: bool,
    /// `--read-only`.
    pub read_only: bool,
    /// `--label`, and what was added by us.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: BTreeMap<String, String>,
    /// `--init`.
    pub init: bool,
    /// `--log-driver` and its options.
    pub log: Log,
    /// `--stop-signal`; the image's, or SIGTERM, when none.
    pub stop_signal: Option<String>,
    /// `--stop-timeout` in seconds; 10 when none.
    pub stop_timeout: Option<u64>,
    /// `--timeout` in seconds.
    pub timeout: Option<u64>,
    /// `--memory`, `--cpus`, `--pids-limit`.
    pub limits: Limits,
    /// `-t`.
    pub terminal: bool,
    /// `-i`.
    pub interactive: bool,
    /// `--rm`.
    pub remove: bool,
    /// `--cgroups`.
    pub cgroups: Cgroups,
    /// `--pull`.
    pub pull: PullPolicy,
    /// `--restart`.
    pub restart: Restart,
    /// `--pid`, `--ipc`, `--uts`, `--cgroupns`.
    pub namespaces: Namespaces,
    /// `--dns`, `--no-hosts` and the like.
    pub names: Names,
    /// `--ulimit`: `name=soft:hard`; `host` for those of whoever starts it.
    pub ulimits: Vec<String>,
    /// `--shm-size` in bytes; 0 for as much as there is memory.
    pub shm_size: Option<u64>,
    /// `--sysctl`.
    pub sysctls: BTreeMap<String, String>,
    /// `--group-add`: names or numbers; `keep-groups`.
    pub groups: Vec<String>,
    /// `--umask`: octal digits.
    pub umask: Option<String>,
    /// `--tz`: a time zone, or `local`.
    pub timezone: Option<String>,
    /// `--oom-score-adj`.
    pub oom_score_adj: Option<i32>,
    /// `--unsetenv`.
    pub unset_env: Vec<String>,
    /// `--unsetenv-all`: only what `-e` sets is set.
    pub unset_all_env: bool,
    /// `--env-merge`: name, and value with `${NAME}` for what is set already.
    pub env_merge: Vec<(String, String)>,
    /// `--device`.
    pub devices: Vec<Device>,
    /// `--read-only-tmpfs=false`.
    pub no_scratch: bool,
    /// `--http-proxy=false`.
    pub no_proxy: bool,
    /// `--expose`: ports and protocols.
    pub expose: Vec<(u16, Protocol)>,
    /// `-P`: each exposed port is published.
    pub publish_all: bool,
    /// `--secret`.
    pub secrets: Vec<SecretUse>,
    /// The whole command line that made it, for `inspect` (`Config.CreateCommand`).
    pub create_command: Vec<String>,
}

/// `--secret`: which one, and how it comes into the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUse {
    /// Its name.
    pub name: String,
    /// Its id, as `create` found it.
    pub id: String,
    /// As what.
    pub exposure: Exposure,
    /// The file's path, below `/run/secrets` when it is not absolute; the variable's name. The secret's name when nothing.
    pub target: Option<String>,
    /// Whose file it is.
    pub uid: u32,
    /// The same for the group.
    pub gid: u32,
    /// The file's mode.
    pub mode: u32,
}

/// As what a secret comes into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// A file.
    #[default]
    Mount,
    /// A variable of its environment.
    Variable,
}

/// A namespace: its own, or whose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Nothing was said: its own.
    #[default]
    Default,
    /// Its own.
    Private,
    /// Its own, and others may have it as well (`--ipc`).
    Shareable,
    /// Its own, with nothing in it (`--ipc`).
    None,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
}

/// `--pid`, `--ipc`, `--uts`, `--cgroupns`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    /// Processes.
    pub pid: Namespace,
    /// System V and POSIX messages.
    pub ipc: Namespace,
    /// The host name.
    pub uts: Namespace,
    /// Cgroups.
    pub cgroup: Namespace,
}

/// How names are looked up in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// `--dns`: addresses; `none` leaves `resolv.conf` to the image.
    pub dns: Vec<String>,
    /// `--dns-search`.
    pub search: Vec<String>,
    /// `--dns-option`.
    pub options: Vec<String>,
    /// `--no-hosts`.
    pub no_hosts: bool,
    /// `--no-hostname`.
    pub no_hostname: bool,
    /// `--hosts-file`: a path, `none` or `image`.
    pub hosts_file: Option<String>,
}

/// A device of the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Where it is inside.
    pub inside: PathBuf,
    /// `r`, `w` and `m`.
    pub access: String,
}

/// A bind mount or a named volume: `-v SOURCE:DESTINATION[:OPTIONS]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Where it comes from.
    pub source: VolumeSource,
    /// Where it is inside: absolute.
    pub destination: PathBuf,
    /// `ro`, `rw`, `rslave`, `z`, `U` …, as written.
    pub options: Vec<String>,
    /// What of it is mounted, when not all.
    #[serde(default)]
    pub subpath: Option<PathBuf>,
}

/// An image's files, mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMount {
    /// The image, as the user wrote it.
    pub image: String,
    /// Where it is inside.
    pub destination: PathBuf,
    /// Whether it can be written: what is written goes with the run.
    pub writable: bool,
    /// What of it is mounted, when not all.
    pub subpath: Option<PathBuf>,
}

/// A mount of a file system of the kernel's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Special {
    /// `ramfs` or `devpts`.
    pub kind: String,
    /// Where it is inside.
    pub destination: PathBuf,
    /// Its options, as the runtime takes them.
    pub options: Vec<String>,
}

/// What becomes of the places that an image calls volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageVolume {
    /// Each is an anonymous volume.
    #[default]
    Anonymous,
    /// Each is a tmpfs.
    Tmpfs,
    /// Nothing.
    Ignore,
}

/// Where a volume's files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeSource {
    /// A path on the host: absolute.
    Path(PathBuf),
    /// A named volume, made when it is not there.
    Named(String),
    /// A volume of this container alone.
    Anonymous,
}

/// A published port: `-p [ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`, each a range of the same length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The host's address; every one when none.
    pub address: Option<IpAddr>,
    /// The first port on the host; a free one is chosen when none.
    pub host: Option<u16>,
    /// The first port in the container.
    pub container: u16,
    /// How many ports in a row.
    pub count: u16,
    /// Over what.
    pub protocol: Protocol,
}

/// What a port is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// `--network`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network of its own, joined to the host's by pasta; the words after `pasta:` are options of pasta's.
    Pasta(Vec<String>),
    /// The default: as `Pasta` with no options.
    #[default]
    Default,
    /// A network of its own with nothing but a loopback.
    None,
    /// The host's.
    Host,
}

/// `--security-opt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// `seccomp=`.
    pub seccomp: Seccomp,
    /// `no-new-privileges`.
    pub no_new_privileges: bool,
    /// `mask=`: further paths that cannot be seen.
    pub mask: Vec<PathBuf>,
    /// `unmask=`: patterns of paths that can be seen and written after all; `ALL`.
    pub unmask: Vec<String>,
    /// `proc-opts=`: options of the mount of `/proc`.
    pub proc: Vec<String>,
}

/// `--security-opt seccomp=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// Our own profile (`data/seccomp.json`).
    #[default]
    Default,
    /// `unconfined`.
    Unconfined,
    /// A file.
    Profile(PathBuf),
}

/// `--log-driver` and `--log-opt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// The driver.
    pub driver: LogDriver,
    /// `max-size=`, in bytes.
    pub max_size: Option<u64>,
    /// `tag=`.
    pub tag: Option<String>,
}

/// Where the output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// What containers.conf says, else `K8sFile`. Never in the record of a container: `create` chooses.
    #[default]
    Default,
    /// A file `ctr.log` in the container's folder.
    K8sFile,
    /// systemd's journal.
    Journald,
    /// Nowhere.
    None,
}

/// Limits; nothing is limited that nobody asked for (but the number of processes: 2048, where that can be done).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// `--memory`, in bytes.
    pub memory: Option<u64>,
    /// `--cpus`.
    pub cpus: Option<f64>,
    /// `--pids-limit`; -1 for none.
    pub pids: Option<i64>,
    /// `--memory-swap`, in bytes, memory included; -1 for none.
    pub memory_swap: Option<i64>,
    /// `--memory-reservation`, in bytes.
    pub memory_reservation: Option<u64>,
    /// `--cpu-shares`.
    pub cpu_shares: Option<u64>,
    /// `--cpu-period`, in microseconds.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota`, in microseconds.
    pub cpu_quota: Option<i64>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`.
    pub cpuset_mems: Option<String>,
    /// `--blkio-weight`.
    pub blkio_weight: Option<u16>,
}

/// `--cgroups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroups {
    /// A scope of its own.
    #[default]
    Enabled,
    /// Below the cgroup of whoever starts it.
    Split,
    /// None.
    Disabled,
}

/// `--pull`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullPolicy {
    /// When it is not there.
    #[default]
    Missing,
    /// Always.
    Always,
    /// Never.
    Never,
    /// When the registry has another one.
    Newer,
}

/// `--restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When it fails, at most so many times.
    OnFailure(Option<u32>),
    /// Whenever it ends by itself.
    Always,
    /// As `Always`, and at boot unless a user stopped it.
    UnlessStopped,
}
