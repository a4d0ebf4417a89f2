// SPDX-License-Identifier: GPL-3.0-or-later
//! What was typed into the dialog that runs a container: what is wrong with it, the request it makes, and the command
//! that would do the same.

use gettextrs::gettext;

use crate::connection::{Port, Protocol, Request, Volume};
use crate::language::fill;

/// The fields, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pub image: String,
    pub name: String,
    pub command: String,
    pub terminal: bool,
    pub remove: bool,
    pub ports: Vec<PortField>,
    pub volumes: Vec<VolumeField>,
    pub env: Vec<EnvField>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortField {
    /// Empty: any free one.
    pub host: String,
    pub container: String,
    pub protocol: Protocol,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeField {
    /// A path of the host or a volume's name.
    pub source: String,
    pub destination: String,
    pub read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvField {
    pub name: String,
    pub value: String,
}

impl Form {
    /// What is wrong with the name, if anything; `taken` tells whether a container has it.
    pub fn wrong_name(&self, taken: impl Fn(&str) -> bool) -> Option<String> {
        let mut letters = self.name.chars();
        let first = letters.next()?;
        if !first.is_ascii_alphanumeric()
            || !letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
        {
            return Some(gettext("Letters, digits, “_”, “.” and “-” only, beginning with a letter or a digit"));
        }
        taken(&self.name).then(|| fill(&gettext("There is a container called “{}” already"), &[&self.name]))
    }

    pub fn wrong_command(&self) -> Option<String> {
        shell_words::split(&self.command).err().map(|_| gettext("A quotation mark is missing"))
    }

    /// What was typed as a request. To be asked only when nothing is wrong: what is not finished is left out.
    pub fn request(&self) -> Request {
        Request {
            image: self.image.clone(),
            name: (!self.name.is_empty()).then(|| self.name.clone()),
            command: shell_words::split(&self.command).unwrap_or_default(),
            ports: self.ports.iter().filter_map(PortField::port).collect(),
            volumes: self.volumes.iter().filter(|volume| volume.wrong().is_none()).map(VolumeField::volume).collect(),
            env: self
                .env
                .iter()
                .filter(|variable| variable.wrong().is_none())
                .map(|variable| (variable.name.clone(), variable.value.clone()))
                .collect(),
            terminal: self.terminal,
            remove: self.remove,
        }
    }

    /// The command that makes the same container.
    pub fn command_line(&self) -> String {
        let mut request = self.request();
        if request.image.is_empty() {
            request.image = gettext("IMAGE");
        }
        shell_words::join(request.words())
    }
}

impl PortField {
    /// What is wrong with the port of the host, which may be left to chance.
    pub fn wrong_host(&self) -> Option<String> {
        if self.host.is_empty() { None } else { wrong_port(&self.host) }
    }

    /// What is wrong with the port of the container.
    pub fn wrong_container(&self) -> Option<String> {
        wrong_port(&self.container)
    }

    fn wrong(&self) -> Option<String> {
        self.wrong_host().or_else(|| self.wrong_container())
    }

    fn port(&self) -> Option<Port> {
        if self.wrong().is_some() {
            return None;
        }
        Some(Port {
            address: None,
            host: self.host.parse().ok(),
            container: self.container.parse().ok()?,
            count: 1,
            protocol: self.protocol,
        })
    }
}

/// What is wrong with a port's number.
fn wrong_port(text: &str) -> Option<String> {
    match text.parse::<u16>() {
        Ok(1..) => None,
        _ => Some(gettext("A port is a number between 1 and 65535")),
    }
}

impl VolumeField {
    /// What is wrong with the folder or the volume's name.
    pub fn wrong_source(&self) -> Option<String> {
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        let named =
            self.source.starts_with(|first: char| first.is_ascii_alphanumeric()) && self.source.chars().all(letter);
        if self.source.starts_with('/') {
            return self.source.contains(':').then(|| gettext("A path with a colon cannot be mounted"));
        }
        (!named)
            .then(|| gettext("A folder’s path begins with “/”; a volume’s name has letters, digits, “_”, “.” and “-”"))
    }

    /// What is wrong with the path in the container.
    pub fn wrong_destination(&self) -> Option<String> {
        if self.destination.contains(':') {
            return Some(gettext("A path with a colon cannot be mounted"));
        }
        (!self.destination.starts_with('/') || self.destination == "/")
            .then(|| gettext("The path in the container begins with “/”"))
    }

    fn wrong(&self) -> Option<String> {
        self.wrong_source().or_else(|| self.wrong_destination())
    }

    fn volume(&self) -> Volume {
        Volume { source: self.source.clone(), destination: self.destination.clone(), read_only: self.read_only }
    }
}

impl EnvField {
    pub fn wrong(&self) -> Option<String> {
        (self.name.is_empty() || self.name.contains(['=', ' ', '\0']))
            .then(|| gettext("A variable’s name is not empty and has neither “=” nor spaces"))
    }
}

#[cfg(test)]
mod tests {
    use super::{EnvField, Form, PortField, Protocol, VolumeField};

    fn form() -> Form {
        Form {
            image: "nginx".to_owned(),
            name: "web".to_owned(),
            command: "sh -c 'echo a  b'".to_owned(),
            remove: true,
            ports: vec![
                PortField { host: "8080".to_owned(), container: "80".to_owned(), protocol: Protocol::Tcp },
                PortField { host: String::new(), container: "53".to_owned(), protocol: Protocol::Udp },
            ],
            volumes: vec![VolumeField { source: "/a b".to_owned(), destination: "/c".to_owned(), read_only: true }],
            env: vec![EnvField { name: "KEY".to_owned(), value: "a'b".to_owned() }],
            ..Form::default()
        }
    }

    #[test]
    fn the_command_says_the_same_as_the_request() {
        let line = form().command_line();
        assert_eq!(
            shell_words::split(&line).unwrap(),
            [
                "haulout",
                "run",
                "-d",
                "--rm",
                "--name",
                "web",
                "-p",
                "8080:80",
                "-p",
                "53/udp",
                "-v",
                "/a b:/c:ro",
                "-e",
                "KEY=a'b",
                "nginx",
                "sh",
                "-c",
                "echo a  b"
            ]
        );
        let request = form().request();
        assert_eq!(request.command, ["sh", "-c", "echo a  b"]);
        assert_eq!(request.ports[1].host, None);
    }

    #[test]
    fn what_is_not_finished_is_left_out_of_the_command() {
        let mut form = form();
        form.ports = vec![PortField { host: "70000".to_owned(), container: "80".to_owned(), protocol: Protocol::Tcp }];
        form.env = vec![EnvField::default()];
        assert!(!form.command_line().contains("-p"));
        assert!(!form.command_line().contains("-e"));
    }

    #[test]
    fn a_name_that_the_engine_would_refuse_is_refused() {
        let wrong = |name: &str| Form { name: name.to_owned(), ..Form::default() }.wrong_name(|name| name == "taken");
        assert!(wrong("").is_none());
        assert!(wrong("a_b.c-1").is_none());
        assert!(wrong("-a").is_some());
        assert!(wrong("a b").is_some());
        assert!(wrong("ä").is_some());
        assert!(wrong("taken").is_some());
    }

    #[test]
    fn a_relative_path_is_no_folder_to_mount() {
        let wrong = |source: &str, destination: &str| {
            VolumeField { source: source.to_owned(), destination: destination.to_owned(), read_only: false }.wrong()
        };
        assert!(wrong("/srv", "/srv").is_none());
        assert!(wrong("data", "/srv").is_none());
        assert!(wrong("./data", "/srv").is_some());
        assert!(wrong("/srv", "srv").is_some());
        assert!(wrong("/srv", "/").is_some());
        assert!(wrong("/s:v", "/a").is_some());
    }
}
