// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a registry is. Names are looked up as the machine says (`/etc/nsswitch.conf`), by `getent`: a statically linked program
//! cannot load the modules for that itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Stdio;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::process::Command;

/// The machine's way.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = look_up(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Whether a registry (`host[:port]`) is on this machine.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split_once(':').map_or(registry, |(host, _)| host),
    };
    is_localhost(host) || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

async fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    if is_localhost(host) {
        return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
    }
    let output = Command::new("getent")
        .args(["ahosts", "--", host])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let addresses = match output {
        Ok(output) => addresses(&String::from_utf8_lossy(&output.stdout)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()
        }
        Err(error) => return Err(error),
    };
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("lookup {host}: no such host")));
    }
    Ok(addresses)
}

/// One address a line, each several times, once a socket type.
fn addresses(output: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in output.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getent_s_lines_are_addresses_in_their_order() {
        let output = "2001:db8::1     STREAM reg.io\n2001:db8::1     DGRAM\n192.0.2.1       STREAM\nnonsense\n\n";
        let expected: Vec<IpAddr> = vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        assert_eq!(addresses(output), expected);
    }

    #[test]
    fn loopback_is_known_by_every_name() {
        for yes in ["localhost", "localhost:5000", "127.0.0.1:1", "127.1.2.3", "[::1]:5000", "a.localhost:1"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["reg.io", "10.0.0.1:5000", "[fe80::1]", "localhost.reg.io"] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_an_option_or_a_host_is_not_found() {
        assert!(look_up("--help").await.is_err());
    }
}
