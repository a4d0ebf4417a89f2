// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything about a start that can be decided outside of the user namespace: what is made of the record, the image and the
//! settings, and the files and volumes that the container will see.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haulout_monitor::config as monitor;
use haulout_monitor::process::{Process, is_root_of_machine};
use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::LinuxCapabilities;

use super::lock::Lock;
use super::options::{Cgroups, LogDriver, Namespace, Network, Restart, Userns};
use super::start::{Fresh, Part, Plan, Root, Stages};
use super::status::{Monitor, Seen};
use super::{ContainerId, Record, Status, create, signal, stop};
use crate::config::containers::Settings;
use crate::engine::{Engine, Error};
use crate::net::hosts::Hosts;
use crate::net::resolv::Resolv;
use crate::net::{self, pasta};
use crate::paths::Paths;
use crate::runtime::{self, Runtime};
use crate::spec;
use crate::spec::asked::{self, Asked, Known, Over};

use crate::state::images;
use crate::store::mapped::Wanted;
use crate::volume::Mark;
use crate::{image, secret, volume};

/// The signal that asks a container to end when nobody says another.
pub(super) const STOP_SIGNAL: &str = "TERM";

/// Whether and how the starter is attached.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attach {
    /// Output and input go over the starter connection.
    pub attached: bool,
    /// The terminal's size: columns, rows.
    pub size: Option<(u16, u16)>,
}

/// Everything that a start needs and that was decided before it.
pub(super) struct Prepared {
    pub record: Record,
    pub plan: Plan,
    pub lock: Lock,
    /// The marks of the volumes that are filled from the image at this start.
    pub new_volumes: Vec<Mark>,
    /// The image's files with the owners that its map of ids makes of them, if it has one.
    pub mapped: Option<Wanted>,
}

/// Whether a container can be started now.
pub(super) enum Readiness {
    Ready(Box<Prepared>),
    /// It runs.
    Runs,
    /// A killed monitor left something.
    Orphaned,
    /// It has just ended, and its monitor is about to.
    Ending(haulout_monitor::process::Process),
}

/// Decides everything, with the container's lock if the caller has it. Blocks.
pub(super) fn prepare(
    engine: &Engine,
    id: &ContainerId,
    attach: Attach,
    lock: Option<Lock>,
) -> Result<Readiness, Error> {
    let paths = engine.paths();
    let failed = |doing: &str| {
        let doing = format!("{doing} container {id}");
        move |source| Error::Io { doing, source }
    };
    let lock = match lock {
        Some(lock) => lock,
        None => Lock::take(paths, id).map_err(failed("locking"))?,
    };
    let found = engine.with_database(|database| {
        let Some(record) = database.container(id)? else { return Ok(None) };
        let found = images::Found { id: record.image, name: None };
        let image = images::for_start(database.reader(), &found)?;
        Ok(Some((record, image)))
    })?;
    let Some((record, image)) = found else {
        // The lock made the folder.
        let _ = fs::remove_dir_all(paths.container(id));
        return Err(Error::NoSuchContainer(id.to_string()));
    };
    let image = image.ok_or_else(|| Error::NoSuchImage(record.image_name.clone()))?;
    let seen = Seen::look(paths, id).map_err(failed("looking at"))?;
    match (seen.monitor, &seen.status) {
        (Monitor::Alive(_), Status::Running(_)) => return Ok(Readiness::Runs),
        (Monitor::Alive(_), Status::Paused(_)) => {
            return Err(Error::WrongState(format!(
                "unable to start container \"{id}\": container {id} must be in Created or Stopped state to be started: container state improper"
            )));
        }
        (Monitor::Alive(process), _) => return Ok(Readiness::Ending(process)),
        (Monitor::Gone, _) => return Ok(Readiness::Orphaned),
        (Monitor::Absent, _) => {}
    }
    let settings = engine.settings()?;
    let config = create::image_configuration(&record.image_name, &image.config)?;
    let bundle = paths.bundle(id);
    make_folder(&paths.runtime_root())
        .and_then(|()| make_folder(&bundle))
        .map_err(failed("making the runtime folder of"))?;
    let ready = plan(engine, &settings, &record, &config, &image.layers, attach);
    let (plan, new_volumes, mapped) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            let _ = fs::remove_dir_all(&bundle);
            return Err(error);
        }
    };
    Ok(Readiness::Ready(Box::new(Prepared { record, plan, lock, new_volumes, mapped })))
}

/// What the database knows of the volumes that a container has. Costs nothing when it has none.
pub(super) fn known_volumes(engine: &Engine, record: &Record) -> Result<Known, Error> {
    let names: Vec<&str> = record.volume_names().collect();
    if names.is_empty() {
        return Ok(Known::new());
    }
    engine.with_database(|database| {
        let mut known = Known::new();
        for name in names {
            if let Some(volume) = database.volume(name)? {
                known.insert(name.to_owned(), volume);
            }
        }
        Ok(known)
    })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn plan(
    engine: &Engine,
    settings: &Settings,
    record: &Record,
    image: &ImageConfiguration,
    layers: &[crate::digest::Digest],
    attach: Attach,
) -> Result<(Plan, Vec<Mark>, Option<Wanted>), Error> {
    let (paths, id) = (engine.paths(), &record.id);
    let io = |doing: String| move |source| Error::Io { doing, source };
    asked::check(&record.options)?;
    let hostname = spec::hostname(record, settings);
    let (network, host_address) = network(engine, settings, record)?;
    let layer_files = layer_folders(paths, layers);
    let files = write_files(paths, settings, record, &hostname, host_address, &layer_files);
    files.map_err(io(format!("writing the files of container {id}")))?;
    let volumes = known_volumes(engine, record)?;
    let asked = asked::asked(record, paths, &volumes)?;
    let Mounts { stages, fresh, owned, new } = mounts(engine, record, &asked)?;
    let init = if record.options.init { Some(runtime::init(settings)?) } else { None };
    let request = spec::Request {
        record,
        image,
        settings,
        paths,
        hostname: &hostname,
        init: init.as_deref(),
        volumes: &volumes,
        shared: shared(engine, record)?,
    };
    let mut made = spec::make(&request)?;
    if let Some(process) = made.spec.process_mut() {
        let env = process.env_mut().get_or_insert_default();
        secret::place::set_variables(engine, &record.options, env)?;
    }
    if let Some(warning) = made.warning {
        engine.warn(warning);
    }
    let root = root(paths, record, layers);
    let mapped = record.mapping.as_ref().map(|mapping| Wanted::new(paths, &record.image, layers, mapping));
    let shared_userns = shared_userns(engine, record)?;
    let image_user = image.config().as_ref().and_then(|config| config.user().clone()).filter(|user| !user.is_empty());
    let mut of_user = LinuxCapabilities::default();
    let bounding = made.spec.process().as_ref().and_then(|process| process.capabilities().as_ref());
    of_user
        .set_bounding(bounding.and_then(|sets| sets.bounding().clone()))
        .set_effective(Some(made.added.clone()))
        .set_permitted(Some(made.added.clone()))
        .set_inheritable(Some(made.added.clone()))
        .set_ambient(Some(made.added));
    let plan = Plan {
        anchor: paths.anchor(),
        root,
        spec: made.spec,
        user: record.options.user.clone().or(image_user),
        capabilities_of_user: Some(of_user),
        workdir_must_exist: record.options.workdir.is_some(),
        stages,
        fresh,
        secrets: secret::place::given(paths, id, &record.options),
        owned,
        mapping: record.mapping.clone(),
        shared_userns,
        kept_group: kept_group(record),
        groups: record.options.groups.iter().filter(|group| *group != "keep-groups").cloned().collect(),
        monitor: runtime::monitor()?,
        config: monitor_config(paths, settings, record, image, network, attach)?,
    };
    Ok((plan, new, mapped))
}

/// The group that `--userns=keep-id` and `nomap` leave its process in, whoever it is.
fn kept_group(record: &Record) -> Option<u32> {
    match &record.options.userns {
        Userns::KeepId { .. } => {
            let groups = &record.mapping.as_ref()?.groups;
            groups.iter().find(|(_, outside, _)| *outside == 0).map(|(inside, ..)| *inside)
        }
        Userns::Nomap => Some(0),
        _ => None,
    }
}

/// The processes of the containers whose other namespaces it shares.
fn shared(engine: &Engine, record: &Record) -> Result<spec::Shared, Error> {
    let asked = &record.options.namespaces;
    let of = |namespace: &Namespace, kind| match namespace {
        Namespace::Container(id) => running(engine, id, kind).map(|process| Some(process.pid)),
        _ => Ok(None),
    };
    Ok(spec::Shared {
        pid: of(&asked.pid, "pid")?,
        ipc: of(&asked.ipc, "ipc")?,
        uts: of(&asked.uts, "uts")?,
        cgroup: of(&asked.cgroup, "cgroup")?,
    })
}

/// The process of the container whose user namespace it shares.
fn shared_userns(engine: &Engine, record: &Record) -> Result<Option<Process>, Error> {
    let (Userns::Container(other), Some(_)) = (&record.options.userns, &record.mapping) else { return Ok(None) };
    running(engine, other, "user").map(Some)
}

/// The process of another container whose namespace is to be shared.
fn running(engine: &Engine, id: &str, kind: &str) -> Result<Process, Error> {
    let improper = || {
        Error::WrongState(format!(
            "container {id} is not running: its {kind} namespace cannot be shared: container state improper"
        ))
    };
    let id: ContainerId = id.parse().map_err(|_| improper())?;
    let seen = Seen::look(engine.paths(), &id)
        .map_err(|source| Error::Io { doing: format!("looking at container {id}"), source })?;
    seen.status.process().ok_or_else(improper)
}

fn monitor_config(
    paths: &Paths,
    settings: &Settings,
    record: &Record,
    image: &ImageConfiguration,
    network: monitor::Network,
    attach: Attach,
) -> Result<monitor::Config, Error> {
    let (options, id) = (&record.options, &record.id);
    let folder = paths.container(id);
    let cleanup = if options.remove {
        runtime::command_line().map(|program| {
            let mut words = vec![program.display().to_string()];
            words.extend(paths.as_words());
            words.extend(["container".to_owned(), "cleanup".to_owned(), id.to_string()]);
            words
        })
    } else {
        None
    };
    Ok(monitor::Config {
        id: id.to_string(),
        name: record.name.to_string(),
        image: record.image_name.clone(),
        runtime: Runtime::find(settings)?.command(paths, options.cgroups != Cgroups::Disabled),
        bundle: paths.bundle(id),
        rootfs: Some(folder.join("merged")),
        terminal: options.terminal,
        terminal_size: attach.size,
        stdin_open: options.interactive,
        attach_starter: attach.attached,
        log: match options.log.driver {
            LogDriver::Default | LogDriver::K8sFile => {
                monitor::Log::K8sFile { path: folder.join("ctr.log"), max_size: options.log.max_size }
            }
            LogDriver::Journald => monitor::Log::Journald { tag: options.log.tag.clone() },
            LogDriver::None => monitor::Log::None,
        },
        folder,
        network,
        cgroup: match options.cgroups {
            Cgroups::Enabled => monitor::Cgroup::Scope,
            Cgroups::Split => monitor::Cgroup::Split,
            Cgroups::Disabled => monitor::Cgroup::Disabled,
        },
        events: paths.events(),
        cleanup,
        stop_signal: Some(stop_signal(record, Some(image))?),
        stop_timeout: Some(options.stop_timeout.unwrap_or(stop::TIMEOUT)),
        timeout: options.timeout,
        restart: match options.restart {
            Restart::No => monitor::Restart::No,
            Restart::OnFailure(times) => monitor::Restart::OnFailure(times),
            Restart::Always | Restart::UnlessStopped => monitor::Restart::Always,
        },
        labels: options.labels.clone(),
        userns: None,
        root_ids: record.mapping.as_ref().and_then(|map| Some((map.user(0)?, map.group(0)?))),
    })
}

/// The signal that asks the container to end: the one asked for, the image's, SIGTERM.
pub(super) fn stop_signal(record: &Record, image: Option<&ImageConfiguration>) -> Result<i32, Error> {
    if let Some(asked) = &record.options.stop_signal {
        return signal::number(asked);
    }
    let of_image = image.and_then(|image| image.config().as_ref()).and_then(|config| config.stop_signal().as_deref());
    // An image may say anything; that is no reason not to run it.
    signal::number(of_image.filter(|text| !text.is_empty()).unwrap_or(STOP_SIGNAL))
        .or_else(|_| signal::number(STOP_SIGNAL))
}

/// The network as the monitor makes it, and the address under which pasta lets the host be reached.
fn network(
    engine: &Engine,
    settings: &Settings,
    record: &Record,
) -> Result<(monitor::Network, Option<Ipv4Addr>), Error> {
    let asked: &[String] = match &record.options.network {
        Network::None | Network::Host => return Ok((monitor::Network::Runtime, None)),
        Network::Default => &[],
        Network::Pasta(asked) => asked,
    };
    let program = runtime::pasta(settings)?;
    let abilities = pasta::abilities(&program, &engine.paths().runtime.join("pasta"))
        .map_err(|source| Error::Io { doing: format!("asking {} what it can do", program.display()), source })?;
    let mut command = vec![program.display().to_string()];
    if is_root_of_machine() {
        // As nobody, which it becomes otherwise, it may not enter a network namespace that is root's.
        command.extend(["--runas".to_owned(), "0:0".to_owned()]);
    }
    command.extend(pasta::arguments(&record.ports, settings.network.pasta_options.items(), asked, abilities));
    Ok((monitor::Network::Pasta { command }, abilities.map_guest_addr.then_some(net::HOST_ADDRESS)))
}

/// `hosts`, `resolv.conf`, `hostname` and `containerenv` in the bundle.
fn write_files(
    paths: &Paths,
    settings: &Settings,
    record: &Record,
    hostname: &str,
    host_address: Option<Ipv4Addr>,
    layers: &[PathBuf],
) -> io::Result<()> {
    let bundle = paths.bundle(&record.id);
    let (options, configured) = (&record.options, &settings.containers);
    let names = &options.names;
    if !names.no_hostname {
        fs::write(bundle.join("hostname"), format!("{hostname}\n"))?;
    }
    fs::write(bundle.join("containerenv"), if options.privileged { containerenv(record) } else { String::new() })?;
    if !names.no_hosts && configured.no_hosts != Some(true) {
        fs::write(bundle.join("hosts"), hosts(settings, record, hostname, host_address, layers)?)?;
    }
    if options.network != Network::None && !names.dns.iter().any(|server| server == "none") {
        let host = Resolv::of_host()?;
        let resolv = match options.network {
            Network::Host => host,
            _ => host.for_own_network(Some(net::DNS_FORWARD.into())),
        };
        let resolv = resolv.with(
            configured.dns_servers.items(),
            configured.dns_searches.items(),
            configured.dns_options.items(),
        );
        let resolv = resolv.with(&names.dns, &names.search, &names.options);
        fs::write(bundle.join("resolv.conf"), resolv.text())?;
    }
    Ok(())
}

fn hosts(
    settings: &Settings,
    record: &Record,
    hostname: &str,
    host_address: Option<Ipv4Addr>,
    layers: &[PathBuf],
) -> io::Result<String> {
    let options = &record.options;
    let outward = net::outward_address();
    let configured = settings.containers.host_containers_internal_ip.as_deref().and_then(|text| text.parse().ok());
    let host = configured.or(match options.network {
        Network::Host => Some(Ipv4Addr::LOCALHOST.into()),
        Network::None => outward,
        Network::Default | Network::Pasta(_) => host_address.map(IpAddr::from),
    });
    let own = match options.network {
        Network::Host => None,
        Network::None => Some(Ipv4Addr::LOCALHOST.into()),
        Network::Default | Network::Pasta(_) => outward,
    };
    let gateway = host.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let added: Vec<_> =
        options.add_host.iter().map(|(name, address)| (name.clone(), address.unwrap_or(gateway))).collect();
    let base = options.names.hosts_file.as_deref().or(settings.containers.base_hosts_file.as_deref());
    let base = match base {
        Some("none") => String::new(),
        Some("image") => {
            let files = layers.iter().map(|layer| layer.join("etc/hosts"));
            let own = files.into_iter().find(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()));
            own.map_or_else(|| Ok(String::new()), fs::read_to_string)?
        }
        Some(path) if !path.is_empty() => fs::read_to_string(path)?,
        _ => fs::read_to_string("/etc/hosts").unwrap_or_default(),
    };
    let names = vec![hostname.to_owned(), record.name.to_string()];
    Ok(Hosts { base: &base, added: &added, host, own: own.map(|address| (address, names)) }.text())
}

/// What a privileged container may know of itself, as Podman has it.
fn containerenv(record: &Record) -> String {
    format!(
        "engine=\"haulout-{}\"\nname={:?}\nid=\"{}\"\nimage={:?}\nimageid=\"{}\"\nrootless={}\n",
        env!("CARGO_PKG_VERSION"),
        record.name.as_str(),
        record.id,
        record.image_name,
        record.image.hex(),
        u8::from(!is_root_of_machine())
    )
}

/// What the mounts that were asked for need before the runtime mounts them.
#[derive(Default)]
struct Mounts {
    stages: Stages,
    fresh: Vec<Fresh>,
    owned: Vec<PathBuf>,
    /// Kept locked until they are filled.
    new: Vec<Mark>,
}

/// Decides it, and makes the volumes that are not there.
fn mounts(engine: &Engine, record: &Record, asked: &[Asked]) -> Result<Mounts, Error> {
    let (paths, id) = (engine.paths(), &record.id);
    let mut mounts = Mounts::default();
    for (index, asked) in asked.iter().enumerate() {
        let mount = &asked.mount;
        if let Some(name) = &mount.name {
            let failed = |source| Error::Io { doing: format!("making volume {name} of container {id}"), source };
            let mark = || volume::make(paths, name).and_then(|()| Mark::take(paths, name));
            if asked.instead.is_none()
                && let Some(mark) = mark().map_err(failed)?
            {
                let owner = engine.with_database(|database| Ok(database.volume(name)?))?;
                let owner = owner.map_or((None, None), |volume| (volume.uid(), volume.gid()));
                let (inside, outside) = (mount.destination.clone(), mount.source.clone());
                mounts.fresh.push(Fresh { inside, outside, filled: asked.filled, owner });
                mounts.new.push(mark);
            }
        }
        if asked.owned && mount.kind != "tmpfs" && asked.instead.is_none() {
            mounts.owned.push(asked.stage(paths, id, index).map_or(mount.source.clone(), |stage| stage.join("merged")));
        }
        let Some(stage) = asked.stage(paths, id, index) else { continue };
        mounts.stages.folder = Some(asked::stages(paths, id));
        let whole = if mount.subpath.is_some() { stage.join("whole") } else { stage.join("merged") };
        let root = |lower: Vec<PathBuf>, over: Over| Root {
            lower,
            upper: over.upper.unwrap_or_else(|| stage.join("upper")),
            work: over.work.unwrap_or_else(|| stage.join("work")),
            target: whole.clone(),
            volatile: false,
            data: None,
        };
        let mut source = mount.source.clone();
        if mount.kind == "image" {
            let name = mount.source.to_string_lossy();
            let image = engine.with_database(|database| image::names::for_start(database.reader(), &name))?;
            mounts.stages.overlays.push(root(layer_folders(paths, &image.layers), Over::default()));
            source.clone_from(&whole);
        } else if let Some(over) = &asked.over {
            mounts.stages.overlays.push(root(vec![mount.source.clone()], over.clone()));
            source.clone_from(&whole);
        }
        if let Some(path) = &mount.subpath {
            let part = Part { of: source, path: path.clone(), target: stage.join("merged") };
            mounts.stages.parts.push(part);
        }
    }
    Ok(mounts)
}

fn layer_folders(paths: &Paths, layers: &[crate::digest::Digest]) -> Vec<PathBuf> {
    layers.iter().map(|layer| paths.layers().join(layer.hex()).join("diff")).collect()
}

fn root(paths: &Paths, record: &Record, layers: &[crate::digest::Digest]) -> Root {
    let folder = paths.container(&record.id);
    let mapped = record.mapping.as_ref().and_then(|mapping| Wanted::new(paths, &record.image, layers, mapping).found());
    let (lower, data) = match mapped {
        Some((tree, data)) => (vec![tree], data),
        None => (layer_folders(paths, layers), None),
    };
    Root {
        lower,
        upper: folder.join("upper"),
        work: folder.join("work"),
        target: folder.join("merged"),
        volatile: record.options.remove,
        data,
    }
}

/// The root filesystem of a container. Blocks.
pub(super) fn root_of(engine: &Engine, record: &Record) -> Result<Root, Error> {
    let found = images::Found { id: record.image, name: None };
    let image = engine.with_database(|database| Ok(images::for_start(database.reader(), &found)?))?;
    let image = image.ok_or_else(|| Error::NoSuchImage(record.image_name.clone()))?;
    Ok(root(engine.paths(), record, &image.layers))
}

/// Shared by what needs a container's stop signal and has no image at hand.
pub(super) fn image_of(engine: &Engine, record: &Record) -> Result<Arc<ImageConfiguration>, Error> {
    let found = images::Found { id: record.image, name: None };
    let image = engine.with_database(|database| Ok(images::for_start(database.reader(), &found)?))?;
    let image = image.ok_or_else(|| Error::NoSuchImage(record.image_name.clone()))?;
    Ok(Arc::new(create::image_configuration(&record.image_name, &image.config)?))
}
