// SPDX-License-Identifier: GPL-3.0-or-later
//! The one way to an engine, in the app's own terms: list, follow, act, stream. No page knows what is behind it, and
//! none touches a file or a process of the host itself.
//!
//! [`local::Local`] is the engine in this process. A client of the REST API will be another.

mod convert;
mod crowd;
mod draft;
mod flow;
mod journal;
pub mod local;
#[cfg(feature = "preview")]
pub mod preview;
mod request;
mod unit;
mod units;
mod update;
mod updates;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

pub use draft::Draft;
pub use flow::{Flow, Session};
pub use journal::{Boot as PastBoot, Period};
pub use request::{Request, Volume};
pub use unit::{
    Activity, Boot, Checked, Kind as UnitKind, Maker, Problem, Unit, UnitAction, UnitText, UnitWrite, Units,
};

pub use update::{
    PastUpdate, Schedule, Standing, Update, UpdateOutcome, UpdatePolicy, UpdateStep, UpdateWork, Updates, Version,
};

/// What the pages hold.
pub type Shared = Rc<dyn Connection>;

/// An answer that comes later; may be awaited on GTK's main loop.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

/// An engine, wherever it is.
pub trait Connection {
    /// All containers.
    fn containers(&self) -> Reply<Vec<Container>>;
    /// One of them as it is in the list; nothing when it is gone.
    fn container(&self, id: &str) -> Reply<Option<Container>>;
    /// Everything about one.
    fn details(&self, id: &str) -> Reply<Details>;
    /// All images.
    fn images(&self) -> Reply<Vec<Image>>;
    /// What a container of the image is going to have if nothing else is said; nothing when the image is not here.
    fn defaults(&self, image: &str) -> Reply<Option<Defaults>>;
    /// What changes from the moment of the call on.
    fn changes(&self) -> Flow<Change>;
    /// What the machine lacks.
    fn missing(&self) -> Reply<Vec<Missing>>;
    /// Does something to a container; answers when it is done.
    fn act(&self, id: &str, action: Action) -> Reply<()>;
    /// Makes a container (the image must be here) and answers its id.
    fn create(&self, request: Request) -> Reply<String>;
    /// Fetches an image; dropping the flow cancels it and leaves nothing behind.
    fn pull(&self, name: &str) -> Flow<Pull>;
    /// Takes a name, or an id with all its names, away; the image goes with its last name.
    fn remove_image(&self, image: &str) -> Reply<()>;
    /// Gives an image one more name.
    fn tag(&self, image: &str, name: &str) -> Reply<()>;
    /// A container's last lines, then what comes, until it ends.
    fn logs(&self, id: &str, tail: usize) -> Flow<Vec<LogLine>>;
    /// Runs a command in a running container, with a terminal.
    fn exec(&self, id: &str, exec: Exec) -> Reply<Session>;
    /// Connects to a running container's own terminal.
    fn attach(&self, id: &str) -> Reply<Session>;
    /// All units.
    fn units(&self) -> Reply<Units>;
    /// Tells when something about units changes, from the moment of the call on.
    fn unit_changes(&self) -> Flow<()>;
    /// What a unit's file says.
    fn unit_text(&self, name: &str) -> Reply<UnitText>;
    /// What would become of the unit `name` if it said `text`.
    fn check_unit(&self, name: &str, text: &str) -> Reply<Checked>;
    /// Writes a unit's file and has systemd read it, unless the file says something else than is thought.
    fn write_unit(&self, write: UnitWrite) -> Reply<()>;
    /// Stops a unit and removes its file, if it still says `text`.
    fn remove_unit(&self, name: &str, text: &str) -> Reply<()>;
    /// Has a unit's service started, stopped or started anew; answers when that is done.
    fn act_on_unit(&self, service: &str, action: UnitAction) -> Reply<()>;
    /// Whether what starts at login is to start at boot already.
    fn start_at_boot(&self, on: bool) -> Reply<()>;
    /// A service's last lines in the journal of a period, then what comes.
    fn journal(&self, service: &str, tail: usize, period: &Period) -> Flow<Vec<LogLine>>;
    /// The times that this computer was on, of which the journal knows: the newest first.
    fn boots(&self) -> Reply<Vec<PastBoot>>;
    /// The unit that runs what a container runs.
    fn draft_unit(&self, id: &str) -> Reply<Draft>;
    /// What is kept up to date, how it stands by what is known, and what was done.
    fn updates(&self) -> Reply<Updates>;
    /// Tells when something about updates changes, from the moment of the call on.
    fn update_changes(&self) -> Flow<()>;
    /// Looks for new images, brings units up to date, or back. Dropping the flow ends it: what was begun is finished by the next run.
    fn run_updates(&self, work: UpdateWork) -> Flow<UpdateStep>;
    /// Has a unit left as it is, until then (seconds since 1970) or until it is released.
    fn hold(&self, unit: &str, until: Option<i64>) -> Reply<()>;
    /// Ends that.
    fn release(&self, unit: &str) -> Reply<()>;
    /// Has updates made by themselves, now and from every login on, or not any more.
    fn update_by_itself(&self, on: bool) -> Reply<()>;
    /// What was done or found without anybody asking for it, and nobody has seen.
    fn unseen_updates(&self) -> Reply<Vec<PastUpdate>>;
    /// Somebody sees all of that now.
    fn see_updates(&self) -> Reply<()>;
}

/// Why something was not done. Words for people are made of it in [`crate::errors`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of thing went wrong.
    pub reason: Reason,
    /// What the engine said, the outermost first.
    pub details: Vec<String>,
}

/// Kinds of failures that people can do something about, and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The container or image is not there any more.
    Gone,
    /// Another container has this name.
    NameInUse(String),
    /// Containers are made from the image; their ids or names.
    ImageInUse(String),
    /// The thing is in a state in which that cannot be done.
    WrongState,
    /// The container's own process did not start; the exit status a shell would give.
    NotStarted(u8),
    /// Something else listens on this port of the host.
    PortInUse(u16),
    /// This port of the host is not for ordinary users.
    PortForbidden(u16),
    /// An option makes no sense.
    Invalid,
    /// A registry does not answer.
    Unreachable(String),
    /// A registry has no such image, or does not show it.
    NotInRegistry,
    /// What a registry sent is not what it had promised.
    Damaged,
    /// A unit's service did not do what it was asked to: the job's result, in systemd's word.
    UnitFailed(String),
    /// systemd has no service of this unit.
    NotLoaded,
    /// A file was changed by somebody else meanwhile.
    Changed,
    /// There is a file of this name.
    Exists,
    /// The unit belongs to the system, or to somebody else.
    NotOwn,
    /// A unit could not be brought up to date, or it could not be known whether there is something new.
    NotUpdated,
    /// There is no systemd that answers.
    NoManager,
    /// A password is wanted for it, and nothing in the session asks for one.
    NobodyAsks,
    /// Somebody was asked for a password, and closed the question or did not know it.
    NotAnswered,
    /// Whoever looks after the computer does not let anybody do it.
    Forbidden,
    /// The `haulout` program, which enters the user namespace, is not there or ended.
    NoWorker,
    /// A file, a process or a socket of the host.
    System,
    /// Anything else.
    Other,
}

/// A container in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: String,
    /// The name of its image when it was made.
    pub image: String,
    /// Its image's id.
    pub image_id: String,
    pub state: State,
    pub ports: Vec<Port>,
    /// Seconds since 1970.
    pub created: i64,
    pub command: Vec<String>,
    /// Whether its process has a terminal.
    pub terminal: bool,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never started.
    Created,
    /// Running, since when (seconds since 1970).
    Running { since: Option<i64> },
    /// Its processes are there and stand still.
    Paused,
    /// Ended; no status when nobody saw it end.
    Exited { status: Option<i32>, finished: i64, out_of_memory: bool },
}

impl State {
    /// Whether its process lives.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running { .. } | Self::Paused)
    }
}

/// Published ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The host's address; every one when none.
    pub address: Option<String>,
    /// The first on the host; not yet chosen when none.
    pub host: Option<u16>,
    /// The first in the container.
    pub container: u16,
    /// How many in a row.
    pub count: u16,
    pub protocol: Protocol,
}

/// What goes through a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// As commands and units write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// What stands behind a port's number: nothing for TCP, which is meant where nothing is said.
    pub fn suffix(self) -> String {
        if self == Self::Tcp { String::new() } else { format!("/{}", self.name()) }
    }
}

/// An image in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub id: String,
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub created: i64,
    /// Bytes.
    pub size: u64,
}

/// Everything about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    pub container: Container,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub hostname: Option<String>,
    /// The process of a running one, as the host sees it.
    pub pid: Option<i32>,
    /// What it was made with, image's and its own.
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    /// Container id, host id, count.
    pub uid_map: Vec<(u32, u32, u32)>,
    pub gid_map: Vec<(u32, u32, u32)>,
    pub network: Network,
    /// Whether it goes when it ends.
    pub remove: bool,
}

/// How a container reaches the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network of its own behind the host's.
    Private,
    /// The host's.
    Host,
    /// None.
    None,
}

/// A folder of the host, a volume or a file system in memory, inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub kind: MountKind,
    /// A path or a volume's name.
    pub source: String,
    pub destination: String,
    pub writable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    Folder,
    Volume,
    Memory,
}

/// What an image says of its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    /// Ports that its program listens on.
    pub ports: Vec<(u16, Protocol)>,
    /// Paths that want a volume.
    pub volumes: Vec<String>,
}

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A container, by id: made, started, ended, removed.
    Container(String),
    /// Images: which one does not matter, names move between them.
    Images,
}

/// A piece that the machine lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub piece: Piece,
    /// What, in the engine's words: programs and settings by name.
    pub name: String,
    /// Why it is needed and what is known of its lack, in the engine's words.
    pub why: String,
    /// The command that mends it on this distribution, if one is known to be right.
    pub command: Option<String>,
    /// Nothing runs without it.
    pub fatal: bool,
}

/// What containers stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// `newuidmap` and `newgidmap`.
    IdMappers,
    /// They may not do what they are for.
    IdMappersPrivilege,
    /// Lines for the user in `/etc/subuid` and `/etc/subgid`.
    SubordinateIds,
    /// crun.
    Runtime,
    /// pasta, or the device that it opens.
    Network,
    /// Forbidden by a sysctl.
    UserNamespaces,
    /// Forbidden by Ubuntu's AppArmor.
    AppArmor,
    /// The file system that images are stacked with.
    Overlay,
    /// A folder of the session.
    RuntimeFolder,
    /// The systemd user manager.
    UserManager,
    /// Something that this app has no words for.
    Other,
}

/// What can be done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Start,
    Stop,
    Restart,
    Kill,
    /// Stops it first if it runs; its anonymous volumes go with it.
    Remove,
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Which name is asked for.
    Trying(String),
    /// The layers to fetch: key, bytes, whether it is here already.
    Layers(Vec<(String, u64, bool)>),
    /// Bytes of a layer received so far.
    Fetched { layer: String, bytes: u64 },
    /// A layer is unpacked.
    Unpacked(String),
    /// Everything is here and being written down.
    Committing,
    /// It is here, under this name.
    Done(String),
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Microseconds since 1970.
    pub time: i64,
    /// From standard error.
    pub stderr: bool,
    pub text: String,
    /// The next one goes on where this one ends.
    pub partial: bool,
}

/// What a terminal is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    pub command: Vec<String>,
    /// The container's own when none.
    pub user: Option<String>,
    /// Columns, rows.
    pub size: (u16, u16),
}

/// What a process in a container says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Bytes(Vec<u8>),
    /// It ended; no status when nobody saw it end.
    Exited(Option<i32>),
}

/// What goes to a process in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Bytes(Vec<u8>),
    /// Columns, rows.
    Resize(u16, u16),
}
