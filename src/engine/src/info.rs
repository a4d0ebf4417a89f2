// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `info` tells: the machine, the store, and the programs that the engine runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::container::options::Cgroups;
use crate::container::{Status, confinement, maps_of_user};
use crate::engine::{Engine, Error};
use crate::net;
use crate::runtime::{self, Runtime};
use crate::spec::{capabilities, limits};
use crate::systemd::UserManager;

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
    /// What does the same when it is asked for.
    pub slirp4netns: Program,
    /// Shares of the processors' time since boot, in percent: of programs, of the kernel, of nobody.
    pub cpu_utilization: (f64, f64, f64),
    /// `systemd` or `cgroupfs`.
    pub cgroup_manager: String,
    /// `file` or `none`.
    pub event_logger: String,
    /// The file of the system calls that a container may make; nothing for our own.
    pub seccomp_profile: String,
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
    /// The distribution's package, as Podman names it (`crun_1.21-1_amd64`); nothing when it is of none.
    pub package: String,
}

/// What is kept, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// `overlay`.
    pub driver: String,
    /// Whether containers are forgotten when the machine is started anew.
    pub transient: bool,
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
    /// Where images are put while they are copied.
    pub image_copy: PathBuf,
    /// How many containers there are.
    pub containers: usize,
    /// How many of them run.
    pub running: usize,
    /// How many of them are paused.
    pub paused: usize,
    /// How many images there are.
    pub images: usize,
}

pub(crate) async fn gather(engine: &Engine) -> Result<Info, Error> {
    let user_manager = async {
        match UserManager::connect().await {
            Ok(mut manager) => manager.version().await.is_ok(),
            Err(_) => false,
        }
    };
    let (local, shared) = (engine.clone(), engine.clone());
    let (user_manager, host, store) = tokio::join!(
        user_manager,
        engine.blocking("looking at the machine", move || host(&local)),
        engine.blocking("looking at the store", move || store(&shared)),
    );
    let host = Host { user_manager, ..host? };
    Ok(Info { host, store: store?, version: env!("CARGO_PKG_VERSION").to_owned() })
}

fn host(engine: &Engine) -> Result<Host, Error> {
    let settings = engine.settings()?;
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let bytes_of = |key: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kilobytes = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    };
    let (uid_map, gid_map) = maps_of_user(engine);
    let configured = settings.containers.default_capabilities.get();
    let default = || capabilities::DEFAULT.into_iter().map(capabilities::name).collect();
    let uptime = read("/proc/uptime");
    Ok(Host {
        arch: image_architecture().to_owned(),
        os: std::env::consts::OS.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        hostname: net::hostname(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        distribution: distribution(&[read("/etc/os-release"), read("/usr/lib/os-release")]),
        mem_total: bytes_of("MemTotal"),
        mem_free: bytes_of("MemFree"),
        swap_total: bytes_of("SwapTotal"),
        swap_free: bytes_of("SwapFree"),
        uptime: uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default(),
        cgroup_controllers: limits::controllers(Cgroups::Enabled, None),
        user_manager: false,
        uid_map,
        gid_map,
        apparmor: confinement::has_apparmor(),
        selinux: confinement::has_selinux(),
        seccomp: Path::new("/proc/sys/kernel/seccomp").exists(),
        capabilities: configured.map_or_else(default, <[String]>::to_vec),
        oci_runtime: match Runtime::find(&settings) {
            Ok(runtime) => program(&runtime.name, Some(runtime.program)),
            Err(_) => program(settings.engine.runtime.as_deref().unwrap_or("crun"), None),
        },
        pasta: program("pasta", runtime::pasta(&settings).ok()),
        slirp4netns: program("slirp4netns", runtime::slirp4netns(&settings).ok()),
        cpu_utilization: cpu_utilization(&read("/proc/stat")),
        cgroup_manager: settings
            .engine
            .cgroup_manager
            .clone()
            .filter(|manager| !manager.is_empty())
            .unwrap_or_else(|| "systemd".to_owned()),
        event_logger: match settings.engine.events_logger.as_deref() {
            Some(logger @ ("none" | "journald")) => logger.to_owned(),
            _ => "file".to_owned(),
        },
        seccomp_profile: settings.containers.seccomp_profile.clone().unwrap_or_default(),
        init: program("catatonit", runtime::init(&settings, None).ok()),
        monitor: Program {
            name: "haulout-monitor".to_owned(),
            path: runtime::monitor().ok(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            package: String::new(),
        },
        log_driver: settings
            .containers
            .log_driver
            .filter(|driver| !driver.is_empty())
            .unwrap_or_else(|| "k8s-file".to_owned()),
    })
}

/// A program and what it says of its version.
fn program(name: &str, path: Option<PathBuf>) -> Program {
    let asked = path.as_ref().and_then(|path| Command::new(path).arg("--version").stdin(Stdio::null()).output().ok());
    let version = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let package = path.as_deref().and_then(package).unwrap_or_default();
    Program { name: name.to_owned(), path, version, package }
}

/// The package that a program is of: dpkg and rpm are asked, whichever is there.
fn package(path: &Path) -> Option<String> {
    let said = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(runtime::on_path(program)?).args(arguments).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(text).filter(|text| output.status.success() && !text.is_empty())
    };
    if let Some(found) = said("dpkg-query", &["-S".as_ref(), path.as_os_str()]) {
        let name = found.lines().next()?.split([':', ',']).next()?;
        let format = "${Package}_${Version}_${Architecture}\n";
        let whole = said("dpkg-query", &["-W".as_ref(), "-f".as_ref(), format.as_ref(), name.as_ref()])?;
        return whole.lines().next().map(str::to_owned);
    }
    said("rpm", &["-qf".as_ref(), path.as_os_str()])
}

/// From the first line of `/proc/stat`.
fn cpu_utilization(stat: &str) -> (f64, f64, f64) {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks: Vec<u32> = line.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let tick = |index: usize| f64::from(ticks.get(index).copied().unwrap_or(0));
    let all: f64 = (0..8).map(tick).sum();
    let share = |ticks: f64| if all > 0.0 { (ticks / all * 10_000.0).round() / 100.0 } else { 0.0 };
    (share(tick(0)), share(tick(2)), share(tick(3)))
}

/// The first of these texts that is an os-release(5).
fn distribution(texts: &[String]) -> Distribution {
    let Some(text) = texts.iter().find(|text| !text.is_empty()) else { return Distribution::default() };
    let field = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    Distribution { id: field("ID"), version: field("VERSION_ID"), codename: field("VERSION_CODENAME") }
}

fn store(engine: &Engine) -> Result<Store, Error> {
    let paths = engine.paths();
    let failed = |source| Error::Io { doing: format!("looking at {}", paths.data.display()), source };
    fs::create_dir_all(&paths.data).map_err(failed)?;
    let space = rustix::fs::statvfs(&paths.data).map_err(|errno| failed(errno.into()))?;
    let kind = rustix::fs::statfs(&paths.data).map_err(|errno| failed(errno.into()))?.f_type;
    let containers = crate::container::listed(engine)?;
    let running = containers.iter().filter(|one| matches!(one.status, Status::Running(_))).count();
    let paused = containers.iter().filter(|one| matches!(one.status, Status::Paused(_))).count();
    let configured = engine.settings()?.engine.image_copy_tmp_dir.filter(|folder| !folder.is_empty());
    let image_copy = std::env::var("TMPDIR").ok().filter(|folder| !folder.is_empty()).or(configured);
    let images = engine.with_database(|database| Ok(database.count_images()?))?;
    Ok(Store {
        driver: paths.driver().name().to_owned(),
        transient: paths.elsewhere.transient,
        data: paths.data.clone(),
        runtime: paths.runtime.clone(),
        volumes: paths.volumes(),
        file_system: file_system(u64::try_from(kind).unwrap_or_default()),
        allocated: space.f_blocks * space.f_frsize,
        used: (space.f_blocks - space.f_bfree) * space.f_frsize,
        image_copy: image_copy.map_or_else(|| "/var/tmp".into(), PathBuf::from),
        containers: containers.len(),
        running,
        paused,
        images,
    })
}

/// The name of a file system by its number (statfs(2)).
pub(crate) fn file_system(magic: u64) -> String {
    match magic {
        0xef53 => "extfs".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x2fc1_2fc1 => "zfs".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        0xf2f5_2010 => "f2fs".to_owned(),
        other => format!("<unknown: {other:#x}>"),
    }
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
