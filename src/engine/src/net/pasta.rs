// SPDX-License-Identifier: Apache-2.0 OR MIT
//! pasta's arguments: as pasta(1) has them, and as Podman passes them.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use super::{DNS_FORWARD, HOST_ADDRESS};
use crate::container::options::{Protocol, Publish};

/// What the installed pasta can do that not every pasta can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// `--map-guest-addr`: an address of its own for the host (2024-08 and later).
    pub map_guest_addr: bool,
}

/// Asks `program` what it can do. The answer is kept in `cache` as long as the program stays the same: asking starts it.
pub fn abilities(program: &Path, cache: &Path) -> io::Result<Abilities> {
    use std::os::unix::fs::MetadataExt as _;

    let found = fs::metadata(program)?;
    let key = format!("{} {} {} {}", program.display(), found.ino(), found.size(), found.mtime());
    let known = fs::read_to_string(cache).unwrap_or_default();
    // One that a full disk cut short is no answer.
    if let Some(answer @ ("map-guest-addr" | "-")) = known.strip_prefix(&key).map(str::trim) {
        return Ok(Abilities { map_guest_addr: answer == "map-guest-addr" });
    }
    let output = Command::new(program).arg("--help").stdin(Stdio::null()).output()?;
    let told = [output.stdout, output.stderr].concat();
    let abilities = Abilities { map_guest_addr: String::from_utf8_lossy(&told).contains("--map-guest-addr") };
    let answer = if abilities.map_guest_addr { "map-guest-addr" } else { "-" };
    // Not being able to keep it costs a millisecond the next time.
    let _ = fs::write(cache, format!("{key} {answer}"));
    Ok(abilities)
}

/// A network of pasta's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasta {
    /// The program's arguments, without namespace, pid file and foreground.
    pub arguments: Vec<String>,
    /// Where the container finds the host; nothing when it does not.
    pub host: Option<IpAddr>,
    /// The container's address, when it is not the host's own.
    pub own: Option<IpAddr>,
    /// Where questions for names are passed on to the host's first server.
    pub name_servers: Vec<IpAddr>,
}

impl Pasta {
    /// `configured` (containers.conf) and `asked` (`--network pasta:…`) come before the defaults, which stand back where they say
    /// otherwise.
    pub fn new(ports: &[Publish], configured: &[String], asked: &[String], abilities: Abilities) -> Self {
        let said = Said([configured, asked].concat());
        let mut arguments = vec!["--config-net".to_owned()];
        arguments.extend(said.0.iter().filter(|option| *option != "--map-gw").cloned());
        for port in ports {
            arguments.push(if port.protocol == Protocol::Tcp { "-t" } else { "-u" }.to_owned());
            arguments.push(forwarding(port));
        }
        let mut name_servers = said.addresses(&["--dns-forward"]);
        if !said.has(&["--dns-forward"]) {
            arguments.extend(["--dns-forward".to_owned(), DNS_FORWARD.to_string()]);
            name_servers.push(DNS_FORWARD.into());
        }
        // Of IPv6 it may be of no use: the container need not have an address of it.
        name_servers.retain(IpAddr::is_ipv4);
        let published = |protocol| ports.iter().any(|port| port.protocol == protocol);
        for (names, published) in [
            (["-t", "--tcp-ports"], published(Protocol::Tcp)),
            (["-u", "--udp-ports"], published(Protocol::Udp)),
            (["-T", "--tcp-ns"], false),
            (["-U", "--udp-ns"], false),
        ] {
            if !published && !said.has(&names) {
                arguments.extend([names[0].to_owned(), "none".to_owned()]);
            }
        }
        if !said.has(&["--map-gw", "--no-map-gw"]) {
            arguments.push("--no-map-gw".to_owned());
        }
        arguments.push("--quiet".to_owned());
        let mut host = said.addresses(&["--map-guest-addr"]).first().copied();
        if abilities.map_guest_addr && !said.has(&["--map-guest-addr"]) {
            arguments.extend(["--map-guest-addr".to_owned(), HOST_ADDRESS.to_string()]);
            host = Some(HOST_ADDRESS.into());
        }
        let own = said.addresses(&["-a", "--address"]).into_iter().find(IpAddr::is_ipv4);
        Self { arguments, host, own, name_servers }
    }
}

/// Options of pasta's as somebody wrote them: `-a`, `10.0.0.5`; `--address=10.0.0.5`; `-a10.0.0.5`.
struct Said(Vec<String>);

impl Said {
    fn has(&self, names: &[&str]) -> bool {
        self.0.iter().any(|option| {
            let name = option.split_once('=').map_or(option.as_str(), |(name, _)| name);
            names.contains(&name)
        })
    }

    /// The addresses that an option of one of these names has.
    fn addresses(&self, names: &[&str]) -> Vec<IpAddr> {
        let next = self.0.iter().skip(1).map(Some).chain([None]);
        let values = self.0.iter().zip(next).filter_map(|(option, next)| {
            names.iter().find_map(|name| {
                let rest = option.strip_prefix(name)?;
                let is_short = !name.starts_with("--");
                match rest.strip_prefix('=') {
                    _ if rest.is_empty() => next.map(String::as_str),
                    Some(value) if !is_short => Some(value),
                    _ if is_short => Some(rest),
                    _ => None,
                }
            })
        });
        values.filter_map(|value| value.split('/').next()?.parse().ok()).collect()
    }
}

/// `[ADDRESS/]FIRST-LAST:FIRST-LAST`, the host's ports before the container's.
fn forwarding(port: &Publish) -> String {
    let last = |first: u16| first.saturating_add(port.count.saturating_sub(1));
    let host = port.host.unwrap_or(port.container);
    let address = port.address.map(|address| format!("{address}/")).unwrap_or_default();
    format!("{address}{host}-{}:{}-{}", last(host), port.container, last(port.container))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Abilities = Abilities { map_guest_addr: true };

    fn arguments(ports: &[Publish], configured: &[String], asked: &[String], abilities: Abilities) -> Vec<String> {
        Pasta::new(ports, configured, asked, abilities).arguments
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn port(address: Option<&str>, host: u16, container: u16, count: u16, protocol: Protocol) -> Publish {
        let address = address.map(|address| address.parse().unwrap());
        Publish { address, host: Some(host), container, count, protocol }
    }

    #[test]
    fn without_options_they_are_what_podman_passes() {
        let none = "--config-net --dns-forward 169.254.1.1 -t none -u none -T none -U none --no-map-gw --quiet --map-guest-addr 169.254.1.2";
        assert_eq!(arguments(&[], &[], &[], NEW), words(none));
        let one = "--config-net -t 8080-8080:80-80 --dns-forward 169.254.1.1 -u none -T none -U none --no-map-gw --quiet --map-guest-addr 169.254.1.2";
        assert_eq!(arguments(&[port(None, 8080, 80, 1, Protocol::Tcp)], &[], &[], NEW), words(one));
    }

    #[test]
    fn ranges_addresses_and_udp_are_forwarded() {
        let ports = [port(Some("127.0.0.1"), 9000, 90, 3, Protocol::Tcp), port(Some("::1"), 53, 53, 1, Protocol::Udp)];
        let got = arguments(&ports, &[], &[], Abilities { map_guest_addr: false });
        let expected = "--config-net -t 127.0.0.1/9000-9002:90-92 -u ::1/53-53:53-53 --dns-forward 169.254.1.1 -T none -U none --no-map-gw --quiet";
        assert_eq!(got, words(expected));
    }

    #[test]
    fn what_is_asked_for_stands_and_the_default_stands_back() {
        let got = arguments(&[], &words("--mtu 1400"), &words("-T auto --map-gw --dns-forward=10.0.0.1"), NEW);
        let expected = "--config-net --mtu 1400 -T auto --dns-forward=10.0.0.1 -t none -u none -U none --quiet --map-guest-addr 169.254.1.2";
        assert_eq!(got, words(expected));
    }

    #[test]
    fn names_and_addresses_are_where_the_options_say() {
        let found = |text: &str| {
            let pasta = Pasta::new(&[], &[], &words(text), NEW);
            let text = |addresses: Vec<IpAddr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            [text(pasta.name_servers), text(pasta.host.into_iter().collect()), text(pasta.own.into_iter().collect())]
        };
        assert_eq!(found(""), ["169.254.1.1", "169.254.1.2", ""]);
        assert_eq!(found("--dns-forward 10.1.1.1 -a 10.9.9.9"), ["10.1.1.1", "169.254.1.2", "10.9.9.9"]);
        assert_eq!(found("--dns-forward=10.1.1.1 -a10.9.9.9/24"), ["10.1.1.1", "169.254.1.2", "10.9.9.9"]);
        assert_eq!(found("--dns-forward fd00::1 --address=fd00::2"), ["", "169.254.1.2", ""]);
        assert_eq!(found("--map-guest-addr 10.5.5.5"), ["169.254.1.1", "10.5.5.5", ""]);
        assert_eq!(found("--map-guest-addr none --map-gw"), ["169.254.1.1", "", ""]);
        assert_eq!(found("-a"), ["169.254.1.1", "169.254.1.2", ""]);
    }

    #[test]
    fn a_program_is_asked_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (program, cache) = (folder.path().join("pasta"), folder.path().join("cache"));
        fs::write(
            &program,
            format!("#!/bin/sh\necho x >>{}\necho '  --map-guest-addr ADDR'", folder.path().join("asked").display()),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for _ in 0..3 {
            assert_eq!(abilities(&program, &cache).unwrap(), NEW);
        }
        let asked = || fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked(), "x\n");
        let whole = fs::read(&cache).unwrap();
        fs::write(&cache, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(abilities(&program, &cache).unwrap(), NEW);
        assert_eq!(asked(), "x\nx\n");
    }
}
