// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container is made from: the flags of `create` and `run`, parsed.
//!
//! Stored in the database as it is, so that `inspect` and every later start derive from one truth.

mod csv;
pub mod device;
mod limits;
pub mod mount;
pub mod volume;
pub mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::health::HealthOptions;
use super::id::ContainerName;
pub use limits::{Cgroups, DeviceRule, Limits, Rate, Weight};

pub use crate::userns::modes::{Asked as IdMap, Ids, Userns};

/// Everything that a user may say of a container. `Default` is what Podman does when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// `--name`; two random words when none.
    pub name: Option<ContainerName>,
    /// The image, as the user wrote it.
    pub image: String,
    /// `--rootfs`: the folder that is its root instead of an image's files.
    pub rootfs: Option<Rootfs>,
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
    /// `--health-cmd` and the like.
    pub health: HealthOptions,
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
    /// `--device` and `--gpus` by qualified names (`VENDOR/CLASS=NAME`), of which a CDI specification says what they are.
    pub cdi_devices: Vec<String>,
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
    /// `transient_store` of storage.conf: it does not outlive the machine's running, or the user's being logged in.
    pub transient: bool,
    /// Whether containers.conf was asked already for what a flag can say.
    pub settled: bool,
    /// The OCI runtime that it was to be made with; the one of containers.conf when none.
    pub runtime: Option<String>,
    /// `--init-path`: the program of `init`.
    pub init_path: Option<PathBuf>,
    /// `--cgroup-parent`: a slice of systemd's.
    pub cgroup_parent: Option<String>,
    /// `--personality`: the execution domain, as the runtime names it.
    pub personality: Option<String>,
    /// `--chrootdirs`: folders that have `hosts` and `resolv.conf` as the root has them.
    pub chroot_dirs: Vec<PathBuf>,
    /// `--shm-size-systemd`, in bytes: of each tmpfs that systemd wants.
    pub systemd_size: Option<u64>,
    /// `--passwd`, `--hostuser` and the like.
    pub accounts: Accounts,
    /// `--cidfile`: the file that its id was written to, which goes with it.
    pub id_file: Option<String>,
    /// `--sdnotify`.
    pub sdnotify: SdNotify,
    /// `--systemd`.
    pub systemd: SystemdMode,
    /// `--pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `--conmon-pidfile`.
    pub conmon_pidfile: Option<PathBuf>,
    /// `--requires`: names; ids in the record of a container.
    pub requires: Vec<String>,
    /// `--rmi`: its image goes with it, unless another container has it too.
    pub remove_image: bool,
    /// The whole command line that made it, for `inspect` (`Config.CreateCommand`).
    pub create_command: Vec<String>,
    /// The folder that this was typed in: relative paths in it begin there. Nothing where it is not known.
    pub create_folder: Option<PathBuf>,
}

/// `--rootfs`: a folder of the host's that is a container's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    /// The folder: absolute.
    pub path: PathBuf,
    /// `:O`: the folder stays as it is; what the container changes goes with it.
    pub over: bool,
    /// `:idmap[=MAP]`: the folder's files are owned by other ids.
    pub idmap: Option<String>,
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

/// What its `/etc/passwd` and `/etc/group` are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// `--passwd=false`: nothing.
    pub untouched: bool,
    /// `--passwd-entry`: what is written for its user, `$USERNAME`, `$UID`, `$GID`, `$NAME` and `$HOME` replaced.
    pub user_entry: Option<String>,
    /// `--group-entry`: the same for the group, with `$GROUPNAME`, `$GID` and `$USERLIST`.
    pub group_entry: Option<String>,
    /// `--hostuser`: users of the host's, by name or number.
    pub host_users: Vec<String>,
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
    /// The one that a file stands for.
    Path(PathBuf),
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
    /// Options of the driver (`volume-opt`) for a volume that is made with the container.
    #[serde(default)]
    pub driver_options: BTreeMap<String, String>,
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
    /// SCTP. Neither pasta nor slirp4netns passes it on.
    Sctp,
}

impl Protocol {
    /// What it is called: `tcp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The one that is called so, in small letters.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|protocol| protocol.name() == name)
    }
}

/// `--network`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network of its own, joined to the host's by pasta; the words after `pasta:` are options of pasta's.
    Pasta(Vec<String>),
    /// A network of its own, joined to the host's by slirp4netns; the words after `slirp4netns:` are options (`mtu=1400`).
    Slirp(Vec<String>),
    /// The default: as `Pasta` with no options.
    #[default]
    Default,
    /// A network of its own with nothing but a loopback.
    None,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
    /// The one that a file stands for.
    Path(PathBuf),
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
    /// `proc-opts=`: options of the mount of `/proc`, instead of the usual ones.
    pub proc: Vec<String>,
    /// `label=`: words for a security module, which are kept and shown.
    pub labels: Vec<String>,
    /// `apparmor=`: the same.
    pub apparmor: Option<String>,
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
    /// What the image's label [`SECCOMP_LABEL`] has (`--seccomp-policy image`).
    OfImage,
}

/// The label in which an image brings a profile along.
pub const SECCOMP_LABEL: &str = "io.containers.seccomp.profile";

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
    /// `path=`: the file, when it is not the one in the container's folder.
    pub path: Option<PathBuf>,
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
    /// The same by the name that Docker has for a file: what is in it is no JSON, as with Podman.
    JsonFile,
    /// systemd's journal.
    Journald,
    /// Nowhere.
    None,
    /// To where the output of whoever starts it goes, and its input comes from there: it has his standard streams.
    Passthrough,
    /// The same, also where those are a terminal.
    PassthroughTty,
}

impl LogDriver {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default | Self::K8sFile => "k8s-file",
            Self::JsonFile => "json-file",
            Self::Journald => "journald",
            Self::None => "none",
            Self::Passthrough => "passthrough",
            Self::PassthroughTty => "passthrough-tty",
        }
    }

    /// Whether it is a file.
    pub fn is_file(self) -> bool {
        matches!(self, Self::Default | Self::K8sFile | Self::JsonFile)
    }

    /// Whether the container has the standard streams of whoever starts it.
    pub fn passes_through(self) -> bool {
        matches!(self, Self::Passthrough | Self::PassthroughTty)
    }
}

/// `--sdnotify`: who says that a service is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SdNotify {
    /// The container, on a socket of its own.
    #[default]
    Container,
    /// The monitor, when the container runs.
    Conmon,
    /// The monitor, when the container is well.
    Healthy,
    /// Nobody.
    Ignore,
}

/// `--systemd`: whether it is made so that systemd can run in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemdMode {
    /// When its command is systemd, or called `init`.
    #[default]
    True,
    /// Never.
    False,
    /// Whatever its command is.
    Always,
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
