// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where Haulout keeps things: nothing of it is shared with another engine.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use haulout_monitor::process::{Process, is_root_of_machine};

use crate::container::ContainerId;

/// The folder of Haulout's own in a folder that others use too.
const OWN: &str = "haulout";

/// The two folders that everything lives below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What survives a reboot: `$XDG_DATA_HOME/containers/haulout`.
    pub data: PathBuf,
    /// What does not: `$XDG_RUNTIME_DIR/haulout`.
    pub runtime: PathBuf,
}

impl Paths {
    /// Those of whoever runs this process: `$XDG_DATA_HOME` and `$XDG_RUNTIME_DIR`, or what stands in for them; root's are in `/var`
    /// and `/run`. Root of a user namespace that is not the machine's (`haulout unshare`) has the user's.
    pub fn of_user() -> Self {
        if is_root_of_machine() {
            return Self { data: "/var/lib/containers/haulout".into(), runtime: "/run/haulout".into() };
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
        let data = data.unwrap_or_else(|| home_by_passwd().join(".local/share"));
        Self { data: data.join("containers/haulout"), runtime: runtime_of_user() }
    }

    /// The same below folders that somebody names: `--root` for what stays, `--runroot` for what does not. In a folder of Haulout's
    /// own there, for another engine's store is laid out alike: what it keeps would be taken for leftovers.
    #[must_use]
    pub fn below(self, root: Option<&Path>, runroot: Option<&Path>) -> Self {
        Self {
            data: root.map_or(self.data, |root| root.join(OWN)),
            runtime: runroot.map_or(self.runtime, |runroot| runroot.join(OWN)),
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
        self.data.join("state.db")
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
        self.data.join("volumes")
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

    /// A running container's folder, its OCI bundle: `config.json`, `monitor.json`, `monitor.pid`, `init.pid`, `attach`.
    pub fn bundle(&self, id: &ContainerId) -> PathBuf {
        self.bundles().join(id.to_string())
    }

    /// The OCI runtime's own state (`--root`).
    pub fn runtime_root(&self) -> PathBuf {
        self.runtime.join("crun")
    }

    /// The process that holds the user namespace: `PID STARTTIME`.
    pub fn anchor(&self) -> PathBuf {
        self.runtime.join("anchor")
    }

    /// The event log, one JSON object a line.
    pub fn events(&self) -> PathBuf {
        self.runtime.join("events")
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

fn home_by_passwd() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let home = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then(|| fields.get(5).map(PathBuf::from))?
    });
    home.unwrap_or_else(|| "/".into())
}
