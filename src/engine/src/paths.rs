// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where Haulout keeps things: nothing of it is shared with another engine.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use haulout_monitor::event::Log;
use haulout_monitor::process::{Process, is_root_of_machine};

use crate::config::containers::{self, Settings, Told};
use crate::config::storage::Storage;
use crate::container::ContainerId;
use crate::size;
use crate::store::driver::Driver;
use crate::store::mounting::Mounting;

/// The folder of Haulout's own in a folder that others use too.
const OWN: &str = "haulout";

/// The two folders that everything lives below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What survives a reboot: `$XDG_DATA_HOME/containers/haulout`.
    pub data: PathBuf,
    /// What does not: `$XDG_RUNTIME_DIR/haulout`.
    pub runtime: PathBuf,
    /// What of it is neither here nor there.
    pub elsewhere: Elsewhere,
}

/// Parts that containers.conf and storage.conf put somewhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The folders of the volumes (`volume_path`).
    pub volumes: Option<PathBuf>,
    /// The folder of the database (`static_dir`).
    pub database: Option<PathBuf>,
    /// Stores whose images are used and that are not written to (`additionalimagestores` of storage.conf).
    pub images: Vec<PathBuf>,
    /// What is told of events, and where.
    pub events: Events,
    /// The driver that a new store gets (`driver` of storage.conf, `STORAGE_DRIVER`, `--storage-driver`).
    pub driver: Option<Driver>,
    /// The folder of the images of a new store, if not the store's own (`imagestore`).
    pub image_store: Option<PathBuf>,
    /// Containers do not outlive the runtime folder (`transient_store`).
    pub transient: bool,
    /// Files of layers may be anybody's (`ignore_chown_errors`).
    pub any_owner: bool,
    /// How root filesystems are mounted.
    pub mounting: Mounting,
}

/// What containers.conf says of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The log (`events_logfile_path`).
    pub file: Option<PathBuf>,
    /// How long it may become (`events_logfile_max_size`): 0 for as long as it likes.
    pub max_size: Option<u64>,
    /// Whether they go to the journal as well (`events_logger`).
    pub journal: bool,
}

impl Events {
    fn configured(engine: &containers::Engine) -> Self {
        let path = engine.events_logfile_path.as_ref().filter(|path| path.is_absolute());
        Self {
            file: path.map(|path| path.with_added_extension(OWN)),
            max_size: engine.events_logfile_max_size.as_deref().and_then(size::parse),
            journal: engine.events_logger.as_deref() == Some("journald"),
        }
    }
}

impl Paths {
    /// Everything below these two.
    pub fn at(data: PathBuf, runtime: PathBuf) -> Self {
        Self { data, runtime, elsewhere: Elsewhere::default() }
    }

    /// Those of whoever runs this process, as storage.conf and containers.conf have them: in folders of Haulout's own below theirs.
    pub fn configured(settings: &Settings, storage: &Storage) -> Self {
        let engine = &settings.engine;
        let own = |folder: &Option<PathBuf>| Some(folder.as_ref()?.join(OWN)).filter(|path| path.is_absolute());
        let user = Self::of_user();
        Self {
            data: own(&storage.graph_root).unwrap_or(user.data),
            runtime: own(&storage.run_root).or_else(|| own(&engine.tmp_dir)).unwrap_or(user.runtime),
            elsewhere: Elsewhere {
                volumes: own(&engine.volume_path),
                database: own(&engine.static_dir),
                events: Events::configured(engine),
                images: storage.additional_stores(),
                driver: storage.driver.as_deref().and_then(Driver::named),
                image_store: storage.image_store.clone(),
                transient: storage.transient,
                any_owner: storage.options.any_owner(),
                mounting: storage.mounting(),
            },
        }
    }

    /// The same, and where the files cannot be read as if there were none: whoever does something there is told what is wrong with them.
    pub fn found() -> Self {
        let paths = match (Settings::load(&Told::default()), Storage::load()) {
            (Ok(settings), Ok(storage)) => Self::configured(&settings, &storage),
            _ => Self::of_user(),
        };
        paths.where_it_runs()
    }

    /// The same with the runtime folder in which containers of this store run now, if they do so in another. Programs have an
    /// `$XDG_RUNTIME_DIR` of their own (a snap does): what runs would be as good as gone for who looks there, could be removed, and
    /// started a second time.
    #[must_use]
    pub fn where_it_runs(self) -> Self {
        match self.other_runtime() {
            Some(runtime) => Self { runtime, ..self },
            None => self,
        }
    }

    /// The runtime folder in which containers of this store run, if it is not this one.
    pub fn other_runtime(&self) -> Option<PathBuf> {
        let noted = PathBuf::from(fs::read_to_string(self.runtime_note()).ok()?);
        let other = noted.is_absolute() && noted != self.runtime;
        let uid = rustix::process::geteuid().as_raw();
        (other && is_own_folder(&noted, uid) && something_runs_in(&noted) && !something_runs_in(&self.runtime))
            .then_some(noted)
    }

    /// Notes that containers of this store are about to run in this runtime folder.
    pub(crate) fn note_runtime(&self) -> io::Result<()> {
        let (note, ours) = (self.runtime_note(), self.runtime.as_os_str().as_bytes());
        if fs::read(&note).is_ok_and(|noted| noted == ours) {
            return Ok(());
        }
        let part = note.with_added_extension(std::process::id().to_string());
        fs::write(&part, ours).and_then(|()| fs::rename(&part, &note))
    }

    fn runtime_note(&self) -> PathBuf {
        self.data.join("runtime")
    }

    /// Those of whoever runs this process when nothing is configured: `$XDG_DATA_HOME` and `$XDG_RUNTIME_DIR`, or what stands in for them; root's are in `/var`
    /// and `/run`. Root of a user namespace that is not the machine's (`haulout unshare`) has the user's.
    pub fn of_user() -> Self {
        if is_root_of_machine() {
            return Self::at("/var/lib/containers/haulout".into(), "/run/haulout".into());
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
        let data = data.unwrap_or_else(|| home_by_passwd().join(".local/share"));
        Self::at(data.join("containers/haulout"), runtime_of_user())
    }

    /// The same below folders that somebody names: `--root` for what stays, `--runroot` for what does not. In a folder of Haulout's
    /// own there, for another engine's store is laid out alike: what it keeps would be taken for leftovers.
    #[must_use]
    pub fn below(self, root: Option<&Path>, runroot: Option<&Path>) -> Self {
        Self {
            data: root.map_or(self.data, |root| root.join(OWN)),
            runtime: runroot.map_or(self.runtime, |runroot| runroot.join(OWN)),
            elsewhere: self.elsewhere,
        }
    }

    /// The words by which a command of this user's is told to use these folders: none where it does so anyway.
    pub fn as_words(&self) -> Vec<String> {
        let user = Self::of_user();
        let told = |flag: &str, own: &Path, users: &Path| match own.parent() {
            Some(named) if own != users => vec![flag.to_owned(), named.display().to_string()],
            _ => Vec::new(),
        };
        [told("--root", &self.data, &user.data), told("--runroot", &self.runtime, &user.runtime)].concat()
    }

    /// The SQLite database of what should be.
    pub fn database(&self) -> PathBuf {
        self.elsewhere.database.as_ref().unwrap_or(&self.data).join("state.db")
    }

    /// How root filesystems are made in this store.
    pub fn driver(&self) -> Driver {
        Driver::of_store(self).or(self.elsewhere.driver).unwrap_or_default()
    }

    /// The layers, one folder each, named by the hexadecimal digits of their diffID; their files are in `diff` below it.
    pub fn layers(&self) -> PathBuf {
        self.data.join("layers")
    }

    /// The images' files with other owners, one folder an image and a map.
    pub fn mapped(&self) -> PathBuf {
        self.data.join("mapped")
    }

    /// The folders of the containers.
    pub fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    /// A container's folder on disk: `upper`, `work`, `merged`, `last-run`, `ctr.log`, `lock`.
    pub fn container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.to_string())
    }

    /// The folders of the volumes.
    pub fn volumes(&self) -> PathBuf {
        self.elsewhere.volumes.clone().unwrap_or_else(|| self.data.join("volumes"))
    }

    /// A named volume's folder; its files are in `_data` below it.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// What is known of secrets, and what the driver `file` keeps of them.
    pub fn secrets(&self) -> PathBuf {
        self.data.join("secrets")
    }

    /// The folders of the running containers.
    pub fn bundles(&self) -> PathBuf {
        self.runtime.join("containers")
    }

    /// Where the end of a container's run waits that the disk did not take.
    pub fn waiting_end(&self, id: &ContainerId) -> PathBuf {
        self.runtime.join("ended").join(id.to_string())
    }

    /// Not empty when containers that nobody had removed were looked for and removed in this login. Stores share a runtime folder: each has its own.
    pub fn swept(&self) -> PathBuf {
        let store = fs::metadata(&self.data).map_or((0, 0), |found| (found.dev(), found.ino()));
        self.runtime.join(format!("swept-{:x}-{:x}", store.0, store.1))
    }

    /// Where locks are of containers that the disk has no room to lock.
    pub fn locks(&self) -> PathBuf {
        self.runtime.join("locks")
    }

    /// A running container's folder, its OCI bundle: `config.json`, `monitor.json`, `monitor.pid`, `init.pid`, `attach`,
    /// `pidfile`, `conmon.pid`.
    pub fn bundle(&self, id: &ContainerId) -> PathBuf {
        self.bundles().join(id.to_string())
    }

    /// A running container's process id and no more, for whoever reads such files, unless `--pidfile` says another place.
    pub fn pidfile(&self, id: &ContainerId) -> PathBuf {
        self.bundle(id).join("pidfile")
    }

    /// The same of its monitor (`--conmon-pidfile`): a unit's `PIDFile=`.
    pub fn conmon_pidfile(&self, id: &ContainerId) -> PathBuf {
        self.bundle(id).join("conmon.pid")
    }

    /// The OCI runtime's own state (`--root`).
    pub fn runtime_root(&self) -> PathBuf {
        self.runtime.join("crun")
    }

    /// Two files: the first is there when there may be containers that are not to outlive the runtime folder, the second in that as
    /// long as they do.
    pub(crate) fn transient(&self) -> [PathBuf; 2] {
        [&self.data, &self.runtime].map(|folder| folder.join("transient"))
    }

    /// The process that holds the user namespace: `PID STARTTIME`.
    pub fn anchor(&self) -> PathBuf {
        self.runtime.join("anchor")
    }

    /// Where events go: the log, one JSON object a line, and what else.
    pub fn events(&self) -> Log {
        let Events { file, max_size, journal } = &self.elsewhere.events;
        let log = Log::in_file(file.clone().unwrap_or_else(|| self.runtime.join("events")));
        let max_size = match max_size {
            Some(0) => None,
            Some(size) => Some(*size),
            None => log.max_size,
        };
        Log { max_size, journal: *journal, ..log }
    }
}

/// `$XDG_RUNTIME_DIR/haulout`. Where that is not set or is another user's (su, cron): the same below `/run/user/UID`, else a folder
/// of the user's own in `/tmp`, as podman does; which remains the one as long as something runs there, for a user who has logged in
/// meanwhile: else that would be started a second time.
pub(crate) fn runtime_of_user() -> PathBuf {
    if is_root_of_machine() {
        return "/run/haulout".into();
    }
    let uid = rustix::process::geteuid().as_raw();
    let own = PathBuf::from(format!("/tmp/haulout-run-{uid}"));
    if let Some(found) = folder_of_login()
        && !(is_own_folder(&own, uid) && something_runs_in(&own))
    {
        return found.join("haulout");
    }
    let _ = fs::DirBuilder::new().mode(0o700).create(&own);
    if is_own_folder(&own, uid) {
        return own;
    }
    // Somebody else made it: then it is not to be trusted, and what is made below this fails with a name that says why.
    own.join("is-not-yours")
}

/// `$XDG_RUNTIME_DIR`, or `/run/user/UID` where that is not set or is another user's.
pub(crate) fn folder_of_login() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let told = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let by_uid = Some(PathBuf::from(format!("/run/user/{uid}")));
    [told, by_uid].into_iter().flatten().find(|path| is_own_folder(path, uid))
}

/// Whether a runtime folder has one of a container whose monitor lives.
fn something_runs_in(runtime: &Path) -> bool {
    let bundles = fs::read_dir(runtime.join("containers")).into_iter().flatten().flatten();
    let mut monitors = bundles.filter_map(|bundle| Process::read(&bundle.path().join("monitor.pid")));
    monitors.any(Process::is_alive)
}

/// A folder, no link, that is `uid`'s.
fn is_own_folder(path: &Path, uid: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == uid)
}

pub(crate) fn home_by_passwd() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let home = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then(|| fields.get(5).map(PathBuf::from))?
    });
    home.unwrap_or_else(|| "/".into())
}
