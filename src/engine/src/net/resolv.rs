// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's `/etc/resolv.conf` (resolv.conf(5)).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::{fs, io};

/// Name servers, search domains, options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolv {
    /// Addresses; of link-local ones with `%interface`.
    pub servers: Vec<String>,
    /// `search`.
    pub search: Vec<String>,
    /// `options`.
    pub options: Vec<String>,
}

impl Resolv {
    /// The host's. Where it asks only systemd-resolved's stub, which is on the loopback, the servers behind that.
    pub fn of_host() -> io::Result<Self> {
        let read = |path: &str| match fs::read_to_string(Path::new(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        };
        let host = Self::parse(&read("/etc/resolv.conf")?);
        if host.servers == ["127.0.0.53"] {
            let behind = Self::parse(&read("/run/systemd/resolve/resolv.conf")?);
            if !behind.servers.is_empty() {
                return Ok(behind);
            }
        }
        Ok(host)
    }

    fn parse(text: &str) -> Self {
        let mut resolv = Self::default();
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => resolv.servers.extend(words.next().map(str::to_owned)),
                // The last one counts.
                Some("search" | "domain") => resolv.search = words.map(str::to_owned).collect(),
                Some("options") => resolv.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        resolv
    }

    /// For a network namespace of its own: without the servers that only the host reaches, `first` (pasta's or slirp4netns's) before the rest.
    #[must_use]
    pub fn for_own_network(mut self, first: &[IpAddr]) -> Self {
        self.servers.retain(|server| {
            let (address, zone) =
                server.split_once('%').map_or((server.as_str(), None), |(address, zone)| (address, Some(zone)));
            zone.is_none() && address.parse().is_ok_and(|address: IpAddr| !address.is_loopback())
        });
        self.servers.splice(..0, first.iter().map(IpAddr::to_string));
        self
    }

    /// With what containers.conf sets instead.
    #[must_use]
    pub fn with(mut self, servers: &[String], search: &[String], options: &[String]) -> Self {
        let replace = |ours: &mut Vec<String>, theirs: &[String]| {
            if !theirs.is_empty() {
                *ours = theirs.to_vec();
            }
        };
        replace(&mut self.servers, servers);
        replace(&mut self.search, search);
        replace(&mut self.options, options);
        // `--dns-search .` means none.
        self.search.retain(|domain| domain != ".");
        self
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if !self.search.is_empty() {
            let _ = writeln!(text, "search {}", self.search.join(" "));
        }
        for server in &self.servers {
            let _ = writeln!(text, "nameserver {server}");
        }
        if !self.options.is_empty() {
            let _ = writeln!(text, "options {}", self.options.join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_behind_pasta_asks_pasta_first_and_no_loopback() {
        let host = "# by hand\nnameserver 127.0.0.1\nnameserver 10.77.0.2 ; ours\nnameserver fe80::1%eth0\nnameserver ::1\n\
            domain old\nsearch lan example.org\noptions edns0 trust-ad\n";
        let resolv = Resolv::parse(host).for_own_network(&[IpAddr::from([169, 254, 1, 1])]);
        let expected = "search lan example.org\nnameserver 169.254.1.1\nnameserver 10.77.0.2\noptions edns0 trust-ad\n";
        assert_eq!(resolv.text(), expected);
    }

    #[test]
    fn settings_replace_what_the_host_has() {
        let host = Resolv::parse("nameserver 10.0.0.1\nsearch lan\noptions edns0");
        let set = host.with(&["9.9.9.9".into()], &[".".into()], &[]);
        assert_eq!(set.text(), "nameserver 9.9.9.9\noptions edns0\n");
    }
}
