// SPDX-License-Identifier: Apache-2.0 OR MIT
//! storage.conf: where images and containers are kept, and by which driver (containers-storage.conf(5)).
//!
//! For the machine's root it is one file. For anybody else the machine's file says the driver, its options and
//! `rootless_storage_path`, and the user's own file, which outranks it, all of it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;

use super::place::Place;
use super::table::{LayOver as _, List, Rest, table};
use super::{Folders, own};
use crate::paths::Paths;
use crate::store::driver::Driver;
use crate::store::mounting::Mounting;
use crate::{info, size};

/// What the files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storage {
    /// The driver, where one is said.
    pub driver: Option<String>,
    /// Where everything is kept, unless it is where Podman keeps it anyway.
    pub graph_root: Option<PathBuf>,
    /// Where what runs keeps its state, likewise.
    pub run_root: Option<PathBuf>,
    /// Where the images are kept, if not with everything else.
    pub image_store: Option<PathBuf>,
    /// Whether containers are forgotten when the machine is started anew.
    pub transient: bool,
    /// Of the driver.
    pub options: Options,
    /// The file that is the user's, or should be.
    pub file: PathBuf,
    /// What should be told: keys that nobody knows, and what is not there yet.
    pub warnings: Vec<String>,
}

table! {
    /// `[storage.options.overlay]`, and the same keys in `[storage.options]`, where they once were.
    Overlay {
        /// `true`: owners that there are no ids for become the user.
        ignore_chown_errors: Option<String>,
        /// The mode that files have on disk.
        force_mask: Option<String>,
        /// What mounts instead of the kernel.
        mount_program: Option<PathBuf>,
        /// Options of each mount.
        mountopt: Option<String>,
        /// The most that a container may write; of file systems with quotas.
        size: Option<String>,
        /// The most files that it may make.
        inodes: Option<String>,
        /// Where images can be had that are not to be changed.
        additionalimagestores: List,
        /// Whether what nobody would miss after a power cut is synced as well.
        #[serde(rename = "disable-volatile")]
        disable_volatile: Option<bool>,
    } also &[
        "additionallayerstores", "auto-userns-max-size", "auto-userns-min-size", "pull_options", "remap-gids",
        "remap-group", "remap-uids", "remap-user", "root-auto-userns-user", "skip_mount_home", "use_composefs",
        // Tables of other drivers.
        "aufs", "btrfs", "overlay", "thinpool", "vfs", "zfs",
    ]
}

/// Options of the store.
pub type Options = Overlay;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It is there, or has to be, and cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no TOML, or a value will not do.
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
    /// `--storage-driver`, `--storage-opt`, `STORAGE_OPTS`; Podman's words.
    #[error("configure storage: {0}")]
    Told(String),
    /// What the store cannot be, in Podman's words.
    #[error("{0}")]
    Refused(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    storage: Table,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Table {
    driver: Option<String>,
    graphroot: Option<String>,
    runroot: Option<String>,
    rootless_storage_path: Option<String>,
    imagestore: Option<String>,
    transient_store: Option<bool>,
    options: OptionsTable,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OptionsTable {
    overlay: Overlay,
    vfs: Vfs,
    #[serde(flatten)]
    old: Overlay,
}

/// `[storage.options.vfs]`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Vfs {
    ignore_chown_errors: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

/// Drivers that there are, and that Haulout has not.
const OTHER_DRIVERS: [&str; 2] = ["btrfs", "zfs"];

/// Whether there is a driver of that name, here or elsewhere.
fn is_driver(name: &str) -> bool {
    OTHER_DRIVERS.contains(&name) || Driver::named(name).is_some()
}

impl Options {
    /// Whether files may be owned by ids that there are not.
    pub fn any_owner(&self) -> bool {
        self.ignore_chown_errors.as_deref().is_some_and(is_true)
    }

    /// Those that are set, as Podman names them.
    pub fn shown(&self) -> Vec<(String, String)> {
        let program = self.mount_program.as_ref().map(|path| path.display().to_string());
        let stores = self.additionalimagestores.get().map(|stores| stores.join(","));
        let all = [
            ("overlay.ignore_chown_errors", &self.ignore_chown_errors),
            ("overlay.force_mask", &self.force_mask),
            ("overlay.mount_program", &program),
            ("overlay.mountopt", &self.mountopt),
            ("overlay.size", &self.size),
            ("overlay.inodes", &self.inodes),
            ("overlay.imagestore", &stores),
        ];
        all.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.clone().filter(|value| !value.is_empty())?)))
            .collect()
    }
}

/// Whose settings are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The machine's root reads one file.
    Root,
    /// Anybody else has the machine's file below their own.
    User,
}

impl Storage {
    /// Reads what is there, as the environment says: `CONTAINERS_STORAGE_CONF` instead of the files, `STORAGE_DRIVER` and
    /// `STORAGE_OPTS` over them.
    pub fn load() -> Result<Self, StorageError> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let whose = if haulout_monitor::process::is_root_of_machine() { Whose::Root } else { Whose::User };
        let instead = variable("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
        let mut storage = Self::read(&Folders::from_environment(), whose, instead)?;
        if let Some(driver) = variable("STORAGE_DRIVER") {
            storage.driver = Some(driver.to_string_lossy().into_owned());
        }
        if let Some(options) = variable("STORAGE_OPTS") {
            storage.set_options(&options.to_string_lossy().split(',').map(str::to_owned).collect::<Vec<_>>())?;
        }
        storage.warn_of_driver()?;
        Ok(storage)
    }

    fn read(folders: &Folders, whose: Whose, instead: Option<PathBuf>) -> Result<Self, StorageError> {
        let mut storage = Self::default();
        let users = folders.user.as_ref().map(|folder| folder.join("storage.conf"));
        if let Some(path) = instead {
            let text = read_if_there(&path)?
                .ok_or_else(|| StorageError::Read { path: path.clone(), source: rustix::io::Errno::NOENT.into() })?;
            storage.add(&path, &text, whose == Whose::Root, whose)?;
            return Ok(storage);
        }
        storage.file = folders.system.join("storage.conf");
        for path in [&folders.system, &folders.vendor].map(|folder| folder.join("storage.conf")) {
            if let Some(text) = read_if_there(&path)? {
                storage.add(&path, &text, whose == Whose::Root, whose)?;
                break;
            }
        }
        if let (Whose::User, Some(path)) = (whose, users) {
            if let Some(text) = read_if_there(&path)? {
                storage.add(&path, &text, true, whose)?;
            }
            storage.file = path;
        }
        Ok(storage)
    }

    /// What a file says; `roots` where its `graphroot` and `runroot` are meant.
    fn add(&mut self, path: &Path, text: &str, roots: bool, whose: Whose) -> Result<(), StorageError> {
        let malformed =
            |Place { line, column }, reason| StorageError::Malformed { path: path.to_owned(), line, column, reason };
        let wrong = |key: &[&str], reason| malformed(Place::of_key(text, key), reason);
        let file: File = toml::from_str(text)
            .map_err(|error| malformed(Place::of_error(text, &error), error.message().to_owned()))?;
        path.clone_into(&mut self.file);
        let Table { driver, graphroot, runroot, rootless_storage_path, imagestore, transient_store, options, rest } =
            file.storage;
        let unknown = file.rest.0.into_keys().chain(
            rest.0
                .into_keys()
                .filter(|key| key != "driver_priority")
                .map(|key| format!("storage.{key}"))
                .chain(options.old.unknown().map(|key| format!("storage.options.{key}")))
                .chain(options.overlay.unknown().map(|key| format!("storage.options.overlay.{key}")))
                .chain(options.vfs.rest.0.keys().map(|key| format!("storage.options.vfs.{key}"))),
        );
        self.warnings.extend(unknown.map(|key| format!("{}: nobody knows {key}; it is passed over", path.display())));
        self.transient = transient_store.unwrap_or(self.transient);
        if let Some(driver) = driver.filter(|driver| !driver.is_empty()) {
            if !is_driver(&driver) {
                return Err(wrong(&["storage", "driver"], format!("{driver}: driver not supported")));
            }
            self.driver = Some(driver);
        }
        let set = |key, value: Option<String>, place: &mut Option<PathBuf>, usual: &[PathBuf]| {
            let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(()) };
            let folder = PathBuf::from(expanded(&value));
            if folder.is_relative() {
                return Err(wrong(
                    &["storage", key],
                    format!("{key} must be an absolute path - instead got {value:?}"),
                ));
            }
            *place = Some(folder).filter(|folder| !usual.contains(folder));
            Ok(())
        };
        if whose == Whose::User {
            set("rootless_storage_path", rootless_storage_path, &mut self.graph_root, &usual_graph_roots(whose))?;
        }
        if roots {
            set("graphroot", graphroot, &mut self.graph_root, &usual_graph_roots(whose))?;
            set("runroot", runroot, &mut self.run_root, &usual_run_roots(whose))?;
        }
        set("imagestore", imagestore, &mut self.image_store, &[])?;
        let of_vfs = Options { ignore_chown_errors: options.vfs.ignore_chown_errors, ..Options::default() };
        if let Some((key, reason)) = wrong_option(&of_vfs) {
            return Err(wrong(&["storage", "options", "vfs", key], reason));
        }
        if self.driver.as_deref() == Some("vfs") {
            self.options.overlay(of_vfs);
        }
        for (table, options) in
            [(&["storage", "options"][..], options.old), (&["storage", "options", "overlay"], options.overlay)]
        {
            if let Some((key, reason)) = wrong_option(&options) {
                return Err(wrong(&[table, &[key]].concat(), reason));
            }
            self.options.overlay(options);
        }
        Ok(())
    }

    /// `--storage-driver`, which does without the options of the files.
    pub fn set_driver(&mut self, driver: &str) -> Result<(), StorageError> {
        self.options = Options::default();
        self.driver = Some(driver.to_owned());
        match driver {
            "" => Ok(()),
            // What the store was made with is not known here: [`Storage::check`] is.
            other if is_driver(other) => Ok(()),
            other => Err(StorageError::Told(format!("{other}: driver not supported"))),
        }
    }

    /// `--imagestore`.
    pub fn set_image_store(&mut self, folder: &Path) {
        self.image_store = Some(folder.to_owned());
    }

    /// `--storage-opt` and `STORAGE_OPTS`: `[overlay.]KEY=VALUE`, instead of what the files say.
    pub fn set_options(&mut self, told: &[String]) -> Result<(), StorageError> {
        if self.driver.as_deref() == Some("vfs") {
            return self.set_vfs_options(told);
        }
        let mut options = Options::default();
        for text in told.iter().filter(|text| !text.is_empty()) {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| StorageError::Told(format!("unable to parse key/value option: {text}")))?;
            let value = value.trim();
            let name = key.trim().to_ascii_lowercase();
            let name = name.strip_prefix("overlay.").or_else(|| name.strip_prefix("overlay2.")).unwrap_or(&name);
            match name.strip_prefix('.').unwrap_or(name) {
                "ignore_chown_errors" => options.ignore_chown_errors = Some(value.to_owned()),
                "force_mask" => options.force_mask = Some(value.to_owned()),
                "mount_program" => options.mount_program = Some(value.into()),
                "mountopt" => options.mountopt = Some(value.to_owned()),
                "size" => options.size = Some(value.to_owned()),
                "inodes" => options.inodes = Some(value.to_owned()),
                "imagestore" | "additionalimagestore" => {
                    // Each may be said for itself, or several at once.
                    let before = options.additionalimagestores.items().to_vec();
                    let more = value.split([':', ',']).map(str::to_owned);
                    options.additionalimagestores = List::of(before.into_iter().chain(more).collect());
                }
                "skip_mount_home"
                | "use_composefs"
                | "layerstore"
                | "additionallayerstore"
                | "override_kernel_check" => {}
                _ => return Err(StorageError::Told(format!("overlay: unknown option {key}"))),
            }
        }
        if let Some((_, reason)) = wrong_option(&options) {
            return Err(StorageError::Told(reason));
        }
        self.options = options;
        Ok(())
    }

    /// The same of vfs, which has hardly any.
    fn set_vfs_options(&mut self, told: &[String]) -> Result<(), StorageError> {
        let mut options = Options::default();
        for text in told.iter().filter(|text| !text.is_empty()) {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| StorageError::Told(format!("unable to parse key/value option: {text}")))?;
            let (key, value) = (key.trim(), value.trim());
            match key.strip_prefix("vfs.").or_else(|| key.strip_prefix('.')).unwrap_or_default() {
                "imagestore" | "additionalimagestore" => {
                    let before = options.additionalimagestores.items().to_vec();
                    let more = value.split([':', ',']).map(str::to_owned);
                    options.additionalimagestores = List::of(before.into_iter().chain(more).collect());
                }
                "ignore_chown_errors" => options.ignore_chown_errors = Some(value.to_owned()),
                "mountopt" => return Err(StorageError::Told("vfs driver does not support mount options".to_owned())),
                _ => return Err(StorageError::Told(format!("vfs driver does not support {key} options"))),
            }
        }
        if let Some((_, reason)) = wrong_option(&options) {
            return Err(StorageError::Told(reason));
        }
        self.options = options;
        Ok(())
    }

    /// How root filesystems are mounted.
    pub fn mounting(&self) -> Mounting {
        let options = &self.options;
        let program = options.mount_program.clone().filter(|program| !program.as_os_str().is_empty());
        let mut mounting = Mounting { program, synced: options.disable_volatile == Some(true), ..Mounting::default() };
        mounting.set_options(options.mountopt.as_deref().unwrap_or_default());
        mounting
    }

    /// A driver that a file names is that of Podman's store: ours can be beside it.
    fn warn_of_driver(&mut self) -> Result<(), StorageError> {
        match self.driver.as_deref() {
            Some(driver) if OTHER_DRIVERS.contains(&driver) => {
                let (file, driver) = (self.file.display(), driver);
                self.warnings.push(format!("{file}: the storage driver {driver} is not there yet: overlay is used"));
                Ok(())
            }
            None | Some("" | "overlay" | "vfs") => Ok(()),
            Some(other) => Err(StorageError::Told(format!("{other}: driver not supported"))),
        }
    }

    /// The stores whose images are used and that are not written to.
    pub fn additional_stores(&self) -> Vec<PathBuf> {
        let told = self.options.additionalimagestores.items().iter().filter(|store| !store.is_empty());
        told.map(PathBuf::from).chain(own::image_stores()).collect()
    }

    /// What the options ask for that is not done.
    pub fn undone(&self) -> Vec<String> {
        let mask = self.options.force_mask.as_deref().filter(|mask| !mask.is_empty());
        let told =
            |_| "storage option overlay.force_mask is passed over: files have the modes of their image".to_owned();
        mask.map(told).into_iter().collect()
    }

    /// Refuses what cannot be had where the store `paths` is: another driver than it was made with, if that is asked for by a flag
    /// (`explicit`), and quotas.
    pub fn check(&mut self, paths: &Paths, explicit: bool) -> Result<(), StorageError> {
        let is = Driver::of_store(paths);
        let asked = self.driver.as_deref().filter(|driver| !driver.is_empty());
        if let (Some(asked), Some(is)) = (asked, is.map(Driver::name))
            && asked != is
        {
            if explicit {
                return Err(StorageError::Refused(format!(
                    "database graph driver {is:?} does not match our graph driver {asked:?}: database configuration mismatch"
                )));
            }
            if Driver::named(asked).is_some() {
                let store = paths.data.display();
                self.warnings.push(format!(
                    "User-selected graph driver {asked:?} overwritten by graph driver {is:?} from database - delete {store} to resolve"
                ));
            }
        }
        if let Some(other) = asked.filter(|asked| explicit && OTHER_DRIVERS.contains(asked)) {
            let words = format!("the driver {other} is not there yet: Haulout has overlay and vfs");
            return Err(StorageError::Told(words));
        }
        if let Some(images) = &self.image_store
            && paths.data.parent() == Some(images)
        {
            let images = images.display();
            return Err(StorageError::Told(format!("imagestore {images} must be another folder than graphroot")));
        }
        let asked = |option: &Option<String>| option.as_deref().is_some_and(|value| !value.is_empty());
        if !asked(&self.options.size) && !asked(&self.options.inodes) {
            return Ok(());
        }
        let there = paths.data.ancestors().find_map(|folder| rustix::fs::statfs(folder).ok());
        let kind =
            there.map_or_else(String::new, |there| info::file_system(u64::try_from(there.f_type).unwrap_or_default()));
        let option = "storage option overlay.size and overlay.inodes";
        Err(StorageError::Told(if kind == "xfs" {
            format!("{option} are not there yet: Haulout sets no quotas")
        } else {
            format!("{option} only supported for backingFS XFS. Found {kind}")
        }))
    }
}

fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The first option that will not do.
fn wrong_option(options: &Options) -> Option<(&'static str, String)> {
    let boolean = ["1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False", ""];
    if let Some(text) = options.ignore_chown_errors.as_deref().filter(|text| !boolean.contains(text)) {
        return Some(("ignore_chown_errors", format!("strconv.ParseBool: parsing {text:?}: invalid syntax")));
    }
    if let Some(program) = options.mount_program.as_ref().filter(|path| !path.as_os_str().is_empty())
        && !program.is_file()
    {
        let program = program.display();
        let reason =
            format!("overlay: can't stat program \"{program}\": faccessat {program}: no such file or directory");
        return Some(("mount_program", reason));
    }
    if let Some(mask) = options.force_mask.as_deref()
        && !(["", "shared", "private"].contains(&mask) || u32::from_str_radix(mask, 8).is_ok_and(|mask| mask <= 0o7777))
    {
        return Some(("force_mask", format!("strconv.ParseInt: parsing {mask:?}: invalid syntax")));
    }
    if let Some(text) = options.size.as_deref().filter(|text| !text.is_empty())
        && size::parse(text).is_none()
    {
        return Some(("size", format!("invalid size: '{text}'")));
    }
    if let Some(store) =
        options.additionalimagestores.items().iter().find(|store| !store.is_empty() && !store.starts_with('/'))
    {
        let reason = format!("overlay: image path {store:?} is not absolute.  Can not be relative");
        return Some(("additionalimagestores", reason));
    }
    if let Some(store) =
        options.additionalimagestores.items().iter().find(|store| !store.is_empty() && !Path::new(store).is_dir())
    {
        let reason = format!("overlay: can't stat imageStore dir {store}: stat {store}: no such file or directory");
        return Some(("additionalimagestores", reason));
    }
    None
}

fn read_if_there(path: &Path) -> Result<Option<String>, StorageError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StorageError::Read { path: path.to_owned(), source }),
    }
}

/// `$NAME` and `${NAME}` as the environment has them; `$UID` and `$USER` are known without it.
pub(super) fn expanded(text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, after) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, after)) => (name, after),
            None => after.split_at(
                after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len()),
            ),
        };
        expanded.push_str(&variable(name));
        rest = after;
    }
    expanded + rest
}

fn variable(name: &str) -> String {
    let set = env::var(name).ok();
    match name {
        "UID" => rustix::process::getuid().as_raw().to_string(),
        "HOME" => set.unwrap_or_else(|| crate::paths::home_by_passwd().display().to_string()),
        _ => set.unwrap_or_default(),
    }
}

/// Where Podman keeps everything when no file says anything: a file that names it does not mean us.
fn usual_graph_roots(whose: Whose) -> Vec<PathBuf> {
    match whose {
        Whose::Root => vec!["/var/lib/containers/storage".into()],
        Whose::User => {
            let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
            let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
            [home, data].into_iter().flatten().map(|folder| folder.join("containers/storage")).collect()
        }
    }
}

fn usual_run_roots(whose: Whose) -> Vec<PathBuf> {
    let by_uid = || PathBuf::from(format!("/run/user/{}/containers", rustix::process::getuid().as_raw()));
    match whose {
        Whose::Root => vec!["/run/containers/storage".into(), "/var/run/containers/storage".into()],
        Whose::User => {
            let told = env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("containers"));
            told.into_iter().chain([by_uid()]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(texts: &[(&str, bool)], whose: Whose) -> Result<Storage, String> {
        let mut storage = Storage::default();
        for (text, roots) in texts {
            storage.add(Path::new("storage.conf"), text, *roots, whose).map_err(|error| error.to_string())?;
        }
        Ok(storage)
    }

    #[test]
    fn the_machines_file_says_an_ordinary_user_only_rootless_storage_path() {
        let machines = "[storage]\ndriver='overlay'\ngraphroot='/g'\nrunroot='/r'\nrootless_storage_path='/u/$UID'";
        let uid = rustix::process::getuid().as_raw();
        let of_user = added(&[(machines, false)], Whose::User).unwrap();
        assert_eq!(of_user.graph_root, Some(format!("/u/{uid}").into()));
        assert_eq!(of_user.run_root, None);
        let of_root = added(&[(machines, true)], Whose::Root).unwrap();
        assert_eq!((of_root.graph_root, of_root.run_root), (Some("/g".into()), Some("/r".into())));
        let own = "[storage]\ngraphroot='/own'\n[storage.options.overlay]\nmountopt='nodev'";
        let both = added(&[(machines, false), (own, true)], Whose::User).unwrap();
        assert_eq!(both.graph_root, Some("/own".into()));
        assert_eq!(both.options.mountopt.as_deref(), Some("nodev"));
    }

    #[test]
    fn the_places_of_podmans_own_store_say_nothing_of_ours() {
        let usual = "[storage]\ngraphroot='/var/lib/containers/storage'\nrunroot='/run/containers/storage'";
        let storage = added(&[(usual, true)], Whose::Root).unwrap();
        assert_eq!((storage.graph_root, storage.run_root), (None, None));
    }

    #[test]
    fn what_nobody_knows_is_told_and_what_will_not_do_is_refused_with_its_place() {
        let told = added(
            &[(
                "[storage]\nfoo=1\n[storage.options]\nbar='2'\n[storage.options.overlay]\nbaz=3\nmountopt=''\n[x]\n",
                true,
            )],
            Whose::User,
        );
        let told = told.unwrap().warnings;
        for (index, key) in
            ["x", "storage.foo", "storage.options.bar", "storage.options.overlay.baz"].into_iter().enumerate()
        {
            assert!(told[index].contains(&format!("nobody knows {key};")), "{told:?}");
        }
        for (text, begin) in [
            ("[storage]\ndriver=3", "storage.conf, line 2, column 8: "),
            ("[storage]\n driver='bla'", "storage.conf, line 2, column 9: bla: driver not supported"),
            ("[storage]\ngraphroot='rel'", "storage.conf, line 2, column 11: graphroot must be an absolute path"),
            ("[storage\n", "storage.conf, line 1, column "),
            (
                "[storage.options.overlay]\nignore_chown_errors='x'",
                "storage.conf, line 2, column 21: strconv.ParseBool",
            ),
            (
                "[storage.options.overlay]\nmount_program='/nope'",
                "storage.conf, line 2, column 15: overlay: can't stat",
            ),
            ("[storage.options]\nadditionalimagestores=['/nope']", "storage.conf, line 2, column 23: overlay: can't"),
        ] {
            let error = added(&[(text, true)], Whose::User).unwrap_err();
            assert!(error.starts_with(begin), "{error}");
        }
    }

    #[test]
    fn options_of_the_command_line_stand_alone() {
        let mut storage = added(&[("[storage.options.overlay]\nsize='1g'", true)], Whose::User).unwrap();
        assert!(storage.undone().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        let refused = storage.check(&paths, false).unwrap_err().to_string();
        assert!(refused.starts_with("configure storage: storage option overlay.size and overlay.inodes "), "{refused}");
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        storage.set_options(&words(&["overlay.mountopt=nodev", ""])).unwrap();
        assert_eq!((storage.options.size.as_deref(), storage.options.mountopt.as_deref()), (None, Some("nodev")));
        for (option, message) in [
            ("bla", "configure storage: unable to parse key/value option: bla"),
            ("bla=1", "configure storage: overlay: unknown option bla"),
            ("overlay.foo=1", "configure storage: overlay: unknown option overlay.foo"),
        ] {
            assert_eq!(storage.set_options(&words(&[option])).unwrap_err().to_string(), message);
        }
    }
}
