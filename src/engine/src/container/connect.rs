// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a container is connected: the program that joins its network to the host's, and the files that say who is where in it.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use haulout_monitor::config as monitor;
use haulout_monitor::process::is_root_of_machine;

use super::options::{Network, Protocol, Publish};
use super::{ContainerId, Record};
use crate::config::containers::Settings;
use crate::engine::{Engine, Error};
use crate::net;
use crate::net::hosts::Hosts;
use crate::net::pasta::{self, Pasta};
use crate::net::resolv::Resolv;
use crate::net::slirp::Slirp;
use crate::paths::Paths;
use crate::runtime;

/// A container's network.
pub(super) struct Connection {
    /// As the monitor makes it.
    pub network: monitor::Network,
    /// Where the container finds the host.
    host: Option<IpAddr>,
    /// Where it is itself.
    own: Option<IpAddr>,
    /// The name servers that it asks before the host's.
    name_servers: Vec<IpAddr>,
}

impl Connection {
    /// Decides it; asks the programs what they can do. Blocks.
    pub fn new(engine: &Engine, settings: &Settings, record: &Record) -> Result<Self, Error> {
        let by_runtime = |host, own| Self { network: monitor::Network::Runtime, host, own, name_servers: Vec::new() };
        let localhost = Some(IpAddr::from([127, 0, 0, 1]));
        match &record.options.network {
            Network::Host => Ok(by_runtime(localhost, None)),
            Network::None | Network::Container(_) | Network::Path(_) => {
                Ok(by_runtime(net::outward_address(), localhost))
            }
            Network::Default => Self::pasta(engine, settings, record, &[]),
            Network::Pasta(asked) => Self::pasta(engine, settings, record, asked),
            Network::Slirp(asked) => Self::slirp(settings, record, asked),
        }
    }

    fn pasta(engine: &Engine, settings: &Settings, record: &Record, asked: &[String]) -> Result<Self, Error> {
        if record.ports.iter().any(|port| port.protocol == Protocol::Sctp) {
            return Err(Error::Start { status: 126, message: "can't forward protocol: sctp".to_owned() });
        }
        let program = runtime::pasta(settings)?;
        let abilities = pasta::abilities(&program, &engine.paths().runtime.join("pasta"))
            .map_err(|source| Error::Io { doing: format!("asking {} what it can do", program.display()), source })?;
        let mut command = vec![program.display().to_string()];
        if is_root_of_machine() {
            // As nobody, which it becomes otherwise, it may not enter a network namespace that is root's.
            command.extend(["--runas".to_owned(), "0:0".to_owned()]);
        }
        let pasta = Pasta::new(&record.ports, settings.network.pasta_options.items(), asked, abilities);
        command.extend(pasta.arguments);
        Ok(Self {
            network: monitor::Network::Pasta { command },
            host: pasta.host,
            own: pasta.own.or_else(net::outward_address),
            name_servers: pasta.name_servers,
        })
    }

    fn slirp(settings: &Settings, record: &Record, asked: &[String]) -> Result<Self, Error> {
        if record.ports.iter().any(|port| port.protocol == Protocol::Sctp) {
            return Err(Error::Start { status: 126, message: "can't forward protocol: sctp".to_owned() });
        }
        let program = runtime::slirp4netns(settings)?;
        let slirp = Slirp::new(settings.engine.network_cmd_options.items(), asked)
            .map_err(|error| Error::Start { status: 126, message: error.to_string() })?;
        let mut command = vec![program.display().to_string()];
        command.extend(slirp.arguments);
        Ok(Self {
            network: monitor::Network::Slirp {
                command,
                guest: slirp.guest,
                forwards: record.ports.iter().flat_map(forwards).collect(),
            },
            host: net::outward_address(),
            own: Some(slirp.guest.into()),
            name_servers: vec![slirp.name_server.into()],
        })
    }

    /// `hosts`, `resolv.conf`, `hostname` and `containerenv` in the bundle.
    pub fn write_files(
        &self,
        paths: &Paths,
        settings: &Settings,
        record: &Record,
        hostname: &str,
        layers: &[PathBuf],
    ) -> io::Result<()> {
        let bundle = paths.bundle(&record.id);
        let (options, configured) = (&record.options, &settings.containers);
        let names = &options.names;
        if !names.no_hostname {
            fs::write(bundle.join("hostname"), format!("{hostname}\n"))?;
        }
        fs::write(bundle.join("containerenv"), if options.privileged { containerenv(record) } else { String::new() })?;
        if let Network::Container(other) = &options.network
            && let Ok(other) = other.parse::<ContainerId>()
        {
            return copy_names(paths, record, &other, hostname);
        }
        if !names.no_hosts {
            fs::write(bundle.join("hosts"), self.hosts(settings, record, hostname, layers)?)?;
        }
        if options.network != Network::None && !names.dns.iter().any(|server| server == "none") {
            let host = Resolv::of_host()?;
            let resolv = match options.network {
                Network::Host | Network::Path(_) => host,
                _ => host.for_own_network(&self.name_servers),
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

    fn hosts(&self, settings: &Settings, record: &Record, hostname: &str, layers: &[PathBuf]) -> io::Result<String> {
        let options = &record.options;
        let configured = settings.containers.host_containers_internal_ip.as_deref().and_then(|text| text.parse().ok());
        let unnamed = settings.containers.host_containers_internal_ip.as_deref() == Some("none");
        let host = configured.or(self.host.filter(|_| !unnamed));
        let gateway = host.unwrap_or(IpAddr::from([127, 0, 0, 1]));
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
            Some(path) if !path.is_empty() => fs::read_to_string(path).map_err(|error| {
                io::Error::new(error.kind(), format!("failed to create new hosts file: open {path}: {error}"))
            })?,
            _ => fs::read_to_string("/etc/hosts").unwrap_or_default(),
        };
        let names = vec![hostname.to_owned(), record.name.to_string()];
        Ok(Hosts { base: &base, added: &added, host, own: self.own.map(|address| (address, names)) }.text())
    }
}

/// Each port by itself, as slirp4netns takes them.
fn forwards(port: &Publish) -> impl Iterator<Item = monitor::Forward> {
    let (protocol, address) = (port.protocol, port.address);
    let (host, container) = (port.host.unwrap_or(port.container), port.container);
    (0..port.count).map(move |offset| monitor::Forward {
        udp: protocol == Protocol::Udp,
        address: address.unwrap_or(IpAddr::from([0, 0, 0, 0])),
        host: host.saturating_add(offset),
        container: container.saturating_add(offset),
    })
}

/// Who shares another container's network has its names, and its own beside them.
fn copy_names(paths: &Paths, record: &Record, other: &ContainerId, hostname: &str) -> io::Result<()> {
    let (bundle, from) = (paths.bundle(&record.id), paths.bundle(other));
    if let Ok(resolv) = fs::read(from.join("resolv.conf")) {
        fs::write(bundle.join("resolv.conf"), resolv)?;
    }
    if !record.options.names.no_hosts {
        let hosts = fs::read_to_string(from.join("hosts")).unwrap_or_default();
        fs::write(bundle.join("hosts"), format!("{hosts}127.0.0.1\t{hostname} {}\n", record.name))?;
    }
    Ok(())
}

/// What a privileged container may know of itself, as Podman has it.
fn containerenv(record: &Record) -> String {
    format!(
        "engine=\"haulout-{}\"\nname={:?}\nid=\"{}\"\nimage={:?}\nimageid=\"{}\"\nrootless={}\n",
        env!("CARGO_PKG_VERSION"),
        record.name.as_str(),
        record.id,
        record.image_name,
        record.image_id(),
        u8::from(!is_root_of_machine())
    )
}
