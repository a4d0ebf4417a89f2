// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers.

mod accounts;
mod attach;
mod base;
mod cgroups;
mod change;
pub(crate) mod changes;
pub mod commit;
pub(crate) mod confinement;
mod connect;
pub(crate) mod connection;
pub mod copy;
mod create;
mod defaults;
pub mod descriptors;
mod exec;
pub(crate) mod files;
mod fill;
pub mod health;
pub mod id;
mod initialize;
mod inspect;
mod keys;
mod launch;
mod lock;
mod log_tag;
mod logs;
mod mount;
mod names;
mod notify;
pub mod options;
mod prepare;
pub mod processes;
mod remove;
mod rename;
mod restart;
pub mod session;
pub mod signal;
pub mod start;
pub(crate) mod status;
mod stop;
mod sweep;
pub mod update;
pub mod usage;

use std::collections::BTreeMap;

use futures_util::stream::BoxStream;
use haulout_monitor::last_run::Exit;
use haulout_monitor::process::Process;
use serde::{Deserialize, Serialize};

use self::create::Made;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::event::{self, Event};
use crate::state::Found;
use crate::userns::modes::Mapping;
pub use changes::{Change, ChangeKind, Root, tree_size};
pub use id::{ContainerId, ContainerName, without_slash};
pub(crate) use inspect::{list as listed, maps_of_user};
pub use options::Options;
pub use session::{Exec, Input, Output, Session};

/// The operations on containers.
#[derive(Clone)]
pub struct Containers {
    engine: Engine,
    /// What is passed on to the processes that are started.
    passed: descriptors::Passed,
    /// Whether what is made is started at once.
    starts: bool,
}

/// What a container is doing, as the kernel and the runtime folder tell it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Made ready by the runtime; what waits to become its process.
    Initialized(Process),
    /// Its process runs.
    Running(Process),
    /// Its processes are stopped where they are.
    Paused(Process),
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
    /// The image it is made from; nothing when its root is a folder of the host's.
    pub image: Option<Digest>,
    /// That image's name when it was made; empty when there is none.
    pub image_name: String,
    /// When it was made: nanoseconds since 1970.
    pub created: i64,
    /// What it was made with.
    pub options: Options,
    /// Its command, entrypoint included, after the image's defaults were applied.
    pub command: Vec<String>,
    /// How many words of it are the entrypoint.
    #[serde(default)]
    pub entrypoint: usize,
    /// The ports that it publishes, host ports chosen.
    pub ports: Vec<options::Publish>,
    /// The ports that it says it uses: of `--expose` and of the image.
    #[serde(default)]
    pub exposed: Vec<(u16, options::Protocol)>,
    /// Its anonymous volumes, of the image's `VOLUME`s and of `-v /place`: place inside, and the volume's name.
    #[serde(default)]
    pub volumes: Vec<(std::path::PathBuf, String)>,
    /// Its own map of ids into the rootless user namespace; nothing when that is where it lives.
    #[serde(default)]
    pub mapping: Option<Mapping>,
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
    /// How often its policy has restarted it since a user started it.
    pub restarts: u32,
    /// How it is, if that is checked and it ever ran.
    pub health: Option<health::HealthStatus>,
}

/// Everything about one container.
#[derive(Clone, Debug)]
pub struct Details {
    /// As in a list.
    pub summary: Summary,
    /// The image's configuration.
    pub image: oci_spec::image::ImageConfiguration,
    /// The folders of the image's layers, the uppermost first.
    pub layers: Vec<std::path::PathBuf>,
    /// What the OCI runtime got, or would get now; nothing when the machine lacks something for it.
    pub spec: Option<oci_spec::runtime::Spec>,
    /// The process beside it, as long as it runs.
    pub monitor: Option<Process>,
    /// The path of its cgroup below the cgroup2 mount, as long as it runs.
    pub cgroup: Option<String>,
    /// The signal that asks it to end: a number.
    pub stop_signal: i32,
    /// Where its files are on disk.
    pub folder: std::path::PathBuf,
    /// Its OCI bundle, there as long as it runs.
    pub bundle: std::path::PathBuf,
    /// Where its log is, when that is a file.
    pub log_path: Option<std::path::PathBuf>,
    /// The OCI runtime's name.
    pub runtime: String,
    /// What is known of its health, if that is checked and it ever ran.
    pub health: Option<health::Health>,
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
    /// `bind`, `volume`, `tmpfs`, `image`, `ramfs` or `devpts`.
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
    /// What of its source is mounted, when not all.
    pub subpath: Option<std::path::PathBuf>,
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
    /// It was made and never started.
    Created,
    /// It was made ready, and waits to be started.
    Initialized,
    /// It runs.
    Running,
    /// It is paused.
    Paused,
    /// It is removed.
    Removed,
    /// Its health was checked and found good.
    Healthy,
    /// Its health was checked and found bad.
    Unhealthy,
}

impl Status {
    /// Its process, as long as it has one; of one that waits to be started, what becomes it.
    pub fn process(&self) -> Option<Process> {
        match self {
            Self::Initialized(process) | Self::Running(process) | Self::Paused(process) => Some(*process),
            Self::Created | Self::Exited(_) => None,
        }
    }

    /// Whether its process is the container's own: it runs, or is paused.
    pub fn is_started(&self) -> bool {
        matches!(self, Self::Running(_) | Self::Paused(_))
    }
}

impl Containers {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine, passed: descriptors::Passed::default(), starts: false }
    }

    /// The same, but what is started has these descriptors of this process's.
    #[must_use]
    pub fn passing(mut self, passed: descriptors::Passed) -> Self {
        self.passed = passed;
        self
    }

    /// The container that `name` stands for: a name, with or without a slash before it, an id, or the beginning of just one id.
    pub async fn resolve(&self, name: &str) -> Result<ContainerId, Error> {
        if name.is_empty() {
            return Err(Error::NoName);
        }
        let text = without_slash(name).to_owned();
        match self.engine.state(move |database| database.find_container(&text)).await? {
            Found::One(id) => Ok(id),
            Found::Several => Err(Error::AmbiguousContainer(name.to_owned())),
            Found::None => Err(Error::NoSuchContainer(name.to_owned())),
        }
    }

    /// All of them, the oldest first.
    pub async fn list(&self) -> Result<Vec<Summary>, Error> {
        let engine = self.engine.clone();
        self.engine.blocking("listing the containers", move || inspect::list(&engine)).await
    }

    /// Everything about one.
    pub async fn inspect(&self, id: &ContainerId) -> Result<Details, Error> {
        let (engine, id) = (self.engine.clone(), *id);
        self.engine.blocking("inspecting a container", move || inspect::details(&engine, &id)).await
    }

    /// The same for who makes one of `options` and starts it at once: what takes the kernel a while and does not need it is begun.
    #[must_use]
    pub fn starting(mut self, options: &Options) -> Self {
        notify::divide_cgroup(options);
        self.starts = true;
        self
    }

    /// Makes one. The image must be here ([`crate::image::Images::pull`] fetches it).
    pub async fn create(&self, options: Options) -> Result<ContainerId, Error> {
        self.make(options, true).await
    }

    /// The same without the event, for who knows more to tell of it ([`Containers::tell_created`]).
    pub async fn create_untold(&self, options: Options) -> Result<ContainerId, Error> {
        self.make(options, false).await
    }

    /// Tells that a container was made, and `inspect`, all of it.
    pub async fn tell_created(&self, id: &ContainerId, inspect: String) -> Result<(), Error> {
        let event = self.record(id).await?.event("create", None);
        event::append(self.engine.paths(), &Event { inspect: Some(inspect), ..event });
        Ok(())
    }

    async fn make(&self, options: Options, tell: bool) -> Result<ContainerId, Error> {
        Box::pin(self.sweep()).await;
        let (engine, starts) = (self.engine.clone(), self.starts);
        let made = move || create::create(&engine, options, tell, starts);
        let made = self.engine.blocking("making a container", made).await;
        if let Ok(Made { id, fill: true }) = &made {
            self.fill_volumes(id).await;
        }
        // Beside the start: this is what people do most, and disks are small.
        let engine = self.engine.clone();
        tokio::spawn(async move { crate::image::sweep_litter(&engine).await });
        Ok(made?.id)
    }

    /// Makes one ready to be started, by the runtime's `create`: its files are mounted, its network is there, its process waits.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is ready already, or runs; or when one that it depends on does not run.
    pub async fn initialize(&self, id: &ContainerId) -> Result<(), Error> {
        Box::pin(self.initialize_one(id)).await
    }

    /// Starts one, and answers when its process runs. Starting a running one does nothing.
    pub async fn start(&self, id: &ContainerId) -> Result<(), Error> {
        self.launch(id, prepare::Attach::default(), None).await.map(drop)
    }

    /// Starts one with its output and input connected from the first byte. `size` is the terminal's, columns then rows. Of a
    /// container that is removed when it ends, nothing is left when the session says that it has ended.
    pub async fn start_attached(&self, id: &ContainerId, size: Option<(u16, u16)>) -> Result<Session, Error> {
        self.launch_attached(id, size).await
    }

    /// Connects to a running one.
    pub async fn attach(&self, id: &ContainerId) -> Result<Session, Error> {
        self.connect_attached(id).await
    }

    /// Runs a command in a running one.
    pub async fn exec(&self, id: &ContainerId, exec: Exec) -> Result<Session, Error> {
        self.run_exec(id, exec).await
    }

    /// Stops it if it runs (as [`Containers::stop`] does) and starts it. A container that would be removed when it ends stays.
    pub async fn restart(&self, id: &ContainerId, timeout: Option<u64>) -> Result<(), Error> {
        Box::pin(self.restart_one(id, timeout)).await
    }

    /// Gives it another name.
    pub async fn rename(&self, id: &ContainerId, name: ContainerName) -> Result<(), Error> {
        self.rename_one(id, name).await
    }

    /// Stops all processes of a running one where they are.
    pub async fn pause(&self, id: &ContainerId) -> Result<(), Error> {
        self.pause_one(id).await
    }

    /// Lets the processes of a paused one go on.
    pub async fn unpause(&self, id: &ContainerId) -> Result<(), Error> {
        self.unpause_one(id).await
    }

    /// Gives it other limits or another restart policy; a running one has them at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it runs and the machine cannot set one of the limits: nothing is changed then.
    pub async fn update(&self, id: &ContainerId, changes: update::Changes) -> Result<(), Error> {
        self.update_one(id, changes).await
    }

    /// Copies between the host, containers and tars.
    pub async fn copy(&self, from: copy::End, to: copy::End, options: copy::CopyOptions) -> Result<(), Error> {
        self.copy_files(from, to, options).await
    }

    /// What it has changed in its image's files, by path; what is mounted in it is left out.
    pub async fn changes(&self, id: &ContainerId) -> Result<Vec<changes::Change>, Error> {
        self.list_changes(id).await
    }

    /// What is other in the files of `one` than in those of `other`.
    pub async fn differences(&self, one: &Root, other: &Root) -> Result<Vec<Change>, Error> {
        self.list_differences(one, other).await
    }

    /// Writes its files to `to` as a tar, without what is mounted in it.
    pub async fn export(&self, id: &ContainerId, to: std::os::fd::OwnedFd) -> Result<(), Error> {
        self.export_files(id, to).await
    }

    /// Makes an image of it: of its image's layers and of what it has changed.
    pub async fn commit(&self, id: &ContainerId, options: commit::CommitOptions) -> Result<commit::Committed, Error> {
        Box::pin(self.commit_one(id, options)).await
    }

    /// What each of them uses now; nothing for one that does not run, or is not there.
    pub async fn usages(&self, ids: Vec<ContainerId>) -> Result<Vec<Option<usage::Usage>>, Error> {
        self.measure_all(ids).await
    }

    /// The processes of a running one.
    pub async fn processes(&self, id: &ContainerId) -> Result<Vec<processes::Process>, Error> {
        self.list_processes(id).await
    }

    /// Asks it to end, and kills it after `timeout` seconds (its own when nothing). Answers when it has ended; an
    /// ended one is left alone.
    pub async fn stop(&self, id: &ContainerId, timeout: Option<u64>) -> Result<(), Error> {
        self.stop_one(id, timeout).await
    }

    /// Sends its process a signal (a number of signal(7); [`signal::number`] knows names).
    pub async fn kill(&self, id: &ContainerId, signal: i32) -> Result<(), Error> {
        self.signal(id, signal).await
    }

    /// Removes one, and answers when nothing of it is left.
    ///
    /// # Errors
    /// [`Error::HasDependents`] when others share its namespaces or require it: they are removed first.
    pub async fn remove(&self, id: &ContainerId, options: RemoveOptions) -> Result<(), Error> {
        self.refuse_if_needed(id).await?;
        self.remove_one(id, options).await
    }

    /// Waits, and answers its exit status (-1 when nobody saw it end, 0 when it never ran).
    pub async fn wait(&self, id: &ContainerId, condition: Condition) -> Result<i32, Error> {
        self.wait_for(id, condition).await
    }

    /// Its log.
    pub fn logs(&self, id: &ContainerId, options: LogOptions) -> BoxStream<'static, Result<LogLine, Error>> {
        self.read_log(id, options)
    }

    /// What the monitor asks for (`haulout container cleanup`) when a `--rm` container has ended and nobody is attached.
    /// Where the monitor waits for it, in a service, nobody waits for the monitor.
    pub async fn cleanup(&self, id: &ContainerId, monitor_waits: bool) -> Result<(), Error> {
        if monitor_waits && self.record(id).await.is_ok_and(|record| record.options.remove) {
            return self.remove_ended(id).await;
        }
        self.clean_up(id).await
    }
}

impl Record {
    /// Its command without the entrypoint.
    pub fn arguments(&self) -> &[String] {
        self.command.get(self.entrypoint..).unwrap_or_default()
    }

    /// The id of its image in hexadecimal digits; empty when it has none.
    pub fn image_id(&self) -> String {
        self.image.as_ref().map(Digest::hex).unwrap_or_default()
    }

    /// The containers that it cannot do without: those that it requires, and those whose namespaces it shares.
    pub fn dependencies(&self) -> Vec<&str> {
        let mut found: Vec<&str> = self.options.requires.iter().map(String::as_str).collect();
        found.extend(self.shared_with());
        let mut seen = std::collections::HashSet::new();
        found.retain(|id| seen.insert(*id));
        found
    }

    /// The containers whose namespaces it shares.
    pub(crate) fn shared_with(&self) -> Vec<&str> {
        let options = &self.options;
        let shared = &options.namespaces;
        let mut found = Vec::new();
        for namespace in [&shared.pid, &shared.ipc, &shared.uts, &shared.cgroup] {
            if let options::Namespace::Container(id) = namespace {
                found.push(id.as_str());
            }
        }
        if let options::Userns::Container(id) = &options.userns {
            found.push(id);
        }
        if let options::Network::Container(id) = &options.network {
            found.push(id);
        }
        found
    }

    /// Whether it is made so that systemd can run in it.
    pub fn runs_systemd(&self) -> bool {
        use options::SystemdMode;
        let is_init = |word: &String| {
            matches!(word.as_str(), "/usr/sbin/init" | "/sbin/init" | "/usr/local/sbin/init")
                || word.rsplit('/').next() == Some("systemd")
        };
        match self.options.systemd {
            SystemdMode::Always => true,
            SystemdMode::False => false,
            SystemdMode::True => self.command.first().is_some_and(is_init),
        }
    }

    /// The volumes that it has, by name: those that it names, those of other containers, its anonymous ones.
    pub fn volume_names(&self) -> impl Iterator<Item = &str> {
        let named = self.options.volumes.iter().filter_map(|volume| match &volume.source {
            options::VolumeSource::Named(name) => Some(name.as_str()),
            _ => None,
        });
        named.chain(self.volumes.iter().map(|(_, name)| name.as_str()))
    }

    /// Something that happened to it now.
    pub(crate) fn event(&self, action: &str, exit: Option<i32>) -> Event {
        Event {
            id: self.id.to_string(),
            name: self.name.to_string(),
            image: Some(self.image_name.clone()),
            exit,
            labels: self.options.labels.clone(),
            ..Event::of(event::Kind::Container, action, event::now())
        }
    }
}

/// A map of labels, as filters see it.
pub type Labels = BTreeMap<String, String>;
