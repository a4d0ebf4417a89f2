// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is remembered of updates, and which units are held: in the database, so that it outlives whoever did it.

use serde::{Deserialize, Serialize};

use super::{Outcome, Policy, Report, checks};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::event::now;
use crate::state::{StateError, updates};

/// An image as it was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The digest of its manifest, or of the index that leads there.
    pub digest: Digest,
    /// Its id, once it is here.
    pub image: Option<Digest>,
}

/// An update of one unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: a later update has a higher one.
    #[serde(skip)]
    pub number: i64,
    /// The unit.
    pub unit: String,
    /// The name of its container.
    pub container: String,
    /// The name of the image, in full.
    pub image: String,
    /// How the container takes part.
    pub policy: Policy,
    /// What ran before; of one that is rolled back by hand, what is to run.
    pub from: Version,
    /// What was to run.
    pub to: Version,
    /// When it began: nanoseconds since 1970.
    pub began: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// Whether somebody asked for it to be taken back.
    #[serde(default)]
    pub backwards: bool,
    /// Whether the unit goes back to the old image if the new one is no good.
    #[serde(default)]
    pub roll_back: bool,
    /// Whether nobody asked for it.
    #[serde(default)]
    pub unattended: bool,
    /// Whether somebody was told of it.
    #[serde(default)]
    pub told: bool,
    /// The units that cannot do without it and ran when it began: they stop with it, and whoever finishes this starts them again.
    #[serde(default)]
    pub dependents: Vec<String>,
}

/// A unit that is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The unit.
    pub unit: String,
    /// Until when: nanoseconds since 1970; nothing: until it is released.
    pub until: Option<i64>,
}

impl Entry {
    /// The same, ended.
    pub(super) fn end(&mut self, outcome: Outcome, reason: Option<String>) {
        self.outcome = outcome;
        self.reason = reason;
        self.ended = Some(now());
    }
}

/// What is remembered, as decisions need it.
pub(super) struct History {
    entries: Vec<Entry>,
    holds: Vec<Hold>,
}

impl History {
    pub(super) async fn read(engine: &Engine) -> Result<Self, Error> {
        Ok(Self { entries: all(engine).await?, holds: holds(engine).await? })
    }

    /// What was done to a unit, the newest first.
    pub(super) fn of_unit(&self, unit: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev().filter(move |entry| entry.unit == unit)
    }

    /// What was done to it last. That something waits was nothing that was done.
    pub(super) fn last(&self, unit: &str) -> Option<&Entry> {
        self.of_unit(unit).find(|entry| entry.outcome != Outcome::Pending)
    }

    /// How a unit is held.
    pub(super) fn hold(&self, unit: &str) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.unit == unit)
    }

    /// The last time that a unit was taken back from that digest, if it has not run it since.
    pub(super) fn taken_back(&self, unit: &str, digest: Digest) -> Option<&Entry> {
        let of_both = |entry: &&Entry| entry.unit == unit && entry.to.digest == digest;
        let ended = |entry: &&Entry| matches!(entry.outcome, Outcome::RolledBack | Outcome::Updated);
        let last = self.entries.iter().rev().filter(of_both).find(ended)?;
        (last.outcome == Outcome::RolledBack).then_some(last)
    }

    /// Whether it is known already that this waits.
    fn is_pending(&self, unit: &str, digest: Digest) -> bool {
        let of_unit = self.entries.iter().rev().find(|entry| entry.unit == unit);
        of_unit.is_some_and(|entry| entry.outcome == Outcome::Pending && entry.to.digest == digest)
    }
}

/// Which of what was done to a unit, the newest first, is the update that it runs now.
pub(super) fn update_that_runs<'a>(mut entries: impl Iterator<Item = &'a Entry>) -> Result<&'a Entry, NoUpdate> {
    match entries.find(|entry| matches!(entry.outcome, Outcome::Updated | Outcome::RolledBack)) {
        Some(entry) if entry.outcome == Outcome::Updated => Ok(entry),
        Some(_) => Err(NoUpdate::TakenBack),
        None => Err(NoUpdate::Never),
    }
}

/// Why a unit runs none.
pub(super) enum NoUpdate {
    /// It was rolled back.
    TakenBack,
    /// There has been none.
    Never,
}

/// All entries, the oldest first.
pub(super) async fn all(engine: &Engine) -> Result<Vec<Entry>, Error> {
    let read = engine.state(|database| {
        let rows = updates::all(database.reader())?;
        rows.into_iter().map(|(number, document)| parse(number, &document)).collect()
    });
    read.await
}

fn parse(number: i64, document: &str) -> Result<Entry, StateError> {
    let entry: Entry = serde_json::from_str(document)
        .map_err(|error| StateError::Corrupt { what: format!("update {number}: {error}") })?;
    Ok(Entry { number, ..entry })
}

fn document(entry: &Entry) -> Result<String, StateError> {
    serde_json::to_string(entry)
        .map_err(|error| StateError::Corrupt { what: format!("an update of {}: {error}", entry.unit) })
}

/// Writes new ones, all or none; answers them with their numbers.
pub(super) async fn add(engine: &Engine, entries: Vec<Entry>) -> Result<Vec<Entry>, Error> {
    let written = engine.state(move |database| {
        database.write("noting updates", |transaction| {
            let write = |entry: Entry| {
                let number = updates::add(transaction, &entry.unit, &document(&entry)?)?;
                Ok(Entry { number, ..entry })
            };
            entries.into_iter().map(write).collect()
        })
    });
    let written = written.await?;
    checks::tell(engine).await?;
    Ok(written)
}

/// Writes these anew.
pub(super) async fn put(engine: &Engine, entries: Vec<Entry>) -> Result<(), Error> {
    let written = engine.state(move |database| {
        database.write("noting updates", |transaction| {
            entries.iter().try_for_each(|entry| updates::put(transaction, entry.number, &document(entry)?))
        })
    });
    written.await?;
    checks::tell(engine).await
}

/// Forgets these: nothing was done.
pub(super) async fn forget(engine: &Engine, entries: Vec<Entry>) -> Result<(), Error> {
    let forgotten = engine.state(move |database| {
        database.write("forgetting updates", |transaction| {
            entries.iter().try_for_each(|entry| updates::remove(transaction, entry.number))
        })
    });
    forgotten.await?;
    checks::tell(engine).await
}

/// Notes what waits and is to be told, unless that was noted before.
pub(super) async fn note_pending(engine: &Engine, history: &History, reports: &[Report]) -> Result<(), Error> {
    let mut entries = Vec::new();
    for report in reports.iter().filter(|report| report.outcome == Outcome::Pending) {
        let (Some(from), Some(to)) = (report.from, report.to) else { continue };
        if history.is_pending(&report.unit, to) {
            continue;
        }
        entries.push(Entry {
            number: 0,
            unit: report.unit.clone(),
            container: report.name.to_string(),
            image: report.image.clone(),
            policy: report.policy,
            from: Version { digest: from, image: None },
            to: Version { digest: to, image: None },
            began: now(),
            ended: Some(now()),
            outcome: Outcome::Pending,
            reason: report.reason.clone(),
            backwards: false,
            roll_back: false,
            unattended: true,
            told: false,
            dependents: Vec::new(),
        });
    }
    if !entries.is_empty() {
        add(engine, entries).await?;
    }
    Ok(())
}

pub(super) async fn hold(engine: &Engine, unit: String, until: Option<i64>) -> Result<(), Error> {
    let held = engine.state(move |database| {
        database.write("holding a unit", |transaction| updates::hold(transaction, &unit, until))
    });
    held.await?;
    checks::tell(engine).await
}

pub(super) async fn release(engine: &Engine, unit: String) -> Result<bool, Error> {
    let released = engine
        .state(move |database| database.write("releasing a unit", |transaction| updates::release(transaction, &unit)));
    let released = released.await?;
    checks::tell(engine).await?;
    Ok(released)
}

/// Those that have not ended.
pub(super) async fn holds(engine: &Engine) -> Result<Vec<Hold>, Error> {
    let held = engine.state(|database| updates::holds(database.reader())).await?;
    let holds = held.into_iter().map(|(unit, until)| Hold { unit, until });
    Ok(holds.filter(|hold| hold.until.is_none_or(|until| until > now())).collect())
}
