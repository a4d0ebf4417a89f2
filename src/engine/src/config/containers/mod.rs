// SPDX-License-Identifier: Apache-2.0 OR MIT
//! containers.conf, found and merged as containers.conf(5) says: the distribution's, the machine's and its drop-ins, the
//! user's and theirs, then the modules that were asked for; a later file wins key by key, and a list is appended when it says
//! `{append=true}`.
//!
//! Only the keys that something is made of here are kept. Those that Podman knows beside them are passed over; one that
//! nobody knows is told once.

mod check;
mod keys;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

pub use keys::{Containers, Engine, Network, Secrets};

use super::place::Place;
pub use super::table::List;
use super::table::Rest;
use super::{Folders, drop_ins};

/// What the files say; nothing where they say nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[containers]`.
    pub containers: Containers,
    /// `[engine]`.
    pub engine: Engine,
    /// `[network]`.
    pub network: Network,
    /// `[secrets]`.
    pub secrets: Secrets,
    /// `--runtime-flag`: what the OCI runtime is given, without the dashes. Of no file.
    pub runtime_flags: Vec<String>,
    /// What should be told: keys that nobody knows.
    pub warnings: Vec<String>,
}

/// What outranks the files: what one command was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Files that are read beside the others (`--module`).
    pub modules: Vec<String>,
    /// Keys.
    pub settings: Settings,
    /// The words by which another command of ours is told the same.
    pub words: Vec<String>,
}

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that is there cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no TOML, or a value is of the wrong kind.
    #[error("{}, line {line}, column {column}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// A module that is nowhere; Podman's words.
    #[error("could not resolve module {name:?}: none of {} is there", tried.join(", "))]
    NoModule {
        /// As it was asked for.
        name: String,
        /// Where it was looked for.
        tried: Vec<String>,
    },
}

/// One file: its tables, and whatever else is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    containers: Containers,
    engine: Engine,
    network: Network,
    secrets: Secrets,
    #[serde(flatten)]
    rest: Rest,
}

/// Tables of other programs, or of ours for later.
const OTHER_TABLES: &[&str] = &["configmaps", "machine", "farms", "podmansh"];

impl Settings {
    /// Reads what is there, as the environment says: `CONTAINERS_CONF` alone if set, then what was told: its modules,
    /// `CONTAINERS_CONF_OVERRIDE`, its keys.
    pub fn load(told: &Told) -> Result<Self, SettingsError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folders = Folders::from_environment();
        let mut files = match variable("CONTAINERS_CONF") {
            Some(only) => vec![(only, true)],
            None => files(&folders)?.into_iter().map(|path| (path, false)).collect(),
        };
        for name in &told.modules {
            files.push((module(&folders, name)?, true));
        }
        files.extend(variable("CONTAINERS_CONF_OVERRIDE").map(|path| (path, true)));
        let mut settings = Self::read(files)?;
        settings.overlay(told.settings.clone());
        Ok(settings)
    }

    /// Reads `files`, the later over the earlier; one that need not be there says `false`.
    fn read(files: Vec<(PathBuf, bool)>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (path, must) in files {
            match fs::read_to_string(&path) {
                Ok(text) => settings.add(&path, &text)?,
                Err(error) if !must && error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SettingsError::Read { path, source }),
            }
        }
        Ok(settings)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let malformed =
            |Place { line, column }, reason| SettingsError::Malformed { path: path.to_owned(), line, column, reason };
        let file: File = toml::from_str(text)
            .map_err(|error| malformed(Place::of_error(text, &error), error.message().to_owned()))?;
        let tables = file.rest.0.keys().map(String::as_str).filter(|table| !OTHER_TABLES.contains(table));
        for (table, keys) in [
            ("containers.", file.containers.unknown().collect::<Vec<_>>()),
            ("engine.", file.engine.unknown().collect()),
            ("network.", file.network.unknown().collect()),
            ("secrets.", file.secrets.unknown().collect()),
            ("", tables.collect()),
        ] {
            let told =
                keys.iter().map(|key| format!("{}: nobody knows {table}{key}; it is passed over", path.display()));
            self.warnings.extend(told);
        }
        let read = Self {
            containers: file.containers,
            engine: file.engine,
            network: file.network,
            secrets: file.secrets,
            ..Self::default()
        };
        if let Some(wrong) = check::wrong(&read) {
            return Err(malformed(Place::of_key(text, &[wrong.table, wrong.key]), wrong.reason));
        }
        self.overlay(read);
        Ok(())
    }

    /// Lays what `later` says over what these say.
    fn overlay(&mut self, later: Self) {
        self.containers.overlay(later.containers);
        self.engine.overlay(later.engine);
        self.network.overlay(later.network);
        self.secrets.overlay(later.secrets);
        self.runtime_flags.extend(later.runtime_flags);
    }
}

/// The files to read, the least important first.
fn files(folders: &Folders) -> Result<Vec<PathBuf>, SettingsError> {
    let mut files = vec![folders.vendor.join("containers.conf")];
    for folder in [Some(&folders.system), folders.user.as_ref()].into_iter().flatten() {
        files.push(folder.join("containers.conf"));
        let drop_ins = drop_ins(&folder.join("containers.conf.d"));
        files.extend(drop_ins.map_err(|(path, source)| SettingsError::Read { path, source })?);
    }
    Ok(files)
}

/// The file of a module: itself when it is a path from the root, else below the folders of modules, the user's first.
fn module(folders: &Folders, name: &str) -> Result<PathBuf, SettingsError> {
    let places = [folders.user.as_ref(), Some(&folders.system), Some(&folders.vendor)].into_iter().flatten();
    let tried: Vec<PathBuf> = if Path::new(name).is_absolute() {
        vec![name.into()]
    } else {
        places.map(|folder| folder.join("containers.conf.modules").join(name)).collect()
    };
    tried.iter().find(|path| path.is_file()).cloned().ok_or_else(|| SettingsError::NoModule {
        name: name.to_owned(),
        tried: tried.iter().map(|path| path.display().to_string()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(texts: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for text in texts {
            settings.add(Path::new("containers.conf"), text).unwrap();
        }
        settings
    }

    #[test]
    fn a_later_file_wins_key_by_key() {
        let both = settings(&[
            "[containers]\npids_limit = 1\ntz = 'local'\n[engine.runtimes]\ncrun = ['/a']\nrunc = ['/b']",
            "[containers]\npids_limit = 2\n[engine]\nruntime = 'runc'\n[engine.runtimes]\ncrun = ['/c']",
        ]);
        assert_eq!(both.containers.pids_limit, Some(2));
        assert_eq!(both.containers.tz.as_deref(), Some("local"));
        assert_eq!(both.engine.runtime.as_deref(), Some("runc"));
        assert_eq!(both.engine.runtimes["crun"], [PathBuf::from("/c")]);
        assert_eq!(both.engine.runtimes["runc"], [PathBuf::from("/b")]);
        assert!(both.warnings.is_empty());
    }

    #[test]
    fn a_list_replaces_the_earlier_one_unless_it_appends() {
        let lists = |texts: &[&str]| settings(texts).containers.env.get().map(<[_]>::to_vec);
        let (a, b, more) =
            ("[containers]\nenv = ['a']", "[containers]\nenv = ['b']", "[containers]\nenv = ['c', {append=true}]");
        assert_eq!(lists(&["[containers]"]), None);
        assert_eq!(lists(&[a, b]).unwrap(), ["b"]);
        assert_eq!(lists(&[a, more]).unwrap(), ["a", "c"]);
        assert_eq!(lists(&[a, more, b]).unwrap(), ["a", "c", "b"], "the attribute stays on");
        let off = "[containers]\nenv = ['d', {append=false}]";
        assert_eq!(lists(&[a, more, off]).unwrap(), ["d"]);
        assert_eq!(lists(&[a, "[containers]\nenv = []"]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_key_of_podmans_that_is_not_used_is_silent_and_an_unknown_one_is_told() {
        let told = settings(&[
            "[containers]\nutsns = 'host'\npid_limit = 3\n[engine]\nnum_locks = 2\n[machine]\ncpus = 1\n[foo]\nx=1",
        ]);
        assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
        assert!(told.warnings[0].contains("containers.pid_limit") && told.warnings[1].contains("foo"));
    }

    #[test]
    fn a_broken_file_is_told_with_line_and_column() {
        let error = |text: &str| Settings::default().add(Path::new("x.conf"), text).unwrap_err().to_string();
        assert!(error("[containers]\npids_limit = 'many'").starts_with("x.conf, line 2, column 14: "));
        assert!(error("[containers]\nenv = [ 'a', 3 ]").starts_with("x.conf, line 2, column "));
        assert!(error("[containers]\n\n  env = [").starts_with("x.conf, line 3, column "));
        assert!(error("[engine]\nruntimes = 3").starts_with("x.conf, line 2, column 12: "));
    }

    #[test]
    fn drop_ins_come_sorted_after_the_file_of_their_folder_and_the_users_last() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, value: i64| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("[containers]\npids_limit = {value}")).unwrap();
        };
        let folders = Folders {
            user: Some(folder.path().join("user")),
            system: folder.path().join("etc"),
            vendor: folder.path().join("usr"),
            cache: None,
        };
        let limit = || {
            let files = files(&folders).unwrap().into_iter().map(|path| (path, false)).collect();
            Settings::read(files).unwrap().containers.pids_limit
        };
        assert_eq!(limit(), None);
        for (path, value) in [
            ("usr/containers.conf", 1),
            ("etc/containers.conf", 2),
            ("etc/containers.conf.d/b.conf", 3),
            ("user/containers.conf", 5),
            ("user/containers.conf.d/z.conf", 6),
        ] {
            write(path, value);
            assert_eq!(limit(), Some(value), "{path}");
        }
        for (path, kept) in [
            ("etc/containers.conf.d/c.conf", 6),
            ("user/containers.conf.d/a.conf", 6),
            ("user/containers.conf.d/zz.txt", 6),
        ] {
            write(path, 9);
            assert_eq!(limit(), Some(kept), "{path}");
        }
    }

    #[test]
    fn whatever_is_in_the_file_it_is_read_or_refused() {
        haulout_fuzz::feed_text("containers", |text| {
            let _ = Settings::default().add(Path::new("containers.conf"), text);
        });
    }
}
