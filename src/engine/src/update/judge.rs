// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a unit that was restarted is good: it and its container stay up for a while, and the container is healthy if that is checked.

use std::fmt;
use std::time::Duration;

use haulout_monitor::process::Process;
use tokio::time::Instant;

use super::{Context, UNIT};
use crate::container::health::HealthStatus;
use crate::container::{ContainerId, Summary};
use crate::digest::Digest;
use crate::engine::Error;
use crate::systemd::{Job, JobResult, SystemdError, UserManager};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Why a unit is no good, in words; or what kept us from seeing it.
pub(super) enum Fault {
    Unit(String),
    Engine(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<SystemdError> for Fault {
    fn from(error: SystemdError) -> Self {
        Self::Unit(error.to_string())
    }
}

/// Restarts a unit and waits until it is up. In Podman's words when it is not.
pub(super) async fn restart(context: &Context, unit: &str) -> Result<(), Fault> {
    let patience = context.settings.patience();
    let mut manager = UserManager::connect().await?;
    let refused = |error| match error {
        // Without what was being done, which the caller says.
        SystemdError::Failed { reason, .. } => Fault::Unit(reason),
        error => error.into(),
    };
    // An image that ends at once has used up the starts that the old one needs now. A unit that cannot be asked says so below.
    let _ = manager.reset_failed(unit).await;
    let mut result = manager.do_job(Job::Restart, unit, patience).await.map_err(refused)?;
    // Another unit's restart took this one along, and its job in the place of ours.
    if result == JobResult::Other("canceled".to_owned()) {
        result = manager.do_job(Job::Start, unit, patience).await.map_err(refused)?;
    }
    match result {
        JobResult::Done => Ok(()),
        JobResult::Other(word) => {
            let why = cause(&mut manager, unit).await;
            Err(Fault::Unit(format!(
                "error restarting systemd unit {unit:?} expected \"done\" but received {word:?}{why}"
            )))
        }
    }
}

/// Sees whether the unit and its container, which is to run `image`, stay as they are.
pub(super) async fn judge(context: &Context, unit: &str, image: Digest) -> Result<(), Fault> {
    let mut manager = UserManager::connect().await?;
    if manager.service_property::<String>(unit, "Type").await.is_ok_and(|kind| kind == "oneshot") {
        return judge_once(&mut manager, unit).await;
    }
    let began = Instant::now();
    let mut seen: Option<Vec<(ContainerId, Process)>> = None;
    loop {
        let state = manager.units(&[unit.to_owned()]).await?.pop();
        let active = state.as_ref().map_or("unknown", |state| state.active.as_str());
        if !matches!(active, "active" | "reloading" | "refreshing") {
            let why = match cause(&mut manager, unit).await {
                // Once systemd starts it again, how it ended is forgotten.
                Cause::None if active == "activating" => " (its process ended, and systemd starts it again)".to_owned(),
                why => why.to_string(),
            };
            return Err(Fault::Unit(format!("{unit} did not stay up: it is {active}{why}")));
        }
        let containers = running(context, unit).await?;
        if let Some(other) = containers.iter().find(|summary| summary.record.image != Some(image)) {
            return Err(Fault::Unit(format!(
                "{unit} goes on with container {}, which is made from the old image: the unit has to make it anew when it starts",
                other.record.name
            )));
        }
        if let Some(ill) = containers.iter().find(|one| one.health == Some(HealthStatus::Unhealthy)) {
            return Err(Fault::Unit(format!("container {} is unhealthy", ill.record.name)));
        }
        let now: Vec<_> = containers.iter().filter_map(|one| Some((one.record.id, one.status.process()?))).collect();
        match &seen {
            // A moment may go by between the unit being up and its container being seen.
            None if now.is_empty() && began.elapsed() < context.settings.grace().max(INTERVAL) => {}
            None if now.is_empty() => return Err(Fault::Unit(format!("{unit} runs no container"))),
            None => seen = Some(now),
            Some(first) if *first != now => {
                return Err(Fault::Unit(format!(
                    "the container of {unit} did not stay up: it ended and was started again"
                )));
            }
            Some(_) => {}
        }
        let starting = containers.iter().any(|one| one.health == Some(HealthStatus::Starting));
        if seen.is_some() && !starting && began.elapsed() >= context.settings.grace() {
            return Ok(());
        }
        if starting && began.elapsed() >= context.settings.patience() {
            let patience = context.settings.patience;
            return Err(Fault::Unit(format!("the container of {unit} was not healthy within {patience} seconds")));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The same of a unit whose container does one thing and is done: its job has ended by now, and it is good if that went well.
async fn judge_once(manager: &mut UserManager, unit: &str) -> Result<(), Fault> {
    let result: String = manager.service_property(unit, "Result").await?;
    if result == "success" {
        return Ok(());
    }
    let why = cause(manager, unit).await;
    Err(Fault::Unit(format!("{unit} did not do what it does once{why}")))
}

/// The containers of a unit that run.
pub(super) async fn running(context: &Context, unit: &str) -> Result<Vec<Summary>, Error> {
    let mut listed = context.engine.containers().list().await?;
    listed.retain(|summary| {
        summary.status.process().is_some() && summary.record.options.labels.get(UNIT).is_some_and(|of| of == unit)
    });
    Ok(listed)
}

/// What systemd knows of why a service ended; as words, an afterthought.
enum Cause {
    /// No fault.
    None,
    /// The exit status of its process.
    Status(i32),
    /// Another result, in systemd's word.
    Result(String),
    /// Nothing.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str(" (its process ended without an error)"),
            Self::Status(status) => write!(f, " (exit status {status})"),
            Self::Result(word) => write!(f, " ({word})"),
            Self::Unknown => Ok(()),
        }
    }
}

async fn cause(manager: &mut UserManager, unit: &str) -> Cause {
    let result: Result<String, _> = manager.service_property(unit, "Result").await;
    let status: Result<i32, _> = manager.service_property(unit, "ExecMainStatus").await;
    match (result.as_deref(), status) {
        (Ok("exit-code"), Ok(status)) => Cause::Status(status),
        (Ok("success"), Ok(0)) => Cause::None,
        (Ok("success") | Err(_), _) => Cause::Unknown,
        (Ok(word), _) => Cause::Result(word.to_owned()),
    }
}

/// Which of the units that depend on `unit` run now.
pub(super) async fn running_dependents(unit: &str) -> Result<Vec<String>, SystemdError> {
    let mut manager = UserManager::connect().await?;
    let dependents = manager.dependents(unit).await?;
    if dependents.is_empty() {
        return Ok(dependents);
    }
    let states = manager.units(&dependents).await?;
    Ok(states.into_iter().filter(|state| state.active == "active").map(|state| state.name).collect())
}

/// Starts those units again that do not run any more.
pub(super) async fn start_again(context: &Context, units: &[&String]) -> Result<(), SystemdError> {
    if units.is_empty() {
        return Ok(());
    }
    let mut manager = UserManager::connect().await?;
    for unit in units {
        let _ = manager.reset_failed(unit).await;
        match manager.do_job(Job::Start, unit, context.settings.patience()).await? {
            JobResult::Done => {}
            JobResult::Other(word) => {
                return Err(SystemdError::Failed {
                    doing: "starting a unit again",
                    reason: format!("{unit}: its job was {word}"),
                });
            }
        }
    }
    Ok(())
}

/// Whether systemd knows a unit.
pub(super) async fn is_known(unit: &str) -> Result<bool, SystemdError> {
    let states = UserManager::connect().await?.units(&[unit.to_owned()]).await?;
    Ok(states.first().is_some_and(|state| state.load != "not-found"))
}
