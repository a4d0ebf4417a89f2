// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `-p [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, either port a range.

use std::net::IpAddr;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{Protocol, Publish};

/// Reads one published port.
pub fn parse(text: &str) -> Result<Publish> {
    let (ports, protocol) = match text.split_once('/') {
        Some((_, rest)) if rest.contains('/') => bail!("invalid port format - protocol can only be specified once"),
        Some((_, "")) => bail!("must provide a non-empty protocol to publish"),
        Some((ports, protocol)) => (ports, protocol),
        None => (text, "tcp"),
    };
    let (address, host, container) = split(ports)?;
    if container.is_empty() {
        bail!("must provide a non-empty container port to publish");
    }
    let address = match address {
        Some("") => bail!("must provide a non-empty container host IP to publish"),
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| anyhow!("cannot parse {text:?} as an IP address"))?),
        None => None,
    };
    let (container, count) = range(container).map_err(|error| anyhow!("parsing container port: {error}"))?;
    let host = match host {
        None | Some("") => None,
        Some(text) => Some(range(text).map_err(|error| anyhow!("parsing host port: {error}"))?),
    };
    if let Some((_, host_count)) = host
        && host_count != count
    {
        bail!("host and container port ranges have different lengths: {host_count} vs {count}");
    }
    let protocol = Protocol::named(&protocol.to_ascii_lowercase())
        .ok_or_else(|| anyhow!("unrecognized protocol {protocol:?} in port mapping"))?;
    Ok(Publish { address, host: host.map(|(first, _)| first), container, count, protocol })
}

/// Address, host port and container port, as text.
fn split(text: &str) -> Result<(Option<&str>, Option<&str>, &str)> {
    let format = "invalid port format - format is [[hostIP:]hostPort:]containerPort";
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(|| anyhow!(format))?;
        let rest = rest
            .strip_prefix(':')
            .ok_or_else(|| anyhow!("invalid port format - IPv6 address must be followed by a colon (':')"))?;
        return match rest.split(':').collect::<Vec<_>>()[..] {
            [container] => Ok((Some(address), None, container)),
            [host, container] => Ok((Some(address), Some(host), container)),
            _ => bail!(format),
        };
    }
    match text.split(':').collect::<Vec<_>>()[..] {
        [container] => Ok((None, None, container)),
        [host, container] => Ok((None, Some(host), container)),
        [address, host, container] => Ok((Some(address), Some(host), container)),
        _ => bail!(format),
    }
}

/// The first port and how many there are.
fn range(text: &str) -> Result<(u16, u16)> {
    let Some((first, last)) = text.split_once('-') else { return Ok((port(text)?, 1)) };
    if last.is_empty() {
        bail!("must provide ending number for port range");
    }
    let (first, last) = (port(first)?, port(last)?);
    match last.checked_sub(first).and_then(|more| more.checked_add(1)) {
        Some(count) => Ok((first, count)),
        None => {
            bail!("the end port of a range must be higher than the start port - {last} is not higher than {first}")
        }
    }
}

fn port(text: &str) -> Result<u16> {
    let number: i64 =
        text.parse().map_err(|_| anyhow!("invalid port number: strconv.Atoi: parsing {text:?}: invalid syntax"))?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => bail!("port numbers must be between 1 and 65535 (inclusive), got {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(address: Option<&str>, host: Option<u16>, container: u16, count: u16, protocol: Protocol) -> Publish {
        Publish { address: address.map(|text| text.parse().unwrap()), host, container, count, protocol }
    }

    #[test]
    fn a_port_is_published_with_or_without_host_port_address_and_protocol() {
        for (text, expected) in [
            ("80", publish(None, None, 80, 1, Protocol::Tcp)),
            (":80", publish(None, None, 80, 1, Protocol::Tcp)),
            ("8080:80", publish(None, Some(8080), 80, 1, Protocol::Tcp)),
            ("8080:80/UDP", publish(None, Some(8080), 80, 1, Protocol::Udp)),
            ("80:80/sctp", publish(None, Some(80), 80, 1, Protocol::Sctp)),
            ("127.0.0.1::80", publish(Some("127.0.0.1"), None, 80, 1, Protocol::Tcp)),
            ("[::1]:8080:80", publish(Some("::1"), Some(8080), 80, 1, Protocol::Tcp)),
            ("9000-9002:90-92/udp", publish(None, Some(9000), 90, 3, Protocol::Udp)),
            ("80-82", publish(None, None, 80, 3, Protocol::Tcp)),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_refused_in_podmans_words() {
        for (text, message) in [
            ("foo", "parsing container port: invalid port number: strconv.Atoi: parsing \"foo\": invalid syntax"),
            ("a:80", "parsing host port: invalid port number: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("99999", "parsing container port: port numbers must be between 1 and 65535 (inclusive), got 99999"),
            ("0:80", "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 0"),
            (
                "82-80:80",
                "parsing host port: the end port of a range must be higher than the start port - 80 is not higher than 82",
            ),
            ("80-", "parsing container port: must provide ending number for port range"),
            ("8080-8090:80-82", "host and container port ranges have different lengths: 11 vs 3"),
            (":", "must provide a non-empty container port to publish"),
            ("::80", "must provide a non-empty container host IP to publish"),
            ("1:2:3:4", "invalid port format - format is [[hostIP:]hostPort:]containerPort"),
            ("[::1:80:80", "invalid port format - format is [[hostIP:]hostPort:]containerPort"),
            ("[::1]", "invalid port format - IPv6 address must be followed by a colon (':')"),
            ("300.1.1.1:80:80", "cannot parse \"300.1.1.1\" as an IP address"),
            ("80:80/foo", "unrecognized protocol \"foo\" in port mapping"),
            ("80:80/", "must provide a non-empty protocol to publish"),
            ("80/tcp/udp", "invalid port format - protocol can only be specified once"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn whatever_is_written_it_is_one_or_refused() {
        haulout_fuzz::feed_text("publish", |text| {
            let _ = parse(text);
        });
    }
}
