// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether `haulout run` takes what a container's unit says: the generator passes on any value, and the service fails with it later.

use anyhow::{Context as _, Result, bail};
use clap::FromArgMatches as _;
use haulout_engine::container::Options;
use haulout_engine::container::options::Network;
use haulout_quadlet::{Entry, Kind, Outcome, Place, Service, Settings, Source, Unit, generate};

use crate::commands::{self, VERBS, run};
use crate::flags;

/// Something that keeps the container from starting.
pub struct Refusal {
    /// Where it is said, when one key says it.
    pub place: Option<Place>,
    /// What is wrong with it, in the words of `run`.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

const LATER: &str = "the service is made all the same, and fails when it is started";

/// What of a container's unit `haulout run` refuses as things are.
pub fn refusals(outcome: &Outcome<'_>, settings: &Settings) -> Vec<Refusal> {
    let source = outcome.source;
    let Some(service) = outcome.service.as_ref().filter(|_| source.kind() == Kind::Container) else {
        return Vec::new();
    };
    let whole = match options(service) {
        Ok(options) => return privileged_ports(source, &options, settings).into_iter().collect(),
        Err(error) => error,
    };
    let entries =
        || source.unit.section(Kind::Container.section()).into_iter().flat_map(haulout_quadlet::Section::entries);
    let alone: Vec<Refusal> = entries().filter_map(|entry| refusal(source, entry, settings)).collect();
    // What systemd puts in is not known here: there the whole may be right.
    if !alone.is_empty() || entries().any(is_filled_in) {
        return alone;
    }
    vec![Refusal { place: None, message: refused(&whole), hint: LATER }]
}

fn refused(error: &anyhow::Error) -> String {
    format!("haulout run refuses it: {error:#}")
}

/// Whether systemd puts something into its value.
fn is_filled_in(entry: &Entry) -> bool {
    entry.value.contains(['%', '$'])
}

/// What is wrong with one key by itself.
fn refusal(source: &Source, entry: &Entry, settings: &Settings) -> Option<Refusal> {
    if is_filled_in(entry) || matches!(entry.key.as_ref(), "Image" | "Rootfs" | "Exec") {
        return None;
    }
    let mut unit = Unit::default();
    let image = Entry::new("Image", "localhost/image:latest");
    // How health is checked is read only where it is.
    let check = Entry::new("HealthCmd", "true");
    let check = Some(check).filter(|_| entry.key.starts_with("Health") && entry.key != "HealthCmd");
    unit.section_mut(Kind::Container.section()).prepend([image].into_iter().chain(check).chain([entry.clone()]));
    let alone = [Source { unit, problems: Vec::new(), ..source.clone() }];
    // What needs other keys or units has no service by itself.
    let error = options(generate(&alone, settings).first()?.service.as_ref()?).err()?;
    Some(Refusal { place: entry.place_of(0), message: refused(&error), hint: LATER })
}

/// The options of the container that a service runs.
fn options(service: &Service) -> Result<Options> {
    let line = service.unit.last("Service", "ExecStart").context("the service has no ExecStart=")?;
    let argv: Vec<String> = line.words().into_iter().map(|word| filled_in(&word.text)).collect();
    let Some(at) = argv.iter().position(|word| word == "run") else { bail!("the service runs nothing") };
    let verb = VERBS.iter().find(|verb| verb.names.contains(&"run")).context("there is no run")?;
    let words = &argv[at + 1..];
    let path = "haulout run";
    let matches = commands::command(verb)
        .try_get_matches_from(std::iter::once(path.to_owned()).chain(words.iter().cloned()))
        .map_err(|error| {
            anyhow::anyhow!(flags::words(&error, path, words).lines().next().unwrap_or_default().to_owned())
        })?;
    run::Args::from_arg_matches(&matches)?.options(&argv)
}

/// A word with something for each of systemd's specifiers (systemd.unit(5)).
fn filled_in(word: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let mut letters = after.chars();
        text.push_str(match letters.next() {
            Some('%') | None => "%",
            Some('h' | 't' | 'E' | 'S' | 'C' | 'T' | 'V') => "/tmp",
            Some('U' | 'G') => "0",
            Some(_) => "x",
        });
        rest = letters.as_str();
    }
    text + rest
}

/// A port of the machine that only root may take.
fn privileged_ports(source: &Source, options: &Options, settings: &Settings) -> Option<Refusal> {
    if !settings.user || !matches!(options.network, Network::Default | Network::Pasta(_) | Network::Slirp(_)) {
        return None;
    }
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    let first: u16 = first.trim().parse().ok()?;
    let port = options.publish.iter().filter_map(|port| port.host).find(|port| *port < first)?;
    let section = source.unit.section(Kind::Container.section())?;
    let said = section
        .all("PublishPort")
        .into_iter()
        .find(|entry| entry.value.split([':', '-']).any(|part| part.parse() == Ok(port)));
    Some(Refusal {
        place: said.and_then(|entry| entry.place_of(0)),
        message: format!("only root may take port {port} of this machine: here others begin at {first}"),
        hint: "take a higher one, or as root: sysctl -w net.ipv4.ip_unprivileged_port_start=PORT, and a file in /etc/sysctl.d for the next boot",
    })
}

#[cfg(test)]
mod tests {
    use super::filled_in;

    #[test]
    fn specifiers_stand_for_something() {
        assert_eq!(filled_in("--cidfile=%t/%N.cid"), "--cidfile=/tmp/x.cid");
        assert_eq!(filled_in("100%% of %h/a%"), "100% of /tmp/a%");
        assert_eq!(filled_in("plain"), "plain");
    }
}
