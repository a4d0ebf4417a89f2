// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `NetworkSettings`, and ports.

use std::collections::BTreeMap;
use std::path::Path;

use haulout_engine::container::options::{Network, Publish};

use super::View;
use crate::format::{Data, Struct};
use crate::rows;

impl View<'_> {
    pub(super) fn network(&self, bundle: &Path, running: bool) -> Data {
        let name = rows::network(&self.options.network);
        // One that pasta or slirp4netns has connected is none of the networks that could be listed.
        let networks = if (running && ["pasta", "slirp4netns"].contains(&name.as_str())) || name.contains(':') {
            Data::Map(None)
        } else {
            BTreeMap::from([(name.clone(), Data::from(membership(&name)))]).into()
        };
        let sandbox = running && !matches!(self.options.network, Network::Host);
        endpoint("*define.InspectNetworkSettings")
            .with("Bridge", "")
            .with("SandboxID", "")
            .with("HairpinMode", false)
            .with("LinkLocalIPv6Address", "")
            .with("LinkLocalIPv6PrefixLen", 0)
            .with("Ports", self.ports())
            .with("SandboxKey", if sandbox { bundle.join("netns").display().to_string() } else { String::new() })
            .with_omitted("Networks", "Networks", networks)
            .into()
    }
}

impl View<'_> {
    /// The published ports, and those that are exposed to nobody.
    fn ports(&self) -> Data {
        let record = &self.details.summary.record;
        let mut ports: BTreeMap<String, Data> = BTreeMap::new();
        if !matches!(record.options.network, Network::Host) {
            let exposed = record.exposed.iter().map(|(port, protocol)| format!("{port}/{}", protocol.name()));
            ports.extend(exposed.map(|port| (port, Data::List(None))));
        }
        ports.extend(each_binding(&record.ports).into_iter().map(|(port, bindings)| (port, bindings.into())));
        ports.into()
    }
}

/// What begins with an end of a network's, of which nothing is known.
fn endpoint(kind: &'static str) -> Struct {
    Struct::of(kind)
        .with("EndpointID", "")
        .with("Gateway", "")
        .with("IPAddress", "")
        .with("IPPrefixLen", 0)
        .with("IPv6Gateway", "")
        .with("GlobalIPv6Address", "")
        .with("GlobalIPv6PrefixLen", 0)
        .with("MacAddress", "")
}

/// A network that a container is in, of which there is nothing to say but its name.
fn membership(name: &str) -> Struct {
    endpoint("*define.InspectAdditionalNetwork")
        .with("NetworkID", name.to_owned())
        .with("DriverOpts", Data::Map(None))
        .with("IPAMConfig", Data::Map(None))
        .with("Links", Data::List(None))
}

/// Every published port by itself: `80/tcp`, and where it is on the host.
pub(super) fn each_port(ports: &[Publish]) -> impl Iterator<Item = (String, (String, u16))> {
    ports.iter().flat_map(|port| {
        let address = port.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
        (0..port.count).map(move |offset| {
            let host = port.host.unwrap_or(0).saturating_add(offset);
            let inside = format!("{}/{}", port.container.saturating_add(offset), port.protocol.name());
            (inside, (address.clone(), host))
        })
    })
}

/// Where each published port is on the host.
pub(super) fn bindings(ports: &[Publish]) -> Data {
    each_binding(ports).into()
}

fn each_binding(ports: &[Publish]) -> BTreeMap<String, Vec<Data>> {
    let mut bindings: BTreeMap<String, Vec<Data>> = BTreeMap::new();
    for (inside, (address, host)) in each_port(ports) {
        let binding = Struct::of("define.InspectHostPort")
            .with_as("HostIP", "HostIp", address)
            .with("HostPort", host.to_string());
        bindings.entry(inside).or_default().push(binding.into());
    }
    bindings
}
