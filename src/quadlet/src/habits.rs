// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a unit says that systemd and Podman take without a word, and that is seldom what was meant: habits from compose files, shells
//! and services.
//!
//! Who writes units is told; the generator is silent, as Podman's is.

use crate::keys;
use crate::kind::Kind;
use crate::problem::{Fault, Problem};
use crate::source::Source;
use crate::unit::{Entry, Section};

/// The sections that systemd reads in a service.
const OF_SYSTEMD: [&str; 3] = ["Unit", "Service", "Install"];
/// Keys of a container that are none of systemd's.
const OF_CONTAINER: [&str; 12] = [
    "AutoUpdate",
    "ContainerName",
    "Exec",
    "Image",
    "Label",
    "Mount",
    "Network",
    "Pod",
    "PublishPort",
    "Secret",
    "UserNS",
    "Volume",
];
/// What systemd restarts on (systemd.service(5)).
const RESTARTS: [&str; 7] = ["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"];
/// What `haulout auto-update` does by.
const POLICIES: [&str; 5] = ["registry", "image", "local", "notify", "disabled"];
/// Targets that only the machine's manager has.
const OF_MACHINE: [&str; 4] = ["multi-user.target", "graphical.target", "network.target", "network-online.target"];

/// The habits that are seen in `source`, which is for a user's manager or for the machine's.
pub fn problems(source: &Source, user: bool) -> Vec<Problem> {
    source.unit.sections().iter().flat_map(|section| of_section(source.kind(), section, user)).collect()
}

fn of_section(kind: Kind, section: &Section, user: bool) -> Vec<Problem> {
    let name = section.name();
    if name == kind.section() {
        return section.entries().filter_map(of_own_entry).chain(of_updates(kind, section)).collect();
    }
    if OF_SYSTEMD.contains(&name) {
        let of_entries = section.entries().filter_map(|entry| of_systemds_entry(kind, name, entry));
        return of_entries.chain(of_start(section).filter(|_| user && name == "Install")).collect();
    }
    if name == keys::QUADLET || name.starts_with("X-") {
        return Vec::new();
    }
    let meant = [kind.section(), keys::QUADLET].into_iter().chain(OF_SYSTEMD);
    let near = meant.min_by_key(|known| keys::distance(&known.to_lowercase(), &name.to_lowercase()));
    let near = near.filter(|known| keys::distance(&known.to_lowercase(), &name.to_lowercase()) < 2);
    // What stands nowhere is the first line below it.
    let place = section.entries().next().and_then(Entry::place).cloned();
    vec![Problem { place, fault: Fault::NobodysSection { name: name.to_owned(), near } }]
}

fn of_own_entry(entry: &Entry) -> Option<Problem> {
    let at = |offset, fault| Some(Problem { place: entry.place_of(offset), fault });
    let value = entry.value.as_str();
    // A shell may well be told a comment.
    let is_command = entry.key == "Exec" || entry.key == "Entrypoint" || entry.key.ends_with("Cmd");
    if !is_command && let Some(offset) = value.find(" #").filter(|_| !value.contains(['"', '\''])) {
        return at(offset + 1, Fault::Comment);
    }
    let names_a_path =
        ["Volume", "EnvironmentFile", "Rootfs", "File", "Yaml", "AuthFile"].contains(&entry.key.as_ref());
    if names_a_path && value.starts_with("~/") {
        return at(0, Fault::Tilde);
    }
    None
}

/// A policy that updates nothing.
fn of_updates(kind: Kind, section: &Section) -> Option<Problem> {
    let said = section.last("AutoUpdate").filter(|_| kind == Kind::Container)?;
    let value = said.unquoted();
    if !POLICIES.contains(&value) {
        let fault = Fault::Policy { value: value.to_owned() };
        return Some(Problem { place: said.place_of(0), fault });
    }
    let is_fixed = section.last("Image").is_some_and(|image| image.value.contains('@'));
    (is_fixed && value != "disabled").then(|| Problem { place: said.place_of(0), fault: Fault::FixedImage })
}

/// A user's service that only the machine's targets would start. Both at once is how a unit is for either manager.
fn of_start(install: &Section) -> Option<Problem> {
    let wanted = ["WantedBy", "RequiredBy", "UpheldBy"].into_iter().flat_map(|key| install.words(key));
    let (machine, other): (Vec<_>, Vec<_>) = wanted.partition(|(_, word)| OF_MACHINE.contains(&word.text.as_str()));
    let (entry, word) = machine.first().filter(|_| other.is_empty())?;
    let fault = Fault::TargetOfMachine { target: word.text.clone() };
    Some(Problem { place: entry.place_of(word.offset), fault })
}

fn of_systemds_entry(kind: Kind, section: &str, entry: &Entry) -> Option<Problem> {
    let key = entry.key.as_ref();
    let fault = match (section, key) {
        ("Service", "Restart") if !RESTARTS.contains(&entry.value.as_str()) && !entry.value.is_empty() => {
            Fault::Restart { value: entry.value.clone() }
        }
        ("Service", "User" | "Group" | "DynamicUser") if kind == Kind::Container => {
            Fault::UserOfService { key: key.to_owned() }
        }
        _ if kind == Kind::Container && OF_CONTAINER.contains(&key) => {
            let (key, section) = (key.to_owned(), section.to_owned());
            return Some(Problem { place: entry.place().cloned(), fault: Fault::ElsewhereInTheUnit { key, section } });
        }
        _ => return None,
    };
    Some(Problem { place: entry.place_of(0), fault })
}
