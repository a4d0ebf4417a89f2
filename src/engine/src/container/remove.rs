// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing containers, and giving back what killed monitors held.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use haulout_monitor::last_run::{Exit, LastRun};
use haulout_monitor::process::Process;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::lock::Lock;
use super::start::Remains;
use super::status::{Monitor, Seen};
use super::{ContainerId, Containers, Record, RemoveOptions, Status, status};
use crate::engine::{Engine, Error};
use crate::event;
use crate::paths::Paths;
use crate::runtime::Runtime;
use crate::step::Step;
use crate::systemd::{self, UserManager};

/// A container's folder, from the moment it is being removed.
const REMOVING: &str = ".removing-";

/// How long a monitor may take that neither runs a container nor is gone.
const MONITOR_PATIENCE: Duration = Duration::from_secs(20);

/// How long one may take to end that has given back everything.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

/// A monitor that hangs: killed if the container shall go whatever it costs. What it held is given back then.
fn give_up_on(id: &ContainerId, monitor: Process, force: bool) -> Result<(), Error> {
    if !force {
        let what = format!(
            "the monitor of container {id} (process {}) neither runs it nor ends; --force kills it",
            monitor.pid
        );
        return Err(Error::WrongState(what));
    }
    if let Some(pid) = Pid::from_raw(monitor.pid)
        && let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        && monitor.is_alive()
    {
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    }
    Ok(())
}

impl Containers {
    /// Fails when other containers depend on it.
    pub(super) async fn refuse_if_needed(&self, id: &ContainerId) -> Result<(), Error> {
        let id = id.to_string();
        let records = self.engine.state(|database| database.containers()).await?;
        let others = records.iter().filter(|other| other.dependencies().contains(&id.as_str()));
        let dependents: Vec<String> = others.map(|other| other.id.to_string()).collect();
        if dependents.is_empty() { Ok(()) } else { Err(Error::HasDependents { id, dependents }) }
    }

    pub(super) async fn remove_one(&self, id: &ContainerId, options: RemoveOptions) -> Result<(), Error> {
        let record = self.record(id).await?;
        // What is being removed is not started by anyone meanwhile.
        let mut lock = self.lock(id).await?;
        let mut monitor = None;
        loop {
            let seen = self.look(id).await?;
            if let Monitor::Alive(process) = seen.monitor {
                monitor = Some(process);
            }
            match (seen.monitor, seen.status) {
                (Monitor::Absent, _) => break,
                (Monitor::Gone, _) => self.reap_locked(&record).await?,
                (Monitor::Alive(_), status @ (Status::Running(_) | Status::Paused(_))) if !options.force => {
                    let state = if matches!(status, Status::Paused(_)) { "paused" } else { "running" };
                    return Err(Error::WrongState(format!(
                        "cannot remove container {id} as it is {state} - running or paused containers cannot be removed without force: container state improper"
                    )));
                }
                (Monitor::Alive(_), Status::Running(_) | Status::Paused(_) | Status::Initialized(_)) => {
                    self.end(id, &record, options.timeout).await?;
                }
                (Monitor::Alive(process), _) => {
                    // It starts or ends, neither of which takes long; but it may end only when whoever ran it with `--rm` has
                    // removed it, who needs the lock.
                    drop(lock);
                    if tokio::time::timeout(MONITOR_PATIENCE, event::end_of(process)).await.is_err() {
                        give_up_on(id, process, options.force)?;
                    }
                    lock = match self.lock(id).await {
                        Err(Error::NoSuchContainer(_)) => return Ok(()),
                        lock => lock?,
                    };
                }
            }
        }
        self.take_away(&record, lock, options.volumes || record.options.remove).await?;
        if let Some(process) = monitor.filter(|_| options.force) {
            // A service's main process is its monitor: once ExecStop= is over, systemd kills what is left, and calls that a failure.
            let _ = tokio::time::timeout(ENDING_PATIENCE, event::end_of(process)).await;
        }
        Ok(())
    }

    /// Removes a container of which its monitor has just said that it has ended; who else did so was quicker.
    pub(super) async fn remove_ended(&self, id: &ContainerId) -> Result<(), Error> {
        match self.take_ended_away(id).await {
            Err(Error::NoSuchContainer(_)) => Ok(()),
            taken => taken,
        }
    }

    async fn take_ended_away(&self, id: &ContainerId) -> Result<(), Error> {
        let record = self.record(id).await?;
        let lock = self.lock(id).await?;
        if self.look(id).await?.status.process().is_some() {
            // Somebody has restarted it.
            return Ok(());
        }
        self.take_away(&record, lock, true).await
    }

    /// As the monitor of a `--rm` container asks when nobody else removes it.
    pub(super) async fn clean_up(&self, id: &ContainerId) -> Result<(), Error> {
        match self.record(id).await {
            Ok(record) if record.options.remove => match self.remove_one(id, RemoveOptions::default()).await {
                // Someone else was quicker.
                Err(Error::NoSuchContainer(_)) => Ok(()),
                other => other,
            },
            Ok(_) | Err(Error::NoSuchContainer(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn lock(&self, id: &ContainerId) -> Result<Lock, Error> {
        let (engine, id) = (self.engine.clone(), *id);
        let taken = self.engine.blocking("locking a container", move || {
            let paths = engine.paths();
            let lock = Lock::take_without_room(paths, &id);
            let lock = lock.map_err(|source| Error::Io { doing: format!("locking container {id}"), source })?;
            if engine.with_database(|database| Ok(database.container(&id)?))?.is_none() {
                // The lock made the folder.
                let _ = fs::remove_dir_all(paths.container(&id));
                return Err(Error::NoSuchContainer(id.to_string()));
            }
            Ok(lock)
        });
        taken.await
    }

    /// Takes away its record, its folder and its volumes. The record goes first, while the lock is held: whoever waits for the lock,
    /// or makes a new one once the folder is aside, finds that there is no such container. A folder without a record is found and
    /// removed by the next one who removes something.
    pub(super) async fn take_away(&self, record: &Record, lock: Lock, volumes: bool) -> Result<(), Error> {
        let steps = self.engine.steps().await?;
        let id = record.id;
        let there = self.engine.state(move |database| database.remove_container(&id)).await?;
        let engine = self.engine.clone();
        let gone = self.engine.blocking("removing a container", move || {
            let paths = engine.paths();
            let aside = paths.containers().join(format!("{REMOVING}{id}"));
            let failed = |source| Error::Io { doing: format!("removing container {id}"), source };
            match fs::rename(paths.container(&id), &aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
            status::forget_waiting(paths, &id);
            // Who waits for the lock finds another file at its place.
            drop(lock);
            Ok(aside)
        });
        let aside = gone.await?;
        let exit = LastRun::read(&aside).ok().flatten().and_then(|run| run.exit?.status);
        steps.run(&Step::Remove { path: aside }, Vec::new()).await?;
        if let Some(path) = &record.options.id_file {
            let _ = fs::remove_file(path);
        }
        if there {
            event::append(self.engine.paths(), &record.event("remove", exit));
        }
        if volumes {
            for (_, name) in &record.volumes {
                // Those that another container has as well stay.
                self.engine.volumes().take_away(name).await?;
            }
        }
        self.collect_garbage().await;
        Ok(())
    }

    /// Gives back what killed monitors and killed starts held, and removes the folders that killed removals left.
    async fn collect_garbage(&self) {
        Box::pin(self.sweep()).await;
        let paths = self.engine.paths();
        for id in event::running(paths) {
            if self.look(&id).await.is_ok_and(|seen| seen.monitor == Monitor::Gone)
                // Locked: it is being started, or reaped by someone else.
                && is_free(paths, &id)
                && let Err(error) = Box::pin(self.reap(&id)).await
            {
                tracing::warn!("giving back what container {id} held: {error}");
            }
        }
        let scopes = systemd::remains::empty_scopes();
        if !scopes.is_empty()
            && let Ok(mut manager) = UserManager::connect().await
        {
            for (id, scope) in scopes {
                // Held until it has gone: who starts the container makes a scope of that name.
                let lock = Lock::try_take(paths, &id);
                let is_free = matches!(lock, Ok(Some(_))) || !paths.container(&id).exists();
                if is_free && !paths.bundle(&id).exists() && systemd::remains::is_empty(&scope) {
                    manager.stop_scope(&scope).await;
                }
            }
        }
        let engine = self.engine.clone();
        let found = self.engine.blocking("looking for what killed commands left", move || garbage(&engine));
        let Ok(found) = found.await else { return };
        let Ok(steps) = self.engine.steps().await else { return };
        for path in found {
            if let Err(error) = steps.run(&Step::Remove { path: path.clone() }, Vec::new()).await {
                tracing::warn!("removing {}: {error}", path.display());
            }
        }
    }

    /// Gives back what a killed monitor held, and notes that nobody saw how its container ended. Answers whether there was anything.
    pub(crate) async fn reap(&self, id: &ContainerId) -> Result<bool, Error> {
        let record = match self.record(id).await {
            Ok(record) => record,
            Err(Error::NoSuchContainer(_)) => return self.reap_unknown(id).await,
            Err(error) => return Err(error),
        };
        let lock = self.lock(id).await?;
        if self.look(id).await?.monitor != Monitor::Gone {
            return Ok(false);
        }
        self.reap_locked(&record).await?;
        if record.options.remove {
            self.take_away(&record, lock, true).await?;
        }
        Ok(true)
    }

    /// A runtime folder of a container that is in no database any more.
    async fn reap_unknown(&self, id: &ContainerId) -> Result<bool, Error> {
        if self.look(id).await?.monitor != Monitor::Gone {
            return Ok(false);
        }
        systemd::remains::kill_scopes(self.engine.paths(), id);
        let step = Step::Reap(self.remains(id, None).await?);
        self.engine.steps().await?.run(&step, Vec::new()).await?;
        Ok(true)
    }

    async fn remains(&self, id: &ContainerId, runtime: Option<String>) -> Result<Remains, Error> {
        let (engine, id) = (self.engine.clone(), *id);
        let found = self.engine.blocking("finding the runtime", move || {
            let paths = engine.paths();
            let runtime = Runtime::named(runtime.as_deref(), &engine.settings()?)?.command(paths, true);
            let mounted = paths.elsewhere.mounting.program.as_ref().map(|_| paths.container(&id).join("merged"));
            Ok(Remains { id: id.to_string(), bundle: paths.bundle(&id), runtime, mounted })
        });
        found.await
    }

    pub(super) async fn reap_locked(&self, record: &Record) -> Result<(), Error> {
        let id = record.id;
        systemd::remains::kill_scopes(self.engine.paths(), &id);
        let step = Step::Reap(self.remains(&id, record.options.runtime.clone()).await?);
        self.engine.steps().await?.run(&step, Vec::new()).await?;
        let engine = self.engine.clone();
        let written = self.engine.blocking("noting a container's end", move || {
            note_unseen_end(engine.paths(), &id)
                .map_err(|source| Error::Io { doing: format!("noting the end of container {id}"), source })
        });
        if written.await? {
            event::append(self.engine.paths(), &record.event("died", None));
        }
        Ok(())
    }
}

/// Notes in `last-run` that it ended and nobody saw how. Whether it did not say how it ended already.
fn note_unseen_end(paths: &Paths, id: &ContainerId) -> io::Result<bool> {
    let folder = paths.container(id);
    let Some(mut run) = LastRun::read(&folder)?.filter(|run| run.exit.is_none()) else { return Ok(false) };
    let now = event::now();
    let nanoseconds = u32::try_from(now.rem_euclid(1_000_000_000)).unwrap_or_default();
    run.exit = Some(Exit {
        status: None,
        finished: (now.div_euclid(1_000_000_000), nanoseconds),
        oom_killed: false,
        by_user: false,
    });
    run.write(&folder)?;
    Ok(true)
}

/// Whether nobody holds the container's lock.
fn is_free(paths: &Paths, id: &ContainerId) -> bool {
    !paths.container(id).exists() || matches!(Lock::try_take(paths, id), Ok(Some(_)))
}

/// The folders beside those of the containers that are in the database.
fn garbage(engine: &Engine) -> Result<Vec<PathBuf>, Error> {
    let paths = engine.paths();
    let folder = paths.containers();
    let failed = |source| Error::Io { doing: format!("reading {}", folder.display()), source };
    let entries: Vec<_> = fs::read_dir(&folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    // After the folders: whatever is made from now on is not among them.
    let known: HashSet<String> =
        engine.with_database(|database| Ok(database.container_ids()?))?.iter().map(ToString::to_string).collect();
    let mut garbage = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let of = name.strip_prefix(REMOVING).unwrap_or(name);
        let Ok(id) = of.parse::<ContainerId>() else { continue };
        if known.contains(of) {
            continue;
        }
        // Being looked at, it runs.
        if !Seen::look(paths, &id).is_ok_and(|seen| seen.monitor == Monitor::Absent) {
            continue;
        }
        let aside = if name == of { set_aside(engine, &id)? } else { Some(entry.path()) };
        garbage.extend(aside);
    }
    Ok(garbage)
}

/// Puts a folder aside of which there is no container, unless it is locked: then it is someone's who makes one just now, or who is
/// about to find out that there is none.
fn set_aside(engine: &Engine, id: &ContainerId) -> Result<Option<PathBuf>, Error> {
    let paths = engine.paths();
    let Ok(Some(_lock)) = Lock::try_take(paths, id) else { return Ok(None) };
    if engine.with_database(|database| Ok(database.container(id)?))?.is_some() {
        return Ok(None);
    }
    let aside = paths.containers().join(format!("{REMOVING}{id}"));
    Ok(fs::rename(paths.container(id), &aside).is_ok().then_some(aside))
}
