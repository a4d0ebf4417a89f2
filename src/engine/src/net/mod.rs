// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's network: the arguments of pasta and slirp4netns, published ports, `/etc/hosts` and `/etc/resolv.conf`.

pub mod hosts;
pub mod pasta;
pub mod ports;
pub mod resolv;
pub mod slirp;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// The name server that a container behind pasta asks: pasta sends it on to the host's.
pub const DNS_FORWARD: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The address under which a container behind pasta reaches the host.
pub const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 2);

/// The host's address towards the rest of the world, which a container behind pasta has as well. Nothing is sent: connecting a UDP
/// socket only chooses a route.
pub fn outward_address() -> Option<IpAddr> {
    // Documentation addresses (RFC 5737, RFC 3849): routed like any other, and nobody's.
    let v4 = (SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from(([192, 0, 2, 1], 9)));
    let v6 = (SocketAddr::from(([0_u16; 8], 0)), SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1_u16], 9)));
    [v4, v6].into_iter().find_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified() && !address.is_loopback())
    })
}

/// The host's name.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
