// SPDX-License-Identifier: GPL-3.0-or-later
//! A container to be made.

use super::Port;

/// What it is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub image: String,
    /// One is made up when none.
    pub name: Option<String>,
    pub command: Vec<String>,
    pub ports: Vec<Port>,
    pub volumes: Vec<Volume>,
    pub env: Vec<(String, String)>,
    pub terminal: bool,
    pub remove: bool,
}

/// A folder of the host (an absolute path) or a named volume to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub source: String,
    pub destination: String,
    pub read_only: bool,
}

impl Request {
    /// The command line that makes and starts the same container; units are made of it, too.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["haulout".to_owned(), "run".to_owned(), "-d".to_owned()];
        if self.terminal {
            words.push("-it".to_owned());
        }
        if self.remove {
            words.push("--rm".to_owned());
        }
        if let Some(name) = &self.name {
            words.extend(["--name".to_owned(), name.clone()]);
        }
        for port in &self.ports {
            words.extend(["-p".to_owned(), published(port)]);
        }
        for volume in &self.volumes {
            let options = if volume.read_only { ":ro" } else { "" };
            words.extend(["-v".to_owned(), format!("{}:{}{options}", volume.source, volume.destination)]);
        }
        for (name, value) in &self.env {
            words.extend(["-e".to_owned(), format!("{name}={value}")]);
        }
        words.push(self.image.clone());
        words.extend(self.command.iter().cloned());
        words
    }
}

fn published(port: &Port) -> String {
    let host = port.host.map(|host| format!("{host}:")).unwrap_or_default();
    format!("{host}{}{}", port.container, port.protocol.suffix())
}
