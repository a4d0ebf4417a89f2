// SPDX-License-Identifier: GPL-3.0-or-later
//! Quadlet's units and their services, in the app's terms.

pub use haulout_quadlet::Kind;

/// The units of the user, and what holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    pub list: Vec<Unit>,
    pub boot: Boot,
    pub maker: Maker,
}

/// Whether what starts at login starts at boot already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    Yes,
    No,
    /// Nobody answers.
    Unknown,
}

/// Who makes services of the units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    Haulout,
    /// Podman's generator, at this path.
    Podman(String),
}

/// A unit in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Of its file, `web.container`: no two have the same.
    pub name: String,
    pub kind: Kind,
    /// `web.service`.
    pub service: String,
    /// What it says it is.
    pub description: Option<String>,
    /// Its file.
    pub path: String,
    /// Whether the file is the user's own, and so to be changed here.
    pub own: bool,
    pub activity: Activity,
    /// Whether it starts at login.
    pub at_login: bool,
    /// It only says what its instances are like.
    pub template: bool,
    pub problems: Vec<Problem>,
}

impl Unit {
    /// Whether something is wrong for which it has no service.
    pub fn is_broken(&self) -> bool {
        self.problems.iter().any(|problem| problem.error)
    }
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// systemd does not know it.
    NotLoaded,
    Inactive,
    Starting,
    Running,
    /// It did what it had to do, and what it made is there.
    Done,
    Stopping,
    Failed,
    /// There is no systemd to ask.
    Unknown,
}

impl Activity {
    /// Whether there is something to stop.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Done)
    }
}

/// Something wrong with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// There is no service because of it.
    pub error: bool,
    /// Line and column, counted from 1, in the unit's own file.
    pub at: Option<(usize, usize)>,
    /// The file, when it is another one.
    pub file: Option<String>,
    /// The key that is missing, where one is.
    pub key: Option<String>,
    pub text: String,
    pub hint: Option<String>,
}

/// What a unit's file says, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitText {
    pub text: String,
    /// The service that systemd has now.
    pub service: Option<String>,
}

/// What would become of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub problems: Vec<Problem>,
    pub service: Option<String>,
}

/// A unit's file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitWrite {
    /// `web.container`.
    pub name: String,
    pub text: String,
    /// What it said before, when it is there.
    pub before: Option<String>,
}

/// What can be done to a unit's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitAction {
    Start,
    Stop,
    Restart,
}
