// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ending containers, and waiting for their end.

use std::time::Duration;

use futures_util::StreamExt as _;
use haulout_monitor::frame::Kind;
use haulout_monitor::last_run::Exit;
use tokio::time::timeout;

use super::base::image_of;
use super::connection::{self, Receiver, Sender};
use super::health::{self, HealthStatus};
use super::launch::failure;
use super::prepare::stop_signal;
use super::status::{Monitor, Seen};
use super::{Condition, ContainerId, Containers, Record, Status, attach, signal};
use crate::engine::{Error, chain};
use crate::event;

/// Seconds between the stop signal and SIGKILL when nobody says otherwise.
pub(super) const TIMEOUT: u64 = 10;

/// How long a container may take to be gone after SIGKILL: what it waits for then is the kernel's business.
const KILLED_TIMEOUT: Duration = Duration::from_mins(1);

/// How long who removes a container with its image may take.
const REMOVED_TIMEOUT: Duration = Duration::from_secs(5);

/// Who waits for something that no event may tell of looks that often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

const SIGKILL: i32 = 9;

impl Containers {
    pub(super) async fn look(&self, id: &ContainerId) -> Result<Seen, Error> {
        let (engine, id) = (self.engine.clone(), *id);
        let looked = self.engine.blocking("looking at a container", move || {
            let seen = Seen::look(engine.paths(), &id);
            seen.map_err(|source| Error::Io { doing: format!("looking at container {id}"), source })
        });
        looked.await
    }

    /// The record of a container that must be there.
    pub(crate) async fn record(&self, id: &ContainerId) -> Result<Record, Error> {
        let id = *id;
        let found = self.engine.state(move |database| database.container(&id)).await?;
        found.ok_or_else(|| Error::NoSuchContainer(id.to_string()))
    }

    pub(super) async fn stop_one(&self, id: &ContainerId, seconds: Option<u64>) -> Result<(), Error> {
        let record = self.record(id).await?;
        if self.end(id, &record, seconds).await? {
            event::append(self.engine.paths(), &record.event("stop", None));
        }
        let mut seen = self.look(id).await?;
        // Its name is free when the command returns: scripts stop such a container and run the next.
        while record.options.remove
            && let Monitor::Alive(process) = seen.monitor
            && seen.status.process().is_none()
        {
            event::end_of(process).await;
            seen = self.look(id).await?;
        }
        if seen.monitor == Monitor::Gone {
            self.reap(id).await?;
        }
        if record.options.remove
            && let Err(error) = self.see_removed(&record).await
        {
            // It has stopped, which is what was asked for.
            self.engine.warn(format!(
                "container {} has stopped, and cannot be removed: {}",
                record.name,
                chain(&error)
            ));
        }
        Ok(())
    }

    /// Sees to it that a container that is removed when it ends is gone: who its monitor, or whoever started it, has sent to do so
    /// may only be on the way.
    async fn see_removed(&self, record: &Record) -> Result<(), Error> {
        let end = tokio::time::Instant::now() + REMOVED_TIMEOUT;
        // Only those know that an image goes with it.
        while record.options.remove_image && tokio::time::Instant::now() < end {
            match self.record(&record.id).await {
                Err(Error::NoSuchContainer(_)) => return Ok(()),
                found => found.map(drop)?,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match self.clean_up(&record.id).await {
            // Somebody has started it again; or it is left to those.
            Err(Error::WrongState(_) | Error::NoSteps | Error::NoSuchContainer(_)) => Ok(()),
            done => done,
        }
    }

    /// Asks its process to end; kills it when it has not within the time. Answers whether it ran. What a killed monitor left is
    /// the caller's to give back.
    pub(super) async fn end(&self, id: &ContainerId, record: &Record, seconds: Option<u64>) -> Result<bool, Error> {
        let (paused, mut receiver, sender) = loop {
            let seen = self.look(id).await?;
            if !matches!(seen.monitor, Monitor::Alive(_)) {
                return Ok(false);
            }
            if let Some((receiver, sender)) = self.visit(id).await? {
                break (matches!(seen.status, Status::Paused(_)), receiver, sender);
            }
            // It is about to listen, or listens no more.
            self.outlive(id).await?;
        };
        let seconds = seconds.or(record.options.stop_timeout).unwrap_or(TIMEOUT);
        let number = if seconds == 0 { SIGKILL } else { self.stop_signal(record).await? };
        let failed = |source| speaking(id, source);
        sender.send(Kind::Stopping, &[]).await.map_err(failed)?;
        sender.send(Kind::Wait, &[]).await.map_err(failed)?;
        sender.send(Kind::Signal, number.to_string().as_bytes()).await.map_err(failed)?;
        if paused {
            // What is stopped where it is hears of no signal.
            sender.send(Kind::Unpause, &[]).await.map_err(failed)?;
        }
        let patience = if number == SIGKILL { KILLED_TIMEOUT } else { Duration::from_secs(seconds) };
        if let Ok(heard) = timeout(patience, hear_exit(&mut receiver)).await {
            heard?;
        } else {
            if number != SIGKILL {
                self.engine.warn(format!(
                    "StopSignal {} failed to stop container {} in {seconds} seconds, resorting to SIGKILL",
                    signal::name(number),
                    record.name
                ));
            }
            self.kill_and_wait(id, &sender, &mut receiver).await?;
        }
        drop((receiver, sender));
        self.outlive(id).await?;
        Ok(true)
    }

    /// Gives back what a killed monitor held, if this engine can. Whether it could.
    pub(super) async fn reap_if_possible(&self, id: &ContainerId) -> Result<bool, Error> {
        match self.reap(id).await {
            Ok(_) => Ok(true),
            // Left to the next command that may enter the user namespace.
            Err(Error::NoSteps) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn kill_and_wait(&self, id: &ContainerId, sender: &Sender, receiver: &mut Receiver) -> Result<(), Error> {
        // That it has ended in between is what is wanted.
        let _ = sender.send(Kind::Signal, SIGKILL.to_string().as_bytes()).await;
        match timeout(KILLED_TIMEOUT, hear_exit(receiver)).await {
            Ok(exit) => exit.map(drop),
            Err(_) => Err(Error::WrongState(format!(
                "container {id} was sent SIGKILL and has not ended: one of its processes waits for the kernel (a disk, a network file system)"
            ))),
        }
    }

    /// Waits until a monitor without a container has one, or has given back what it held. Not for its end: that of a container
    /// that is removed when it ends waits for who removes it, who may wait for the lock that our caller has.
    async fn outlive(&self, id: &ContainerId) -> Result<(), Error> {
        loop {
            let seen = self.look(id).await?;
            let Monitor::Alive(process) = seen.monitor else { return Ok(()) };
            if seen.status.process().is_some() {
                return Ok(());
            }
            let _ = timeout(Duration::from_millis(5), event::end_of(process)).await;
        }
    }

    async fn stop_signal(&self, record: &Record) -> Result<i32, Error> {
        if record.options.stop_signal.is_some() {
            return stop_signal(record, None);
        }
        let (engine, record) = (self.engine.clone(), record.clone());
        let found = self.engine.blocking("finding a stop signal", move || {
            let (image, _) = image_of(&engine, &record)?;
            stop_signal(&record, Some(&image))
        });
        found.await
    }

    /// A connection to its monitor; nothing when there is none any more.
    pub(super) async fn visit(&self, id: &ContainerId) -> Result<Option<(Receiver, Sender)>, Error> {
        connection::connect(&self.engine.paths().bundle(id)).await.map_err(|source| speaking(id, source))
    }

    pub(super) async fn signal(&self, id: &ContainerId, number: i32) -> Result<(), Error> {
        let record = self.record(id).await?;
        let seen = self.look(id).await?;
        let refused = |state: &str| {
            let what = format!("can only kill running containers. {id} is in state {state}: container state improper");
            Err(Error::WrongState(what))
        };
        if seen.monitor == Monitor::Gone {
            self.reap_if_possible(id).await?;
        }
        match (&seen.status, seen.monitor) {
            (Status::Running(_) | Status::Paused(_), Monitor::Alive(_)) => {}
            (Status::Created, _) => return refused("created"),
            (Status::Initialized(_), _) => return refused("initialized"),
            _ => return refused("exited"),
        }
        let happened = record.event("kill", None);
        let Some((mut receiver, sender)) = self.visit(id).await? else { return refused("exited") };
        let failed = |source| speaking(id, source);
        sender.send(Kind::Signal, number.to_string().as_bytes()).await.map_err(failed)?;
        match receiver.next().await.map_err(failed)? {
            Some((Kind::Done, _)) => {
                event::append(self.engine.paths(), &happened);
                Ok(())
            }
            Some((Kind::Failed, payload)) => Err(failure(&payload)),
            _ => refused("exited"),
        }
    }

    pub(super) async fn wait_for(&self, id: &ContainerId, condition: Condition) -> Result<i32, Error> {
        match condition {
            Condition::Stopped => self.wait_stopped(id).await,
            Condition::Created
            | Condition::Initialized
            | Condition::Running
            | Condition::Paused
            | Condition::Removed
            | Condition::Healthy
            | Condition::Unhealthy => {
                // Listens before it looks, so that nothing happens in between unseen: the stream begins when it is first asked.
                let mut events = self.engine.events(None);
                let _ = futures_util::poll!(events.next());
                loop {
                    let record = match self.record(id).await {
                        Ok(record) => Some(record),
                        Err(Error::NoSuchContainer(_)) => None,
                        Err(error) => return Err(error),
                    };
                    let met = match (condition, record) {
                        (Condition::Removed, record) => record.is_none(),
                        (_, None) => return Err(Error::NoSuchContainer(id.to_string())),
                        (Condition::Healthy, Some(record)) => self.is_well(&record, HealthStatus::Healthy).await?,
                        (Condition::Unhealthy, Some(record)) => self.is_well(&record, HealthStatus::Unhealthy).await?,
                        (Condition::Created, _) => matches!(self.look(id).await?.status, Status::Created),
                        (Condition::Initialized, _) => {
                            matches!(self.look(id).await?.status, Status::Initialized(_))
                        }
                        (Condition::Paused, _) => matches!(self.look(id).await?.status, Status::Paused(_)),
                        _ => matches!(self.look(id).await?.status, Status::Running(_)),
                    };
                    if met {
                        return Ok(-1);
                    }
                    // Not everything is an event (`healthcheck_events = false`).
                    match timeout(LOOK_AGAIN, events.next()).await {
                        Ok(Some(event)) => drop(event?),
                        Ok(None) => return Err(Error::Cancelled("waiting for a container")),
                        Err(_) => {}
                    }
                }
            }
        }
    }

    /// Whether its health was found to be `wanted`.
    async fn is_well(&self, record: &Record, wanted: HealthStatus) -> Result<bool, Error> {
        let id = record.id;
        if record.options.health.command().is_none() {
            let condition = wanted.as_str();
            return Err(Error::Invalid(format!(
                "cannot use condition {condition:?}: container {id} has no healthcheck"
            )));
        }
        let status = self.look(&id).await?.status;
        let known = health::known(self.engine.paths(), record, &status)
            .map_err(|source| Error::Io { doing: format!("looking at container {id}"), source })?;
        Ok(known.is_some_and(|health| health.status == wanted))
    }

    async fn wait_stopped(&self, id: &ContainerId) -> Result<i32, Error> {
        loop {
            let seen = self.look(id).await?;
            match (seen.monitor, seen.status) {
                // Asked here: a `--rm` container may be gone a moment after its end.
                (Monitor::Alive(process), _) => {
                    if let Some((mut receiver, sender)) = self.visit(id).await? {
                        sender.send(Kind::Wait, &[]).await.map_err(|source| speaking(id, source))?;
                        if let Some(exit) = hear_exit(&mut receiver).await? {
                            return Ok(exit.status.unwrap_or(-1));
                        }
                    }
                    event::end_of(process).await;
                }
                (Monitor::Gone, _) if self.reap_if_possible(id).await? => {}
                (Monitor::Gone, _) => return Ok(-1),
                (Monitor::Absent, Status::Exited(exit)) => return Ok(exit.status.unwrap_or(-1)),
                (Monitor::Absent, _) => {
                    self.record(id).await?;
                    return Ok(0);
                }
            }
        }
    }
}

fn speaking(id: &ContainerId, source: std::io::Error) -> Error {
    Error::Io { doing: format!("speaking to the monitor of container {id}"), source }
}

/// Reads until the end is told; nothing when the monitor went without telling.
async fn hear_exit(receiver: &mut Receiver) -> Result<Option<Exit>, Error> {
    loop {
        match receiver.next().await {
            Ok(Some((Kind::Exited, payload))) => return attach::exit(&payload).map(Some),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(source) => return Err(Error::Io { doing: "reading from a container's monitor".to_owned(), source }),
        }
    }
}
