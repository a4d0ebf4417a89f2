// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong with a unit: where, what, and what to do about it.

use std::fmt;

use crate::keys;
use crate::unit::Place;

/// Something wrong with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, when it is somewhere and not missing.
    pub place: Option<Place>,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

/// Whether a service is made all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// There is a service, which may not be what was meant.
    Warning,
    /// There is no service.
    Error,
}

/// What is wrong. The words are Podman's where it has any, because people look for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Fault {
    #[error("file contains line {line}: “{text}” which is not a key-value pair, group, or comment")]
    NotAnAssignment { line: usize, text: String },
    #[error("key file does not start with a group")]
    NoSection,
    #[error("invalid group name: {name}")]
    SectionName { name: String },
    #[error("a line longer than 1 MiB")]
    LongLine,
    #[error("not UTF-8")]
    NotUtf8,
    #[error("{reason}")]
    Unreadable { reason: String },
    #[error("unsupported key '{key}' in group '{section}' in {file}")]
    UnknownKey { key: String, section: String, file: String, near: Option<&'static str> },
    #[error("no Image or Rootfs key specified")]
    NoImageOrRootfs,
    #[error("the Image And Rootfs keys conflict can not be specified together")]
    ImageAndRootfs,
    #[error("no {key} key specified")]
    Missing { key: &'static str },
    #[error("invalid service Type '{value}'")]
    ServiceType { value: String },
    #[error("invalid KillMode '{value}'")]
    KillMode { value: String },
    #[error("invalid Group set without User")]
    GroupWithoutUser,
    #[error("unsupported RemapUsers option '{value}'")]
    RemapUsers { value: String },
    #[error("deprecated Remap keys are set along with explicit mapping keys")]
    RemapAndMapping,
    #[error("{} set without RemapUsers", if *uid { "UidMap" } else { "GidMap" })]
    MapWithoutRemap { uid: bool },
    #[error("RemapUsers=keep-id supports only a single value for {} mapping", if *uid { "UID" } else { "GID" })]
    SeveralIds { uid: bool },
    #[error("RemapUsers=manual is not supported")]
    RemapManual,
    #[error("requested Quadlet image {name} was not found")]
    NoSuchImage { name: String },
    #[error("requested Quadlet source {name} was not found")]
    NoSuchVolume { name: String },
    #[error("requested Quadlet unit {name} was not found")]
    NoSuchUnit { name: String },
    #[error("pod {name} is not Quadlet based")]
    PodIsNoUnit { name: String },
    #[error("quadlet pod unit {name} does not exist")]
    NoSuchPod { name: String },
    #[error("extra options are not supported when joining another container's network")]
    OptionsOfAContainersNetwork,
    #[error("invalid port format '{value}'")]
    Port { value: String },
    #[error(
        "incorrect mount format: should be --mount type=<bind|glob|tmpfs|volume>,[src=<host-dir|volume-name>,]target=<ctr-dir>[,options]"
    )]
    Mount,
    #[error("source parameter does not include a value")]
    MountSource,
    #[error("ReloadCmd and ReloadSignal are mutually exclusive but both are set")]
    TwoReloads,
    #[error("the key Image is mandatory when using the image driver")]
    ImageOfVolume,
    #[error("key {key} can't be used without Device")]
    WithoutDevice { key: &'static str },
    #[error("the {key} '{value}' is no number")]
    OwnerIsNoNumber { key: &'static str, value: String },
    #[error("cannot set gateway or range without subnet")]
    NoSubnet,
    #[error("cannot set more {what} than subnets")]
    MoreThanSubnets { what: &'static str },
    #[error("unsupported value for WorkingDirectory: {value} ")]
    WorkingDirectory { value: String },
    #[error("neither SetWorkingDirectory, nor File key specified")]
    NoContext,
    #[error("relative path in File key requires SetWorkingDirectory key to be set")]
    RelativeFile,
    #[error("a service cannot be called {name}.service")]
    ServiceName { name: String },
    #[error("the service {service}.service is made of {other} already")]
    SameService { service: String, other: String },
    #[error(
        "{unit} specifies the image \"{image}\" which not a fully qualified image name. This is not ideal for performance and security reasons. See the podman-pull manpage discussion of short-name-aliases.conf for details."
    )]
    ShortName { unit: String, image: String },
    #[error("'{value}' is neither true nor false: it counts as false")]
    NoBoolean { value: String },
    #[error("a quote that does not end")]
    OpenQuote,
    #[error("an escape that means nothing: the backslash stays")]
    UnknownEscape,
    #[error("'{word}' is not of the form key=value: it is passed over")]
    NoPair { word: String },
    #[error("unable to translate dependency for {name}")]
    UnknownDependency { name: String },
    #[error("a template is enabled only with DefaultInstance")]
    NoDefaultInstance,
    #[error("nothing reads the section [{name}]")]
    NobodysSection { name: String, near: Option<&'static str> },
    #[error("'#' begins no comment here: it is part of the value")]
    Comment,
    #[error("no update is made by AutoUpdate={value}")]
    Policy { value: String },
    #[error("an image with a digest is never another one: there is nothing to update")]
    FixedImage,
    #[error("'~' is not the home folder here")]
    Tilde,
    #[error("systemd knows no Restart={value}")]
    Restart { value: String },
    #[error("{key}= of a service is not who the container runs as")]
    UserOfService { key: String },
    #[error("a user's manager has no {target}: the service starts neither at login nor at boot")]
    TargetOfMachine { target: String },
    #[error("{key}= means nothing in [{section}]")]
    ElsewhereInTheUnit { key: String, section: String },
}

impl Fault {
    /// Whether a service is made all the same.
    pub fn severity(&self) -> Severity {
        match self {
            Self::ShortName { .. }
            | Self::NoBoolean { .. }
            | Self::OpenQuote
            | Self::UnknownEscape
            | Self::NoPair { .. }
            | Self::UnknownDependency { .. }
            | Self::NoDefaultInstance
            | Self::NobodysSection { .. }
            | Self::Comment
            | Self::Policy { .. }
            | Self::FixedImage
            | Self::Tilde
            | Self::Restart { .. }
            | Self::UserOfService { .. }
            | Self::TargetOfMachine { .. }
            | Self::ElsewhereInTheUnit { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// The key that is missing, where one is.
    pub fn missing_key(&self) -> Option<&'static str> {
        match self {
            Self::NoImageOrRootfs | Self::ImageOfVolume => Some("Image"),
            Self::Missing { key } => Some(key),
            Self::GroupWithoutUser => Some("User"),
            Self::WithoutDevice { .. } => Some("Device"),
            Self::NoSubnet => Some("Subnet"),
            Self::NoContext | Self::RelativeFile => Some("SetWorkingDirectory"),
            _ => None,
        }
    }

    /// What to do about it, where that is not plain.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownKey { key, near, .. } => {
                let elsewhere = keys::section_of(key).map(|section| format!("{key}= belongs to [{section}]"));
                return elsewhere.or_else(|| near.map(|near| format!("did you mean {near}?")));
            }
            Self::NobodysSection { near, .. } => return near.map(|near| format!("did you mean [{near}]?")),
            Self::NotAnAssignment { text, .. } => return not_an_assignment(text).map(str::to_owned),
            Self::Comment => "write it on a line of its own",
            Self::Policy { .. } => "write registry, local or notify",
            Self::FixedImage => "leave AutoUpdate= away, or name a tag such as :latest",
            Self::Tilde => "write %h for it",
            Self::Restart { value } if value == "unless-stopped" => "write always: what systemctl stops stays stopped",
            Self::Restart { .. } => "write no, on-success, on-failure, on-abnormal, on-watchdog, on-abort or always",
            Self::UserOfService { .. } => "say it with User= and Group= in [Container]",
            Self::TargetOfMachine { .. } => "write default.target",
            Self::ElsewhereInTheUnit { .. } => "move it to [Container]",
            Self::NoSection => "begin with the section, such as [Container]",
            Self::NoImageOrRootfs => "add Image= with the name of an image, such as docker.io/library/alpine:latest",
            Self::ServiceType { .. } => "leave Type= away, or make it oneshot",
            Self::KillMode { .. } => "leave KillMode= away, or make it mixed or control-group",
            Self::GroupWithoutUser => "add User=",
            Self::RemapAndMapping | Self::MapWithoutRemap { .. } | Self::RemapManual => {
                "use UserNS=, UIDMap= and GIDMap= alone"
            }
            Self::NoSuchImage { .. }
            | Self::NoSuchVolume { .. }
            | Self::NoSuchUnit { .. }
            | Self::NoSuchPod { .. }
            | Self::UnknownDependency { .. } => {
                "a file of that name is in no folder that is searched: add it, or mend the name"
            }
            Self::PodIsNoUnit { .. } => "write the file's name, such as web.pod",
            Self::Port { .. } => "write 80, 80-90 or 53/udp",
            Self::ImageOfVolume => "add Image=",
            Self::WithoutDevice { .. } => "add Device=",
            Self::OwnerIsNoNumber { .. } => "write the number of the user or group",
            Self::WorkingDirectory { .. } => "write yaml or unit",
            Self::NoContext | Self::RelativeFile => "add SetWorkingDirectory=unit",
            Self::ServiceName { .. } => "use letters, digits and :-_.\\@ in ServiceName=, or in the file's name",
            Self::SameService { .. } => "give one of them another ServiceName=",
            Self::ShortName { .. } => "write the registry too, such as docker.io/library/alpine",
            Self::NoBoolean { .. } => "write true or false",
            Self::OpenQuote => "end it, or write \\\" for the character itself",
            Self::UnknownEscape => "write \\\\ for the character itself",
            Self::NoDefaultInstance => "add DefaultInstance= to [Install], or link the file under an instance's name",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What a line that is no assignment was likely to be.
fn not_an_assignment(text: &str) -> Option<&'static str> {
    let is_word =
        |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let key = text.split_once(':').map(|(key, rest)| (key, rest, key.trim_end()));
    match key {
        _ if text.starts_with('[') => Some("end the section's name with ]"),
        Some((key, rest, _)) if is_word(key) && (rest.is_empty() || rest.starts_with(' ')) => Some(YAML),
        Some((_, _, key)) if is_word(key) => Some("write KEY=value"),
        _ if text.starts_with("- ") => Some(YAML),
        _ if ["podman run ", "docker run ", "haulout run "].iter().any(|command| text.starts_with(command)) => {
            Some("for a unit from a command: haulout quadlet from-run COMMAND")
        }
        _ => None,
    }
}

const YAML: &str =
    "this is YAML, and units are lines of KEY=value; for units from a compose file: haulout quadlet from-compose FILE";

#[cfg(test)]
mod tests {
    use super::{YAML, not_an_assignment};

    #[test]
    fn a_line_that_is_no_assignment_is_known_by_its_look() {
        for (text, hint) in [
            ("services:", Some(YAML)),
            ("image: nginx", Some(YAML)),
            ("- \"80:80\"", Some(YAML)),
            ("Exec : top", Some("write KEY=value")),
            ("[Container", Some("end the section's name with ]")),
            ("what is this", None),
        ] {
            assert_eq!(not_an_assignment(text), hint, "{text}");
        }
        assert!(not_an_assignment("podman run -d nginx").is_some_and(|hint| hint.contains("from-run")));
    }
}
