// SPDX-License-Identifier: Apache-2.0 OR MIT
//! slirp4netns's arguments: as slirp4netns(1) has them, and as Podman passes them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The network that a container has when nothing else is said.
const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 0);

/// So much a packet may be when nothing else is said: what is sent on to sockets gains by large ones.
const MTU: u32 = 65520;

/// The smallest packet that every machine has to take (RFC 791).
const LEAST_MTU: u32 = 68;

/// Where the interface is in its network, and the name server (slirp4netns(1)).
const GUEST: u32 = 100;
const NAME_SERVER: u32 = 3;

/// An option that is none; in Podman's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlirpError {
    /// No such word.
    #[error("unknown option for slirp4netns: {0:?}")]
    Option(String),
    /// A truth that is none.
    #[error("invalid value of {0} for slirp4netns: {1:?}")]
    Truth(&'static str, String),
    /// Who is to forward ports.
    #[error("unknown port_handler for slirp4netns: {0:?}")]
    Handler(String),
    /// A packet's size.
    #[error("invalid mtu {0:?}")]
    Mtu(String),
    /// A network of IPv4.
    #[error("invalid cidr {0:?}")]
    Cidr(String),
    /// An address or an interface of the host's.
    #[error("invalid outbound_addr {0:?}")]
    Outbound(String),
    /// The same of IPv6.
    #[error("invalid outbound_addr6: {0:?}")]
    Outbound6(String),
}

/// A network of slirp4netns's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slirp {
    /// The program's arguments, without the namespace.
    pub arguments: Vec<String>,
    /// The container's address.
    pub guest: Ipv4Addr,
    /// Where questions for names are answered.
    pub name_server: Ipv4Addr,
}

impl Slirp {
    /// Reads options: of those for one thing the last counts, so `configured` (`network_cmd_options` of containers.conf) come first.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new(configured: &[String], asked: &[String]) -> Result<Self, SlirpError> {
        let (mut loopback, mut ipv6, mut mtu, mut network) = (false, true, MTU, None);
        let (mut outbound, mut outbound6) = (None, None);
        for option in configured.iter().chain(asked) {
            let (key, value) = option.split_once('=').ok_or_else(|| SlirpError::Option(option.clone()))?;
            match key {
                "port_handler" if ["slirp4netns", "rootlesskit"].contains(&value) => {}
                "port_handler" => return Err(SlirpError::Handler(value.to_owned())),
                "allow_host_loopback" => loopback = truth("allow_host_loopback", value)?,
                "enable_ipv6" => ipv6 = truth("enable_ipv6", value)?,
                "mtu" => {
                    let read = value.parse().ok().filter(|mtu| *mtu >= LEAST_MTU);
                    mtu = read.ok_or_else(|| SlirpError::Mtu(value.to_owned()))?;
                }
                "cidr" => network = Some((cidr(value).ok_or_else(|| SlirpError::Cidr(value.to_owned()))?, value)),
                "outbound_addr" => {
                    let found = is_source(value, IpAddr::is_ipv4);
                    outbound = Some(found.then_some(value).ok_or_else(|| SlirpError::Outbound(value.to_owned()))?);
                }
                "outbound_addr6" => {
                    let found = is_source(value, IpAddr::is_ipv6);
                    outbound6 = Some(found.then_some(value).ok_or_else(|| SlirpError::Outbound6(value.to_owned()))?);
                }
                _ => return Err(SlirpError::Option(option.clone())),
            }
        }
        let mut arguments = vec![format!("--mtu={mtu}"), "--enable-sandbox".to_owned(), "--enable-seccomp".to_owned()];
        arguments.extend((!loopback).then(|| "--disable-host-loopback".to_owned()));
        arguments.extend(ipv6.then(|| "--enable-ipv6".to_owned()));
        let named =
            [("cidr", network.map(|(_, text)| text)), ("outbound-addr", outbound), ("outbound-addr6", outbound6)];
        arguments.extend(named.iter().filter_map(|(name, value)| Some(format!("--{name}={}", (*value)?))));
        arguments.push("--configure".to_owned());
        let network = network.map_or(NETWORK, |(network, _)| network);
        let at = |number| Ipv4Addr::from(u32::from(network).saturating_add(number));
        Ok(Self { arguments, guest: at(GUEST), name_server: at(NAME_SERVER) })
    }
}

fn truth(key: &'static str, value: &str) -> Result<bool, SlirpError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SlirpError::Truth(key, value.to_owned())),
    }
}

/// The first address of a network: `10.3.0.0/24`.
fn cidr(text: &str) -> Option<Ipv4Addr> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
    Some(Ipv4Addr::from(u32::from(address) & mask))
}

/// Whether what a container sends can come from there: an address of that kind, or an interface.
fn is_source(text: &str, kind: fn(&IpAddr) -> bool) -> bool {
    match text.parse::<IpAddr>() {
        Ok(address) => kind(&address),
        Err(_) => !text.is_empty() && !text.contains('/') && Path::new("/sys/class/net").join(text).exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Slirp, String> {
        let words: Vec<String> = text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Slirp::new(&[], &words).map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_they_are_what_podman_passes() {
        let slirp = read("").unwrap();
        let expected =
            "--mtu=65520 --enable-sandbox --enable-seccomp --disable-host-loopback --enable-ipv6 --configure";
        assert_eq!(slirp.arguments.join(" "), expected);
        assert_eq!((slirp.guest, slirp.name_server), ([10, 0, 2, 100].into(), [10, 0, 2, 3].into()));
    }

    #[test]
    fn what_is_asked_for_is_passed_on_and_counts_more_than_what_is_configured() {
        let words =
            ["mtu=1400", "cidr=10.3.0.7/24", "enable_ipv6=false", "allow_host_loopback=true"].map(str::to_owned);
        let slirp = Slirp::new(&["mtu=1300".to_owned(), "port_handler=slirp4netns".to_owned()], &words).unwrap();
        assert_eq!(
            slirp.arguments.join(" "),
            "--mtu=1400 --enable-sandbox --enable-seccomp --cidr=10.3.0.7/24 --configure"
        );
        assert_eq!((slirp.guest, slirp.name_server), ([10, 3, 0, 100].into(), [10, 3, 0, 3].into()));
        let from = read("outbound_addr=127.0.0.1,outbound_addr6=::1").unwrap().arguments;
        assert!(
            from.contains(&"--outbound-addr=127.0.0.1".to_owned()) && from.contains(&"--outbound-addr6=::1".to_owned())
        );
    }

    #[test]
    fn what_is_no_option_is_refused_in_podmans_words() {
        for (text, message) in [
            ("foo", "unknown option for slirp4netns: \"foo\""),
            ("foo=bar", "unknown option for slirp4netns: \"foo=bar\""),
            ("mtu=x", "invalid mtu \"x\""),
            ("mtu=10", "invalid mtu \"10\""),
            ("cidr=10.3.0.0", "invalid cidr \"10.3.0.0\""),
            ("cidr=10.0.2.0/33", "invalid cidr \"10.0.2.0/33\""),
            ("cidr=fd00::/64", "invalid cidr \"fd00::/64\""),
            ("enable_ipv6=x", "invalid value of enable_ipv6 for slirp4netns: \"x\""),
            ("port_handler=foo", "unknown port_handler for slirp4netns: \"foo\""),
            ("outbound_addr=x", "invalid outbound_addr \"x\""),
            ("outbound_addr=::1", "invalid outbound_addr \"::1\""),
            ("outbound_addr6=x", "invalid outbound_addr6: \"x\""),
        ] {
            assert_eq!(read(text).unwrap_err(), message, "{text}");
        }
    }
}
