// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making a container: one durable write. Nothing else of it is on disk until it is first started.

use oci_spec::image::ImageConfiguration;

use super::lock::Lock;
use super::options::{
    ImageVolume, LogDriver, Namespace, Namespaces, Network, Options, Protocol, Publish, Userns, Volume, VolumeSource,
};
use super::{ContainerId, Record, inspect, names, signal};
use crate::config::containers::Settings;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::event;
use crate::image::names::for_start;
use crate::net::ports;
use crate::runtime;
use crate::secret;
use crate::spec::{self, asked, capabilities, mounts, process};
use crate::state::{Added, Found};
use crate::userns::modes::{self, Mapping};
use crate::volume::{self, Guard};

/// In Podman's words.
const PORTS_DISCARDED: &str =
    "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use";

/// Checks `options`, decides what they leave open, and writes the record. Blocks.
pub(super) fn create(engine: &Engine, mut options: Options) -> Result<ContainerId, Error> {
    let settings = engine.settings()?;
    apply(&mut options, &settings)?;
    check(&options, &settings)?;
    take_volumes_from(engine, &mut options)?;
    let hidden = secret::place::resolve(engine, &mut options)?;
    let Namespaces { pid, ipc, uts, cgroup } = &mut options.namespaces;
    for (namespace, kind) in [(pid, "pid"), (ipc, "ipc"), (uts, "uts"), (cgroup, "cgroup")] {
        if let Namespace::Container(name) = namespace {
            *namespace = Namespace::Container(other_container(engine, name, kind)?.id.to_string());
        }
    }
    let image = engine.with_database(|database| for_start(database.reader(), &options.image))?;
    let config = image_configuration(&options.image, &image.config)?;
    let command = process::command(&options, config.config().as_ref());
    if command.is_empty() {
        let what = "no command or entrypoint provided, and no CMD or ENTRYPOINT from image";
        return Err(Error::Invalid(what.to_owned()));
    }
    if options.publish_all {
        let of_image = config.config().as_ref().and_then(|config| config.exposed_ports().clone()).unwrap_or_default();
        let mut exposed: Vec<(u16, Protocol)> = of_image.iter().filter_map(|text| exposed_port(text)).collect();
        exposed.extend(options.expose.iter().copied());
        exposed.sort_by_key(|(port, protocol)| (*port, *protocol as u8));
        exposed.dedup();
        for (container, protocol) in exposed {
            if !options.publish.iter().any(|port| port.container == container && port.protocol == protocol) {
                options.publish.push(Publish { address: None, host: None, container, count: 1, protocol });
            }
        }
    }
    let published = match options.network {
        Network::Default | Network::Pasta(_) => options.publish.as_slice(),
        Network::None | Network::Host => {
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
    let mapping = choose_mapping(engine, &mut options, &image.layers)?;
    if options.image_volume == ImageVolume::Tmpfs {
        let places = image_volumes(&options, &config);
        options.tmpfs.extend(places.into_iter().map(|place| (place, Vec::new())));
    }
    let mut record = Record {
        id,
        // Replaced by the one that is free.
        name: options.name.clone().unwrap_or(format!("haulout-{}", id.short()).parse().map_err(invalid)?),
        image: image.id,
        image_name: image.name.unwrap_or_else(|| options.image.clone()),
        created: event::now(),
        ports: chosen,
        volumes: anonymous_volumes(&options, &config)?,
        options,
        command,
        mapping,
    };
    let mut volumes = new_volumes(&record);
    let io = |source| Error::Io { doing: format!("making the volumes of container {id}"), source };
    // Whoever removes volumes waits until both their folders and their records are there.
    let guard = if volumes.is_empty() { None } else { Some(Guard::take(engine.paths()).map_err(io)?) };
    volumes.iter().try_for_each(|volume| volume::make(engine.paths(), &volume.name)).map_err(io)?;
    let kept = keep_secrets(engine, &id, &hidden)?;
    let added = engine.with_database(|database| match candidates {
        Candidates::One(name) => Ok(database.add_container(&mut record, [name], &mut volumes)?),
        Candidates::Random => {
            let names = names::random().map_err(|source| Error::Io { doing: "choosing a name".into(), source })?;
            Ok(database.add_container(&mut record, names, &mut volumes)?)
        }
    });
    if kept.is_some() && !matches!(added, Ok(Added::Done)) {
        let _ = std::fs::remove_dir_all(engine.paths().container(&id));
    }
    let added = added?;
    drop((guard, kept));
    match added {
        Added::Done => {
            for volume in &volumes {
                event::append(engine.paths(), &volume.event("create"));
            }
            event::append(engine.paths(), &record.event("create", None));
            Ok(id)
        }
        Added::NameInUse(holder) => Err(Error::NameInUse { name: record.name.to_string(), id: holder }),
        Added::NoImage => Err(Error::NoSuchImage(record.options.image)),
    }
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
fn choose_mapping(engine: &Engine, options: &mut Options, layers: &[Digest]) -> Result<Option<Mapping>, Error> {
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
    if let Userns::Auto { size } = &options.userns {
        if size.is_none() {
            needs = ids_of_image(engine, layers).max(FEWEST);
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
fn ids_of_image(engine: &Engine, layers: &[Digest]) -> u32 {
    let mut most = 0;
    for file in ["etc/passwd", "etc/group"] {
        let places = layers.iter().map(|layer| engine.paths().layers().join(layer.hex()).join("diff").join(file));
        let text = places.filter(|path| path.is_file()).find_map(|path| std::fs::read_to_string(path).ok());
        for line in text.unwrap_or_default().lines() {
            let ids = line.split(':').skip(2).take(2).filter_map(|id| id.parse::<u32>().ok());
            most = ids.filter(|id| *id < NOBODY).fold(most, |most, id| most.max(id + 1));
        }
    }
    most
}

/// A container whose namespace is to be shared.
fn other_container(engine: &Engine, name: &str, kind: &str) -> Result<Record, Error> {
    let found = engine.with_database(|database| match database.find_container(name)? {
        Found::One(id) => Ok(database.container(&id)?),
        Found::Several => Err(Error::AmbiguousContainer(name.to_owned())),
        Found::None => Ok(None),
    })?;
    found.ok_or_else(|| {
        let cause = Error::NoSuchContainer(name.to_owned());
        Error::Invalid(format!("looking up container to share {kind} namespace with: {cause}"))
    })
}

/// The volumes that it has, as they are made when they are not there.
fn new_volumes(record: &Record) -> Vec<volume::Record> {
    let anonymous = |name: &str| record.volumes.iter().any(|(_, volume)| volume == name);
    record.volume_names().map(|name| volume::Record::new(name.to_owned(), anonymous(name))).collect()
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
            let cause = Error::NoSuchContainer(name.to_owned());
            Error::Invalid(format!("looking up container {name:?} for volumes-from: {cause}"))
        })?;
        let words: Vec<&str> = words.split(',').filter(|word| !word.is_empty()).collect();
        let access = words.iter().find(|word| ["ro", "rw"].contains(*word));
        let anonymous = other.volumes.iter().map(|(place, name)| Volume {
            source: VolumeSource::Named(name.clone()),
            destination: place.clone(),
            options: Vec::new(),
            subpath: None,
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

/// A port as an image exposes it: `80`, `80/tcp`, `53/udp`.
fn exposed_port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some((port.parse().ok()?, protocol))
}

enum Candidates {
    One(super::ContainerName),
    Random,
}

/// What containers.conf says where the options say nothing.
fn apply(options: &mut Options, settings: &Settings) -> Result<(), Error> {
    let configured = &settings.containers;
    if options.log.driver == LogDriver::Default {
        options.log.driver = match configured.log_driver.as_deref() {
            None | Some("" | "k8s-file" | "json-file") => LogDriver::K8sFile,
            Some("journald") => LogDriver::Journald,
            Some("none" | "passthrough") => LogDriver::None,
            Some(other) => {
                return Err(Error::Invalid(format!(
                    "containers.log_driver in containers.conf is {other:?}: invalid argument"
                )));
            }
        };
    }
    options.log.max_size = options.log.max_size.or(configured.log_size_max.and_then(|size| u64::try_from(size).ok()));
    if options.log.tag.is_none() {
        options.log.tag.clone_from(&configured.log_tag);
    }
    options.init |= configured.init == Some(true);
    options.timezone = options.timezone.take().or(configured.tz.clone());
    options.stop_timeout = options.stop_timeout.or(settings.engine.stop_timeout);
    if let (Userns::Host, false, Some(mode)) = (&options.userns, options.userns_said, &configured.userns) {
        options.userns = mode
            .parse()
            .map_err(|error| Error::Invalid(format!("containers.userns in containers.conf is {mode:?}: {error}")))?;
    }
    Ok(())
}

/// Everything of which it can be said now that it will not work.
fn check(options: &Options, settings: &Settings) -> Result<(), Error> {
    asked::check(options)?;
    for word in options.cap_add.iter().chain(&options.cap_drop).filter(|word| !word.eq_ignore_ascii_case("all")) {
        capabilities::parse(word).map_err(spec::SpecError::from)?;
    }
    if let Some(signal) = &options.stop_signal {
        signal::number(signal)?;
    }
    if options.init {
        runtime::init(settings)?;
    }
    if let (Some(zone), Some(name)) = (mounts::timezone(options), &options.timezone)
        && !zone.is_file()
    {
        return Err(Error::Invalid(format!(
            "running container create option: finding timezone: unknown time zone {name}"
        )));
    }
    Ok(())
}

/// The places that are volumes by the image's wish and where nothing else is asked for.
fn image_volumes(options: &Options, image: &ImageConfiguration) -> Vec<std::path::PathBuf> {
    let of_image = image.config().as_ref().and_then(|config| config.volumes().as_deref()).unwrap_or_default();
    let mut places: Vec<std::path::PathBuf> = of_image.iter().map(std::path::PathBuf::from).collect();
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
fn anonymous_volumes(
    options: &Options,
    image: &ImageConfiguration,
) -> Result<Vec<(std::path::PathBuf, String)>, Error> {
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
