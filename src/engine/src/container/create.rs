// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a container: one durable write. Nothing else of it is on disk until it is first started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haulout_monitor::process::is_root_of_machine;
use oci_spec::image::ImageConfiguration;

use super::base::Base;
use super::lock::Lock;
use super::options::{
    ImageVolume, Namespace, Namespaces, Network, Options, Protocol, Publish, Rootfs, SdNotify, SystemdMode, Userns,
    Volume, VolumeSource,
};
use super::{ContainerId, Record, cgroups, confinement, defaults, health, inspect, log_tag, names, signal};
use crate::config::containers::Settings;
use crate::engine::{Engine, Error, os_words};
use crate::event;
use crate::net::ports;
use crate::paths::Paths;
use crate::runtime;
use crate::secret;
use crate::spec::{self, asked, capabilities, mounts, process};
use crate::state::{Added, Found};
use crate::userns::modes::{self, Mapping};
use crate::volume::{self, Guard};

/// In Podman's words.
const PORTS_DISCARDED: &str =
    "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use";

/// A container that was made.
pub(super) struct Made {
    pub id: ContainerId,
    /// Whether its volumes are filled now, not when it is first started (`prepare_volume_on_create`).
    pub fill: bool,
}

/// Checks `options`, decides what they leave open, and writes the record. One that is `started` at once and goes when it ends would not
/// outlast a power cut anyway: it is not waited for until the disk has it. Blocks.
pub(super) fn create(engine: &Engine, mut options: Options, tell: bool, started: bool) -> Result<Made, Error> {
    let settings = engine.settings()?;
    options.runtime.clone_from(&engine.told().settings.engine.runtime);
    options.transient = engine.paths().elsewhere.transient;
    if options.transient {
        mark_transient(engine.paths())?;
    }
    defaults::apply(&mut options, &settings)?;
    cgroups::choose(&mut options, &settings)?;
    for words in confinement::missed(&settings, confinement::has_selinux, confinement::has_apparmor) {
        engine.warn(words);
    }
    check(&options, &settings)?;
    for asked in &options.volumes {
        volume::check(&asked.driver_options)?;
        let VolumeSource::Named(name) = &asked.source else { continue };
        // One that is there stays as it is.
        if !asked.driver_options.is_empty() && engine.with_database(|database| Ok(database.volume(name)?))?.is_none() {
            volume::check_size(&asked.driver_options)?;
        }
    }
    take_volumes_from(engine, &mut options)?;
    let hidden = secret::place::resolve(engine, &mut options)?;
    let Namespaces { pid, ipc, uts, cgroup } = &mut options.namespaces;
    for (namespace, kind) in [(pid, "pid"), (ipc, "ipc"), (uts, "uts"), (cgroup, "cgroup")] {
        if let Namespace::Container(name) = namespace {
            let other = other_container(engine, name, kind)?;
            *namespace = if kind == "ipc" { shared_ipc(&other)? } else { Namespace::Container(other.id.to_string()) };
        }
    }
    if let Network::Container(name) = &options.network {
        let other = other_container(engine, name, "net")?;
        options.network = match other.options.network {
            // There is nothing of its own to share.
            Network::Host => Network::Host,
            Network::Container(third) => Network::Container(third),
            _ => Network::Container(other.id.to_string()),
        };
    }
    let base = Base::asked(engine, &options)?;
    let config = base.configuration()?;
    health::settle(&mut options, &base.config)?;
    if options.runtime.is_none() && options.rootfs.is_none() {
        let platform = format!("{}/{}", config.os(), config.architecture());
        options.runtime = settings.engine.platform_to_oci_runtime.get(&platform).cloned();
    }
    crate::update::refuse_short_name(&options)?;
    require(engine, &mut options)?;
    let command = process::command(&options, config.config().as_ref());
    if command.is_empty() && options.rootfs.is_none() {
        let what = "no command or entrypoint provided, and no CMD or ENTRYPOINT from image";
        return Err(Error::Invalid(what.to_owned()));
    }
    let exposed = exposed_ports(&options, &config);
    if options.publish_all {
        for &(container, protocol) in &exposed {
            if !options.publish.iter().any(|port| port.container == container && port.protocol == protocol) {
                options.publish.push(Publish { address: None, host: None, container, count: 1, protocol });
            }
        }
    }
    let published = match options.network {
        Network::Default | Network::Pasta(_) | Network::Slirp(_) => options.publish.as_slice(),
        Network::None | Network::Host | Network::Container(_) | Network::Path(_) => {
            if !options.publish.is_empty() {
                engine.warn(PORTS_DISCARDED);
            }
            &[]
        }
    };
    let chosen =
        ports::choose(published).map_err(|source| Error::Io { doing: "choosing host ports".into(), source })?;
    let id = ContainerId::random().map_err(|source| Error::Io { doing: "choosing an id".into(), source })?;
    let candidates = match &options.name {
        Some(name) => Candidates::One(name.clone()),
        None => Candidates::Random,
    };
    let mapping = choose_mapping(engine, &mut options, &base.folders)?;
    if options.image_volume == ImageVolume::Tmpfs {
        let places = image_volumes(&options, &config);
        options.tmpfs.extend(places.into_iter().map(|place| (place, Vec::new())));
    }
    let mut record = Record {
        id,
        // Replaced by the one that is free.
        name: options.name.clone().unwrap_or(format!("haulout-{}", id.short()).parse().map_err(invalid)?),
        image: base.id(),
        image_name: base.name,
        created: event::now(),
        ports: chosen,
        exposed,
        volumes: anonymous_volumes(&options, &config)?,
        entrypoint: process::entrypoint(&options, config.config().as_ref()).len(),
        options,
        command,
        mapping,
    };
    // Said now, not by each start.
    log_tag::of(&record, &config, &settings)?;
    let mut volumes = new_volumes(&record);
    let io = |source| Error::Io { doing: format!("making the volumes of container {id}"), source };
    // Whoever removes volumes waits until both their folders and their records are there.
    let guard = if volumes.is_empty() { None } else { Some(Guard::take(engine.paths()).map_err(io)?) };
    let mut made = guard.as_ref().map(volume::Made::of);
    if let Some(made) = &mut made {
        volumes.iter().try_for_each(|volume| made.make(&volume.name)).map_err(io)?;
    }
    let kept = keep_secrets(engine, &id, &hidden)?;
    let fleeting = started && record.options.remove;
    let added = engine.with_database(|database| match candidates {
        Candidates::One(name) => Ok(database.add_container(&mut record, [name], &mut volumes, fleeting)?),
        Candidates::Random => {
            let names = names::random().map_err(|source| Error::Io { doing: "choosing a name".into(), source })?;
            Ok(database.add_container(&mut record, names, &mut volumes, fleeting)?)
        }
    });
    if kept.is_some() && !matches!(added, Ok(Added::Done)) {
        let _ = std::fs::remove_dir_all(engine.paths().container(&id));
    }
    let added = added?;
    match added {
        Added::Done => made.map_or((), volume::Made::keep),
        _ => drop(made),
    }
    drop((guard, kept));
    match added {
        Added::Done => {
            for volume in &volumes {
                event::append(engine.paths(), &volume.event("create"));
            }
            if tell {
                event::append(engine.paths(), &record.event("create", None));
            }
            let fill = settings.containers.prepare_volume_on_create == Some(true) && !volumes.is_empty();
            Ok(Made { id, fill })
        }
        Added::NameInUse(holder) => Err(Error::NameInUse { name: record.name.to_string(), id: holder }),
        Added::NoImage => Err(Error::NoSuchImage(record.options.image)),
    }
}

/// Has whoever opens the store after the runtime folder has gone look for containers that were to go with it.
fn mark_transient(paths: &Paths) -> Result<(), Error> {
    let [may_be, live] = paths.transient();
    // The one that says they live first: between the two nobody takes them for those of an earlier time.
    for (folder, file) in [(&paths.runtime, live), (&paths.data, may_be)] {
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, ""));
        written.map_err(|source| Error::Io { doing: format!("writing {}", file.display()), source })?;
    }
    Ok(())
}

/// Keeps what its secrets hide in its folder, which is locked until there is a record of it: nobody takes it for garbage.
fn keep_secrets(engine: &Engine, id: &ContainerId, hidden: &[(usize, Vec<u8>)]) -> Result<Option<Lock>, Error> {
    if hidden.is_empty() {
        return Ok(None);
    }
    let paths = engine.paths();
    let lock = Lock::take(paths, id);
    let lock = lock.map_err(|source| Error::Io { doing: format!("locking container {id}"), source })?;
    if let Err(error) = secret::place::keep(paths, id, hidden) {
        let _ = std::fs::remove_dir_all(paths.container(id));
        return Err(error);
    }
    Ok(Some(lock))
}

/// Ids of images below which there are no holes: the user `nobody` is left out.
const NOBODY: u32 = 65534;

/// Ids that a container with `--userns=auto` has at least.
const FEWEST: u32 = 1024;

/// The container's own map of ids, if it is to have one; and who its user is then.
fn choose_mapping(engine: &Engine, options: &mut Options, folders: &[PathBuf]) -> Result<Option<Mapping>, Error> {
    let invalid = |error: modes::ModeError| Error::Invalid(error.to_string());
    if options.userns == Userns::Host {
        return Ok(None);
    }
    if let Userns::Container(name) = &options.userns {
        let other = other_container(engine, name, "user")?;
        options.userns = Userns::Container(other.id.to_string());
        return Ok(other.mapping);
    }
    let outer = inspect::outer_map(engine)
        .map_err(|error| Error::Invalid(format!("finding the ids of the user namespace: {error}")))?;
    let (mut needs, mut taken) = (0, Vec::new());
    if let Userns::Auto { size, .. } = &options.userns {
        if size.is_none() {
            needs = ids_of_image(folders).max(FEWEST);
        }
        let others = engine.with_database(|database| Ok(database.containers()?))?;
        let auto = others.into_iter().filter(|other| matches!(other.options.userns, Userns::Auto { .. }));
        taken.extend(auto.filter_map(|other| other.mapping));
    }
    let mapping = modes::mapping(&options.userns, &outer, needs, &taken).map_err(invalid)?;
    if let (Userns::KeepId { .. }, Some(mapping), None) = (&options.userns, &mapping, &options.user) {
        let own = |map: &[(u32, u32, u32)]| map.iter().find(|(_, outside, _)| *outside == 0).map_or(0, |map| map.0);
        options.user = Some(format!("{}:{}", own(&mapping.users), own(&mapping.groups)));
    }
    Ok(mapping)
}

/// How many ids an image needs by its `/etc/passwd` and `/etc/group`.
fn ids_of_image(folders: &[PathBuf]) -> u32 {
    let mut most = 0;
    for file in ["etc/passwd", "etc/group"] {
        let places = folders.iter().map(|folder| folder.join(file));
        let text = places.filter(|path| path.is_file()).find_map(|path| std::fs::read_to_string(path).ok());
        for line in text.unwrap_or_default().lines() {
            let ids = line.split(':').skip(2).take(2).filter_map(|id| id.parse::<u32>().ok());
            most = ids.filter(|id| *id < NOBODY).fold(most, |most, id| most.max(id + 1));
        }
    }
    most
}

/// What is said where `name` is no container's.
fn missing(name: &str) -> Error {
    if name.is_empty() { Error::NoName } else { Error::NoSuchContainer(name.to_owned()) }
}

/// A container whose namespace is to be shared.
fn other_container(engine: &Engine, name: &str, kind: &str) -> Result<Record, Error> {
    let found = engine.with_database(|database| match database.find_container(name)? {
        Found::One(id) => Ok(database.container(&id)?),
        Found::Several => Err(Error::AmbiguousContainer(name.to_owned())),
        Found::None => Ok(None),
    })?;
    found.ok_or_else(|| {
        let cause = missing(name);
        Error::Invalid(format!("looking up container to share {kind} namespace with: {cause}"))
    })
}

/// The messages and the shared memory of another container, as far as it shares them.
fn shared_ipc(other: &Record) -> Result<Namespace, Error> {
    match &other.options.namespaces.ipc {
        // There is nothing of its own to share.
        Namespace::Host => Ok(Namespace::Host),
        Namespace::Private => Err(Error::Invalid(format!(
            "joining IPC of container {} is not allowed: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
            other.id
        ))),
        _ => Ok(Namespace::Container(other.id.to_string())),
    }
}

/// Finds the containers that it requires.
fn require(engine: &Engine, options: &mut Options) -> Result<(), Error> {
    for name in &mut options.requires {
        let found = engine.with_database(|database| match database.find_container(name)? {
            Found::One(id) => Ok(id),
            Found::Several => Err(Error::AmbiguousContainer(name.clone())),
            Found::None => Err(Error::NoSuchContainer(name.clone())),
        });
        let id = found.map_err(|cause| {
            Error::Invalid(format!("{name:?} is not a valid container, cannot be used as a dependency: {cause}"))
        })?;
        *name = id.to_string();
    }
    if options.sdnotify == SdNotify::Healthy && options.health.command().is_none() {
        let what = "invalid argument: sdnotify policy \"healthy\" requires a healthcheck to be set";
        return Err(Error::Invalid(what.to_owned()));
    }
    Ok(())
}

/// The volumes that it has, as they are made when they are not there.
fn new_volumes(record: &Record) -> Vec<volume::Record> {
    let anonymous = |name: &str| record.volumes.iter().any(|(_, volume)| volume == name);
    // What a mount says of the driver holds for a volume that is made for it: one of that name, or the one in its place.
    let options = |name: &str| {
        let asked = record.options.volumes.iter().find(|volume| match &volume.source {
            VolumeSource::Named(named) => named == name,
            VolumeSource::Anonymous => {
                record.volumes.iter().any(|(place, made)| made == name && *place == volume.destination)
            }
            VolumeSource::Path(_) => false,
        });
        asked.map(|volume| volume.driver_options.clone()).unwrap_or_default()
    };
    let new = |name: &str| volume::Record {
        options: options(name),
        transient: record.options.transient && anonymous(name),
        ..volume::Record::new(name.to_owned(), anonymous(name))
    };
    record.volume_names().map(new).collect()
}

/// `--volumes-from`: what other containers have mounted from outside, where nothing else is to be.
fn take_volumes_from(engine: &Engine, options: &mut Options) -> Result<(), Error> {
    for written in &options.volumes_from {
        let (name, words) = written.split_once(':').unwrap_or((written, ""));
        let found = engine.with_database(|database| match database.find_container(name)? {
            Found::One(id) => Ok(database.container(&id)?),
            Found::Several => Err(Error::AmbiguousContainer(name.to_owned())),
            Found::None => Ok(None),
        })?;
        let other = found.ok_or_else(|| {
            let cause = missing(name);
            Error::Invalid(format!("looking up container {name:?} for volumes-from: {cause}"))
        })?;
        let words: Vec<&str> = words.split(',').filter(|word| !word.is_empty()).collect();
        let access = words.iter().find(|word| ["ro", "rw"].contains(*word));
        let anonymous = other.volumes.iter().map(|(place, name)| Volume {
            source: VolumeSource::Named(name.clone()),
            destination: place.clone(),
            options: Vec::new(),
            subpath: None,
            driver_options: BTreeMap::new(),
        });
        let given = other.options.volumes.iter().filter(|volume| volume.source != VolumeSource::Anonymous);
        for mut volume in anonymous.chain(given.cloned()) {
            if let Some(access) = access {
                volume.options.retain(|word| word != "ro" && word != "rw");
                volume.options.insert(0, (*access).to_owned());
            }
            let place = &volume.destination;
            let taken = options.volumes.iter().any(|known| known.destination == *place)
                || options.tmpfs.iter().any(|(known, _)| known == place)
                || options.images.iter().any(|known| known.destination == *place)
                || options.special.iter().any(|known| known.destination == *place);
            if !taken {
                options.volumes.push(volume);
            }
        }
    }
    Ok(())
}

/// The ports that the image and `--expose` name.
fn exposed_ports(options: &Options, config: &ImageConfiguration) -> Vec<(u16, Protocol)> {
    let of_image = config.config().as_ref().and_then(|config| config.exposed_ports().clone()).unwrap_or_default();
    let mut exposed: Vec<(u16, Protocol)> = of_image.iter().filter_map(|text| exposed_port(text)).collect();
    exposed.extend(options.expose.iter().copied());
    exposed.sort_by_key(|(port, protocol)| (*port, protocol.name()));
    exposed.dedup();
    exposed
}

/// A port as an image exposes it: `80`, `80/tcp`, `53/udp`.
fn exposed_port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((port.parse().ok()?, Protocol::named(protocol)?))
}

enum Candidates {
    One(super::ContainerName),
    Random,
}

/// Everything of which it can be said now that it will not work.
fn check(options: &Options, settings: &Settings) -> Result<(), Error> {
    asked::check(options)?;
    if let Some(rootfs) = &options.rootfs {
        check_rootfs(rootfs)?;
    }
    for word in options.cap_add.iter().chain(&options.cap_drop).filter(|word| !word.eq_ignore_ascii_case("all")) {
        capabilities::parse(word).map_err(spec::SpecError::from)?;
    }
    if let Some(signal) = &options.stop_signal {
        signal::number(signal)?;
    }
    if !options.limits.device_rules.is_empty() && !is_root_of_machine() {
        let what = "device cgroup rules are not supported in rootless mode or in a user namespace";
        return Err(Error::Invalid(what.to_owned()));
    }
    if options.init {
        if !matches!(options.namespaces.pid, Namespace::Default | Namespace::Private) {
            return Err(Error::Invalid("cannot add init binary as PID 1 (PID namespace isn't private)".to_owned()));
        }
        if options.systemd == SystemdMode::Always {
            return Err(Error::Invalid("cannot use container-init binary with systemd=always".to_owned()));
        }
        runtime::init(settings, options.init_path.as_deref())?;
    }
    check_timezone(options)
}

/// A zone is a file below the folder of all, and nothing above it.
fn check_timezone(options: &Options) -> Result<(), Error> {
    let (Some(zone), Some(name)) = (mounts::timezone(options), &options.timezone) else { return Ok(()) };
    let why = if name.contains("..") || name.starts_with(['/', '\\']) {
        "time: invalid location name".to_owned()
    } else if zone.is_file() {
        return Ok(());
    } else {
        format!("unknown time zone {name}")
    };
    Err(Error::Invalid(format!("running container create option: finding timezone: {why}")))
}

fn check_rootfs(rootfs: &Rootfs) -> Result<(), Error> {
    let path = rootfs.path.display();
    let found = std::fs::metadata(&rootfs.path).map_err(|error| {
        Error::Invalid(format!("running container create option: faccessat {path}: {}", os_words(&error)))
    })?;
    if !found.is_dir() {
        return Err(Error::Invalid(format!("running container create option: {path}: not a directory")));
    }
    if rootfs.idmap.is_some() {
        let what = "idmapped root filesystems are not supported: change the owners of its files instead (podman unshare chown)";
        return Err(Error::Invalid(format!("{path}: {}", what.replace("podman", "haulout"))));
    }
    Ok(())
}

/// The places that are volumes by the image's wish and where nothing else is asked for.
fn image_volumes(options: &Options, image: &ImageConfiguration) -> Vec<PathBuf> {
    let of_image = image.config().as_ref().and_then(|config| config.volumes().as_deref()).unwrap_or_default();
    let mut places: Vec<PathBuf> = of_image.iter().map(PathBuf::from).collect();
    places.retain(|place| {
        place.is_absolute()
            && !options.volumes.iter().any(|volume| volume.destination == *place)
            && !options.tmpfs.iter().any(|(tmpfs, _)| tmpfs == place)
            && !options.images.iter().any(|image| image.destination == *place)
            && !options.special.iter().any(|special| special.destination == *place)
    });
    places
}

/// The places that are volumes by the image's wish, or by `-v /place`, and a name for each.
fn anonymous_volumes(options: &Options, image: &ImageConfiguration) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut places = match options.image_volume {
        ImageVolume::Anonymous => image_volumes(options, image),
        ImageVolume::Tmpfs | ImageVolume::Ignore => Vec::new(),
    };
    let asked = options.volumes.iter().filter(|volume| volume.source == VolumeSource::Anonymous);
    places.extend(asked.map(|volume| volume.destination.clone()));
    places.sort();
    places.dedup();
    let named = places.into_iter().map(|place| Ok((place, ContainerId::random()?.to_string())));
    named
        .collect::<std::io::Result<_>>()
        .map_err(|source| Error::Io { doing: "choosing names for volumes".into(), source })
}

/// An image's configuration, from its bytes.
pub(super) fn image_configuration(name: &str, bytes: &[u8]) -> Result<ImageConfiguration, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Invalid(format!("the configuration of the image {name}: {error}")))
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::Invalid(error.to_string())
}
