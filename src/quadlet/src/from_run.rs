// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A unit of the words of a command that runs a container: `podman run -d -p 8080:80 docker.io/library/nginx`.

use std::path::{Path, PathBuf};

use crate::flags::{self, Flag};
use crate::keys::Becomes;
use crate::kind::{Kind, UnitName};
use crate::source::is_name_of_service;
use crate::unit::{Entry, Unit, words};

/// A unit that was made of something else.
#[derive(Clone, Debug)]
pub struct Written {
    /// What its file is to be called.
    pub name: UnitName,
    /// What it says.
    pub unit: Unit,
    /// What of it is not in the unit, or should be looked at.
    pub notes: Vec<String>,
}

/// The words are not those of a command that runs a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FromRunError {
    /// They do not begin as one.
    #[error("{0:?} runs no container: it should begin with podman run")]
    NoRun(String),
    /// An option of the program, before `run`.
    #[error("{0} before run has no place in a unit")]
    Global(String),
    /// A flag that nobody knows.
    #[error("unknown flag: {0}")]
    Unknown(String),
    /// A flag without its value.
    #[error("flag needs an argument: {0}")]
    NoValue(String),
    /// No image.
    #[error("the command names no image")]
    NoImage,
    /// A value that is none of those that a flag may have.
    #[error("invalid argument {value:?} for --{flag}: {wanted}")]
    Value {
        /// The flag's long name.
        flag: String,
        /// What was said.
        value: String,
        /// What could be.
        wanted: &'static str,
    },
    /// A name that no unit can have.
    #[error("{0:?} cannot be the name of a unit")]
    Name(String),
}

/// Makes a unit. `known` says which flag a name is, long or of one letter; relative paths are of `folder`.
///
/// # Errors
/// What of the words cannot be understood.
pub fn from_run(
    command: &[String],
    folder: &Path,
    known: &dyn Fn(&str) -> Option<Flag>,
) -> Result<Written, FromRunError> {
    let mut making = Making::new(folder);
    let (said, rest) = flags::said(after_run(command)?, known)?;
    for (flag, value) in said.iter().flat_map(|said| &said.flags) {
        making.put(flag, value);
    }
    let rest = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    making.finish(rest)
}

/// What comes after `podman run`.
fn after_run(command: &[String]) -> Result<&[String], FromRunError> {
    let no_run = || FromRunError::NoRun(command.join(" "));
    let mut words = command;
    if words.first().is_some_and(|word| word == "sudo") {
        words = &words[1..];
    }
    let (program, mut words) = words.split_first().ok_or_else(no_run)?;
    let program = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !["podman", "docker", "haulout"].contains(&program) {
        return Err(no_run());
    }
    if words.first().is_some_and(|word| word == "container") {
        words = &words[1..];
    }
    match words.split_first() {
        Some((verb, rest)) if verb == "run" || verb == "create" => Ok(rest),
        Some((flag, _)) if flag.starts_with('-') => Err(FromRunError::Global(flag.clone())),
        _ => Err(no_run()),
    }
}

/// A unit that is being made.
pub(crate) struct Making {
    folder: PathBuf,
    name: Option<String>,
    rootfs: bool,
    restart: Option<&'static str>,
    /// Keys of the unit's own section and their values, as they are written.
    lines: Vec<(&'static str, String)>,
    /// What is not in the unit.
    pub(crate) notes: Vec<String>,
    /// The first value that is none of those that its flag may have.
    wrong: Option<FromRunError>,
}

impl Making {
    pub(crate) fn new(folder: &Path) -> Self {
        let (lines, notes) = (Vec::new(), Vec::new());
        Self { folder: folder.to_owned(), name: None, rootfs: false, restart: None, lines, notes, wrong: None }
    }

    fn refuse(&mut self, flag: &str, value: &str, wanted: &'static str) {
        let (flag, value) = (flag.to_owned(), value.to_owned());
        self.wrong.get_or_insert(FromRunError::Value { flag, value, wanted });
    }

    fn add(&mut self, key: &'static str, value: &str) {
        if value.contains('\n') {
            self.notes.push(format!("{key}= is one line: its line breaks have become spaces"));
        }
        self.lines.push((key, literal(&value.replace('\n', " "))));
    }

    /// One word of a key that has many.
    fn add_word(&mut self, key: &'static str, word: &str) {
        self.lines.push((key, words::quote(&literal(word))));
    }

    /// What has no key.
    fn add_args(&mut self, flag: &str, value: &str) {
        self.add_word("PodmanArgs", &format!("--{flag}={value}"));
    }

    /// Whether a key has that value already.
    pub(crate) fn has(&self, key: &str, value: &str) -> bool {
        self.lines.iter().any(|(known, found)| *known == key && found == value)
    }

    /// Takes a flag of `run` by its long name.
    pub(crate) fn put(&mut self, flag: &str, value: &str) {
        match flag {
            // The unit does these itself.
            "detach" | "rm" | "replace" | "sig-proxy" | "cidfile" | "pidfile" | "conmon-pidfile" | "quiet" => {}
            "interactive" | "tty" | "attach" | "detach-keys" => {
                self.notes.push(format!("--{flag} is left out: a service has no terminal"));
            }
            "name" => {
                self.name = Some(value.to_owned());
                self.add("ContainerName", value);
            }
            "rootfs" => self.rootfs = value == "true",
            "restart" => self.restart(value),
            "cgroups" if matches!(value, "split" | "enabled") => {}
            "cgroups" => self.add("CgroupsMode", value),
            "sdnotify" => match value {
                "container" => self.add("Notify", "true"),
                "healthy" => self.add("Notify", "healthy"),
                _ => {}
            },
            "user" => {
                let (user, group) = value.split_once(':').map_or((value, None), |(user, group)| (user, Some(group)));
                self.add("User", user);
                if let Some(group) = group {
                    self.add("Group", group);
                }
            }
            "label" if value.starts_with("io.containers.autoupdate=") => {
                self.add("AutoUpdate", value.split_once('=').map_or("", |(_, policy)| policy));
            }
            "security-opt" => self.security(value),
            "device" => self.add_word("AddDevice", value),
            "cap-add" => self.add_word("AddCapability", value),
            "cap-drop" => self.add_word("DropCapability", value),
            "expose" => self.add("ExposeHostPort", value),
            "env-file" => {
                let path = self.absolute(value);
                self.add_word("EnvironmentFile", &path);
            }
            "volume" => {
                let value = self.volume(value);
                self.add("Volume", &value);
            }
            "mount" => {
                let value = self.mount(value);
                self.add("Mount", &value);
            }
            "network" => self.add("Network", value),
            "userns" => self.add("UserNS", value),
            "uidmap" => self.add("UIDMap", value),
            "gidmap" => self.add("GIDMap", value),
            "subuidname" => self.add("SubUIDMap", value),
            "subgidname" => self.add("SubGIDMap", value),
            "pod" => {
                self.notes.push("--pod: a pod of a unit is Pod=NAME.pod, and starts with its containers".to_owned());
                self.add_args("pod", value);
            }
            _ => self.put_by_table(flag, value),
        }
    }

    /// By what each key becomes on the command line, backwards.
    fn put_by_table(&mut self, flag: &str, value: &str) {
        let option = format!("--{flag}");
        let found = Kind::Container.keys().iter().find_map(|key| match key.becomes {
            becomes @ (Becomes::Value(of)
            | Becomes::Each(of)
            | Becomes::Words(of)
            | Becomes::Pairs(of)
            | Becomes::Switch(of))
                if of == option =>
            {
                Some((key.name, becomes))
            }
            _ => None,
        });
        match found {
            Some((key, Becomes::Words(_))) => self.add_word(key, value),
            // A variable of who runs it has no value here: the unit's own environment is what it is taken from.
            Some((key, Becomes::Pairs(_))) if value.contains('=') => self.add_word(key, value),
            Some((_, Becomes::Switch(_))) if Entry::new("", value).boolean().is_none() => {
                self.refuse(flag, value, "write true or false");
            }
            None | Some((_, Becomes::Pairs(_))) => self.add_args(flag, value),
            // To say nothing takes back what was said in a unit.
            Some(_) if value.is_empty() => self.add_args(flag, value),
            Some((key, _)) => self.add(key, value),
        }
    }

    /// The policy as systemd has it; `no` is what it is anyway.
    fn restart(&mut self, policy: &str) {
        let (name, count) = policy.split_once(':').map_or((policy, None), |(name, count)| (name, Some(count)));
        self.restart = match (name, count) {
            ("" | "no", None) => None,
            ("always" | "unless-stopped", None) => Some("always"),
            ("on-failure", count) => {
                if let Some(count) = count {
                    self.notes.push(format!("--restart: systemd counts otherwise than on-failure:{count}: see StartLimitBurst= in systemd.unit(5)"));
                }
                Some("on-failure")
            }
            _ => return self.refuse("restart", policy, "write no, always, on-failure or unless-stopped"),
        };
    }

    fn security(&mut self, option: &str) {
        match option {
            "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true" => {
                return self.add("NoNewPrivileges", "true");
            }
            "label=disable" => return self.add("SecurityLabelDisable", "true"),
            "label=nested" => return self.add("SecurityLabelNested", "true"),
            _ => {}
        }
        let found = Kind::Container.keys().iter().find_map(|key| match key.becomes {
            Becomes::Security(before) => Some((key.name, false, option.strip_prefix(before)?)),
            Becomes::SecurityWords(before) => Some((key.name, true, option.strip_prefix(before)?)),
            _ => None,
        });
        match found {
            Some((key, true, value)) => self.add_word(key, value),
            Some((key, false, value)) => self.add(key, value),
            None => self.add_args("security-opt", option),
        }
    }

    /// A path of the host, which a unit reads from its own folder.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { crate::service::clean(&self.folder.join(path)) }
    }

    fn volume(&self, volume: &str) -> String {
        match volume.split_once(':') {
            Some((source, rest)) if source.starts_with('.') => format!("{}:{rest}", self.absolute(source)),
            _ => volume.to_owned(),
        }
    }

    /// A bind mount has a path of the host's as its source; what others have is no path, or is taken as it is.
    fn mount(&self, mount: &str) -> String {
        let mut fields: Vec<String> = mount.split(',').map(str::to_owned).collect();
        if mount.contains('"') || !fields.iter().any(|field| field == "type=bind") {
            return mount.to_owned();
        }
        for field in &mut fields {
            if let Some((key @ ("source" | "src"), path)) = field.split_once('=') {
                *field = format!("{key}={}", self.absolute(path));
            }
        }
        fields.join(",")
    }

    /// The unit, with what comes after the flags: image and command.
    pub(crate) fn finish(self, rest: &[String]) -> Result<Written, FromRunError> {
        let (image, command) = rest.split_first().ok_or(FromRunError::NoImage)?;
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let made_up = || if self.rootfs { stem(&self.absolute(image)) } else { stem(image) };
        let stem = self.name.clone().unwrap_or_else(made_up);
        let file = format!("{stem}.{}", Kind::Container.suffix());
        // One that begins with a dot nobody would see.
        let can_be = is_name_of_service(&stem) && !stem.starts_with('.');
        let name = UnitName::parse(&file).filter(|_| can_be).ok_or(FromRunError::Name(stem))?;
        let mut unit = Unit::default();
        unit.section_mut("Unit").add("Description", format!("Container {}", literal(name.stem())));
        let own = unit.section_mut(Kind::Container.section());
        if self.rootfs {
            own.add("Rootfs", literal(&self.absolute(image)));
        } else {
            own.add("Image", literal(image));
        }
        for (key, value) in self.lines {
            own.add(key, value);
        }
        if !command.is_empty() {
            let words: Vec<String> = command.iter().map(|word| words::quote(&literal(word))).collect();
            own.add("Exec", words.join(" "));
        }
        if let Some(restart) = self.restart {
            unit.section_mut("Service").add("Restart", restart);
        }
        unit.section_mut("Install").add("WantedBy", "default.target");
        Ok(Written { name, unit, notes: self.notes })
    }
}

/// A unit's name for an image's: the last part of its repository.
fn stem(image: &str) -> String {
    let repository = image.split('@').next().unwrap_or(image);
    let last = repository.rsplit('/').next().unwrap_or(repository);
    last.split(':').next().unwrap_or(last).to_owned()
}

/// A text in which systemd finds neither specifiers nor variables (systemd.unit(5), systemd.service(5)).
pub(crate) fn literal(text: &str) -> String {
    text.replace('%', "%%").replace('$', "$$")
}

#[cfg(test)]
mod tests;
