// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of manifest lists. What is in a document is its owner's matter.

use rusqlite::{Connection, OptionalExtension as _};

use super::{Doing as _, StateError};

/// The document of the list `name`.
pub(crate) fn get(connection: &Connection, name: &str) -> Result<Option<String>, StateError> {
    let sql = "SELECT document FROM manifest_lists WHERE name = ?1";
    connection.query_row(sql, [name], |row| row.get(0)).optional().doing("reading a manifest list")
}

/// All of them.
pub(crate) fn all(connection: &Connection) -> Result<Vec<String>, StateError> {
    const DOING: &str = "listing the manifest lists";
    let mut statement = connection.prepare_cached("SELECT document FROM manifest_lists ORDER BY name").doing(DOING)?;
    let rows = statement.query_map([], |row| row.get(0)).doing(DOING)?;
    rows.collect::<Result<_, _>>().doing(DOING)
}

/// Writes one, in the place of one of the same name.
pub(crate) fn put(connection: &Connection, name: &str, document: &str) -> Result<(), StateError> {
    let sql = "INSERT OR REPLACE INTO manifest_lists (name, document) VALUES (?1, ?2)";
    connection.execute(sql, [name, document]).doing("writing a manifest list").map(drop)
}

/// Removes one; whether it was there.
pub(crate) fn remove(connection: &Connection, name: &str) -> Result<bool, StateError> {
    let removed = connection.execute("DELETE FROM manifest_lists WHERE name = ?1", [name]);
    Ok(removed.doing("freeing a name")? > 0)
}
