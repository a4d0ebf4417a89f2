// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A unit as people wrote it, and what it makes: a service, and a resource that other units can name.

use std::path::PathBuf;

use crate::keys::{self, QUADLET};
use crate::kind::{Kind, UnitName};
use crate::problem::{Fault, Problem};
use crate::unit::Unit;
use crate::unit::words;

/// A unit with its drop-ins.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its file; for one of a bundle, the bundle's.
    pub path: PathBuf,
    /// The folder that relative paths in it begin at: the file's, wherever links to that lead, so that `..` is what is above it.
    pub folder: PathBuf,
    /// Its name.
    pub name: UnitName,
    /// What it and its drop-ins say.
    pub unit: Unit,
    /// What was wrong in reading it.
    pub problems: Vec<Problem>,
}

impl Source {
    /// What it describes.
    pub fn kind(&self) -> Kind {
        self.name.kind()
    }

    /// The last value of a key of its own section, without quotes around it.
    pub fn value(&self, key: &str) -> Option<&str> {
        Some(self.unit.last(self.kind().section(), key)?.unquoted())
    }

    /// The name of its service, without `.service`.
    pub fn service(&self) -> String {
        match self.value("ServiceName") {
            Some(name) => name.to_owned(),
            None => format!("{}{}", self.name.stem(), self.kind().service_suffix()),
        }
    }

    /// What its service makes is called: the container, volume, network, pod, or the image that it pulls or builds. For units
    /// of which nobody can name anything, or that lack the key that says it, the empty string.
    pub fn resource(&self) -> String {
        let said = |key| self.value(key).map(str::to_owned);
        let by_name = || format!("systemd-{}", self.name.stem());
        match self.kind() {
            Kind::Image => said("ImageTag").or_else(|| said("Image")).unwrap_or_default(),
            // The first tag is the build's name.
            Kind::Build => {
                let section = self.unit.section(Kind::Build.section());
                section
                    .and_then(|section| Some(section.all("ImageTag").first()?.unquoted().to_owned()))
                    .unwrap_or_default()
            }
            Kind::Volume => said("VolumeName").unwrap_or_else(by_name),
            Kind::Network => said("NetworkName").unwrap_or_else(by_name),
            Kind::Pod => said("PodName").unwrap_or_else(by_name),
            Kind::Container => said("ContainerName").unwrap_or_else(|| match self.name.stem().split_once('@') {
                Some((base, instance)) => format!("systemd-{base}_{instance}"),
                None => by_name(),
            }),
            Kind::Kube | Kind::Artifact => String::new(),
        }
    }

    /// What is wrong with it whatever other units there are: its reading, keys that nobody knows, odd quoting.
    pub(crate) fn check(&self) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        if !is_name_of_service(&self.service()) {
            let place = self.unit.last(self.kind().section(), "ServiceName").and_then(|entry| entry.place_of(0));
            problems.push(Problem { place, fault: Fault::ServiceName { name: self.service() } });
        }
        for section in self.unit.sections() {
            let Some(known) = self.kind().keys_of(section.name()) else { continue };
            for entry in section.entries() {
                let problem = |fault| Problem { place: entry.place().cloned(), fault };
                if keys::find(known, &entry.key).is_none() {
                    let near = keys::near(known, &entry.key);
                    let file = entry.place().map_or_else(|| self.path.clone(), |place| place.file.to_path_buf());
                    let (key, section) = (entry.key.to_string(), section.name().to_owned());
                    problems.push(problem(Fault::UnknownKey { key, section, file: file.display().to_string(), near }));
                }
                if !entry.value.contains(['"', '\'', '\\']) {
                    continue;
                }
                let found = words::split(&entry.value);
                let escapes = found.unknown_escapes.into_iter().map(|at| (at, Fault::UnknownEscape));
                let odd = found.open_quote.map(|at| (at, Fault::OpenQuote)).into_iter().chain(escapes);
                problems.extend(odd.map(|(at, fault)| Problem { place: entry.place_of(at), fault }));
            }
        }
        problems
    }

    /// Whether its service waits for the network of its own accord.
    pub(crate) fn waits_for_network(&self) -> bool {
        let said = self.unit.last(QUADLET, "DefaultDependencies");
        said.is_none_or(|entry| entry.boolean() != Some(false))
    }
}

/// Whether systemd takes `name.service` for a unit's name (systemd.unit(5), "Description"): what it does not, it passes over without a word.
pub(crate) fn is_name_of_service(name: &str) -> bool {
    const LONGEST: usize = 255 - ".service".len();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || br":-_.\@".contains(&byte);
    !name.is_empty() && !name.starts_with('@') && name.len() <= LONGEST && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::is_name_of_service;

    #[test]
    fn a_service_is_called_as_systemd_wants_it() {
        for good in ["web", "web@", "web@1", r"a\x2db:c_d.e", &"x".repeat(247)] {
            assert!(is_name_of_service(good), "{good}");
        }
        for bad in ["", "@1", "a b", "../web", "w\u{e9}b", &"x".repeat(248)] {
            assert!(!is_name_of_service(bad), "{bad}");
        }
    }
}
