// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A service that is being made: what all kinds do alike.

use std::path::{Component, Path, PathBuf};

use super::{Settings, Units};
use crate::command::Command;
use crate::keys::{self, Becomes, Key, QUADLET};
use crate::kind::{Kind, UnitName};
use crate::problem::{Fault, Problem};
use crate::source::Source;
use crate::unit::words::Word;
use crate::unit::{Entry, Section, Unit};

/// The keys of `[Unit]` whose values are names of other units.
const DEPENDENCIES: [&str; 10] =
    ["Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts", "Before", "After", "OnFailure"];

/// A service that is being made.
pub(super) struct Draft<'a> {
    pub(super) source: &'a Source,
    pub(super) units: &'a Units<'a>,
    pub(super) settings: &'a Settings,
    unit: Unit,
    problems: Vec<Problem>,
}

impl<'a> Draft<'a> {
    /// With what every service has: the unit's own lines, the wait for the network, where it came from.
    pub(super) fn of(source: &'a Source, units: &'a Units<'a>, settings: &'a Settings) -> Self {
        let mut unit = source.unit.clone();
        unit.rename(source.kind().section(), source.kind().kept_section());
        unit.rename(QUADLET, "X-Quadlet");
        let mut draft = Self { source, units, settings, unit, problems: source.check() };
        draft.translate_dependencies();
        if source.waits_for_network() {
            let target =
                if settings.user { "haulout-user-wait-network-online.service" } else { "network-online.target" };
            draft.unit_section().prepend([Entry::new("Wants", target), Entry::new("After", target)]);
        }
        let path = source.path.display().to_string();
        draft.unit_section().add("SourcePath", path);
        draft.unit_section().add("RequiresMountsFor", "%t/containers");
        draft
    }

    pub(super) fn finish(self) -> (Unit, Vec<Problem>) {
        (self.unit, self.problems)
    }

    /// The unit's own section.
    pub(super) fn section(&self) -> &'a Section {
        // A unit without its section says nothing: as an empty one.
        static NONE: std::sync::LazyLock<Section> = std::sync::LazyLock::new(Section::default);
        self.source.unit.section(self.source.kind().section()).unwrap_or(&NONE)
    }

    /// What the unit says of its service.
    pub(super) fn said_of_service(&self, key: &str) -> Option<&'a Entry> {
        self.source.unit.last("Service", key)
    }

    pub(super) fn unit_section(&mut self) -> &mut Section {
        self.unit.section_mut("Unit")
    }

    pub(super) fn service_section(&mut self) -> &mut Section {
        self.unit.section_mut("Service")
    }

    /// What is wrong with the unit as a whole.
    pub(super) fn problem(&mut self, fault: Fault) {
        self.problems.push(Problem { place: None, fault });
    }

    /// What is wrong with the value of an entry.
    pub(super) fn problem_at(&mut self, entry: &Entry, fault: Fault) {
        self.problem_in(entry, 0, fault);
    }

    /// What is wrong from byte `offset` of an entry's value on.
    pub(super) fn problem_in(&mut self, entry: &Entry, offset: usize, fault: Fault) {
        self.problems.push(Problem { place: entry.place_of(offset), fault });
    }

    /// A boolean key; what is none counts as false, and is told.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let entry = self.section().last(key)?;
        Some(entry.boolean().unwrap_or_else(|| {
            self.problem_at(entry, Fault::NoBoolean { value: entry.value.clone() });
            false
        }))
    }

    /// The program with the unit's own global options, and a verb.
    pub(super) fn program(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(&self.settings.program);
        for entry in self.section().all("ContainersConfModule") {
            command.arg(format!("--module={}", entry.unquoted()));
        }
        command.args(self.section().words("GlobalArgs").into_iter().map(|(_, word)| word.text));
        command.args(verb);
        command
    }

    /// Adds the options of all keys that are said in one line of the table.
    pub(super) fn options(&mut self, command: &mut Command) {
        let section = self.section();
        // In the table's order, whatever the unit's is; of the table most are not said.
        let known = self.source.kind().keys();
        let mut said: Vec<&Key> = section.entries().filter_map(|entry| keys::find(known, &entry.key)).collect();
        said.sort_unstable_by_key(|key| key.name);
        said.dedup_by_key(|key| key.name);
        for key in said {
            match key.becomes {
                Becomes::Other => {}
                Becomes::Value(option) => {
                    if let Some(entry) = section.last(key.name) {
                        command.option(option, entry.unquoted());
                    }
                }
                Becomes::Each(option) => {
                    for entry in section.all(key.name) {
                        command.option(option, entry.unquoted());
                    }
                }
                Becomes::Words(option) => {
                    for (_, word) in section.words(key.name) {
                        command.option(option, word.text);
                    }
                }
                Becomes::Pairs(option) => {
                    for pair in self.pairs(key.name) {
                        command.option(option, pair);
                    }
                }
                Becomes::Switch(option) => {
                    if let Some(on) = self.boolean(key.name) {
                        command.switch(option, on);
                    }
                }
                Becomes::Security(before) => {
                    if let Some(entry) = section.last(key.name) {
                        command.option("--security-opt", format!("{before}{}", entry.unquoted()));
                    }
                }
                Becomes::SecurityWords(before) => {
                    for (_, word) in section.words(key.name) {
                        command.option("--security-opt", format!("{before}{}", word.text));
                    }
                }
            }
        }
    }

    /// The `key=value` words of a key; of those with one key the last, in the place of the first.
    fn pairs(&mut self, key: &str) -> Vec<String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (entry, Word { text, offset }) in self.section().words(key) {
            let Some((name, _)) = text.split_once('=') else {
                self.problem_in(entry, offset, Fault::NoPair { word: text });
                continue;
            };
            match pairs.iter_mut().find(|(known, _)| known == name) {
                Some((_, pair)) => *pair = text,
                None => pairs.push((name.to_owned(), text)),
            }
        }
        pairs.into_iter().map(|(_, pair)| pair).collect()
    }

    /// Adds `PodmanArgs=`.
    pub(super) fn own_args(&self, command: &mut Command) {
        command.args(self.section().words("PodmanArgs").into_iter().map(|(_, word)| word.text));
    }

    /// A path as it is written: relative ones begin at the unit's folder, those that begin with a specifier are systemd's.
    pub(super) fn path(&self, written: &str) -> String {
        if written.starts_with(['/', '%']) {
            return written.to_owned();
        }
        clean(&self.source.folder.join(written))
    }

    /// Has the service need another unit's service.
    pub(super) fn needs(&mut self, other: &Source) {
        let service = format!("{}.service", other.service());
        self.unit_section().add("Requires", service.clone());
        self.unit_section().add("After", service);
    }

    /// Has the service need what `path` is on.
    pub(super) fn needs_mount(&mut self, path: &str) {
        if path.starts_with('/') {
            self.unit_section().add("RequiresMountsFor", path);
        }
    }

    /// The image of the `Image=` key of what stands in a service: another unit's, or its name, of which is said when it is short.
    pub(super) fn image(&mut self, entry: &Entry) -> String {
        let name = entry.unquoted();
        if matches!(UnitName::parse(name).map(|unit| unit.kind()), Some(Kind::Image | Kind::Build)) {
            let Some(other) = self.units.find(name) else {
                self.problem_at(entry, Fault::NoSuchImage { name: name.to_owned() });
                return String::new();
            };
            self.needs(other);
            return other.resource();
        }
        self.warn_of_short_name(entry);
        name.to_owned()
    }

    pub(super) fn warn_of_short_name(&mut self, entry: &Entry) {
        let image = entry.unquoted();
        if is_short(image) {
            let unit = self.source.name.to_string();
            self.problem_at(entry, Fault::ShortName { unit, image: image.to_owned() });
        }
    }

    /// Adds the options of `Network=`: another unit's network, another container's, or what it says.
    pub(super) fn networks(&mut self, command: &mut Command) {
        for entry in self.section().all("Network") {
            let value = entry.unquoted();
            let (name, options) = value.split_once(':').map_or((value, None), |(name, options)| (name, Some(options)));
            let kind = UnitName::parse(name).map(|unit| unit.kind());
            if !matches!(kind, Some(Kind::Network | Kind::Container)) {
                command.option("--network", value);
                continue;
            }
            let Some(other) = self.units.find(name) else {
                self.problem_at(entry, Fault::NoSuchUnit { name: name.to_owned() });
                continue;
            };
            let resource = other.resource();
            match (kind, options) {
                (Some(Kind::Container), Some(_)) => {
                    self.problem_in(entry, name.len(), Fault::OptionsOfAContainersNetwork);
                    continue;
                }
                (Some(Kind::Container), None) => command.option("--network", format!("container:{resource}")),
                (_, Some(options)) => command.option("--network", format!("{resource}:{options}")),
                (_, None) => command.option("--network", resource),
            };
            self.needs(other);
        }
    }

    /// `KillMode=`: systemd ends the command and leaves the container to `ExecStop=`, unless the unit has all of it ended.
    pub(super) fn kill_mode(&mut self) {
        match self.said_of_service("KillMode") {
            None => self.service_section().set("KillMode", "mixed"),
            Some(entry) if matches!(entry.value.as_str(), "mixed" | "control-group") => {}
            Some(entry) => self.problem_at(entry, Fault::KillMode { value: entry.value.clone() }),
        }
    }

    /// `Type=` for what does one thing and is done, `RemainAfterExit=` where others stand on it.
    pub(super) fn once(&mut self, command: Command, remains: bool) {
        let service = self.service_section();
        service.add("ExecStart", command);
        service.add_default("SyslogIdentifier", "%N");
        service.add_default("Type", "oneshot");
        if remains {
            service.add_default("RemainAfterExit", "yes");
        }
    }

    /// Names of units of ours in `[Unit]` become those of their services.
    fn translate_dependencies(&mut self) {
        let mut unknown = Vec::new();
        let units = self.units;
        let translate = |entry: &Entry| {
            if !DEPENDENCIES.contains(&&*entry.key) {
                return None;
            }
            let words = entry.words();
            if !words.iter().any(|word| UnitName::parse(&word.text).is_some()) {
                return None;
            }
            let services = words.into_iter().map(|word| {
                let Some(name) = UnitName::parse(&word.text) else { return word.text };
                units.service(&name).unwrap_or_else(|| {
                    unknown.push((entry.place_of(word.offset), word.text.clone()));
                    word.text
                })
            });
            Some(services.collect::<Vec<_>>().join(" "))
        };
        if self.unit.section("Unit").is_some() {
            self.unit.section_mut("Unit").rewrite(translate);
        }
        let problem = |(place, name)| Problem { place, fault: Fault::UnknownDependency { name } };
        self.problems.extend(unknown.into_iter().map(problem));
    }
}

/// A path without `.`, `..` and doubled slashes; nothing of it is looked up.
pub(crate) fn clean(path: &Path) -> String {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean.display().to_string()
}

/// Whether an image's name leaves open which registry it is in.
fn is_short(image: &str) -> bool {
    const TRANSPORTS: [&str; 8] = [
        "docker://",
        "docker-archive:",
        "docker-daemon:",
        "oci:",
        "oci-archive:",
        "dir:",
        "containers-storage:",
        "sha256:",
    ];
    let id = image.len() == 64 && image.bytes().all(|byte| byte.is_ascii_hexdigit());
    if id || TRANSPORTS.iter().any(|transport| image.starts_with(transport)) {
        return false;
    }
    match image.split_once('/') {
        Some((first, _)) => first != "localhost" && !first.contains(['.', ':']),
        None => true,
    }
}
