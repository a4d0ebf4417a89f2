// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Free ports on the host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::container::options::{Protocol, Publish};

/// How often the kernel is asked for a port with enough free ones after it.
const TRIES: usize = 64;

/// Gives every port that has none on the host one that is free now. What another process takes before the container starts is
/// told by pasta then. What is said twice is published once: units and their drop-ins repeat each other.
pub fn choose(ports: &[Publish]) -> io::Result<Vec<Publish>> {
    let mut chosen: Vec<Publish> = Vec::with_capacity(ports.len());
    for port in ports {
        match port.host {
            None => chosen.push(Publish { host: Some(free(port, &chosen)?), ..port.clone() }),
            Some(host) => {
                let missing = missing(port, host, &chosen);
                chosen.extend(missing);
            }
        }
    }
    Ok(chosen)
}

/// What of `port`, which begins at `host`, is not published yet just so; in one piece if nothing of it is.
fn missing(port: &Publish, host: u16, published: &[Publish]) -> Vec<Publish> {
    let mut pieces: Vec<Publish> = Vec::new();
    for index in 0..port.count {
        let one = Publish {
            host: Some(host.saturating_add(index)),
            container: port.container.saturating_add(index),
            count: 1,
            ..port.clone()
        };
        if published.iter().any(|other| covers(other, &one)) {
            continue;
        }
        match pieces.last_mut() {
            Some(piece) if piece.container.checked_add(piece.count) == Some(one.container) => piece.count += 1,
            _ => pieces.push(one),
        }
    }
    pieces
}

/// Whether `one` port is among those of `other`, and leads to the same port of the container.
fn covers(other: &Publish, one: &Publish) -> bool {
    let from = |first: Option<u16>, number: Option<u16>| number?.checked_sub(first?);
    let index = from(other.host, one.host);
    (other.address, other.protocol) == (one.address, one.protocol)
        && index.is_some_and(|index| index < other.count)
        && index == from(Some(other.container), Some(one.container))
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
    fn what_is_said_twice_is_published_once() {
        let port =
            |host, container, count, protocol| Publish { address: None, host: Some(host), container, count, protocol };
        let tcp = |host, container, count| port(host, container, count, Protocol::Tcp);
        for (wanted, published) in [
            (vec![tcp(80, 8080, 1), tcp(80, 8080, 1)], vec![tcp(80, 8080, 1)]),
            (vec![tcp(80, 8080, 3), tcp(81, 8081, 1)], vec![tcp(80, 8080, 3)]),
            (vec![tcp(81, 8081, 1), tcp(80, 8080, 3)], vec![tcp(81, 8081, 1), tcp(80, 8080, 1), tcp(82, 8082, 1)]),
            (vec![tcp(80, 8080, 2), tcp(81, 8081, 2)], vec![tcp(80, 8080, 2), tcp(82, 8082, 1)]),
        ] {
            assert_eq!(choose(&wanted).unwrap(), published, "{wanted:?}");
        }
        // Of these each is something of its own.
        let local = Publish { address: Some(IpAddr::from([127, 0, 0, 1])), ..tcp(80, 8080, 1) };
        let wanted = [tcp(80, 8080, 1), port(80, 8080, 1, Protocol::Udp), tcp(80, 8081, 1), tcp(82, 8080, 1), local];
        assert_eq!(choose(&wanted).unwrap(), wanted);
    }

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
