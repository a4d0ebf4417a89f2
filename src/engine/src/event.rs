// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened: one JSON object a line, appended to `$XDG_RUNTIME_DIR/haulout/events` by whoever did it.
//!
//! A line is written in one `write` of at most `PIPE_BUF` bytes on a descriptor opened with `O_APPEND`, so that two
//! writers never mix. Followers watch the file by inotify.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One thing that happened to one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time: i64,
    /// To what kind of thing.
    pub kind: Kind,
    /// What happened, in podman's word: `create init start attach exec exec_died died stop kill remove cleanup rename`,
    /// `pull tag untag import loadfromarchive remove`.
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
