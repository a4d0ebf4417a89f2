// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's files, as a step reaches them: those of a running one through its processes, those of a stopped one mounted for
//! the step alone, under the container's lock.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use haulout_monitor::process::Process;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags};
use serde::{Deserialize, Serialize};

use super::base::root_of;
use super::lock::Lock;
use super::start::{Root, place};
use super::status::Monitor;
use super::{ContainerId, Containers, Details, Record, inspect};
use crate::engine::Error;
use crate::step::{Failure, Step, StepError, remove};
use crate::store::driver::{self, Driver, vfs};
use crate::store::overlay;
use crate::store::tar::{Kind, Writer};
use crate::userns;
use crate::userns::modes::Mapping;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where a container's files are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Place {
    /// It runs: pid and start time of its monitor and of its first process, and where its root is mounted.
    Running {
        /// The monitor.
        monitor: (i32, u64),
        /// The first process.
        init: (i32, u64),
        /// Where the monitor has the root filesystem.
        mounted: PathBuf,
        /// Its user namespace's map, if it has one of its own.
        mapping: Option<Mapping>,
    },
    /// It does not run.
    Stopped {
        /// The root to be mounted.
        root: Root,
        /// What is mounted in it: source on the host, place inside.
        binds: Vec<(PathBuf, PathBuf)>,
        /// Its user namespace's map, if it has one of its own.
        mapping: Option<Mapping>,
    },
}

fn process((pid, start_time): (i32, u64)) -> Process {
    Process { pid, start_time }
}

impl Place {
    /// The monitor of a running one.
    pub(crate) fn monitor(&self) -> Option<Process> {
        match self {
            Self::Running { monitor, .. } => Some(process(*monitor)),
            Self::Stopped { .. } => None,
        }
    }

    /// The container's map into the rootless namespace, in which steps see its files.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        match self {
            Self::Running { mapping, .. } | Self::Stopped { mapping, .. } => mapping.as_ref(),
        }
    }

    /// Where a program has mounted its root for this process.
    pub(crate) fn mounted_by_program(&self) -> Option<&Path> {
        match self {
            Self::Stopped { root, .. } if root.mounting.program.is_some() => Some(&root.target),
            _ => None,
        }
    }

    /// Opens its root as its processes see it, with everything that is mounted there.
    pub(crate) fn open(&self) -> Result<OwnedFd, Failure> {
        match self {
            Self::Running { init, .. } => {
                let root = format!("/proc/{}/root", init.0);
                match rustix::fs::openat(CWD, root.as_str(), FOLDER, Mode::empty()) {
                    // One that is about to end has no root any more.
                    Err(Errno::NOENT | Errno::SRCH) => Err(Failure::Ended),
                    // Asked after it was opened: the number may be another process's by now.
                    _ if !process(*init).is_alive() => Err(Failure::Ended),
                    opened => Ok(opened.map_err(|errno| format!("opening the root of the container: {errno}"))?),
                }
            }
            Self::Stopped { root, binds, .. } => {
                let top = mounted(root)?;
                for (source, inside) in binds {
                    bind(&top, source, inside)
                        .map_err(|errno| format!("mounting {} at {}: {errno}", source.display(), inside.display()))?;
                }
                Ok(top)
            }
        }
    }
}

/// Mounts the root of a container that does not run, for this process alone.
fn mounted(root: &Root) -> Result<OwnedFd, String> {
    userns::own_mounts().map_err(|error| error.to_string())?;
    // Not to be synced when it is unmounted: who copies files does not wait for the disk either.
    let volatile = Root { volatile: !root.mounting.synced, ..root.clone() };
    driver::mount(&volatile).map_err(|error| error.to_string())?;
    open(&root.target, "the root of the container")
}

fn open(path: &Path, what: &str) -> Result<OwnedFd, String> {
    rustix::fs::openat(CWD, path, FOLDER, Mode::empty()).map_err(|errno| format!("opening {what}: {errno}"))
}

/// Mounts `source` at `inside` of `root`, whose links lead nowhere else.
fn bind(root: &OwnedFd, source: &Path, inside: &Path) -> Result<(), Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = match rustix::mount::open_tree(CWD, source, flags) {
        // A volume that was never used.
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let is_folder =
        rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&tree)?.st_mode) == rustix::fs::FileType::Directory;
    let target = match place::open(root.as_fd(), inside, OFlags::PATH | OFlags::CLOEXEC) {
        Ok(target) => target,
        Err(Errno::NOENT) if is_folder => place::make_folder(root.as_fd(), inside, (0, 0), (0, 0))?,
        // The runtime makes an empty file for it at the next start.
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(&tree, c"", &target, c"", flags)
}

/// Writes all files of a container as a tar.
pub(crate) fn export(from: &Place, to: Option<OwnedFd>) -> Result<(), Failure> {
    let to = to.ok_or("the step lacks a descriptor")?;
    let root = match from {
        Place::Running { monitor, init, mounted, .. } => {
            // As the monitor sees it: the container's own mounts are in a namespace further in.
            let path = format!("/proc/{}/root{}", monitor.0, mounted.display());
            let opened = open(Path::new(&path), "the root of the container");
            // Asked after it was opened: before, it may not be mounted there any more.
            if !process(*init).is_alive() {
                return Err(Failure::Ended);
            }
            opened?
        }
        Place::Stopped { root, .. } => {
            let mut layers = root.lower.clone();
            match root.driver {
                _ if !root.upper.is_dir() => {}
                Driver::Overlay => layers.insert(0, root.upper.clone()),
                Driver::Vfs => layers = vec![root.upper.clone()],
            }
            if layers.is_empty() {
                return Ok(write_empty(to)?);
            }
            if root.mounting.program.is_some() {
                // What it wrote it reads best.
                mounted(root)?
            } else {
                userns::own_mounts().map_err(|error| error.to_string())?;
                overlay::look(&layers, root.data.as_deref()).map_err(|error| error.to_string())?
            }
        }
    };
    let mut writer = Writer::new(to, Kind::Tree).mapped(from.mapping());
    let written = writer.contents(root.as_fd(), b"").and_then(|()| writer.finish());
    Ok(written.map_err(|error| error.to_string())?)
}

/// Writes what a container changed as the tar of a layer.
pub(crate) fn commit(root: &Root, mapping: Option<&Mapping>, to: Option<OwnedFd>) -> Result<(), String> {
    let to = to.ok_or("the step lacks a descriptor")?;
    if !root.upper.is_dir() {
        return write_empty(to);
    }
    let changed = match root.driver {
        Driver::Overlay => root.upper.clone(),
        Driver::Vfs => vfs::distil(&root.upper, &root.lower).map_err(|error| error.to_string())?,
    };
    let folder = open(&changed, "the changes of the container")?;
    let mut writer = Writer::new(to, Kind::Changes).mapped(mapping);
    writer.contents(folder.as_fd(), b"").and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
    if changed != root.upper {
        remove::remove(&changed).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn write_empty(to: OwnedFd) -> Result<(), String> {
    Writer::new(to, Kind::Tree).finish().map_err(|error| error.to_string())
}

/// As whom its processes run, and where.
fn life_of(details: &Details) -> (String, PathBuf) {
    let options = &details.summary.record.options;
    let image = details.image.config().as_ref();
    let user = options.user.clone().or_else(|| image.and_then(|config| config.user().clone()));
    let workdir =
        options.workdir.clone().or_else(|| image.and_then(|config| config.working_dir().clone()).map(Into::into));
    let workdir = workdir.filter(|path| path.is_absolute()).unwrap_or_else(|| PathBuf::from("/"));
    (user.unwrap_or_default(), workdir)
}

/// A container's files, held: nobody starts or removes it meanwhile, if it does not run.
pub(super) struct Held {
    pub record: Record,
    pub place: Place,
    /// The user that its processes are, as written.
    pub user: String,
    /// Their working folder.
    pub workdir: PathBuf,
    _lock: Option<Lock>,
}

impl Containers {
    /// Where the files of `id` are.
    pub(super) async fn hold(&self, id: &ContainerId) -> Result<Held, Error> {
        loop {
            if let Some(held) = self.try_hold(id).await? {
                return Ok(held);
            }
        }
    }

    /// Nothing when it has to be looked at once more.
    async fn try_hold(&self, id: &ContainerId) -> Result<Option<Held>, Error> {
        let seen = self.look(id).await?;
        let init = seen.status.process().filter(|init| init.is_alive());
        if let (Monitor::Alive(monitor), Some(init)) = (seen.monitor, init) {
            let details = self.inspect(id).await?;
            let place = Place::Running {
                monitor: (monitor.pid, monitor.start_time),
                init: (init.pid, init.start_time),
                mounted: self.engine.paths().container(id).join("merged"),
                mapping: details.summary.record.mapping.clone(),
            };
            let (user, workdir) = life_of(&details);
            return Ok(Some(Held { record: details.summary.record, place, user, workdir, _lock: None }));
        }
        if let Monitor::Alive(process) = seen.monitor {
            // It starts or ends.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), crate::event::end_of(process)).await;
            return Ok(None);
        }
        if seen.monitor == Monitor::Gone {
            self.reap(id).await?;
            return Ok(None);
        }
        let lock = self.lock(id).await?;
        if self.look(id).await?.monitor != Monitor::Absent {
            return Ok(None);
        }
        let (engine, wanted) = (self.engine.clone(), *id);
        let found = self.engine.blocking("finding a container's files", move || {
            let details = inspect::details(&engine, &wanted)?;
            let (user, workdir) = life_of(&details);
            let binds = details.mounts.into_iter().filter(|mount| matches!(mount.kind.as_str(), "bind" | "volume"));
            let mut binds: Vec<(PathBuf, PathBuf)> = binds.map(|mount| (mount.source, mount.destination)).collect();
            // What is mounted in another mount comes after it.
            binds.sort_by_key(|(_, inside)| inside.components().count());
            let record = details.summary.record;
            let place = Place::Stopped { root: root_of(&engine, &record)?, binds, mapping: record.mapping.clone() };
            Ok((place, record, user, workdir))
        });
        let (place, record, user, workdir) = found.await?;
        Ok(Some(Held { record, place, user, workdir, _lock: Some(lock) }))
    }

    /// Fails when the container was removed while its files were read, perhaps not all of them. That of one which runs is not
    /// prevented.
    pub(super) async fn is_still_there(&self, held: &Held) -> Result<(), Error> {
        self.record(&held.record.id).await.map(drop)
    }

    pub(super) async fn export_files(&self, id: &ContainerId, to: OwnedFd) -> Result<(), Error> {
        let failed = |source| Error::Io { doing: format!("exporting container {id}"), source };
        let steps = self.engine.steps().await?;
        loop {
            let held = self.hold(id).await?;
            let step = Step::Export(held.place.clone());
            match steps.run(&step, vec![to.try_clone().map_err(failed)?]).await {
                Err(StepError::Ended) => continue,
                done => done?,
            };
            self.is_still_there(&held).await?;
            crate::event::append(self.engine.paths(), &held.record.event("export", None));
            return Ok(());
        }
    }
}
