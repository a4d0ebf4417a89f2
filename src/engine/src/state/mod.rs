// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The database of what should be: images and containers (SQLite, in `$XDG_DATA_HOME/containers/haulout/state.db`).
//!
//! Its schema is `schema.sql`. It is a write-ahead log with `synchronous=FULL`, so that a commit that was answered
//! survives a power cut at the cost of one `fdatasync` (but for what need not, [`Database::write_fleeting`]). Nothing is checkpointed when it is closed (that would be two more):
//! the log is written back when it has grown, and emptied. SQLite's own way of doing so leaves it as long as it is, because to a
//! command that opens the database alone none of it is written back yet; it would grow for ever and be read by everyone.
//!
//! A [`Database`] must not live across a `fork`, and its calls block: `Engine::state` keeps both rules.

mod additional;
mod containers;
pub(crate) mod images;
pub(crate) mod lists;
mod reserve;
pub(crate) mod updates;
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
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
];

/// How long the log may be, in bytes: a first reader after everyone has closed it reads through it again.
const LONGEST_LOG: u64 = 400_000;

/// Said of a disk that is full, and of one on which the user may have no more.
const NO_SPACE: &str = "no space left on device";
const NO_QUOTA: &str = "disk quota exceeded";

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// Nobody else can open it as long as this one is: there was no room for what those share who have it open. This is the lock of the
    /// folder by which those who are alone take turns: SQLite has two of them wait for one another.
    alone: Option<fs::File>,
    /// The folder of our own layers.
    layers: PathBuf,
    /// Where additional stores are.
    stores: Vec<PathBuf>,
    /// Those, opened by the first who needs them.
    additional: Option<Vec<additional::Additional>>,
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
    #[error("{doing} in the database: {why}")]
    Full {
        /// What was being done.
        doing: &'static str,
        /// What there is none of: space on the device, or of the user's own share of it.
        why: &'static str,
    },
    /// The file system takes nothing.
    #[error("{doing} in the database: read-only file system (`dmesg` may say why it is)")]
    ReadOnly {
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
    /// Others could not be kept out of it.
    #[error("locking the database {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
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
    /// An additional store.
    #[error(transparent)]
    Additional(Box<crate::store::podman::PodmanError>),
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
            Some(ErrorCode::DiskFull) => StateError::Full { doing, why: NO_SPACE },
            Some(ErrorCode::ReadOnly) => StateError::ReadOnly { doing },
            _ => StateError::Sql { doing, source },
        })
    }
}

impl Database {
    /// Opens `path`, which is made when it is not there, as are the folders above it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let mut database = match Self::connect(path, None) {
            Ok(database) => database,
            Err(_) if !path.exists() => {
                Self::make(path)?;
                Self::connect(path, None).map_err(|source| open_error(path, source))?
            }
            // What is shared is a file, which takes room too; who is alone has it in memory.
            Err(source) if needs_room_to_share(&source) => Self::connect_alone(path)?,
            Err(source) => return Err(open_error(path, source)),
        };
        database.migrate(path)?;
        Ok(database)
    }

    fn connect_alone(path: &Path) -> Result<Self, StateError> {
        let folder = fs::File::open(path.parent().unwrap_or(Path::new(".")));
        let turn = folder.and_then(|folder| folder.lock().map(|()| folder));
        let turn = turn.map_err(|source| StateError::Lock { path: path.to_owned(), source })?;
        Self::connect(path, Some(turn)).map_err(|source| open_error(path, source))
    }

    fn connect(path: &Path, alone: Option<fs::File>) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        let mut database = Self { connection, alone, layers: PathBuf::new(), stores: Vec::new(), additional: None };
        database.set_up()?;
        if database.alone.is_some() {
            database.connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
        version(&database.connection)?;
        Ok(database)
    }

    /// Whether it must not be kept open longer than it is used, because nobody else can use it meanwhile.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone.is_some()
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

    /// One change that need not outlast a power cut: it is written after all that came before it, and on disk at the latest with the next
    /// one that is durable. A process that is killed takes none of it along.
    pub(crate) fn write_fleeting<T>(
        &mut self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.set_synchronous("NORMAL").doing(doing)?;
        let done = self.attempt(doing, job);
        self.set_synchronous("FULL").doing(doing)?;
        done?
    }

    /// How much a commit waits for the disk (sqlite.org/pragma.html, `synchronous`).
    fn set_synchronous(&self, how: &str) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, "synchronous", how)
    }

    /// The same for a job that does more than ask the database, and so fails in more ways.
    pub(crate) fn change<T, E: From<StateError>>(
        &mut self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.attempt(doing, job)?
    }

    /// The same for a job that removes something: it has room on a full disk. It may be done a second time, the first having failed.
    pub(crate) fn remove<T, E: From<StateError>>(
        &mut self,
        doing: &'static str,
        mut job: impl FnMut(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match self.attempt(doing, &mut job) {
            Err(StateError::Full { .. })
                if self.connection.path().is_some_and(|path| reserve::give_up(Path::new(path))) =>
            {
                self.attempt(doing, job)?
            }
            done => done?,
        }
    }

    /// Does a job in a transaction. What the database itself says stands apart from what the job does.
    fn attempt<T, E>(
        &mut self,
        doing: &'static str,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<Result<T, E>, StateError> {
        let path = self.connection.path().map(PathBuf::from);
        let failed = |error| explained(error, path.as_deref());
        // Immediate: a transaction that begins by reading and writes later cannot wait for another writer.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing).map_err(failed)?;
        let answer = match job(&transaction) {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        transaction.commit().doing(doing).map_err(failed)?;
        // The change is on disk already. Where it does not work now, as beside a reader, it does after another one.
        let _ = self.shorten_log();
        if let Some(path) = self.connection.path() {
            reserve::keep(Path::new(path));
        }
        Ok(Ok(answer))
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

/// Whether there is no room for the file in which those who have the database open say what they read of its log.
fn needs_room_to_share(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE};
    error.sqlite_error().is_some_and(|error| {
        [SQLITE_FULL, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE].contains(&error.extended_code)
    })
}

/// SQLite does not tell a broken disk from one on which the user may have no more; the disk does.
fn explained(error: StateError, database: Option<&Path>) -> StateError {
    match (&error, database) {
        (StateError::Sql { doing, source }, Some(path))
            if source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) && reserve::is_over_quota(path) =>
        {
            StateError::Full { doing, why: NO_QUOTA }
        }
        _ => error,
    }
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
    fn after_a_change_that_need_not_last_the_next_one_is_synced_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("state.db")).unwrap();
        let synchronous = |connection: &Connection| -> i64 {
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
        };
        assert_eq!(database.write_fleeting("writing", |transaction| Ok(synchronous(transaction))).unwrap(), 1);
        let failed: Result<(), _> =
            database.write_fleeting("writing", |_| Err(StateError::Corrupt { what: "it".into() }));
        assert!(failed.is_err());
        assert_eq!(synchronous(database.reader()), 2);
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
    fn those_who_have_it_alone_take_turns_also_with_those_who_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        drop(Database::open(&path).unwrap());
        let insert = |database: &mut Database, id: String| {
            let sql = "INSERT INTO layers VALUES (?1, 0, 0, 0)";
            database.write("writing", |transaction| transaction.execute(sql, [id]).doing("writing").map(drop)).unwrap();
        };
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..20 {
                        let mut database = if thread % 3 == 0 {
                            Database::open(path).unwrap()
                        } else {
                            Database::connect_alone(path).unwrap()
                        };
                        assert_eq!(database.is_alone(), thread % 3 != 0);
                        insert(&mut database, format!("{thread}-{number}"));
                    }
                });
            }
        });
        let database = Database::open(&path).unwrap();
        let count: i64 = database.reader().query_row("SELECT count(*) FROM layers", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 120);
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
