// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a value of a list is put together from, each of which has a field of its own.

use super::Flaw;

/// What a value is put together from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Nothing: it is one.
    Whole,
    /// The host's address and port, the container's port, the protocol: `[[ADDRESS:]PORT:]PORT[/PROTOCOL]`.
    Port,
    /// What is mounted, where, `ro` or nothing, and the other options: `[SOURCE:]PATH[:OPTIONS]`.
    Mount,
    /// A name and a value: `NAME=VALUE`.
    Pair,
}

impl Parts {
    /// How many there are.
    pub const fn count(self) -> usize {
        match self {
            Self::Whole => 1,
            Self::Pair => 2,
            Self::Port => 3,
            Self::Mount => 4,
        }
    }

    /// The parts of a value; those that it lacks are empty.
    pub fn split(self, value: &str) -> Vec<String> {
        let parts: Vec<&str> = match self {
            Self::Whole => vec![value],
            Self::Pair => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                vec![name, value]
            }
            Self::Port => {
                let (ports, protocol) = value.rsplit_once('/').unwrap_or((value, ""));
                let (host, container) = ports.rsplit_once(':').unwrap_or(("", ports));
                vec![host, container, protocol]
            }
            Self::Mount => {
                let (source, rest) = value.split_once(':').unwrap_or(("", value));
                let (path, options) = rest.split_once(':').unwrap_or((rest, ""));
                let (read_only, others): (Vec<&str>, Vec<&str>) =
                    options.split(',').filter(|option| !option.is_empty()).partition(|option| *option == "ro");
                let others = others.join(",");
                return [source, path, read_only.first().unwrap_or(&""), &others].map(str::to_owned).to_vec();
            }
        };
        parts.into_iter().map(str::to_owned).collect()
    }

    /// The value that is put together from `parts`; nothing when all that count are empty.
    pub fn join(self, parts: &[String]) -> String {
        let part = |index: usize| parts.get(index).map_or("", |part| part.trim());
        match self {
            Self::Whole => part(0).to_owned(),
            Self::Pair if part(0).is_empty() && part(1).is_empty() => String::new(),
            // A value may begin or end with white space.
            Self::Pair => format!("{}={}", part(0), parts.get(1).map_or("", String::as_str)),
            Self::Port => {
                let host = if part(0).is_empty() { String::new() } else { format!("{}:", part(0)) };
                let protocol = if part(2).is_empty() || host.is_empty() && part(1).is_empty() {
                    String::new()
                } else {
                    format!("/{}", part(2))
                };
                format!("{host}{}{protocol}", part(1))
            }
            Self::Mount => {
                let options: Vec<&str> = [part(2), part(3)].into_iter().filter(|option| !option.is_empty()).collect();
                let source = if part(0).is_empty() { String::new() } else { format!("{}:", part(0)) };
                let options = if options.is_empty() || source.is_empty() {
                    String::new()
                } else {
                    format!(":{}", options.join(","))
                };
                format!("{source}{}{options}", part(1))
            }
        }
    }

    /// What is wrong with a value.
    pub(super) fn flaw(self, value: &str) -> Option<Flaw> {
        let parts = self.split(value);
        match self {
            Self::Whole => None,
            Self::Pair => (parts[0].is_empty() || parts[0].contains(char::is_whitespace)).then_some(Flaw::Name),
            Self::Port => {
                // Of an address, only the port can be told.
                let host = parts[0].rsplit_once(':').map_or(parts[0].as_str(), |(_, port)| port);
                let host_is_right = host.is_empty() || is_port(host) || host.parse::<std::net::Ipv4Addr>().is_ok();
                (!host_is_right || !is_port(&parts[1])).then_some(Flaw::Port)
            }
            Self::Mount => (!parts[1].starts_with('/')).then_some(Flaw::Path),
        }
    }
}

/// A port or a range of them.
fn is_port(text: &str) -> bool {
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
    match text.split_once('-') {
        Some((first, last)) => number(first).zip(number(last)).is_some_and(|(first, last)| first <= last),
        None => number(text).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::Parts;

    #[test]
    fn a_value_is_what_its_parts_make() {
        for (parts, value, expected) in [
            (Parts::Port, "80", &["", "80", ""][..]),
            (Parts::Port, "8080:80/udp", &["8080", "80", "udp"]),
            (Parts::Port, "127.0.0.1::80", &["127.0.0.1:", "80", ""]),
            (Parts::Port, "[::1]:8000-8010:80-90", &["[::1]:8000-8010", "80-90", ""]),
            (Parts::Mount, "/data", &["", "/data", "", ""]),
            (Parts::Mount, "web.volume:/data:ro,Z", &["web.volume", "/data", "ro", "Z"]),
            (Parts::Pair, "A=b=c", &["A", "b=c"]),
            (Parts::Whole, "x y", &["x y"]),
        ] {
            let split = parts.split(value);
            assert_eq!(
                (split.as_slice(), split.len()),
                (expected.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>().as_slice(), parts.count())
            );
            assert_eq!(parts.join(&split), value);
        }
    }

    #[test]
    fn what_nobody_filled_in_is_no_value() {
        for parts in [Parts::Whole, Parts::Port, Parts::Mount, Parts::Pair] {
            assert_eq!(parts.join(&vec![String::new(); parts.count()]), "", "{parts:?}");
        }
        assert_eq!(Parts::Port.join(&["", "", "udp"].map(str::to_owned)), "");
    }

    #[test]
    fn a_wrong_port_path_or_name_is_found() {
        for (parts, wrong) in [
            (Parts::Port, &["0", "x", "80:", "65536", "90-80", "x:80"][..]),
            (Parts::Mount, &["data", "a:b"]),
            (Parts::Pair, &["=x", "a b=c"]),
        ] {
            assert!(wrong.iter().all(|value| parts.flaw(value).is_some()), "{parts:?}");
        }
        for (parts, right) in [
            (Parts::Port, &["80", "127.0.0.1::80", "127.0.0.1:80:80", "[::1]:80:80/tcp", "80-90:80-90"][..]),
            (Parts::Mount, &["/a", "a:/b", "/a:/b:ro"]),
            (Parts::Pair, &["A=", "A"]),
        ] {
            assert!(right.iter().all(|value| parts.flaw(value).is_none()), "{parts:?}");
        }
    }
}
