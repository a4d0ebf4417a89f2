// SPDX-License-Identifier: GPL-3.0-or-later
//! The engine's types in the app's terms, and back.

use std::error::Error as _;
use std::path::PathBuf;

use haulout_engine::container::options::{
    Network as EngineNetwork, Options, Protocol as EngineProtocol, Publish, Volume, VolumeSource,
};
use haulout_engine::container::{self, Status};
use haulout_engine::event::{Event, Kind};
use haulout_engine::image::{self, PullError, PullProgress, RegistryError};
use haulout_engine::step::StepError;
use haulout_engine::{Error, event, host};
use oci_spec::image::ImageConfiguration;

use super::{
    Change, Container, Defaults, Details, Failure, Image, LogLine, Missing, Mount, MountKind, Network, Piece, Port,
    Protocol, Pull, Reason, Request, State,
};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::NoSuchContainer(_) | Error::NoSuchImage(_) => Reason::Gone,
            Error::NameInUse { name, .. } => Reason::NameInUse(name.clone()),
            Error::ImageInUse { containers, .. } => Reason::ImageInUse(containers.clone()),
            Error::WrongState(_) => Reason::WrongState,
            Error::Invalid(_) | Error::Reference(_) => Reason::Invalid,
            Error::Start { status, message } => why_not_started(*status, message),
            Error::NoSteps | Error::Step(StepError::Gone | StepError::Io(_)) => Reason::NoWorker,
            Error::Io { .. } => Reason::System,
            Error::Pull(error) => why_not_pulled(error),
            _ => Reason::Other,
        };
        let mut details = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            details.push(cause.to_string());
            source = cause.source();
        }
        // An error that prints its cause and also names it as its source would say everything twice.
        details.dedup_by(|cause, outer| outer.contains(cause.as_str()));
        Self { reason, details }
    }
}

/// pasta tells of a port in words only: `Failed to bind port 80 (Permission denied) for option …`.
fn why_not_started(status: u8, message: &str) -> Reason {
    let bound = message.split_once("Failed to bind port ").map(|(_, rest)| rest.split([' ', '(', ')']));
    let Some(mut words) = bound else { return Reason::NotStarted(status) };
    let port = words.next().and_then(|port| port.parse().ok());
    match (port, words.nth(1)) {
        (Some(port), Some("Address")) => Reason::PortInUse(port),
        (Some(port), Some("Permission")) => Reason::PortForbidden(port),
        _ => Reason::Other,
    }
}

fn why_not_pulled(error: &PullError) -> Reason {
    use image::Reason as Told;
    let (PullError::Source { source, .. } | PullError::Copy { source, .. }) = error else { return Reason::Other };
    match source {
        RegistryError::Ping { registry, source, .. } | RegistryError::Broken { registry, source, .. }
            if matches!(**source, Told::Connection(_)) =>
        {
            Reason::Unreachable(registry.clone())
        }
        RegistryError::Manifest { source, .. }
        | RegistryError::Config { source, .. }
        | RegistryError::Blob { source, .. } => match **source {
            Told::Refused(_) | Told::Status { .. } => Reason::NotInRegistry,
            Told::Digest { .. } | Told::Size { .. } => Reason::Damaged,
            _ => Reason::Other,
        },
        _ => Reason::Other,
    }
}

pub fn container_in_list(found: container::Summary) -> Container {
    let record = found.record;
    let state = match found.status {
        Status::Running(_) => State::Running { since: found.started },
        Status::Paused(_) => State::Paused,
        Status::Exited(exit) => {
            State::Exited { status: exit.status, finished: exit.finished.0, out_of_memory: exit.oom_killed }
        }
        Status::Created | Status::Initialized(_) => State::Created,
    };
    Container {
        id: record.id.to_string(),
        name: record.name.to_string(),
        image: record.image_name,
        image_id: record.image.map(|image| image.to_string()).unwrap_or_default(),
        state,
        ports: record.ports.iter().map(port).collect(),
        created: record.created / 1_000_000_000,
        command: record.command,
        terminal: record.options.terminal,
    }
}

fn port(publish: &Publish) -> Port {
    Port {
        address: publish.address.map(|address| address.to_string()),
        host: publish.host,
        container: publish.container,
        count: publish.count,
        protocol: match publish.protocol {
            EngineProtocol::Tcp => Protocol::Tcp,
            EngineProtocol::Udp => Protocol::Udp,
            EngineProtocol::Sctp => Protocol::Sctp,
        },
    }
}

pub fn details(found: container::Details) -> Details {
    let pid = match &found.summary.status {
        Status::Initialized(process) | Status::Running(process) | Status::Paused(process) => Some(process.pid),
        _ => None,
    };
    let options = found.summary.record.options.clone();
    let process = found.spec.as_ref().and_then(|spec| spec.process().as_ref());
    let image = found.image.config().as_ref();
    // What the runtime got is the truth; before the first start it is the image's, then the container's own.
    let env = if let Some(env) = process.and_then(|process| process.env().clone()) {
        env.iter().map(|line| variable(line)).collect()
    } else {
        let mut env: Vec<(String, String)> =
            image.and_then(|image| image.env().clone()).unwrap_or_default().iter().map(|line| variable(line)).collect();
        for (name, value) in &options.env {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        env
    };
    let workdir = process
        .map(|process| process.cwd().display().to_string())
        .or_else(|| options.workdir.as_ref().map(|path| path.display().to_string()))
        .or_else(|| image.and_then(|image| image.working_dir().clone()));
    Details {
        user: options.user.clone().or_else(|| image.and_then(|image| image.user().clone())),
        workdir: workdir.filter(|path| !path.is_empty()),
        hostname: found.spec.as_ref().and_then(|spec| spec.hostname().clone()).or_else(|| options.hostname.clone()),
        pid,
        env,
        mounts: found.mounts.into_iter().map(mount).collect(),
        uid_map: found.uid_map,
        gid_map: found.gid_map,
        network: match options.network {
            EngineNetwork::Host => Network::Host,
            EngineNetwork::None => Network::None,
            _ => Network::Private,
        },
        remove: options.remove,
        container: container_in_list(found.summary),
    }
}

fn variable(line: &str) -> (String, String) {
    line.split_once('=').map_or((line.to_owned(), String::new()), |(name, value)| (name.to_owned(), value.to_owned()))
}

fn mount(mount: container::Mount) -> Mount {
    let kind = match mount.kind.as_str() {
        "volume" => MountKind::Volume,
        "tmpfs" => MountKind::Memory,
        _ => MountKind::Folder,
    };
    Mount {
        kind,
        source: mount.name.unwrap_or_else(|| mount.source.display().to_string()),
        destination: mount.destination.display().to_string(),
        writable: mount.writable,
    }
}

pub fn image_in_list(found: image::Summary) -> Image {
    Image { id: found.id.to_string(), names: found.names, created: found.created, size: found.size }
}

pub fn defaults(config: &ImageConfiguration) -> Defaults {
    let Some(config) = config.config() else { return Defaults::default() };
    let ports = config.exposed_ports().clone().unwrap_or_default();
    Defaults {
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        command: config.cmd().clone().unwrap_or_default(),
        ports: ports.iter().filter_map(|port| exposed(port)).collect(),
        volumes: config.volumes().clone().unwrap_or_default(),
    }
}

/// `80`, `80/tcp` or `53/udp`.
fn exposed(text: &str) -> Option<(u16, Protocol)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, Protocol::Tcp.name()));
    Some((number.parse().ok()?, Protocol::of_name(protocol)?))
}

pub fn change(event: Event) -> Option<Change> {
    match event.kind {
        Kind::Container => Some(Change::Container(event.id)),
        event::Kind::Image => Some(Change::Images),
        _ => None,
    }
}

pub fn pull_progress(progress: PullProgress) -> Pull {
    match progress {
        // The name that is tried says enough.
        PullProgress::Resolved(name) | PullProgress::Trying(name) => Pull::Trying(name),
        PullProgress::Layers(layers) => {
            Pull::Layers(layers.into_iter().map(|layer| (layer.blob.to_string(), layer.size, layer.present)).collect())
        }
        PullProgress::Fetched { blob, bytes } => Pull::Fetched { layer: blob.to_string(), bytes },
        PullProgress::Unpacked { blob } => Pull::Unpacked(blob.to_string()),
        PullProgress::Committing => Pull::Committing,
        PullProgress::Done { name, .. } => Pull::Done(name),
    }
}

pub fn log_line(line: &container::LogLine) -> LogLine {
    LogLine {
        time: line.time / 1000,
        stderr: line.stderr,
        text: String::from_utf8_lossy(&line.text).into_owned(),
        partial: line.partial,
    }
}

pub fn missing(found: host::Missing) -> Missing {
    let piece = match found.piece {
        host::Piece::IdMappers => Piece::IdMappers,
        host::Piece::IdMappersPrivilege => Piece::IdMappersPrivilege,
        host::Piece::SubordinateIds => Piece::SubordinateIds,
        host::Piece::Runtime => Piece::Runtime,
        host::Piece::Network | host::Piece::Tunnel => Piece::Network,
        host::Piece::UserNamespaces | host::Piece::UnprivilegedUserNamespaces => Piece::UserNamespaces,
        host::Piece::AppArmor => Piece::AppArmor,
        host::Piece::Overlay => Piece::Overlay,
        host::Piece::RuntimeFolder => Piece::RuntimeFolder,
        host::Piece::UserManager => Piece::UserManager,
        _ => Piece::Other,
    };
    Missing { piece, name: found.name, why: found.why, command: found.command, fatal: found.fatal }
}

/// The engine's options; what is wrong when they make no sense.
pub fn options(request: Request) -> Result<Options, String> {
    // As if it had been typed: a unit can be made of it.
    let create_command = request.words();
    let name =
        request.name.map(|name| name.parse()).transpose().map_err(|error: container::id::IdError| error.to_string())?;
    let publish = request.ports.iter().map(publish).collect::<Result<_, _>>()?;
    let volumes = request
        .volumes
        .into_iter()
        .map(|volume| Volume {
            source: if volume.source.starts_with('/') {
                VolumeSource::Path(PathBuf::from(volume.source))
            } else {
                VolumeSource::Named(volume.source)
            },
            destination: PathBuf::from(volume.destination),
            options: if volume.read_only { vec!["ro".to_owned()] } else { Vec::new() },
            subpath: None,
            driver_options: std::collections::BTreeMap::new(),
        })
        .collect();
    Ok(Options {
        name,
        image: request.image,
        command: request.command,
        env: request.env,
        volumes,
        publish,
        terminal: request.terminal,
        interactive: request.terminal,
        remove: request.remove,
        create_command,
        ..Options::default()
    })
}

fn publish(port: &Port) -> Result<Publish, String> {
    let address = port.address.as_deref().map(str::parse).transpose();
    Ok(Publish {
        address: address.map_err(|_| format!("{:?} is no IP address", port.address.as_deref().unwrap_or_default()))?,
        host: port.host,
        container: port.container,
        count: port.count,
        protocol: match port.protocol {
            Protocol::Tcp => EngineProtocol::Tcp,
            Protocol::Udp => EngineProtocol::Udp,
            Protocol::Sctp => EngineProtocol::Sctp,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{exposed, why_not_started};
    use crate::connection::{Protocol, Reason};

    #[test]
    fn a_port_that_an_image_listens_on_has_a_protocol() {
        assert_eq!(exposed("80"), Some((80, Protocol::Tcp)));
        assert_eq!(exposed("53/UDP"), Some((53, Protocol::Udp)));
        assert_eq!(exposed("3868/sctp"), Some((3868, Protocol::Sctp)));
        assert_eq!(exposed("80/dccp"), None);
        assert_eq!(exposed("many/tcp"), None);
    }

    #[test]
    fn a_port_that_could_not_be_opened_is_named() {
        let said = "setting up Pasta: pasta failed with exit code 1:\nFailed to bind port 81 (Permission denied) for option '-t 81-81:80-80'";
        assert_eq!(why_not_started(126, said), Reason::PortForbidden(81));
        let said = "Failed to bind port 18080 (Address already in use) for option '-t 18080-18080:80-80'";
        assert_eq!(why_not_started(126, said), Reason::PortInUse(18080));
        assert_eq!(why_not_started(127, "executable file not found"), Reason::NotStarted(127));
    }
}
