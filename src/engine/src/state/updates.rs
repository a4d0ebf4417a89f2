// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables of updates. What is in a document is its owner's matter.

use rusqlite::{Connection, params};

use super::{Doing as _, StateError};

/// How many are remembered.
const REMEMBERED: i64 = 2000;

/// All that are remembered, the oldest first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<(i64, String)>, StateError> {
    const DOING: &str = "listing the updates";
    let mut statement = connection.prepare_cached("SELECT id, document FROM updates ORDER BY id").doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).doing(DOING)?;
    rows.collect::<Result<_, _>>().doing(DOING)
}

/// Writes a new one, and forgets the oldest; its number.
pub(crate) fn add(connection: &Connection, unit: &str, document: &str) -> Result<i64, StateError> {
    const DOING: &str = "noting an update";
    connection.execute("INSERT INTO updates (unit, document) VALUES (?1, ?2)", [unit, document]).doing(DOING)?;
    let id = connection.last_insert_rowid();
    connection.execute("DELETE FROM updates WHERE id <= ?1", [id - REMEMBERED]).doing(DOING)?;
    Ok(id)
}

/// Writes another document in the place of one.
pub(crate) fn put(connection: &Connection, id: i64, document: &str) -> Result<(), StateError> {
    let sql = "UPDATE updates SET document = ?2 WHERE id = ?1";
    connection.execute(sql, params![id, document]).doing("noting an update").map(drop)
}

/// Forgets one.
pub(crate) fn remove(connection: &Connection, id: i64) -> Result<(), StateError> {
    connection.execute("DELETE FROM updates WHERE id = ?1", [id]).doing("forgetting an update").map(drop)
}

/// The units that are held, and until when.
pub(crate) fn holds(connection: &Connection) -> Result<Vec<(String, Option<i64>)>, StateError> {
    const DOING: &str = "listing the units that are held";
    let mut statement = connection.prepare_cached("SELECT unit, until FROM update_holds ORDER BY unit").doing(DOING)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).doing(DOING)?;
    rows.collect::<Result<_, _>>().doing(DOING)
}

/// Holds a unit.
pub(crate) fn hold(connection: &Connection, unit: &str, until: Option<i64>) -> Result<(), StateError> {
    let sql = "INSERT OR REPLACE INTO update_holds (unit, until) VALUES (?1, ?2)";
    connection.execute(sql, params![unit, until]).doing("holding a unit").map(drop)
}

/// Holds it no more; whether it was held.
pub(crate) fn release(connection: &Connection, unit: &str) -> Result<bool, StateError> {
    let removed = connection.execute("DELETE FROM update_holds WHERE unit = ?1", [unit]);
    Ok(removed.doing("releasing a unit")? > 0)
}
