// SPDX-License-Identifier: Apache-2.0 OR MIT
//! pasta's arguments: as pasta(1) has them, and as Podman passes them.

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
    if let Ok(known) = fs::read_to_string(cache)
        && let Some(answer) = known.strip_prefix(&key)
    {
        return Ok(Abilities { map_guest_addr: answer.trim() == "map-guest-addr" });
    }
    let output = Command::new(program).arg("--help").stdin(Stdio::null()).output()?;
    let told = [output.stdout, output.stderr].concat();
    let abilities = Abilities { map_guest_addr: String::from_utf8_lossy(&told).contains("--map-guest-addr") };
    let answer = if abilities.map_guest_addr { "map-guest-addr" } else { "-" };
    // Not being able to keep it costs a millisecond the next time.
    let _ = fs::write(cache, format!("{key} {answer}"));
    Ok(abilities)
}

/// pasta's arguments, without program, namespace, pid file and foreground. `configured` (containers.conf) and `asked` (`--network
/// pasta:…`) come before the defaults, which stand back where they say otherwise.
pub fn arguments(ports: &[Publish], configured: &[String], asked: &[String], abilities: Abilities) -> Vec<String> {
    let mut arguments = vec!["--config-net".to_owned()];
    arguments.extend(configured.iter().chain(asked).filter(|option| *option != "--map-gw").cloned());
    let said = |names: &[&str]| {
        configured.iter().chain(asked).any(|option| {
            let name = option.split_once('=').map_or(option.as_str(), |(name, _)| name);
            names.contains(&name)
        })
    };
    for port in ports {
        arguments.push(if port.protocol == Protocol::Tcp { "-t" } else { "-u" }.to_owned());
        arguments.push(forwarding(port));
    }
    if !said(&["--dns-forward"]) {
        arguments.extend(["--dns-forward".to_owned(), DNS_FORWARD.to_string()]);
    }
    let published = |protocol| ports.iter().any(|port| port.protocol == protocol);
    let nothing = |flag: &str| [flag.to_owned(), "none".to_owned()];
    if !published(Protocol::Tcp) && !said(&["-t", "--tcp-ports"]) {
        arguments.extend(nothing("-t"));
    }
    if !published(Protocol::Udp) && !said(&["-u", "--udp-ports"]) {
        arguments.extend(nothing("-u"));
    }
    if !said(&["-T", "--tcp-ns"]) {
        arguments.extend(nothing("-T"));
    }
    if !said(&["-U", "--udp-ns"]) {
        arguments.extend(nothing("-U"));
    }
    if !said(&["--map-gw", "--no-map-gw"]) {
        arguments.push("--no-map-gw".to_owned());
    }
    arguments.push("--quiet".to_owned());
    if abilities.map_guest_addr && !said(&["--map-guest-addr"]) {
        arguments.extend(["--map-guest-addr".to_owned(), HOST_ADDRESS.to_string()]);
    }
    arguments
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
        assert_eq!(fs::read_to_string(folder.path().join("asked")).unwrap(), "x\n");
    }
}
