// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a unit to the service that systemd runs.

mod build;
mod container;
mod draft;
mod image;
mod kube;
mod mounts;
mod network;
mod pod;
mod users;
mod volume;

use std::collections::HashMap;
use std::env;
use std::path::Path;

use draft::Draft;
pub(crate) use draft::clean;

use crate::kind::{Kind, UnitName};
use crate::problem::{Fault, Problem, Severity};
use crate::source::Source;
use crate::unit::{Entry, Unit};

/// What the services depend on beside the units.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program that they run: `haulout`, with its path.
    pub program: String,
    /// Whether they are for a user's manager and not for the system's.
    pub user: bool,
    /// Whether a device is there: the optional ones (`AddDevice=-/dev/kvm`) are given only then.
    pub is_there: fn(&Path) -> bool,
}

impl Settings {
    /// Those of this machine, for services that run `$PODMAN`, or the `haulout` that is installed with the program that asks, or
    /// the one of the machine.
    pub fn of_environment(user: bool) -> Self {
        let said = env::var("PODMAN").ok().filter(|said| !said.is_empty());
        let program = said.or_else(installed).unwrap_or_else(|| "/usr/bin/haulout".to_owned());
        Self { program, user, is_there: Path::exists }
    }
}

/// The `haulout` beside the program that runs, or in the `bin` of a folder above it.
fn installed() -> Option<String> {
    let own = env::current_exe().ok()?;
    let folders = own.ancestors().skip(1);
    let mut programs = folders.flat_map(|folder| [folder.join("haulout"), folder.join("bin/haulout")]);
    Some(programs.find(|program| program.is_file())?.display().to_string())
}

/// What became of a unit.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The unit.
    pub source: &'a Source,
    /// Its service, unless one of the problems is an error.
    pub service: Option<Service>,
    /// What is wrong with the unit.
    pub problems: Vec<Problem>,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, without `.service`.
    pub name: String,
    /// What it says.
    pub unit: Unit,
}

/// Makes the services of `sources`, in the order in which they stand on one another.
pub fn generate<'a>(sources: &'a [Source], settings: &Settings) -> Vec<Outcome<'a>> {
    each(sources, settings).collect()
}

/// The same one by one, for who does not keep them.
pub fn each<'a, 'b>(sources: &'a [Source], settings: &'b Settings) -> impl Iterator<Item = Outcome<'a>> + use<'a, 'b> {
    let units = Units::of(sources);
    let mut ordered: Vec<&Source> = sources.iter().collect();
    ordered.sort_by(|one, other| {
        one.kind().cmp(&other.kind()).then_with(|| one.path.as_os_str().cmp(other.path.as_os_str()))
    });
    let mut taken: HashMap<String, &Source> = HashMap::new();
    ordered.into_iter().map(move |source| {
        let mut outcome = make(source, &units, settings);
        let Some(service) = &outcome.service else { return outcome };
        match taken.get(&service.name) {
            None => drop(taken.insert(service.name.clone(), source)),
            Some(other) => {
                let fault = Fault::SameService { service: service.name.clone(), other: other.name.to_string() };
                outcome.problems.push(Problem { place: None, fault });
                outcome.service = None;
            }
        }
        outcome
    })
}

/// The units that there are, by their names.
struct Units<'a> {
    by_name: HashMap<String, &'a Source>,
    /// The services that start with a pod, by the pod's unit.
    with_pod: HashMap<String, Vec<String>>,
}

impl<'a> Units<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let by_name = sources.iter().map(|source| (source.name.to_string(), source)).collect();
        let mut with_pod: HashMap<String, Vec<String>> = HashMap::new();
        let mut containers: Vec<&Source> = sources.iter().filter(|source| source.kind() == Kind::Container).collect();
        containers.sort_by_key(|source| &source.name);
        for source in containers {
            let stays = source.unit.last(Kind::Container.section(), "StartWithPod").and_then(Entry::boolean);
            if let Some(pod) = source.value("Pod").filter(|_| stays != Some(false)) {
                with_pod.entry(pod.to_owned()).or_default().push(source.service());
            }
        }
        Self { by_name, with_pod }
    }

    fn find(&self, name: &str) -> Option<&'a Source> {
        self.by_name.get(name).copied()
    }

    /// The file name of a unit's service; of an instance that has no unit of its own, its template's service makes it.
    fn service(&self, name: &UnitName) -> Option<String> {
        if let Some(source) = self.find(&name.to_string()) {
            return Some(format!("{}.service", source.service()));
        }
        let template = self.find(&name.template()?.to_string())?.service();
        let (_, instance) = name.instance()?;
        template.ends_with('@').then(|| format!("{template}{instance}.service"))
    }
}

fn make<'a>(source: &'a Source, units: &Units<'a>, settings: &Settings) -> Outcome<'a> {
    if !source.problems.is_empty() {
        // What is missing may stand in a line that could not be read.
        return Outcome { source, service: None, problems: source.check() };
    }
    let mut draft = Draft::of(source, units, settings);
    match source.kind() {
        Kind::Container => container::make(&mut draft),
        Kind::Pod => pod::make(&mut draft),
        Kind::Kube => kube::make(&mut draft),
        Kind::Volume => volume::make(&mut draft),
        Kind::Network => network::make(&mut draft),
        Kind::Image => image::make(&mut draft),
        Kind::Artifact => image::make_artifact(&mut draft),
        Kind::Build => build::make(&mut draft),
    }
    let (unit, problems) = draft.finish();
    let failed = problems.iter().any(|problem| problem.fault.severity() == Severity::Error);
    let service = (!failed).then(|| Service { name: source.service(), unit });
    Outcome { source, service, problems }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_instance_that_another_unit_names_is_made_by_its_template() {
        let source = |name: &str, text: &str| {
            let (unit, problems) = Unit::parse(text, &Arc::from(Path::new(name)), 1);
            Source { path: name.into(), folder: "/u".into(), name: UnitName::parse(name).unwrap(), unit, problems }
        };
        let image = "[Container]\nImage=q.io/i\n";
        let wants = format!("{image}[Unit]\nWants=a@1.container b@1.container c@1.container\n");
        let other_name = format!("{image}ServiceName=other@\n");
        let sources =
            [source("a@.container", image), source("b@.container", &other_name), source("z.container", &wants)];
        let settings = Settings { program: "haulout".to_owned(), user: true, is_there: |_| false };
        let outcomes = generate(&sources, &settings);
        let service = outcomes[2].service.as_ref().unwrap();
        let named = service.unit.section("Unit").unwrap().all("Wants")[1];
        assert_eq!(named.value, "a@1.service other@1.service c@1.container");
        assert_eq!(outcomes[2].problems.len(), 1);
    }

    #[test]
    fn of_units_with_one_service_the_first_has_it_and_the_others_are_told_so() {
        let source = |name: &str| {
            let path = Path::new("/u").join(name);
            let text = "[Container]\nImage=q.io/i\nServiceName=x\n";
            let (unit, problems) = Unit::parse(text, &Arc::from(path.as_path()), 1);
            Source { path, folder: "/u".into(), name: UnitName::parse(name).unwrap(), unit, problems }
        };
        let sources = ["a.container", "b.container", "c.container"].map(source);
        let settings = Settings { program: "haulout".to_owned(), user: true, is_there: |_| false };
        let told: Vec<String> = each(&sources, &settings)
            .map(|outcome| outcome.problems.iter().map(ToString::to_string).collect::<String>())
            .collect();
        let taken = "the service x.service is made of a.container already";
        assert_eq!(told, ["", taken, taken]);
    }
}
