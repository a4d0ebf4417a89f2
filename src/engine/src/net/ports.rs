// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Free ports on the host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::container::options::{Protocol, Publish};

/// How often the kernel is asked for a port with enough free ones after it.
const TRIES: usize = 64;

/// Gives every port that has none on the host one that is free now. What another process takes before the container starts is
/// told by pasta then.
pub fn choose(ports: &[Publish]) -> io::Result<Vec<Publish>> {
    let mut chosen: Vec<Publish> = Vec::with_capacity(ports.len());
    for port in ports {
        let mut port = port.clone();
        if port.host.is_none() {
            port.host = Some(free(&port, &chosen)?);
        }
        chosen.push(port);
    }
    Ok(chosen)
}

fn free(port: &Publish, taken: &[Publish]) -> io::Result<u16> {
    for _ in 0..TRIES {
        let first = bind(port, 0)?;
        let Some(last) = first.checked_add(port.count.saturating_sub(1)) else { continue };
        let collides = taken.iter().any(|other| {
            let other_first = other.host.unwrap_or(0);
            let other_last = other_first.saturating_add(other.count.saturating_sub(1));
            other.protocol == port.protocol && first <= other_last && other_first <= last
        });
        if !collides && (first.saturating_add(1)..=last).all(|number| bind(port, number).is_ok()) {
            return Ok(first);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no {} free ports in a row were found", port.count)))
}

/// Takes port `number` (any when 0), says which it was, and gives it back.
fn bind(port: &Publish, number: u16) -> io::Result<u16> {
    let address = SocketAddr::new(port.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), number);
    let bound = match port.protocol {
        // Of SCTP the standard library knows nothing, and nobody else uses it: any number is free.
        Protocol::Tcp | Protocol::Sctp => TcpListener::bind(address)?.local_addr()?,
        Protocol::Udp => UdpSocket::bind(address)?.local_addr()?,
    };
    Ok(bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_were_chosen_are_free_and_do_not_overlap() {
        let port = |host, count, protocol| Publish {
            address: Some(IpAddr::from([127, 0, 0, 1])),
            host,
            container: 80,
            count,
            protocol,
        };
        let wanted = [
            port(None, 1, Protocol::Tcp),
            port(None, 3, Protocol::Tcp),
            port(Some(81), 1, Protocol::Tcp),
            port(None, 2, Protocol::Udp),
        ];
        let chosen = choose(&wanted).unwrap();
        assert_eq!(chosen[2].host, Some(81));
        for chosen in [&chosen[0], &chosen[1], &chosen[3]] {
            for number in 0..chosen.count {
                assert!(bind(chosen, chosen.host.unwrap() + number).is_ok());
            }
        }
        let (one, three) = (chosen[0].host.unwrap(), chosen[1].host.unwrap());
        assert!(one < three || one > three + 2);
    }
}
