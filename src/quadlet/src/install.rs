// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[Install]`: the links that have systemd start a service. `systemctl enable` cannot make them for generated units, so
//! whoever writes the service does (systemd.unit(5), "[Install] section options").

use std::path::PathBuf;

use crate::edit;
use crate::problem::{Fault, Problem};
use crate::service::Service;
use crate::source::Source;
use crate::unit::{Unit, words};

/// The keys that make a service part of another unit's start, and the end of the folder's name.
const FOLDERS: [(&str, &str); 3] = [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")];

/// A link to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Below the folder that the service is in.
    pub path: PathBuf,
    /// What it leads to, from where it is.
    pub target: PathBuf,
}

/// The links that the unit's `[Install]` asks for.
pub fn links(source: &Source, service: &Service) -> Vec<Link> {
    let Some(install) = source.unit.section("Install") else { return Vec::new() };
    let file = format!("{}.service", service.name);
    let names = |key| install.words(key).into_iter().map(|(_, word)| word.text);
    let mut paths: Vec<String> = names("Alias").filter_map(|alias| below(&alias)).collect();
    if let Some(started) = started(source, service) {
        for (key, end) in FOLDERS {
            let units = names(key).filter(|unit| !unit.contains('/'));
            paths.extend(units.filter_map(|unit| below(&format!("{unit}.{end}/{started}"))));
        }
    }
    paths
        .into_iter()
        .map(|path| {
            let up = "../".repeat(path.matches('/').count());
            Link { target: (up + &file).into(), path: path.into() }
        })
        .collect()
}

/// What a user's manager starts when it begins to run: at login, or at boot if it lingers.
pub(crate) const BEGINNING: &str = "default.target";

/// Whether the unit starts by itself.
pub fn starts_by_itself(source: &Source) -> bool {
    starts_of(&source.unit).is_some()
}

/// The line that says that a unit starts by itself, if one does.
pub(crate) fn starts_of(unit: &Unit) -> Option<usize> {
    let install = unit.section("Install")?;
    let mut words = FOLDERS.iter().flat_map(|(key, _)| install.words(key));
    let (entry, _) = words.find(|(_, word)| word.text == BEGINNING)?;
    Some(entry.place().map_or(1, |place| place.line))
}

/// Whether a key says what starts the unit.
pub(crate) fn starts(key: &str) -> bool {
    FOLDERS.iter().any(|(known, _)| *known == key)
}

/// A unit's `text`, changed so that it starts by itself, or does not.
pub fn with_start(text: &str, on: bool) -> String {
    let mut text = text.to_owned();
    let mut there = false;
    for (key, _) in FOLDERS {
        let values = edit::values(&text, "Install", key);
        there |= values.iter().any(|value| words::split(value).words.iter().any(|word| word.text == BEGINNING));
        if !on && there {
            let rest = values.iter().map(|value| {
                let words = words::split(value).words.into_iter().filter(|word| word.text != BEGINNING);
                words.map(|word| words::quote(&word.text)).collect::<Vec<_>>().join(" ")
            });
            let rest: Vec<String> = rest.filter(|value| !value.is_empty()).collect();
            text = edit::set(&text, "Install", key, &rest.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    if on && !there {
        let (key, _) = FOLDERS[0];
        let mut values = edit::values(&text, "Install", key);
        values.push(BEGINNING.to_owned());
        text = edit::set(&text, "Install", key, &values.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

/// A template that asks to be started, without saying as which instance.
pub fn problem(source: &Source) -> Option<Problem> {
    let install = source.unit.section("Install")?;
    let entry = FOLDERS.iter().find_map(|(key, _)| install.last(key))?;
    let lacking = source.name.is_template() && install.last("DefaultInstance").is_none();
    lacking.then(|| Problem { place: entry.place().cloned(), fault: Fault::NoDefaultInstance })
}

/// The name under which the service is started: of a template, that of its default instance.
fn started(source: &Source, service: &Service) -> Option<String> {
    if !source.name.is_template() {
        return Some(format!("{}.service", service.name));
    }
    let instance = source.unit.last("Install", "DefaultInstance")?.unquoted();
    let base = service.name.strip_suffix('@')?;
    let name = format!("{base}@{instance}.service");
    (!instance.contains('/')).then_some(name)
}

/// A path that stays below the folder of the services, without what means nothing in it.
fn below(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return None;
        }
        if !plain.is_empty() {
            plain.push('/');
        }
        plain.push_str(part);
    }
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::{below, with_start};

    #[test]
    fn a_link_stays_below_the_folder_of_the_services() {
        assert_eq!(below("./a.target.wants//./b.service").as_deref(), Some("a.target.wants/b.service"));
        for outside in ["/b.service", "../b.service", "a/../b.service", ".", "", "/"] {
            assert_eq!(below(outside), None, "{outside}");
        }
    }

    #[test]
    fn a_unit_is_made_to_start_by_itself_and_not_to_and_says_the_rest_as_before() {
        let plain = "[Container]\nImage=a\n";
        let starting = "[Container]\nImage=a\n\n[Install]\nWantedBy=default.target\n";
        assert_eq!(with_start(plain, true), starting);
        assert_eq!(with_start(starting, true), starting);
        assert_eq!(with_start(starting, false), "[Container]\nImage=a\n\n[Install]\n");
        let two = "[Install]\n# mine\nWantedBy=default.target timers.target\n";
        assert_eq!(with_start(two, false), "[Install]\n# mine\nWantedBy=timers.target\n");
        assert_eq!(
            with_start("[Install]\nWantedBy=a.target\n", true),
            "[Install]\nWantedBy=a.target\nWantedBy=default.target\n"
        );
    }
}
