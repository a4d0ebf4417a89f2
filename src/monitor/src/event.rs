// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened: one JSON object a line ([`file`]), appended to `$XDG_RUNTIME_DIR/haulout/events` by whoever did it, and told to
//! systemd's journal as well where that is asked for. Followers watch the file by inotify.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::health::Status;
use crate::journal::SOCKET;

pub mod file;
mod journal;

pub use journal::IDENTIFIER;

/// A longer line is not read again: a label of megabytes is nothing that a follower wants.
const MAX_LINE: usize = 256 << 10;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The log that followers watch.
    pub file: PathBuf,
    /// It is put aside when it is longer; nothing for never.
    pub max_size: Option<u64>,
    /// Whether they go to systemd's journal as well (`events_logger = "journald"`).
    pub journal: bool,
}

impl Log {
    /// In `file`, as it is when nothing else is said.
    pub fn in_file(file: PathBuf) -> Self {
        Self { file, max_size: Some(file::MAX_SIZE), journal: false }
    }

    /// Appends `event`: to the file, and if that fails to the journal all the same.
    pub fn append(&self, event: &Event) -> io::Result<()> {
        let written = event.short_line().and_then(|line| file::append(&self.file, &line, self.max_size));
        if self.journal {
            let told = journal::send(event, Path::new(SOCKET));
            return written.and(told);
        }
        written
    }
}

/// One thing that happened to one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time: i64,
    /// To what kind of thing.
    pub kind: Kind,
    /// What happened, in podman's word: `create init start attach exec exec_died health_status died stop kill remove cleanup rename restart`,
    /// `pull pull-error push tag untag import loadfromarchive save mount unmount remove`; and `network`, when a container lost its network.
    pub action: String,
    /// The thing's full id.
    pub id: String,
    /// The thing's name (of an image: its reference).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A container's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// With `died`, `exec_died` and `remove`: the exit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// With `health_status`: how the container is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// A container's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// With `pull-error`: what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// With `create`, where that is asked for: all of the container, as `inspect` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspect: Option<String>,
}

/// What a check of a container's health came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How the container is.
    pub status: Status,
    /// Failures in a row.
    pub failing_streak: u32,
    /// What the command wrote, where that was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
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

impl Kind {
    /// In Podman's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Volume => "volume",
            Self::System => "system",
        }
    }
}

impl Event {
    /// One that says nothing yet but what happened to what kind of thing, and when: nanoseconds since 1970.
    pub fn of(kind: Kind, action: &str, time: i64) -> Self {
        Self {
            time,
            kind,
            action: action.to_owned(),
            id: String::new(),
            name: String::new(),
            image: None,
            exit: None,
            health: None,
            labels: BTreeMap::new(),
            error: None,
            inspect: None,
        }
    }

    /// Its line in the log. Labels that would make it too long are left out, the longest first.
    fn short_line(&self) -> io::Result<Vec<u8>> {
        let mut line = self.line()?;
        if line.len() > MAX_LINE {
            let mut shorter = Self { inspect: None, ..self.clone() };
            line = shorter.line()?;
            while line.len() > MAX_LINE
                && let Some(longest) = shorter.longest_label()
            {
                shorter.labels.remove(&longest);
                line = shorter.line()?;
            }
        }
        Ok(line)
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
        Event { id: "abc".into(), name: "name".into(), labels, ..Event::of(Kind::Container, "start", 1) }
    }

    fn log(folder: &tempfile::TempDir) -> Log {
        Log::in_file(folder.path().join("events"))
    }

    fn read(log: &Log) -> Vec<Event> {
        let text = std::fs::read_to_string(&log.file).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[test]
    fn events_are_lines_that_read_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        let one = event(BTreeMap::from([("a".into(), "line\nbreak".into())]));
        log.append(&one).unwrap();
        log.append(&one).unwrap();
        assert_eq!(read(&log), [one.clone(), one]);
    }

    #[test]
    fn a_label_that_does_not_fit_is_left_out_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        let labels = BTreeMap::from([("long".into(), "x".repeat(MAX_LINE)), ("short".into(), "y".into())]);
        log.append(&event(labels)).unwrap();
        assert_eq!(read(&log)[0].labels, BTreeMap::from([("short".into(), "y".into())]));
    }

    #[test]
    fn what_comes_after_a_torn_line_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        std::fs::write(&log.file, "{\"time\":1,\"ki").unwrap();
        let one = event(BTreeMap::new());
        log.append(&one).unwrap();
        log.append(&one).unwrap();
        assert_eq!(read(&log), [one.clone(), one]);
        assert_eq!(std::fs::read_to_string(&log.file).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_log_that_may_be_as_long_as_it_likes_is_not_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log { max_size: None, ..log(&folder) };
        std::fs::write(&log.file, "\n".repeat(2 << 20)).unwrap();
        log.append(&event(BTreeMap::new())).unwrap();
        assert!(!file::old(&log.file).exists());
        let short = Log { max_size: Some(10), ..log };
        short.append(&event(BTreeMap::new())).unwrap();
        assert!(file::old(&short.file).exists());
    }

    #[test]
    fn whatever_is_in_the_file_it_is_an_event_or_none() {
        haulout_fuzz::feed("event", |bytes| {
            if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
                event.line().unwrap();
            }
        });
    }
}
