// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's options turned into the OCI runtime's specification (config.md, config-linux.md of runtime-spec).
//!
//! What only the mounted root can tell (who a user name is, where home is) is left to the child that starts the container; the
//! cgroup's path and the network namespace's are the monitor's.

pub(crate) mod asked;
pub mod capabilities;
pub(crate) mod cdi;
pub(crate) mod hooks;
pub mod limits;
pub mod mounts;
pub mod process;
pub mod seccomp;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use haulout_monitor::process::is_root_of_machine;
use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::{
    Capabilities, Linux, LinuxCapabilities, LinuxIntelRdt, LinuxNamespace, LinuxNamespaceType, LinuxPersonality,
    LinuxPersonalityBuilder, LinuxPersonalityDomain, LinuxSeccomp, PosixRlimit, Process, Root, Spec, User,
};

use crate::config::containers::Settings;
use crate::container::options::{Cgroups, Namespace, Network, SECCOMP_LABEL, Seccomp};
use crate::container::{Options, Record};
use crate::engine::os_words;
use crate::net;
use crate::paths::Paths;
use crate::volume;

/// Where `--init`'s program is, inside.
pub const INIT_PLACE: &str = "/run/podman-init";

/// The group of terminals.
const TERMINALS: u32 = 5;

/// The version of the specification that is written.
const VERSION: &str = "1.2.0";

/// What processes in a container must not see.
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Masked as well: the policy of the host's security module is not the container's business.
const MASKED_SECURITY: &str = "/sys/fs/selinux";

/// With the host's network the host's sysfs is there.
const MASKED_WITH_HOST_NETWORK: &str = "/sys/kernel";

/// What processes in a container must not change.
const READ_ONLY: [&str; 6] = ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Options of which no specification can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A capability.
    #[error(transparent)]
    Capability(#[from] capabilities::UnknownCapability),
    /// The filter of system calls.
    #[error(transparent)]
    Seccomp(#[from] seccomp::SeccompError),
    /// The image has no filter.
    #[error("no seccomp policy defined by image")]
    NoProfile,
    /// A mount's source; in Podman's words.
    #[error("statfs {}: {}", path.display(), os_words(why))]
    NoSource {
        /// What is to be mounted.
        path: PathBuf,
        /// Why it cannot.
        why: std::io::Error,
    },
    /// A mount's option; in Podman's words.
    #[error("invalid option type {option:?}")]
    Option {
        /// The option.
        option: String,
    },
    /// A mount with ids of its own.
    #[error(
        "mount option {option:?}: a mount cannot have ids of its own here; give its files to the container's user with U, or choose the \
         container's ids with --userns"
    )]
    Idmap {
        /// The option.
        option: String,
    },
    /// A mount's place.
    #[error("invalid container path {:?}, must be an absolute path", place.display().to_string())]
    Relative {
        /// The place.
        place: PathBuf,
    },
    /// A device to which a limit is set.
    #[error("could not parse throttle device at {}: {}", path.display(), os_words(error))]
    NoDevice {
        /// Its file.
        path: PathBuf,
        /// Why there is none.
        error: std::io::Error,
    },
    /// An execution domain.
    #[error("unknown persona specified `{0}`: it should be LINUX or LINUX32")]
    Persona(String),
    /// The host's devices.
    #[error("reading {}: {source}", folder.display())]
    Devices {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A limit in containers.conf.
    #[error("{written:?} is no limit: it should be NAME=SOFT:HARD")]
    Rlimit {
        /// What was written.
        written: String,
    },
    /// An umask in containers.conf.
    #[error("{0:?} is no umask: it should be four octal digits")]
    Umask(String),
    /// Something was left out that the specification needs.
    #[error("making the OCI specification: {0}")]
    Oci(#[from] oci_spec::OciSpecError),
}

/// What a specification is made of.
pub struct Request<'a> {
    /// The container.
    pub record: &'a Record,
    /// Its image's configuration.
    pub image: &'a ImageConfiguration,
    /// containers.conf.
    pub settings: &'a Settings,
    /// Where things are.
    pub paths: &'a Paths,
    /// The container's host name.
    pub hostname: &'a str,
    /// The program of `--init`, if it has one.
    pub init: Option<&'a Path>,
    /// The volumes that it has, by name.
    pub volumes: &'a BTreeMap<String, volume::Record>,
    /// The processes of the containers whose namespaces it shares.
    pub shared: Shared,
}

/// Processes of other containers whose namespaces are shared; nothing of what is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared {
    /// `--pid`.
    pub pid: Option<i32>,
    /// `--ipc`.
    pub ipc: Option<i32>,
    /// Whether `/dev/shm` comes with that.
    pub memory: bool,
    /// `--uts`.
    pub uts: Option<i32>,
    /// `--cgroupns`.
    pub cgroup: Option<i32>,
    /// `--network`.
    pub net: Option<i32>,
}

/// A specification and what is to be said of it.
pub struct Made {
    /// The specification.
    pub spec: Spec,
    /// The capabilities that were asked for by name: a user who is not root has only these.
    pub added: Capabilities,
    /// Limits that could not be set.
    pub warning: Option<String>,
}

/// The container's host name: the one given, the host's with its network, else the short id.
pub fn hostname(record: &Record, settings: &Settings) -> String {
    if let Some(hostname) = &record.options.hostname {
        return hostname.clone();
    }
    if record.options.network == Network::Host || record.options.namespaces.uts == Namespace::Host {
        return net::hostname();
    }
    if settings.containers.container_name_as_hostname == Some(true) {
        return record.name.as_str().replace('_', "-");
    }
    record.id.short()
}

/// Makes it.
pub fn make(request: &Request<'_>) -> Result<Made, SpecError> {
    let Request { record, settings, .. } = request;
    let options = &record.options;
    let (capabilities, added) = chosen_capabilities(request)?;
    let asked = asked::asked(record, request.paths, request.volumes)?;
    let shared_memory = request.shared.memory.then(|| asked::shared_memory(request.paths, &record.id));
    let mounts = mounts::all(
        request,
        &asked,
        &mounts::Defaults {
            bundle: &request.paths.bundle(&record.id),
            shm_size: &shm_size(record, settings),
            privileged: options.privileged,
            read_only: record.options.read_only,
            options,
            shared_memory: shared_memory.as_deref(),
            host_network: options.network == Network::Host,
            terminals: record.mapping.as_ref().is_none_or(|mapping| mapping.group(TERMINALS).is_some()),
            init: request.init,
            systemd: record.runs_systemd(),
        },
    )?;
    let (linux, warning) = linux(request, &capabilities, mounts::propagation(&mounts))?;
    let mut root = Root::default();
    root.set_path(request.paths.container(&record.id).join("merged"));
    root.set_readonly(record.options.read_only.then_some(true));
    let mut spec = Spec::default();
    spec.set_version(VERSION.to_owned())
        .set_process(Some(process_of(request, &capabilities)?))
        .set_root(Some(root))
        .set_hostname(has_own_name(options).then(|| request.hostname.to_owned()))
        .set_mounts(Some(mounts))
        .set_annotations(Some(annotations(request)))
        .set_linux(Some(linux));
    Ok(Made { spec, added, warning })
}

/// Whether its host name is its own to set.
fn has_own_name(options: &Options) -> bool {
    match options.namespaces.uts {
        Namespace::Host | Namespace::Container(_) | Namespace::Path(_) => false,
        Namespace::Private => true,
        _ => options.network != Network::Host || options.hostname.is_some(),
    }
}

/// The size of `/dev/shm`, as mount(8) has it.
fn shm_size(record: &Record, settings: &Settings) -> String {
    match record.options.shm_size {
        Some(bytes) => bytes.to_string(),
        None => settings.containers.shm_size.clone().unwrap_or_else(|| "64000k".to_owned()),
    }
}

fn chosen_capabilities(request: &Request<'_>) -> Result<(Capabilities, Capabilities), SpecError> {
    let options = &request.record.options;
    if options.privileged {
        return Ok((capabilities::all(), Capabilities::new()));
    }
    let chosen = match request.settings.containers.default_capabilities.get() {
        Some(configured) => {
            let configured: Vec<_> =
                configured.iter().map(|word| capabilities::parse(word)).collect::<Result<_, _>>()?;
            capabilities::chosen(&configured, &options.cap_add, &options.cap_drop)?
        }
        None => capabilities::chosen(&capabilities::DEFAULT, &options.cap_add, &options.cap_drop)?,
    };
    let added = capabilities::chosen(&[], &options.cap_add, &options.cap_drop)?;
    Ok((chosen, added))
}

fn process_of(request: &Request<'_>, chosen: &Capabilities) -> Result<Process, SpecError> {
    let Request { record, settings, .. } = request;
    let (options, configured) = (&record.options, &settings.containers);
    let image = request.image.config().as_ref();
    let mut command = record.command.clone();
    if request.init.is_some() {
        command.splice(..0, [INIT_PLACE.to_owned(), "--".to_owned()]);
    }
    let proxies = !options.no_proxy;
    let mut environment = process::environment(options, image, configured.env.items(), proxies, request.hostname);
    if record.runs_systemd() {
        environment.set(&format!("container_uuid={:.32}", record.id.to_string()));
    }
    let workdir = options
        .workdir
        .clone()
        .or_else(|| {
            image.and_then(|image| image.working_dir().as_ref()).filter(|folder| !folder.is_empty()).map(PathBuf::from)
        })
        .unwrap_or_else(|| "/".into());
    let umask = options.umask.as_deref().or(configured.umask.as_deref()).unwrap_or("0022");
    let umask = u32::from_str_radix(umask, 8).map_err(|_| SpecError::Umask(umask.to_owned()))?;
    let mut user = User::default();
    user.set_umask(Some(umask));
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(chosen.clone()))
        .set_effective(Some(chosen.clone()))
        .set_permitted(Some(chosen.clone()))
        .set_inheritable(None)
        .set_ambient(None);
    let mut process = Process::default();
    process
        .set_terminal(options.terminal.then_some(true))
        .set_user(user)
        .set_args(Some(command))
        .set_env(Some(environment.into_variables()))
        .set_cwd(workdir)
        .set_capabilities(Some(sets))
        .set_rlimits(Some(rlimits(options, configured.default_ulimits.items())?))
        .set_no_new_privileges(options.security.no_new_privileges.then_some(true))
        .set_oom_score_adj(options.oom_score_adj.or(configured.oom_score_adj).map(at_least_own));
    Ok(process)
}

/// The limits of its processes: those asked for, those configured; or what whoever starts it could have.
fn rlimits(options: &Options, configured: &[String]) -> Result<Vec<PosixRlimit>, SpecError> {
    if options.ulimits.iter().any(|limit| limit == "host") {
        return limits::rlimits(&["nofile=-1".to_owned(), "nproc=-1".to_owned()]);
    }
    let name = |limit: &str| limit.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let mut written: Vec<String> = options.ulimits.clone();
    written.extend(
        configured.iter().filter(|limit| !options.ulimits.iter().any(|asked| name(asked) == name(limit))).cloned(),
    );
    limits::rlimits(&written)
}

/// An ordinary user can only raise it.
fn at_least_own(adjustment: i32) -> i32 {
    if is_root_of_machine() {
        return adjustment;
    }
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok());
    own.map_or(adjustment, |own: i32| own.max(adjustment))
}

fn annotations(request: &Request<'_>) -> HashMap<String, String> {
    let configured =
        request.settings.containers.annotations.items().iter().filter_map(|written| written.split_once('='));
    let mut annotations: HashMap<String, String> =
        configured.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    annotations.extend(request.record.options.annotations.clone());
    if request.record.options.groups.iter().any(|group| group == "keep-groups") {
        annotations.insert("run.oci.keep_original_groups".to_owned(), "1".to_owned());
    }
    annotations.entry("io.container.manager".to_owned()).or_insert_with(|| "haulout".to_owned());
    annotations
}

fn linux(
    request: &Request<'_>,
    chosen: &Capabilities,
    propagation: Option<&'static str>,
) -> Result<(Linux, Option<String>), SpecError> {
    let Request { record, settings, .. } = request;
    let options = &record.options;
    let host_network = options.network == Network::Host;
    let controllers = limits::controllers(options.cgroups, options.cgroup_parent.as_deref());
    let (resources, warning) = limits::resources(&options.limits, settings.containers.pids_limit, &controllers)?;
    let mut linux = Linux::default();
    linux
        .set_resources(Some(resources))
        .set_namespaces(Some(namespaces(request)))
        .set_rootfs_propagation(propagation.map(str::to_owned))
        .set_seccomp(filter(request, chosen)?)
        .set_masked_paths(None)
        .set_readonly_paths(None)
        .set_sysctl(Some(sysctls(request)))
        .set_intel_rdt(options.limits.rdt_class.clone().map(|class| {
            let mut rdt = LinuxIntelRdt::default();
            rdt.set_clos_id(Some(class));
            rdt
        }))
        .set_personality(personality(options)?);
    if !options.privileged {
        let mut masked: Vec<String> = MASKED.into_iter().chain([MASKED_SECURITY]).map(str::to_owned).collect();
        if host_network {
            masked.push(MASKED_WITH_HOST_NETWORK.to_owned());
        }
        let mut read_only: Vec<String> = READ_ONLY.into_iter().map(str::to_owned).collect();
        let unmask = &options.security.unmask;
        let shown = |path: &str| unmask.iter().any(|pattern| pattern == "ALL" || matches(pattern, path));
        masked.retain(|path| !shown(path));
        read_only.retain(|path| !shown(path));
        masked.extend(options.security.mask.iter().map(|path| path.display().to_string()));
        linux.set_masked_paths(Some(masked));
        linux.set_readonly_paths(Some(read_only));
    }
    Ok((linux, warning))
}

/// The execution domain of its processes (personality(2)).
fn personality(options: &Options) -> Result<Option<LinuxPersonality>, SpecError> {
    let Some(persona) = &options.personality else { return Ok(None) };
    let domain = match persona.as_str() {
        "LINUX" => LinuxPersonalityDomain::PerLinux,
        "LINUX32" => LinuxPersonalityDomain::PerLinux32,
        other => return Err(SpecError::Persona(other.to_owned())),
    };
    Ok(Some(LinuxPersonalityBuilder::default().domain(domain).build()?))
}

/// Whether `path` is what `pattern` stands for, in which `*` is any text without a slash.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((begin, rest)) => path.strip_prefix(begin).is_some_and(|left| {
            let reach = left.find('/').unwrap_or(left.len());
            (0..=reach).filter(|at| left.is_char_boundary(*at)).any(|at| matches(rest, &left[at..]))
        }),
    }
}

/// The rootless user namespace is none of them: the monitor is in it already.
fn namespaces(request: &Request<'_>) -> Vec<LinuxNamespace> {
    let options = &request.record.options;
    let of = |kind| {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(kind);
        namespace
    };
    let mut namespaces = Vec::new();
    let add = |namespaces: &mut Vec<LinuxNamespace>, kind, name: &str, asked: &Namespace, shared: Option<i32>| {
        if *asked == Namespace::Host {
            return;
        }
        let mut namespace = of(kind);
        namespace.set_path(match asked {
            Namespace::Path(path) => Some(path.clone()),
            _ => shared.map(|pid| of_process(pid, name)),
        });
        namespaces.push(namespace);
    };
    let (asked, shared) = (&options.namespaces, &request.shared);
    add(&mut namespaces, LinuxNamespaceType::Pid, "pid", &asked.pid, shared.pid);
    if request.record.mapping.is_some() {
        let mut user = of(LinuxNamespaceType::User);
        user.set_path(Some(request.paths.bundle(&request.record.id).join("userns")));
        namespaces.push(user);
    }
    match &options.network {
        Network::Host => {}
        Network::Container(_) | Network::Path(_) => {
            let mut network = of(LinuxNamespaceType::Network);
            network.set_path(match &options.network {
                Network::Path(path) => Some(path.clone()),
                _ => shared.net.map(|pid| of_process(pid, "net")),
            });
            namespaces.push(network);
        }
        Network::None => namespaces.push(of(LinuxNamespaceType::Network)),
        Network::Default | Network::Pasta(_) | Network::Slirp(_) => {
            let mut network = of(LinuxNamespaceType::Network);
            network.set_path(Some(request.paths.bundle(&request.record.id).join("netns")));
            namespaces.push(network);
        }
    }
    add(&mut namespaces, LinuxNamespaceType::Ipc, "ipc", &asked.ipc, shared.ipc);
    namespaces.push(of(LinuxNamespaceType::Mount));
    let uts_of_path = matches!(asked.uts, Namespace::Path(_));
    if has_own_name(options) || shared.uts.is_some() || uts_of_path {
        add(&mut namespaces, LinuxNamespaceType::Uts, "uts", &asked.uts, shared.uts);
    }
    if options.cgroups != Cgroups::Disabled {
        add(&mut namespaces, LinuxNamespaceType::Cgroup, "cgroup", &asked.cgroup, shared.cgroup);
    }
    namespaces
}

/// The file that stands for the namespace `name` of a process.
fn of_process(pid: i32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/{name}"))
}

/// `ping` without a capability, for root's group alone, as Podman has it.
fn sysctls(request: &Request<'_>) -> HashMap<String, String> {
    // What is another's is as the other has it.
    let network = &request.record.options.network;
    let own_network = !matches!(network, Network::Host | Network::Container(_) | Network::Path(_));
    let default = (own_network, "net.ipv4.ping_group_range", "0 0");
    let mut sysctls = HashMap::new();
    match request.settings.containers.default_sysctls.get() {
        Some(configured) => {
            for (key, value) in configured.iter().filter_map(|written| written.split_once('=')) {
                if own_network || !key.starts_with("net.") {
                    sysctls.insert(key.trim().to_owned(), value.trim().to_owned());
                }
            }
        }
        None if default.0 => {
            sysctls.insert(default.1.to_owned(), default.2.to_owned());
        }
        None => {}
    }
    sysctls.extend(request.record.options.sysctls.clone());
    sysctls
}

fn filter(request: &Request<'_>, chosen: &Capabilities) -> Result<Option<LinuxSeccomp>, SpecError> {
    let options = &request.record.options;
    Ok(match (&options.security.seccomp, request.settings.containers.seccomp_profile.as_deref()) {
        (Seccomp::Profile(path), _) => Some(seccomp::from_file(path, chosen)?),
        (Seccomp::OfImage, _) => {
            let labels = request.image.config().as_ref().and_then(|config| config.labels().as_ref());
            let profile = labels.and_then(|labels| labels.get(SECCOMP_LABEL)).ok_or(SpecError::NoProfile)?;
            Some(seccomp::from_text(Path::new(SECCOMP_LABEL), profile, chosen)?)
        }
        (Seccomp::Unconfined, _) | (Seccomp::Default, Some("unconfined")) => None,
        (Seccomp::Default, _) if options.privileged => None,
        // Podman's own file is the value that distributions set: ours is stricter.
        (Seccomp::Default, Some("" | "/usr/share/containers/seccomp.json") | None) => {
            Some(seccomp::own(chosen, &request.image.architecture().to_string())?)
        }
        (Seccomp::Default, Some(path)) => Some(seccomp::from_file(Path::new(path), chosen)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(options: Options) -> (Spec, Option<String>) {
        let record = Record {
            id: "ab".repeat(32).parse().unwrap(),
            name: "brave_seal".parse().unwrap(),
            image: Some(crate::digest::Digest::of(b"")),
            image_name: "i".into(),
            created: 0,
            options,
            command: vec!["sleep".into(), "9".into()],
            entrypoint: 0,
            ports: Vec::new(),
            volumes: Vec::new(),
            exposed: Vec::new(),
            mapping: None,
        };
        let settings = Settings::default();
        let paths = Paths::at("/data".into(), "/run/h".into());
        let hostname = hostname(&record, &settings);
        let request = Request {
            record: &record,
            image: &ImageConfiguration::default(),
            settings: &settings,
            paths: &paths,
            hostname: &hostname,
            init: record.options.init.then_some(Path::new("/usr/bin/catatonit")),
            volumes: &BTreeMap::new(),
            shared: Shared::default(),
        };
        let made = make(&request).unwrap();
        (made.spec, made.warning)
    }

    fn kinds(spec: &Spec) -> Vec<LinuxNamespaceType> {
        let linux = spec.linux().as_ref().unwrap();
        linux.namespaces().as_ref().unwrap().iter().map(LinuxNamespace::typ).collect()
    }

    #[test]
    fn a_container_of_which_nothing_is_said_is_confined_as_podmans_is() {
        let (spec, warning) = made(Options::default());
        let process = spec.process().as_ref().unwrap();
        let linux = spec.linux().as_ref().unwrap();
        assert_eq!(process.capabilities().as_ref().unwrap().bounding().as_ref().unwrap().len(), 11);
        assert_eq!(process.capabilities().as_ref().unwrap().ambient(), &None);
        assert_eq!(process.user().umask(), Some(0o22));
        assert_eq!(process.env().as_ref().unwrap().last().unwrap(), "HOSTNAME=abababababab");
        assert!(linux.seccomp().is_some());
        assert_eq!(linux.masked_paths().as_ref().unwrap().len(), 11);
        assert_eq!(linux.readonly_paths().as_ref().unwrap().len(), 6);
        assert_eq!(linux.sysctl().as_ref().unwrap()["net.ipv4.ping_group_range"], "0 0");
        assert_eq!(spec.root().as_ref().unwrap().readonly(), None);
        assert_eq!(spec.hostname().as_deref(), Some("abababababab"));
        assert!(!kinds(&spec).contains(&LinuxNamespaceType::User));
        assert_eq!(kinds(&spec).len(), 6);
        assert!(warning.is_none());
    }

    #[test]
    fn a_privileged_container_is_not_confined() {
        let (spec, _) = made(Options { privileged: true, ..Options::default() });
        let linux = spec.linux().as_ref().unwrap();
        assert!(linux.seccomp().is_none() && linux.masked_paths().is_none() && linux.readonly_paths().is_none());
        let process = spec.process().as_ref().unwrap();
        assert!(process.capabilities().as_ref().unwrap().effective().as_ref().unwrap().len() > 30);
    }

    #[test]
    fn the_hosts_network_brings_the_hosts_name_and_nothing_of_its_own() {
        let (spec, _) = made(Options { network: Network::Host, ..Options::default() });
        assert!(!kinds(&spec).contains(&LinuxNamespaceType::Network));
        assert!(spec.linux().as_ref().unwrap().sysctl().as_ref().unwrap().is_empty());
        assert_eq!(spec.hostname(), &None);
        let (named, _) = made(Options { network: Network::Host, hostname: Some("box".into()), ..Options::default() });
        assert!(kinds(&named).contains(&LinuxNamespaceType::Uts) && named.hostname().as_deref() == Some("box"));
    }

    #[test]
    fn init_runs_the_command() {
        let (spec, _) = made(Options { init: true, ..Options::default() });
        let args = spec.process().as_ref().unwrap().args().as_ref().unwrap();
        assert_eq!(args.join(" "), "/run/podman-init -- sleep 9");
        let mounts = spec.mounts().as_ref().unwrap();
        assert!(mounts.iter().any(|mount| mount.destination() == Path::new(INIT_PLACE)));
    }
}
