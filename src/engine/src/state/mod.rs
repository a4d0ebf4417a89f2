// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The database of what should be: images and containers (SQLite, in `$XDG_DATA_HOME/containers/haulout/state.db`).
//!
//! Its schema is `schema.sql`. It is a write-ahead log with `synchronous=FULL`, so that a commit that was answered
//! survives a power cut at the cost of one `fdatasync`. Nothing is checkpointed when it is closed (that would be two more):
//! the log is written back when it has grown, and emptied. SQLite's own way of doing so leaves it as long as it is, because to a
//! command that opens the database alone none of it is written back yet; it would grow for ever and be read by everyone.
//!
//! A [`Database`] must not live across a `fork`, and its calls block: `Engine::state` keeps both rules.

mod containers;
pub(crate) mod images;
pub(crate) mod lists;
mod reserve;
mod volumes;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

pub use containers::{Added, Found};
pub use volumes::Removed;

/// What brings a database from each version to the next; the first makes it.
const VERSIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
];

/// How long the log may be, in bytes: a first reader after everyone has closed it reads through it again.
const LONGEST_LOG: u64 = 400_000;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// SQLite's answer.
    #[error("{doing} in the database")]
    Sql {
        /// What was being done, such as "listing the containers".
        doing: &'static str,
        /// What came back.
        source: rusqlite::Error,
    },
    /// There is no room for it.
    #[error("{doing} in the database: no space left on device")]
    Full {
        /// What was being done.
        doing: &'static str,
    },
    /// It could not be opened.
    #[error("opening the database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: rusqlite::Error,
    },
    /// It could not be made.
    #[error("making the database {}", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// A later Haulout wrote it.
    #[error("the database {} was written by a newer Haulout (its version is {found}, this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// Ours.
        known: usize,
    },
    /// What is in it is not what we write.
    #[error("the database holds something that is not ours: {what}")]
    Corrupt {
        /// What it is, and why.
        what: String,
    },
}

/// Turns SQLite's errors into ours by saying what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StateError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StateError> {
        self.map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StateError::Full { doing },
            _ => StateError::Sql { doing, source },
        })
    }
}

impl Database {
    /// Opens `path`, which is made when it is not there, as are the folders above it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match Connection::open_with_flags(path, flags) {
            Ok(connection) => connection,
            Err(_) if !path.exists() => {
                Self::make(path)?;
                Connection::open_with_flags(path, flags).map_err(|source| open_error(path, source))?
            }
            Err(source) => return Err(open_error(path, source)),
        };
        let mut database = Self { connection };
        database.set_up().map_err(|source| open_error(path, source))?;
        database.migrate(path)?;
        Ok(database)
    }

    /// What belongs to a connection, not to the file: none of it writes.
    fn set_up(&mut self) -> Result<(), rusqlite::Error> {
        self.connection.busy_timeout(PATIENCE)?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.connection.pragma_update(None, "wal_autocheckpoint", 0)
    }

    /// Makes it whole under another name first, so that nobody ever meets half a database, and two who make it at once
    /// make one.
    fn make(path: &Path) -> Result<(), StateError> {
        let failed = |source| StateError::Make { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let temporary = tempfile::Builder::new().prefix(".state.db.").tempdir_in(folder).map_err(failed)?;
        let new = temporary.path().join("state.db");
        {
            let mut connection = Connection::open(&new).map_err(|source| open_error(&new, source))?;
            connection
                .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
                .doing("choosing a write-ahead log")?;
            let transaction = connection.transaction().doing("beginning the schema")?;
            upgrade(&transaction, 0)?;
            transaction.commit().doing("writing the schema")?;
        }
        fs::File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn migrate(&mut self, path: &Path) -> Result<(), StateError> {
        let found = version(&self.connection).map_err(|source| open_error(path, source))?;
        if found == VERSIONS.len() {
            return Ok(());
        }
        self.write("bringing the schema up to date", |transaction| {
            let found = version(transaction).doing("reading the schema's version")?;
            if found > VERSIONS.len() {
                return Err(StateError::Newer { path: path.to_owned(), found, known: VERSIONS.len() });
            }
            upgrade(transaction, found)
        })
    }

    /// To read, outside a transaction: each statement sees one state.
    pub(crate) fn reader(&self) -> &Connection {
        &self.connection
    }

    /// One durable change: it is on disk when this returns, and nothing of it is when `job` or the commit fails.
    pub(crate) fn write<T>(
        &mut self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.change(doing, job)
    }

    /// The same for a job that does more than ask the database, and so fails in more ways.
    pub(crate) fn change<T, E: From<StateError>>(
        &mut self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // Immediate: a transaction that begins by reading and writes later cannot wait for another writer.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
        let answer = job(&transaction)?;
        transaction.commit().doing(doing)?;
        // The change is on disk already. Where it does not work now, as beside a reader, it does after another one.
        let _ = self.shorten_log();
        if let Some(path) = self.connection.path() {
            reserve::keep(Path::new(path));
        }
        Ok(answer)
    }

    /// The same for a job that removes something: it has room on a full disk.
    pub(crate) fn remove<T, E: From<StateError>>(
        &mut self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(path) = self.connection.path() {
            reserve::give_up(Path::new(path));
        }
        self.change(doing, job)
    }

    /// Writes the log back and empties it if it is long, waiting for nobody.
    fn shorten_log(&self) -> Result<(), rusqlite::Error> {
        let Some(path) = self.connection.path() else { return Ok(()) };
        if fs::metadata(format!("{path}-wal")).is_ok_and(|log| log.len() > LONGEST_LOG) {
            self.connection.busy_timeout(Duration::ZERO)?;
            let done = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            self.connection.busy_timeout(PATIENCE)?;
            done?;
        }
        Ok(())
    }
}

fn open_error(path: &Path, source: rusqlite::Error) -> StateError {
    StateError::Open { path: path.to_owned(), source }
}

fn version(connection: &Connection) -> Result<usize, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map(|version| version as usize)
}

/// The newest version, as SQLite keeps it.
fn version_number() -> i64 {
    i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX)
}

/// Runs every version's change after `from`.
fn upgrade(transaction: &Transaction<'_>, from: usize) -> Result<(), StateError> {
    for change in VERSIONS.iter().skip(from) {
        transaction.execute_batch(change).doing("changing the schema")?;
    }
    transaction.pragma_update(None, "user_version", version_number()).doing("noting the schema's version")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(database: &Database) -> Vec<String> {
        let mut statement = database.reader().prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_database_is_made_when_it_is_not_there_and_found_the_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/state.db");
        assert!(names(&Database::open(&path).unwrap()).contains(&"containers".to_owned()));
        let left: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("state.db")), "{left:?}");
        assert!(names(&Database::open(&path).unwrap()).contains(&"containers".to_owned()));
    }

    #[test]
    fn a_commit_is_synced_and_in_a_write_ahead_log() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("state.db")).unwrap();
        let pragma =
            |name| database.reader().pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
        assert_eq!(pragma("synchronous").unwrap(), 2.into());
        assert_eq!(pragma("foreign_keys").unwrap(), 1.into());
    }

    #[test]
    fn many_who_make_it_at_once_make_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let mut database = Database::open(path).unwrap();
                    database
                        .write("writing", |transaction| {
                            let sql = "INSERT INTO layers VALUES (?1, 0, 0, 0)";
                            transaction.execute(sql, [number.to_string()]).doing("writing").map(drop)
                        })
                        .unwrap();
                });
            }
        });
        let database = Database::open(&path).unwrap();
        let count: i64 = database.reader().query_row("SELECT count(*) FROM layers", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 8);
    }

    #[test]
    fn the_log_stays_short_however_many_open_it_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let add = |number: i64| {
            let sql = "INSERT INTO layers VALUES (?1, 0, 0, 0)";
            let id = format!("{number:01000}");
            Database::open(&path)
                .unwrap()
                .write("writing", |transaction| transaction.execute(sql, [id]).doing("writing").map(drop))
                .unwrap();
        };
        let log = || fs::metadata(folder.path().join("state.db-wal")).unwrap().len();
        (0..200).for_each(add);
        assert!(log() <= LONGEST_LOG, "{}", log());
        // Beside a reader it goes on growing, and everything is there.
        let reader = Database::open(&path).unwrap();
        let mut held = reader.reader().prepare("SELECT diff_id FROM layers").unwrap();
        let mut rows = held.query([]).unwrap();
        rows.next().unwrap();
        (200..400).for_each(add);
        drop(rows);
        add(400);
        assert!(log() <= LONGEST_LOG, "{}", log());
        let count: i64 = reader.reader().query_row("SELECT count(*) FROM layers", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 401);
    }

    #[test]
    fn a_failed_change_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("state.db")).unwrap();
        let failed: Result<(), _> = database.write("writing", |transaction| {
            transaction.execute("INSERT INTO layers VALUES ('x', 0, 0, 0)", []).doing("writing")?;
            Err(StateError::Corrupt { what: "no".into() })
        });
        assert!(failed.is_err());
        let count: i64 = database.reader().query_row("SELECT count(*) FROM layers", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn a_newer_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        Database::open(&path).unwrap().connection.pragma_update(None, "user_version", 1000).unwrap();
        assert!(matches!(Database::open(&path), Err(StateError::Newer { found: 1000, .. })));
    }
}
