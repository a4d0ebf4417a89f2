// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's `/etc/hosts` (hosts(5)).

use std::fmt::Write as _;
use std::net::IpAddr;

/// What goes into it.
#[derive(Clone, Debug, Default)]
pub struct Hosts<'a> {
    /// What it begins with: the host's own file.
    pub base: &'a str,
    /// `--add-host`: name (or several, with `;` between them) and address.
    pub added: &'a [(String, IpAddr)],
    /// What `host.containers.internal` is; nothing when it is not reachable.
    pub host: Option<IpAddr>,
    /// The container's own address and names.
    pub own: Option<(IpAddr, Vec<String>)>,
}

impl Hosts<'_> {
    /// The file's text. Of two lines for one name the first counts, so what was asked for stands first.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |address: &str, names: &[&str]| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{address}\t{}", names.join(" "));
        };
        for (names, address) in self.added {
            line(&address.to_string(), &names.split(';').collect::<Vec<_>>());
        }
        let mut base = Vec::new();
        for written in self.base.lines() {
            let written = written.split('#').next().unwrap_or_default();
            let mut words = written.split_ascii_whitespace();
            let Some(address) = words.next() else { continue };
            let names: Vec<&str> = words.collect();
            if !names.is_empty() {
                line(address, &names);
                base.extend(names);
            }
        }
        if let Some(host) = self.host {
            let names: Vec<&str> = ["host.containers.internal", "host.docker.internal"]
                .into_iter()
                .filter(|name| !self.added.iter().any(|(added, _)| added.split(';').any(|added| added == *name)))
                .collect();
            if !names.is_empty() {
                line(&host.to_string(), &names);
            }
        }
        if let Some((address, names)) = &self.own {
            line(&address.to_string(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if !base.contains(&"localhost")
            && !self.added.iter().any(|(names, _)| names.split(';').any(|name| name == "localhost"))
        {
            line("127.0.0.1", &["localhost"]);
            line("::1", &["localhost"]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_podmans_has_in_its_order() {
        let hosts = Hosts {
            base: "# mine\n127.0.0.1 localhost\n::1   localhost # six\n\n10.77.0.2 desk desk.lan\n",
            added: &[("foo".into(), "1.2.3.4".parse().unwrap())],
            host: Some("169.254.1.2".parse().unwrap()),
            own: Some(("10.77.0.2".parse().unwrap(), vec!["4066ff4cea16".into(), "loving_seal".into()])),
        };
        let expected = "1.2.3.4\tfoo\n127.0.0.1\tlocalhost\n::1\tlocalhost\n10.77.0.2\tdesk desk.lan\n\
            169.254.1.2\thost.containers.internal host.docker.internal\n10.77.0.2\t4066ff4cea16 loving_seal\n";
        assert_eq!(hosts.text(), expected);
    }

    #[test]
    fn localhost_is_known_even_where_the_host_does_not_say_so() {
        assert_eq!(Hosts::default().text(), "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
    }

    #[test]
    fn a_host_name_that_was_given_another_address_has_only_that() {
        let hosts = Hosts {
            base: "127.0.0.1 localhost",
            added: &[("host.docker.internal".into(), "1.2.3.4".parse().unwrap())],
            host: Some("169.254.1.2".parse().unwrap()),
            own: None,
        };
        assert_eq!(
            hosts.text(),
            "1.2.3.4\thost.docker.internal\n127.0.0.1\tlocalhost\n169.254.1.2\thost.containers.internal\n"
        );
    }
}
