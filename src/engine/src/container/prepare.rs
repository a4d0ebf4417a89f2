// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything about a start that can be decided outside of the user namespace: what is made of the record, the image and the
//! settings, and the files and volumes that the container will see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use haulout_monitor::config as monitor;
use haulout_monitor::process::Process;
use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::LinuxCapabilities;

use super::base::Base;
use super::connect::Connection;
use super::lock::Lock;
use super::options::{Cgroups, LogDriver, Namespace, Network, Restart, Userns};
use super::start::{Fresh, Part, Plan, Root, SharedMount, Stages};
use super::status::{Monitor, Seen};
use super::{ContainerId, Record, Status, accounts, descriptors, keys, log_tag, notify, signal, status, stop};
use crate::config::containers::Settings;
use crate::engine::{Engine, Error, os_words};
use crate::paths::Paths;
use crate::runtime::{self, Runtime};
use crate::spec;
use crate::spec::asked::{self, Asked, Known, Over};
use crate::spec::cdi::Devices;
use crate::spec::hooks;
use crate::store::mapped::Wanted;
use crate::store::podman;
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
    /// It is made ready and then waits for somebody else to start it.
    pub held: bool,
    /// So many descriptors of a service are passed on (`sd_listen_fds(3)`).
    pub listening: u32,
    /// It is started because another needs it, or after another: that one is what the service is that this process belongs to, if any.
    pub aside: bool,
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
    /// The right to find the image's layers where they are, until they are mounted.
    pub _held: Option<podman::Held>,
}

/// Whether a container can be started now.
pub(super) enum Readiness {
    Ready(Box<Prepared>),
    /// It runs.
    Runs,
    /// It is ready and waits to be started.
    Waits(Box<Record>, Lock),
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
    let Some(record) = engine.with_database(|database| Ok(database.container(id)?))? else {
        // The lock made the folder.
        let _ = fs::remove_dir_all(paths.container(id));
        return Err(Error::NoSuchContainer(id.to_string()));
    };
    let base = Base::of(engine, &record)?;
    let seen = Seen::look(paths, id).map_err(failed("looking at"))?;
    match (seen.monitor, &seen.status) {
        (Monitor::Alive(_), Status::Running(_)) => return Ok(Readiness::Runs),
        (Monitor::Alive(_), Status::Initialized(_)) => return Ok(Readiness::Waits(Box::new(record), lock)),
        (Monitor::Alive(_), Status::Paused(_)) => {
            return Err(Error::WrongState(format!(
                "unable to start container \"{id}\": container {id} must be in Created or Stopped state to be started: container state improper"
            )));
        }
        (Monitor::Alive(process), _) => return Ok(Readiness::Ending(process)),
        (Monitor::Gone, _) => return Ok(Readiness::Orphaned),
        (Monitor::Absent, _) => {}
    }
    if seen.waits {
        status::settle(paths, id).map_err(failed("noting the end of"))?;
    }
    let settings = engine.settings()?;
    let config = base.configuration()?;
    let bundle = paths.bundle(id);
    paths
        .note_runtime()
        .and_then(|()| make_folder(&paths.runtime_root()))
        .and_then(|()| make_folder(&bundle))
        .map_err(failed("making the runtime folder of"))?;
    let held = base.hold()?;
    let ready = plan(engine, &settings, &record, &config, &base, attach);
    let (plan, new_volumes, mapped) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            let _ = fs::remove_dir_all(&bundle);
            return Err(error);
        }
    };
    Ok(Readiness::Ready(Box::new(Prepared { record, plan, lock, new_volumes, mapped, _held: held })))
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
    base: &Base,
    attach: Attach,
) -> Result<(Plan, Vec<Mark>, Option<Wanted>), Error> {
    let (paths, id) = (engine.paths(), &record.id);
    let io = |doing: String| move |source| Error::Io { doing, source };
    asked::check(&record.options)?;
    if let Some(rootfs) = &record.options.rootfs
        && let Err(error) = fs::read_dir(&rootfs.path)
    {
        let (path, why) = (rootfs.path.display(), os_words(&error));
        let message = format!("unable to start container \"{id}\": opening its root filesystem {path}: {why}");
        return Err(Error::Start { status: 125, message });
    }
    if let Some(path) = record.options.names.hosts_file.as_deref().filter(|path| !["none", "image", ""].contains(path))
        && let Err(error) = fs::metadata(path)
    {
        let message = format!("failed to create new hosts file: open {path}: {}", crate::engine::os_words(&error));
        return Err(Error::Start { status: 127, message });
    }
    let hostname = spec::hostname(record, settings);
    let connection = Connection::new(engine, settings, record)?;
    let files = connection.write_files(paths, settings, record, &hostname, &base.folders);
    files.map_err(io(format!("writing the files of container {id} in {}", paths.bundle(id).display())))?;
    let volumes = known_volumes(engine, record)?;
    let asked = asked::asked(record, paths, &volumes)?;
    let Mounts { mut stages, fresh, owned, new } = mounts(engine, record, &asked)?;
    let shared = shared(engine, record)?;
    if let (true, Namespace::Container(other)) = (shared.memory, &record.options.namespaces.ipc) {
        stages.folder = Some(asked::stages(paths, id));
        stages.shared.push(SharedMount {
            process: running(engine, other)?,
            path: "/dev/shm".into(),
            target: asked::shared_memory(paths, id),
        });
    }
    let cannot = |error: &dyn std::error::Error| Error::Start { status: 126, message: crate::engine::chain(error) };
    let devices = Devices::find(&record.options.cdi_devices, settings.engine.cdi_spec_dirs.get());
    let devices = devices.map_err(|error| cannot(&error))?;
    let with_nodes;
    let record = if devices.is_empty() {
        record
    } else {
        with_nodes = devices.give_nodes(record).map_err(|error| cannot(&error))?;
        &with_nodes
    };
    let init =
        if record.options.init { Some(runtime::init(settings, record.options.init_path.as_deref())?) } else { None };
    let request = spec::Request {
        record,
        image,
        settings,
        paths,
        hostname: &hostname,
        init: init.as_deref(),
        volumes: &volumes,
        shared,
    };
    let mut made = spec::make(&request)?;
    if let Some(process) = made.spec.process_mut() {
        let env = process.env_mut().get_or_insert_default();
        secret::place::set_variables(engine, &record.options, env)?;
    }
    devices.edit(&mut made.spec).map_err(|error| cannot(&error))?;
    let folders = settings.engine.hooks_dir.get();
    hooks::add_from(folders, &mut made.spec, record).map_err(|error| cannot(&error))?;
    notify::give(&mut made.spec, record, attach.aside, paths);
    descriptors::announce(&mut made.spec, attach.listening);
    if let Some(warning) = made.warning {
        engine.warn(warning);
    }
    if let Some(asked) = record.options.oom_score_adj.or(settings.containers.oom_score_adj)
        && let Some(lowest) = made.spec.process().as_ref().and_then(oci_spec::runtime::Process::oom_score_adj)
        && lowest > asked
    {
        engine.warn(format!("Requested oom_score_adj={asked} is lower than the current one, changing to {lowest}"));
    }
    let (root, mapped) = (base.root(paths, record), base.mapped(paths, record));
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
        accounts: accounts::told(record)?,
        groups: record.options.groups.iter().filter(|group| *group != "keep-groups").cloned().collect(),
        monitor: runtime::monitor()?,
        config: monitor_config(engine, settings, record, image, connection.network, attach)?,
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
    let of = |namespace: &Namespace| match namespace {
        Namespace::Container(id) => running(engine, id).map(|process| Some(process.pid)),
        _ => Ok(None),
    };
    let net = match &record.options.network {
        Network::Container(id) => Some(running(engine, id)?.pid),
        _ => None,
    };
    let memory = match &asked.ipc {
        Namespace::Container(other) => has_shared_memory(engine, other)?,
        _ => false,
    };
    Ok(spec::Shared {
        net,
        memory,
        pid: of(&asked.pid)?,
        ipc: of(&asked.ipc)?,
        uts: of(&asked.uts)?,
        cgroup: of(&asked.cgroup)?,
    })
}

/// Whether a container has a `/dev/shm` to share: `--ipc=none` leaves it none.
fn has_shared_memory(engine: &Engine, id: &str) -> Result<bool, Error> {
    let Ok(id) = id.parse::<ContainerId>() else { return Ok(false) };
    let other = engine.with_database(|database| Ok(database.container(&id)?))?;
    Ok(other.is_some_and(|other| other.options.namespaces.ipc != Namespace::None))
}

/// The process of the container whose user namespace it shares.
fn shared_userns(engine: &Engine, record: &Record) -> Result<Option<Process>, Error> {
    let (Userns::Container(other), Some(_)) = (&record.options.userns, &record.mapping) else { return Ok(None) };
    running(engine, other).map(Some)
}

/// The process of another container whose namespace is to be shared.
fn running(engine: &Engine, id: &str) -> Result<Process, Error> {
    // Podman's words and status.
    let stopped = || Error::Start {
        status: 126,
        message: format!("cannot get namespace path unless container {id} is running: container is stopped"),
    };
    let other: ContainerId = id.parse().map_err(|_| stopped())?;
    let seen = Seen::look(engine.paths(), &other)
        .map_err(|source| Error::Io { doing: format!("looking at container {id}"), source })?;
    // It may have ended without its monitor having taken note yet.
    seen.status.process().filter(|process| process.is_alive()).ok_or_else(stopped)
}

/// Why a container could not be started, if that is that one has ended whose namespaces it shares.
pub(super) fn ended_meanwhile(engine: &Engine, record: &Record) -> Option<Error> {
    record.shared_with().into_iter().find_map(|id| running(engine, id).err())
}

fn monitor_config(
    engine: &Engine,
    settings: &Settings,
    record: &Record,
    image: &ImageConfiguration,
    network: monitor::Network,
    attach: Attach,
) -> Result<monitor::Config, Error> {
    let (options, id, paths) = (&record.options, &record.id, engine.paths());
    let folder = paths.container(id);
    let cleanup = if options.remove {
        runtime::command_line().map(|program| {
            let mut words = vec![program.display().to_string()];
            words.extend(paths.as_words());
            words.extend(engine.told().words.iter().cloned());
            words.extend(["container".to_owned(), "cleanup".to_owned(), id.to_string()]);
            words.extend(options.remove_image.then(|| "--rmi".to_owned()));
            words.extend(notify::is_service(options, attach.aside).then(|| "--monitor-waits".to_owned()));
            words
        })
    } else {
        None
    };
    Ok(monitor::Config {
        id: id.to_string(),
        name: record.name.to_string(),
        image: record.image_name.clone(),
        runtime: Runtime::named(options.runtime.as_deref(), settings)?
            .command(paths, options.cgroups != Cgroups::Disabled),
        create_flags: create_flags(settings),
        bundle: paths.bundle(id),
        rootfs: Some(folder.join("merged")),
        terminal: options.terminal,
        terminal_size: attach.size,
        stdin_open: options.interactive,
        attach_starter: attach.attached,
        log: match options.log.driver {
            LogDriver::Default | LogDriver::K8sFile | LogDriver::JsonFile => {
                monitor::Log::K8sFile { path: log_file(paths, record), max_size: options.log.max_size }
            }
            LogDriver::Journald => monitor::Log::Journald {
                // One that is not understood was let in by an older version.
                tag: log_tag::of(record, image, settings).unwrap_or_else(|error| {
                    engine.warn(error.to_string());
                    options.log.tag.clone()
                }),
            },
            LogDriver::None => monitor::Log::None,
            LogDriver::Passthrough | LogDriver::PassthroughTty => monitor::Log::Passthrough,
        },
        folder,
        network,
        helper: None,
        cgroup: match notify::cgroups(&record.options, attach.aside) {
            Cgroups::Enabled => monitor::Cgroup::Scope,
            Cgroups::Unmanaged => monitor::Cgroup::Beside { parent: options.cgroup_parent.clone() },
            Cgroups::Split => monitor::Cgroup::Split,
            Cgroups::Disabled => monitor::Cgroup::Disabled,
        },
        events: paths.events(),
        cleanup,
        stop_signal: Some(stop_signal(record, Some(image))?),
        stop_timeout: Some(options.stop_timeout.unwrap_or(stop::TIMEOUT)),
        timeout: options.timeout,
        health: options.health.checks(id),
        quiet_health: settings.engine.healthcheck_events == Some(false),
        restart: restart(options.restart),
        notify: notify::asked(&record.options, attach.aside),
        pidfile: Some(options.pidfile.clone().unwrap_or_else(|| paths.pidfile(id))),
        monitor_pidfile: Some(options.conmon_pidfile.clone().unwrap_or_else(|| paths.conmon_pidfile(id))),
        passed: Vec::new(),
        labels: options.labels.clone(),
        userns: None,
        root_ids: record.mapping.as_ref().and_then(|map| Some((map.user(0)?, map.group(0)?))),
    })
}

/// A restart policy as the monitor knows it.
pub(super) fn restart(policy: Restart) -> monitor::Restart {
    match policy {
        Restart::No => monitor::Restart::No,
        Restart::OnFailure(times) => monitor::Restart::OnFailure(times),
        Restart::Always | Restart::UnlessStopped => monitor::Restart::Always,
    }
}

/// What the runtime is told beside the specification.
fn create_flags(settings: &Settings) -> Vec<String> {
    let mut flags = Vec::new();
    if settings.engine.no_pivot_root == Some(true) {
        flags.push("--no-pivot".to_owned());
    }
    if settings.containers.keyring == Some(false) || keys::are_short() {
        flags.push("--no-new-keyring".to_owned());
    }
    flags
}

/// The file that the container's output goes to.
pub(super) fn log_file(paths: &Paths, record: &Record) -> PathBuf {
    record.options.log.path.clone().unwrap_or_else(|| paths.container(&record.id).join("ctr.log"))
}

/// The signal that asks the container to end: the one asked for, the image's, SIGTERM.
pub(super) fn stop_signal(record: &Record, image: Option<&ImageConfiguration>) -> Result<i32, Error> {
    if let Some(asked) = &record.options.stop_signal {
        return signal::number(asked);
    }
    if record.runs_systemd() {
        return Ok(signal::POWER_OFF);
    }
    let of_image = image.and_then(|image| image.config().as_ref()).and_then(|config| config.stop_signal().as_deref());
    // An image may say anything; that is no reason not to run it.
    signal::number(of_image.filter(|text| !text.is_empty()).unwrap_or(STOP_SIGNAL))
        .or_else(|_| signal::number(STOP_SIGNAL))
}

/// What the mounts that were asked for need before the runtime mounts them.
#[derive(Default)]
pub(super) struct Mounts {
    stages: Stages,
    pub fresh: Vec<Fresh>,
    owned: Vec<PathBuf>,
    /// Kept locked until they are filled.
    pub new: Vec<Mark>,
}

/// Decides it, and makes the volumes that are not there.
pub(super) fn mounts(engine: &Engine, record: &Record, asked: &[Asked]) -> Result<Mounts, Error> {
    let (paths, id) = (engine.paths(), &record.id);
    let mut mounts = Mounts::default();
    let mut marks = marks(engine, id, asked)?;
    for (index, asked) in asked.iter().enumerate() {
        let mount = &asked.mount;
        // Mounted twice, it is filled from the first place.
        if let Some((name, mark)) = mount.name.as_ref().and_then(|name| marks.remove_entry(name)) {
            let owner = engine.with_database(|database| Ok(database.volume(&name)?))?;
            let owner = owner.map_or((None, None), |volume| (volume.uid(), volume.gid()));
            let (inside, outside) = (mount.destination.clone(), mount.source.clone());
            mounts.fresh.push(Fresh { inside, outside, filled: asked.filled, owner });
            mounts.new.push(mark);
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
            ..Root::default()
        };
        let mut source = mount.source.clone();
        if mount.kind == "image" {
            let name = mount.source.to_string_lossy();
            let image = engine.with_database(|database| image::names::for_start(database, &name))?;
            mounts.stages.overlays.push(root(image.stack(paths).folders(), Over::default()));
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

/// The marks of the volumes that were never mounted, by name. Each is taken once, and all in one order: whoever waits for a mark has those
/// of others, who may wait as well.
fn marks(engine: &Engine, id: &ContainerId, asked: &[Asked]) -> Result<BTreeMap<String, Mark>, Error> {
    let paths = engine.paths();
    let folders = asked.iter().filter(|asked| asked.instead.is_none());
    let names: BTreeSet<&String> = folders.filter_map(|asked| asked.mount.name.as_ref()).collect();
    let mut marks = BTreeMap::new();
    for name in names {
        let mark = volume::make(paths, name).and_then(|()| Mark::take(paths, name));
        let failed = |source| Error::Io { doing: format!("making volume {name} of container {id}"), source };
        marks.extend(mark.map_err(failed)?.map(|mark| (name.clone(), mark)));
    }
    Ok(marks)
}
