// SPDX-License-Identifier: GPL-3.0-or-later
//! Updates of units' images, in the app's terms. Times are seconds since 1970.

use super::Pull;

/// What is kept up to date, and when that happens by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updates {
    pub list: Vec<Update>,
    /// Nothing when there is no systemd to ask.
    pub schedule: Option<Schedule>,
    /// What was done, the newest first.
    pub past: Vec<PastUpdate>,
}

/// When updates are made by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    pub on: bool,
    /// The next run.
    pub next: Option<i64>,
    /// Whether one runs now.
    pub runs: bool,
}

/// A container that is kept up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// No two have the same.
    pub key: String,
    /// `web.service`; nothing for a container that does not say of which it is.
    pub unit: Option<String>,
    /// The container's name; nothing when it does not run.
    pub container: Option<String>,
    pub image: String,
    pub policy: UpdatePolicy,
    /// What it runs.
    pub current: Option<Version>,
    /// What there is that it does not run.
    pub newest: Option<Version>,
    /// When somebody looked.
    pub checked: Option<i64>,
    pub standing: Standing,
    /// Its image's name has a digest, which never changes.
    pub pinned: bool,
    pub can_roll_back: bool,
}

/// How a container takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatePolicy {
    /// What its registry has counts.
    Registry,
    /// What its image's name stands for here counts.
    Local,
    /// What its registry has counts, but it is only told.
    Notify,
}

/// An image as it was at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `sha256:…`
    pub digest: String,
    /// What the image says its version is.
    pub name: Option<String>,
    /// Where it says it is made from.
    pub source: Option<String>,
}

/// How a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked yet.
    Unknown,
    Current,
    Available,
    /// It is left as it is, until then or until somebody releases it.
    Held(Option<i64>),
    /// What is new was tried, and was no good; when and why.
    TakenBack(i64, String),
    /// It cannot be kept up to date, or it could not be known what there is; in the engine's words.
    Failed(String),
    /// Somebody brings it up to date now.
    Updating,
    /// Somebody began to, and was ended.
    Interrupted,
    /// It does not run.
    Asleep,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateStep {
    /// Another run is waited for.
    Waiting,
    /// So many registries were asked, of so many.
    Checking(usize, usize),
    /// An image is fetched.
    Pulling(String, Pull),
    /// This unit is restarted.
    Restarting(String),
    /// It runs, and is watched for a while.
    Judging(String),
    RollingBack(String),
    /// What was done, and what could not be.
    Done(Vec<PastUpdate>, Vec<String>),
}

/// What became of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastUpdate {
    pub unit: String,
    pub image: String,
    pub from: Option<String>,
    pub to: Option<String>,
    /// When it began.
    pub began: i64,
    pub outcome: UpdateOutcome,
    /// Why, in the engine's words.
    pub reason: Option<String>,
    /// Whether the timer did it.
    pub by_itself: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// There was nothing to do.
    Current,
    /// There is something to do.
    Pending,
    Held,
    /// It was begun.
    Begun,
    Updated,
    RolledBack,
    Failed,
}

/// What a run is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateWork {
    /// Look for new images: of these units, or of all when there are none.
    Check(Vec<String>),
    /// The same for all, when nobody asked for it: what is found is told once.
    CheckUnasked,
    /// Bring these units up to date.
    Update(Vec<String>),
    /// Have these run what they ran before.
    RollBack(Vec<String>),
}
