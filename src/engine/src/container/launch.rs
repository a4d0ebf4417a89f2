// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starting a container, from the engine's side: everything that can be decided outside of the user namespace is decided here, then
//! a child of the zygote becomes the monitor, while the user manager makes the scope that it shall be in.

use std::time::Duration;
use std::{fs, io};

use haulout_monitor::config::Log;
use haulout_monitor::frame::{Failure, Kind};
use tokio::task::JoinHandle;

use super::connection::{self, Receiver, Sender};
use super::lock::Lock;
use super::options::Cgroups;
use super::prepare::{Attach, Readiness, ended_meanwhile, prepare};
use super::status::{Monitor, Seen};
use super::{ContainerId, Containers, Record, notify, stop};
use crate::engine::Error;
use crate::step::{Answer, Step};
use crate::systemd::{self, SystemdError, UserManager, service};

/// How long a monitor may take, when systemd stops its scope, to give everything back after its container was killed.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// A container that was started, and the connection to its monitor.
pub(super) struct Launched {
    pub record: Record,
    pub receiver: Receiver,
    pub sender: Sender,
    pub pid: i32,
}

impl Containers {
    /// Starts a container, under its lock if the caller holds that. Nothing when it runs already.
    pub(super) async fn launch(
        &self,
        id: &ContainerId,
        mut attach: Attach,
        mut lock: Option<Lock>,
    ) -> Result<Option<Launched>, Error> {
        attach.listening = self.passed.listening;
        service::look().await;
        attach.aside = attach.aside || !service::claim();
        if !attach.held {
            self.start_dependencies(id).await?;
        }
        // The manager's handshake goes on beside everything that comes before the first process.
        let manager = tokio::spawn(UserManager::connect());
        let steps = self.engine.steps().await?;
        let (engine, id) = (self.engine.clone(), *id);
        let mut prepared = loop {
            let (shared, lock) = (engine.clone(), lock.take());
            match engine.blocking("starting a container", move || prepare(&shared, &id, attach, lock)).await? {
                Readiness::Ready(prepared) => break prepared,
                Readiness::Runs => return Ok(None),
                Readiness::Waits(..) if attach.held => return Ok(None),
                Readiness::Waits(record, lock) => match Box::pin(self.start_waiting(&record, attach)).await {
                    Ok(Some(launched)) => return Ok(Some(launched)),
                    Ok(None) => drop(lock),
                    Err(error) => {
                        if record.options.remove {
                            drop(lock);
                            self.clean_up(&id).await?;
                        }
                        return Err(error);
                    }
                },
                Readiness::Orphaned => drop(self.reap(&id).await?),
                Readiness::Ending(process) => crate::event::end_of(process).await,
            }
        };
        if let Some(wanted) = prepared.mapped.take()
            && let Err(error) = steps.map(&wanted, &mut prepared.plan.root).await
        {
            let _ = fs::remove_dir_all(self.engine.paths().bundle(&id));
            return Err(error.into());
        }
        let failed = |source| Error::Io { doing: format!("starting container {id}"), source };
        let ((mut receiver, sender), far) = connection::starter().map_err(failed)?;
        let shared = prepared.lock.share().map_err(failed)?;
        let scoped = notify::cgroups(&prepared.record.options, attach.aside) == Cgroups::Enabled;
        let stop_timeout = prepared.record.options.stop_timeout.unwrap_or(stop::TIMEOUT);
        let patience = Duration::from_secs(stop_timeout).saturating_add(AFTERWARDS);
        let parent = prepared.record.options.cgroup_parent.clone();
        let mut handed = vec![far, shared];
        let passed = match &prepared.plan.config {
            config if matches!(config.log, Log::Passthrough) && !config.terminal => {
                self.passed.with_standard_streams().map_err(failed)?
            }
            _ => self.passed.clone(),
        };
        prepared.plan.config.passed = passed.numbers();
        handed.extend(passed.copies().map_err(failed)?);
        let step = Step::Start(Box::new(prepared.plan));
        let mut scope = None;
        let started = async {
            let answer = if notify::is_service(&prepared.record.options, attach.aside) {
                steps.run_to_end(&step, handed).await?
            } else {
                steps.run(&step, handed).await?
            };
            let Answer::Pid(monitor) = answer else { return Err(Error::Cancelled("starting a container")) };
            notify::name_main_process(&prepared.record, attach.aside, monitor);
            if scoped {
                scope = Some(tokio::spawn(make_scope(manager, id, monitor, patience, parent, sender.clone())));
            }
            begin(&id, attach.held, &mut receiver, &sender).await
        };
        let started = started.await;
        let scope = match scope {
            Some(scope) => scope.await.ok(),
            None => None,
        };
        match started {
            Ok(pid) => {
                if let Some(Err(error)) = scope {
                    let warning = format!("{error}: the container runs without a cgroup of its own and without limits");
                    self.engine.warn(warning);
                }
                for volume in prepared.new_volumes.drain(..) {
                    let _ = volume.remove();
                }
                Ok(Some(Launched { record: prepared.record, receiver, sender, pid }))
            }
            Err(error) => {
                let lock = self.abandon(&prepared.record, prepared.lock, &sender).await;
                // The monitor ends when we let go of it.
                drop((receiver, sender));
                if let Some(Ok((mut manager, unit))) = scope {
                    // Of a process that ended before it was in the scope, systemd does not hear, and keeps the empty scope for ever.
                    manager.stop_scope(&unit).await;
                }
                // Not before: the next start makes a scope of that name.
                drop(lock);
                // However its end was met, by the runtime or before it.
                Err(ended_meanwhile(&self.engine, &prepared.record).unwrap_or(error))
            }
        }
    }

    /// Starts the containers that it depends on and that do not run.
    async fn start_dependencies(&self, id: &ContainerId) -> Result<(), Error> {
        let id = *id;
        let Some(record) = self.engine.state(move |database| database.container(&id)).await? else { return Ok(()) };
        for other in record.dependencies() {
            let other = self.resolve(other).await?;
            let others = Containers::of(self.engine.clone());
            Box::pin(others.launch(&other, Attach { aside: true, ..Attach::default() }, None)).await?;
        }
        Ok(())
    }

    /// A start has failed: nothing of it stays, and of a `--rm` container nothing at all. Gives the lock back if there still is
    /// something to lock.
    async fn abandon(&self, record: &Record, lock: Lock, sender: &Sender) -> Option<Lock> {
        let id = record.id;
        if let Ok(Seen { monitor: Monitor::Gone, .. }) = self.look(&id).await
            && let Err(error) = self.reap_locked(record).await
        {
            tracing::warn!("clearing up after the start of {id}: {error}");
        }
        if !record.options.remove {
            return Some(lock);
        }
        match self.take_away(record, lock, true).await {
            Ok(()) => drop(sender.send(Kind::Removed, &[]).await),
            Err(error) => tracing::warn!("removing container {id}, which did not start: {error}"),
        }
        None
    }
}

/// From the monitor's birth to its `Started`: says go, and answers the pid of the container's process. Of a container that
/// is `held`, to its `Created`.
async fn begin(id: &ContainerId, held: bool, receiver: &mut Receiver, sender: &Sender) -> Result<i32, Error> {
    // As early as can be: the monitor waits for what it needs. That it has gone is heard when it is listened to.
    let _ = sender.send(if held { Kind::Hold } else { Kind::Go }, &[]).await;
    hear(id, held, receiver).await
}

/// Reads until the container's process runs, and answers its pid.
pub(super) async fn hear_start(id: &ContainerId, receiver: &mut Receiver) -> Result<i32, Error> {
    hear(id, false, receiver).await
}

async fn hear(id: &ContainerId, held: bool, receiver: &mut Receiver) -> Result<i32, Error> {
    let failed = |source| Error::Io { doing: format!("speaking to the monitor of container {id}"), source };
    loop {
        match receiver.next().await.map_err(failed)? {
            Some((Kind::Created, _)) if held => return Ok(0),
            Some((Kind::Started, pid)) => {
                let pid = std::str::from_utf8(&pid).ok().and_then(|pid| pid.parse().ok());
                return pid.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()));
            }
            Some((Kind::Failed, payload)) => return Err(failure(&payload)),
            Some(_) => {}
            None => {
                let message = format!("the monitor of container {id} ended before the container ran");
                return Err(Error::Start { status: 125, message });
            }
        }
    }
}

/// What a monitor says of a failure.
pub(super) fn failure(payload: &[u8]) -> Error {
    match serde_json::from_slice::<Failure>(payload) {
        Ok(Failure { status, message }) => Error::Start { status, message },
        Err(error) => Error::Start { status: 125, message: format!("the monitor failed and did not say why: {error}") },
    }
}

/// The processes that a process of one thread has started (`proc_pid_task(5)`, `children`).
fn children(pid: i32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Puts the monitor, and what it has started, into a scope of its own and tells it; or tells it that there is none to be had. Answers the scope's name.
async fn make_scope(
    manager: JoinHandle<Result<UserManager, SystemdError>>,
    id: ContainerId,
    monitor: i32,
    patience: Duration,
    parent: Option<String>,
    sender: Sender,
) -> Result<(UserManager, String), SystemdError> {
    let made = async {
        let mut manager = manager.await.map_err(|error| SystemdError::NoManager(error.to_string()))??;
        let description = format!("Haulout container {}", id.short());
        let parent = parent.as_deref();
        let mut unit = format!("haulout-{id}.scope");
        match manager.start_scope(&unit, &description, monitor, Some(patience), parent).await {
            // The scope of the last run is about to go.
            Err(SystemdError::Refused { .. }) => {
                unit = format!("haulout-{id}-{monitor}.scope");
                manager.start_scope(&unit, &description, monitor, Some(patience), parent).await?;
            }
            other => other?,
        }
        // The network's helper began before there was the scope, and would end with whoever starts the container. Whoever comes of the
        // monitor from now on is born in it.
        for child in children(monitor) {
            if let Err(error) = manager.attach(&unit, child).await {
                // It may have ended.
                tracing::debug!("putting process {child} into {unit}: {error}");
            }
        }
        Ok((manager, unit))
    };
    let made = made.await;
    let cgroup = if made.is_ok() { systemd::cgroup_of(monitor) } else { None };
    let _ = sender.send(Kind::Cgroup, cgroup.unwrap_or_default().as_bytes()).await;
    made
}
