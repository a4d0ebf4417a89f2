// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened: one JSON object a line, appended to `$XDG_RUNTIME_DIR/haulout/events` by whoever did it.
//!
//! A line is written in one `write` of at most `PIPE_BUF` bytes on a descriptor opened with `O_APPEND`, so that two
//! writers never mix. Followers watch the file by inotify.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// No line is longer: `PIPE_BUF` of the kernel.
const MAX_LINE: usize = 4096;

/// One thing that happened to one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time: i64,
    /// To what kind of thing.
    pub kind: Kind,
    /// What happened, in podman's word: `create init start attach exec exec_died died stop kill remove cleanup rename restart`,
    /// `pull tag untag import loadfromarchive remove`; and `network`, when a container lost its network.
    pub action: String,
    /// The thing's full id.
    pub id: String,
    /// The thing's name (of an image: its reference).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A container's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// With `died` and `exec_died`: the exit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// A container's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// The engine itself.
    System,
}

impl Event {
    /// Appends it to the event log `file`, which is made if it is not there. Labels that would make the line too long for
    /// one write are left out, the longest first.
    pub fn append(&self, file: &Path) -> io::Result<()> {
        let mut line = self.line()?;
        if line.len() > MAX_LINE {
            let mut shorter = self.clone();
            while line.len() > MAX_LINE
                && let Some(longest) = shorter.longest_label()
            {
                shorter.labels.remove(&longest);
                line = shorter.line()?;
            }
        }
        OpenOptions::new().append(true).create(true).mode(0o600).open(file)?.write_all(&line)
    }

    fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    fn longest_label(&self) -> Option<String> {
        self.labels.iter().max_by_key(|(key, value)| key.len() + value.len()).map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(labels: BTreeMap<String, String>) -> Event {
        Event {
            time: 1,
            kind: Kind::Container,
            action: "start".into(),
            id: "abc".into(),
            name: "name".into(),
            image: None,
            exit: None,
            labels,
        }
    }

    #[test]
    fn events_are_lines_that_read_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let one = event(BTreeMap::from([("a".into(), "line\nbreak".into())]));
        one.append(&file).unwrap();
        one.append(&file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let back: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, [one.clone(), one]);
    }

    #[test]
    fn a_label_that_does_not_fit_is_left_out_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let labels = BTreeMap::from([("long".into(), "x".repeat(MAX_LINE)), ("short".into(), "y".into())]);
        event(labels).append(&file).unwrap();
        let back: Event = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(back.labels, BTreeMap::from([("short".into(), "y".into())]));
    }
}
