// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secrets: passwords, keys and the like, which containers get when they run and images never have.
//!
//! What is known of a secret is a file of its own in `secrets/`, named by the digest of the secret's name, so that a rename makes,
//! replaces and removes it whole; what it hides is kept by a driver ([`driver`]). Nothing here prints, logs or remembers what is
//! hidden, and no error has it in its words.

mod driver;
mod keep;
pub(crate) mod place;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Error};
use crate::event;
use keep::Keep;

/// What is hidden is shorter than that.
pub const TOO_LONG: usize = 512_000;

/// The longest name.
const NAME_MAX: usize = 253;

/// The operations on secrets.
#[derive(Clone)]
pub struct Secrets {
    engine: Engine,
}

/// What is known of a secret; not what it hides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// 25 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made: nanoseconds since 1970.
    pub created: i64,
    /// When it was last replaced.
    pub updated: i64,
    /// Who keeps what it hides: `file`, `pass` or `shell`.
    pub driver: String,
    /// How: options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// How a secret is to be made.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// The driver; containers.conf's, or `file`, when nothing.
    pub driver: Option<String>,
    /// Its options; those of containers.conf where they say nothing.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What becomes of one that is there already.
    pub existing: Existing,
}

/// What becomes of a secret of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and it is an error.
    #[default]
    Refuse,
    /// It stays.
    Ignore,
    /// It is replaced.
    Replace,
}

/// Why something could not be done with a secret. In Podman's words where there are any; never in the secret's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A second one of one name.
    #[error("{0}: secret name in use")]
    InUse(String),
    /// A text that can be no name.
    #[error(
        "secret name {0:?} can not include '=', '/', ',', or the '\\0' (NULL) and be between 1 and 253 characters: invalid secret name"
    )]
    Name(String),
    /// Nothing, or too much.
    #[error("secret data must be larger than 0 and less than 512000 bytes")]
    Size,
    /// Neither a name, nor an id, nor the beginning of just one.
    #[error("no secret with name or id {0:?}: no such secret")]
    NoSuch(String),
    /// The beginning of several ids.
    #[error("more than one result secret with prefix {0}: secret is ambiguous")]
    Ambiguous(String),
    /// A driver that nobody knows.
    #[error("invalid driver")]
    Driver,
    /// A driver that was not told what it needs.
    #[error("{driver} secret driver: option {option:?}: missing config value")]
    Option {
        /// The driver.
        driver: &'static str,
        /// What it was not told.
        option: &'static str,
    },
    /// A program that keeps secrets.
    #[error("{doing} secret {name}: {program}: {how}")]
    Program {
        /// `creating`, `reading` or `removing`.
        doing: &'static str,
        /// The secret.
        name: String,
        /// The program.
        program: String,
        /// How it ended, or why it could not be run.
        how: String,
    },
    /// A file.
    #[error("{doing} secret {name}: {}", path.display())]
    File {
        /// `creating`, `reading` or `removing`.
        doing: &'static str,
        /// The secret.
        name: String,
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// The folder of all secrets.
    #[error("opening the secrets in {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// A file that says what is known of a secret, and does not.
    #[error("{} is not what a secret is described by: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Secrets {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// Makes one that hides `data`.
    pub async fn create(&self, name: &str, data: Vec<u8>, making: Making) -> Result<Record, Error> {
        if name.is_empty() || name.len() > NAME_MAX || name.contains(['=', '/', ',', '\0']) {
            return Err(SecretError::Name(name.to_owned()).into());
        }
        if data.is_empty() || data.len() >= TOO_LONG {
            return Err(SecretError::Size.into());
        }
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let made = self.engine.blocking("making a secret", move || {
            let configured = engine.settings()?.secrets;
            let driver = making.driver.filter(|driver| !driver.is_empty());
            // Options are of one driver: those of another are of no use.
            let same = driver.is_none() || driver == configured.driver;
            let mut options = if same { configured.opts } else { BTreeMap::new() };
            options.extend(making.options);
            let driver = driver.or(configured.driver).unwrap_or_else(|| "file".to_owned());
            let keep = Keep::open(engine.paths(), true)?;
            let there = keep.by_name(&name)?;
            match (&there, making.existing) {
                (Some(_), Existing::Refuse) => return Err(SecretError::InUse(name).into()),
                (Some(there), Existing::Ignore) => return Ok(there.clone()),
                _ => {}
            }
            let now = event::now();
            let id = keep::random_id().map_err(|source| SecretError::Folder { path: keep.folder(), source })?;
            let mut record = Record {
                id,
                name,
                created: there.as_ref().map_or(now, |there| there.created),
                updated: now,
                driver,
                options,
                labels: making.labels,
            };
            driver::complete(&mut record, engine.paths())?;
            keep.add(&record, &data, there.as_ref())?;
            Ok(record)
        });
        made.await
    }

    /// All of them, by id.
    pub async fn list(&self) -> Result<Vec<Record>, Error> {
        let engine = self.engine.clone();
        self.engine.blocking("listing the secrets", move || Ok(Keep::open(engine.paths(), false)?.all()?)).await
    }

    /// The secret that `name` stands for: a name, an id, or the beginning of just one.
    pub async fn inspect(&self, name: &str) -> Result<Record, Error> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let found = self.engine.blocking("looking for a secret", move || Ok(find(&engine, &name)?));
        found.await
    }

    /// What it hides.
    pub async fn reveal(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        self.engine.blocking("reading a secret", move || Ok(reveal(&engine, &name)?.1)).await
    }

    /// Removes one. Containers that were made with it keep what they have. Answers its id.
    pub async fn remove(&self, name: &str) -> Result<String, Error> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let removed = self.engine.blocking("removing a secret", move || {
            let keep = Keep::open(engine.paths(), true)?;
            let record = keep.find(&name)?;
            keep.remove(&record)?;
            Ok(record.id)
        });
        removed.await
    }
}

/// Blocks.
pub(crate) fn find(engine: &Engine, name: &str) -> Result<Record, SecretError> {
    Keep::open(engine.paths(), false)?.find(name)
}

/// A secret and what it hides. Blocks.
pub(crate) fn reveal(engine: &Engine, name: &str) -> Result<(Record, Vec<u8>), SecretError> {
    let keep = Keep::open(engine.paths(), false)?;
    let record = keep.find(name)?;
    let data = driver::get(&record)?;
    Ok((record, data))
}
