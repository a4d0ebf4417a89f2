// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers.

pub(crate) mod connection;
pub mod id;
mod names;
pub mod options;
pub mod session;
pub mod start;
pub(crate) mod status;

use std::collections::BTreeMap;

use futures_util::stream::BoxStream;
use haulout_monitor::last_run::Exit;
use haulout_monitor::process::Process;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::engine::{Engine, Error};
pub use id::{ContainerId, ContainerName};
pub use options::Options;
pub use session::{Exec, Input, Output, Session};

/// The operations on containers.
#[derive(Clone)]
pub struct Containers {
    engine: Engine,
}

/// What a container is doing, as the kernel and the runtime folder tell it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Its process runs.
    Running(Process),
    /// It ran and ended; an exit whose status nobody saw has none.
    Exited(Exit),
}

/// A container as it is in the database: what should be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// The image it is made from.
    pub image: Digest,
    /// That image's name when it was made.
    pub image_name: String,
    /// When it was made: nanoseconds since 1970.
    pub created: i64,
    /// What it was made with.
    pub options: Options,
    /// Its command, entrypoint included, after the image's defaults were applied.
    pub command: Vec<String>,
    /// The ports that it publishes, host ports chosen.
    pub ports: Vec<options::Publish>,
    /// Its anonymous volumes, of the image's `VOLUME`s and of `-v /place`: place inside, and the volume's name.
    #[serde(default)]
    pub volumes: Vec<(std::path::PathBuf, String)>,
}

/// A container in a list.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What should be.
    pub record: Record,
    /// What is.
    pub status: Status,
    /// When it was last started: seconds since 1970.
    pub started: Option<i64>,
}

/// Everything about one container.
#[derive(Clone, Debug)]
pub struct Details {
    /// As in a list.
    pub summary: Summary,
    /// The image's configuration.
    pub image: oci_spec::image::ImageConfiguration,
    /// What the OCI runtime gets or got; nothing when it never ran since login.
    pub spec: Option<oci_spec::runtime::Spec>,
    /// How often its policy restarted it.
    pub restarts: u32,
    /// Host ids of its user namespace: container id, host id, count; users, then groups.
    pub uid_map: Vec<(u32, u32, u32)>,
    /// The same for groups.
    pub gid_map: Vec<(u32, u32, u32)>,
    /// The mounts that it has or will have: source, destination, options.
    pub mounts: Vec<Mount>,
}

/// One mount of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// A volume's name.
    pub name: Option<String>,
    /// Where it comes from.
    pub source: std::path::PathBuf,
    /// Where it is inside.
    pub destination: std::path::PathBuf,
    /// Its options.
    pub options: Vec<String>,
    /// Whether it can be written.
    pub writable: bool,
}

/// What `remove` is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveOptions {
    /// Stop it first.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// Seconds to wait for a stop before SIGKILL; the container's own when nothing.
    pub timeout: Option<u64>,
}

/// Which log lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOptions {
    /// Go on with what comes, until the container ends.
    pub follow: bool,
    /// Only the last so many.
    pub tail: Option<usize>,
    /// Only those after: nanoseconds since 1970.
    pub since: Option<i64>,
    /// Only those before.
    pub until: Option<i64>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since 1970.
    pub time: i64,
    /// Whether it came from standard error.
    pub stderr: bool,
    /// The text, without its newline.
    pub text: Vec<u8>,
    /// Whether no newline follows: the line goes on in the next.
    pub partial: bool,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It runs no more (at once when it never ran… or has ended).
    #[default]
    Stopped,
    /// It runs.
    Running,
    /// It is removed.
    Removed,
}

impl Containers {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// The container that `name` stands for: a name, an id, or the beginning of just one id.
    pub async fn resolve(&self, name: &str) -> Result<ContainerId, Error> {
        let _ = (name, &self.engine);
        todo!()
    }

    /// All of them, the oldest first.
    pub async fn list(&self) -> Result<Vec<Summary>, Error> {
        todo!()
    }

    /// Everything about one.
    pub async fn inspect(&self, id: &ContainerId) -> Result<Details, Error> {
        let _ = id;
        todo!()
    }

    /// Makes one. The image must be here ([`crate::image::Images::pull`] fetches it).
    pub async fn create(&self, options: Options) -> Result<ContainerId, Error> {
        let _ = options;
        todo!()
    }

    /// Starts one, and answers when its process runs. Starting a running one does nothing.
    pub async fn start(&self, id: &ContainerId) -> Result<(), Error> {
        let _ = id;
        todo!()
    }

    /// Starts one with its output and input connected from the first byte. `size` is the terminal's, columns then rows.
    pub async fn start_attached(&self, id: &ContainerId, size: Option<(u16, u16)>) -> Result<Session, Error> {
        let _ = (id, size);
        todo!()
    }

    /// Connects to a running one.
    pub async fn attach(&self, id: &ContainerId) -> Result<Session, Error> {
        let _ = id;
        todo!()
    }

    /// Runs a command in a running one.
    pub async fn exec(&self, id: &ContainerId, exec: Exec) -> Result<Session, Error> {
        let _ = (id, exec);
        todo!()
    }

    /// Asks it to end, and kills it after `timeout` seconds (its own when nothing). Answers when it has ended; an
    /// ended one is left alone.
    pub async fn stop(&self, id: &ContainerId, timeout: Option<u64>) -> Result<(), Error> {
        let _ = (id, timeout);
        todo!()
    }

    /// Sends its process a signal (a number of signal(7)).
    pub async fn kill(&self, id: &ContainerId, signal: i32) -> Result<(), Error> {
        let _ = (id, signal);
        todo!()
    }

    /// Removes one, and answers when nothing of it is left.
    pub async fn remove(&self, id: &ContainerId, options: RemoveOptions) -> Result<(), Error> {
        let _ = (id, options);
        todo!()
    }

    /// Waits, and answers its exit status (-1 when nobody saw it end).
    pub async fn wait(&self, id: &ContainerId, condition: Condition) -> Result<i32, Error> {
        let _ = (id, condition);
        todo!()
    }

    /// Its log.
    pub fn logs(&self, id: &ContainerId, options: LogOptions) -> BoxStream<'static, Result<LogLine, Error>> {
        let _ = (id, options);
        todo!()
    }

    /// What the monitor asks for (`haulout container cleanup`) when a `--rm` container has ended and nobody is attached.
    pub async fn cleanup(&self, id: &ContainerId) -> Result<(), Error> {
        let _ = id;
        todo!()
    }
}

/// A map of labels, as filters see it.
pub type Labels = BTreeMap<String, String>;
