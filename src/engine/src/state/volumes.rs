// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Volumes in the database.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Database, Doing as _, StateError};
use crate::container::{ContainerId, Record as Container};
use crate::volume::Record;

/// What came of taking a volume away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is not in the database any more.
    Done,
    /// These containers have it.
    InUse(Vec<ContainerId>),
    /// There is none of that name.
    None,
}

impl Database {
    /// Adds a volume. Whether it was not there.
    pub fn add_volume(&mut self, record: &Record) -> Result<bool, StateError> {
        self.write("adding a volume", |transaction| insert(transaction, record))
    }

    /// One volume.
    pub fn volume(&self, name: &str) -> Result<Option<Record>, StateError> {
        self.reader()
            .prepare_cached("SELECT record FROM volumes WHERE name = ?1")
            .and_then(|mut statement| statement.query_row([name], |row| row.get::<_, String>(0)).optional())
            .doing("reading a volume")?
            .map(|json| parse(&json))
            .transpose()
    }

    /// All volumes, the oldest first.
    pub fn volumes(&self) -> Result<Vec<Record>, StateError> {
        let doing = "listing the volumes";
        let mut statement =
            self.reader().prepare_cached("SELECT record FROM volumes ORDER BY created, name").doing(doing)?;
        let texts: Vec<String> = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).doing(doing)?;
        texts.iter().map(|text| parse(text)).collect()
    }

    /// Takes a volume away that no container has.
    pub fn remove_volume(&mut self, name: &str) -> Result<Removed, StateError> {
        let doing = "removing a volume";
        self.remove(doing, |transaction| {
            let users = users(transaction, name)?;
            if !users.is_empty() {
                return Ok(Removed::InUse(users));
            }
            let count = transaction
                .prepare_cached("DELETE FROM volumes WHERE name = ?1")
                .and_then(|mut statement| statement.execute([name]))
                .doing(doing)?;
            Ok(if count > 0 { Removed::Done } else { Removed::None })
        })
    }
}

/// Adds a volume unless there is one of its name. Whether it was added.
pub(super) fn insert(transaction: &Transaction<'_>, record: &Record) -> Result<bool, StateError> {
    let json = serde_json::to_string(record)
        .map_err(|error| StateError::Corrupt { what: format!("a new volume's record: {error}") })?;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO volumes (name, created, record) VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute(params![record.name, record.created, json]))
        .doing("adding a volume")
        .map(|count| count > 0)
}

/// The containers that have the volume `name`.
fn users(transaction: &Transaction<'_>, name: &str) -> Result<Vec<ContainerId>, StateError> {
    let doing = "looking for a volume's containers";
    // Its name is somewhere in the records of those that have it; in which of them it means the volume, the record tells.
    let sql = "SELECT record FROM containers WHERE instr(record, ?1) > 0 ORDER BY created";
    let mut statement = transaction.prepare_cached(sql).doing(doing)?;
    let texts: Vec<String> = statement.query_map([name], |row| row.get(0)).and_then(Iterator::collect).doing(doing)?;
    let mut users = Vec::new();
    for text in texts {
        let record: Container = serde_json::from_str(&text)
            .map_err(|error| StateError::Corrupt { what: format!("a container's record: {error}") })?;
        if record.volume_names().any(|used| used == name) {
            users.push(record.id);
        }
    }
    Ok(users)
}

fn parse(json: &str) -> Result<Record, StateError> {
    serde_json::from_str(json).map_err(|error| StateError::Corrupt { what: format!("a volume's record: {error}") })
}
