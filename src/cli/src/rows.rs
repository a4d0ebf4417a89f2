// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The words of a container's or an image's row: its state, its ports, its command.

use std::fmt::Write as _;

use haulout_engine::container::options::{Network, Protocol, Publish, Restart};
use haulout_engine::container::{Record, Status, Summary};

use crate::time;

/// One word for what a container is doing.
pub fn state(status: &Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Initialized(_) => "initialized",
        Status::Running(_) => "running",
        Status::Paused(_) => "paused",
        Status::Exited(_) => "exited",
    }
}

/// What it is doing and since when, and how it is: `Up 2 hours (healthy)`, `Exited (0) 3 minutes ago`.
pub fn status(summary: &Summary) -> String {
    match summary.health {
        Some(health) => format!("{} ({})", doing(summary), health.as_str()),
        None => doing(summary),
    }
}

fn doing(summary: &Summary) -> String {
    match &summary.status {
        Status::Created => "Created".to_owned(),
        Status::Initialized(_) => "Initialized".to_owned(),
        Status::Paused(_) => "Paused".to_owned(),
        Status::Running(_) => {
            let started = summary.started.unwrap_or_default();
            format!("Up {}", time::human(time::now() - started * time::SECOND))
        }
        Status::Exited(exit) => {
            let (seconds, nanoseconds) = exit.finished;
            let ago = time::ago(seconds * time::SECOND + i64::from(nanoseconds));
            format!("Exited ({}) {ago}", exit.status.unwrap_or(-1))
        }
    }
}

/// The published ports, ranges together: `0.0.0.0:8080->80/tcp, 0.0.0.0:9000-9002->90-92/udp`.
pub fn ports(published: &[Publish]) -> String {
    let shown = sorted(published).into_iter().map(|port| {
        let last = port.count.saturating_sub(1);
        let range = |first: u16| match last {
            0 => first.to_string(),
            _ => format!("{first}-{}", first.saturating_add(last)),
        };
        let address = port.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
        let address = if address.contains(':') { format!("[{address}]") } else { address };
        format!("{address}:{}->{}/{}", range(port.host.unwrap_or(0)), range(port.container), port.protocol.name())
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// The published ports, and after them those that are exposed and not published: `5-7/tcp`.
pub fn all_ports(record: &Record) -> String {
    let published = |port: u16, protocol: Protocol| {
        record.ports.iter().any(|other| {
            other.protocol == protocol
                && (other.container..=other.container.saturating_add(other.count - 1)).contains(&port)
        })
    };
    let mut ranges: Vec<(u16, u16, Protocol)> = Vec::new();
    let mut rest: Vec<_> =
        record.exposed.iter().copied().filter(|&(port, protocol)| !published(port, protocol)).collect();
    rest.sort_by_key(|&(port, protocol)| (protocol.name(), port));
    for (port, protocol) in rest {
        match ranges.last_mut() {
            Some((_, last, of)) if *of == protocol && last.checked_add(1) == Some(port) => *last = port,
            _ => ranges.push((port, port, protocol)),
        }
    }
    let shown = ranges.into_iter().map(|(first, last, protocol)| {
        let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
        format!("{range}/{}", protocol.name())
    });
    let published = Some(ports(&record.ports)).filter(|text| !text.is_empty());
    published.into_iter().chain(shown).collect::<Vec<_>>().join(", ")
}

/// The published ports in the order of podman's lists.
pub fn sorted(published: &[Publish]) -> Vec<&Publish> {
    let mut sorted: Vec<&Publish> = published.iter().collect();
    sorted.sort_by_key(|port| (port.protocol as u8, port.address.map(|address| address.to_string()), port.host));
    sorted
}

/// A command in a column: at most 20 letters unless it is to be `whole`.
pub fn command(words: &[String], whole: bool) -> String {
    let text = words.join(" ");
    if whole || text.chars().count() <= 20 {
        return text;
    }
    let mut short: String = text.chars().take(17).collect();
    let _ = write!(short, "...");
    short
}

/// The network's mode as podman names it.
pub fn network(network: &Network) -> String {
    match network {
        Network::Default | Network::Pasta(_) => "pasta".to_owned(),
        Network::Slirp(_) => "slirp4netns".to_owned(),
        Network::None => "none".to_owned(),
        Network::Host => "host".to_owned(),
        Network::Container(id) => format!("container:{id}"),
        Network::Path(path) => format!("ns:{}", path.display()),
    }
}

/// A restart policy's name, and how often it is tried.
pub fn restart(policy: Restart) -> (&'static str, u32) {
    match policy {
        Restart::No => ("no", 0),
        Restart::OnFailure(tries) => ("on-failure", tries.unwrap_or(0)),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    }
}

/// `registry/repository` and `tag` of an image's name (`<none>` when it has none).
pub fn repository_and_tag(name: &str) -> (&str, &str) {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "<none>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_sorted_and_ranges_stay_together() {
        let tcp = Publish { address: None, host: Some(8080), container: 80, count: 1, protocol: Protocol::Tcp };
        let udp = Publish { host: Some(9000), container: 90, count: 3, protocol: Protocol::Udp, ..tcp.clone() };
        let local = Publish { address: Some("::1".parse().unwrap()), host: Some(1), ..tcp.clone() };
        assert_eq!(ports(&[udp, tcp, local]), "0.0.0.0:8080->80/tcp, [::1]:1->80/tcp, 0.0.0.0:9000-9002->90-92/udp");
    }

    #[test]
    fn a_long_command_is_cut() {
        let words = ["sh", "-c", "echo a;  echo \"b c\""].map(str::to_owned);
        assert_eq!(command(&words, false), "sh -c echo a;  ec...");
        assert_eq!(command(&words, true), "sh -c echo a;  echo \"b c\"");
    }

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(repository_and_tag("localhost:5000/a:x"), ("localhost:5000/a", "x"));
        assert_eq!(repository_and_tag("localhost:5000/a"), ("localhost:5000/a", "<none>"));
    }
}
