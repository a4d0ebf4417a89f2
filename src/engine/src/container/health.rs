// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The health of containers: what of it was asked for, what the monitor does, and what is known.

mod change;

use std::path::PathBuf;

use haulout_monitor::frame::{Failure, Kind};
use haulout_monitor::health::Checks;
pub use haulout_monitor::health::{Attempt, Check, Health, OnFailure, Outcome, Startup, Status as HealthStatus};
use serde::{Deserialize, Serialize};

pub use change::{CheckChanges, HealthChanges};

use super::options::Options;
use super::status::Monitor;
use super::{ContainerId, Containers, Record, Status};
use crate::engine::Error;
use crate::paths::Paths;

/// Nanoseconds between two checks, and that one may take, when nobody says otherwise.
pub const INTERVAL: u64 = 30_000_000_000;

/// Failures in a row that make a container unhealthy when nobody says otherwise.
pub const RETRIES: u32 = 3;

/// Attempts that are remembered when nobody says otherwise.
pub const MAX_LOG_COUNT: usize = 5;

/// Characters of an attempt's output that are remembered when nobody says otherwise.
pub const MAX_LOG_SIZE: usize = 500;

/// `--health-*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthOptions {
    /// `--health-cmd` and what goes with it; `["NONE"]` for `--no-healthcheck`. When nothing, `create` puts the image's here.
    pub check: Option<Check>,
    /// `--health-startup-cmd` and what goes with it.
    pub startup: Option<Startup>,
    /// `--health-on-failure`.
    pub on_failure: OnFailure,
    /// `--health-log-destination`.
    pub log: LogDestination,
    /// `--health-max-log-count`; 0: all of them.
    pub max_log_count: Option<usize>,
    /// `--health-max-log-size`; 0: all of it.
    pub max_log_size: Option<usize>,
}

/// Where what is learned is written to, beside where Haulout keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDestination {
    /// Nowhere else.
    #[default]
    Local,
    /// The events.
    Events,
    /// `ID-healthcheck.log` in this folder.
    Folder(PathBuf),
}

impl LogDestination {
    /// Fails, in Podman's words, where nothing can be put.
    fn is_usable(&self) -> Result<(), String> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let place = folder.display();
        let why = match std::fs::metadata(folder) {
            Ok(found) if found.is_dir() => return Ok(()),
            Ok(_) => "it is not a directory".to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                format!("stat {place}: no such file or directory")
            }
            Err(error) => format!("stat {place}: {error}"),
        };
        Err(format!("HealthCheck Log '{place}' destination error: {why}"))
    }
}

impl HealthOptions {
    /// The words of the check; nothing when there is none.
    pub fn command(&self) -> Option<Vec<String>> {
        self.check.as_ref().and_then(Check::command)
    }

    /// What the monitor does.
    pub(super) fn checks(&self, id: &ContainerId) -> Option<Checks> {
        self.command()?;
        Some(Checks {
            check: self.check.clone()?,
            startup: self.startup.clone(),
            on_failure: self.on_failure,
            max_log_count: self.max_log_count.unwrap_or(MAX_LOG_COUNT),
            max_log_size: self.max_log_size.unwrap_or(MAX_LOG_SIZE),
            log: match &self.log {
                LogDestination::Folder(folder) => Some(folder.join(format!("{id}-healthcheck.log"))),
                LogDestination::Local | LogDestination::Events => None,
            },
            log_events: self.log == LogDestination::Events,
        })
    }
}

/// Puts the image's check where nothing else is asked for, and refuses what needs one when there is none.
pub(super) fn settle(options: &mut Options, image: &[u8]) -> Result<(), Error> {
    let health = &mut options.health;
    if health.check.is_none() {
        health.check = of_image(image);
    }
    health.log.is_usable().map_err(|why| Error::Invalid(format!("running container create option: {why}")))?;
    if health.command().is_some() {
        return Ok(());
    }
    if health.startup.is_some() {
        let what = "cannot set a startup healthcheck when there is no regular healthcheck: invalid argument";
        return Err(Error::Invalid(what.to_owned()));
    }
    let action = match health.on_failure {
        OnFailure::None => return Ok(()),
        OnFailure::Kill => "kill",
        OnFailure::Restart => "restart",
        OnFailure::Stop => "stop",
    };
    Err(Error::Invalid(format!("cannot set on-failure action to {action} without a health check")))
}

/// The check that an image's configuration has. What makes no sense there is no reason not to run it.
fn of_image(image: &[u8]) -> Option<Check> {
    #[derive(Deserialize)]
    struct Image {
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        healthcheck: Option<Check>,
    }
    let image: Image = match serde_json::from_slice(image) {
        Ok(image) => image,
        Err(error) => {
            tracing::warn!("the health check of an image is not used: {error}");
            return None;
        }
    };
    let mut check = image.config?.healthcheck?;
    if check.test.first().is_none_or(|kind| kind == "NONE") {
        return Some(check).filter(|check| !check.test.is_empty());
    }
    for (value, default) in [(&mut check.interval, INTERVAL), (&mut check.timeout, INTERVAL)] {
        if *value == 0 {
            *value = default;
        }
    }
    if check.retries == 0 {
        check.retries = RETRIES;
    }
    Some(check)
}

/// What is known of the health of a container that is checked; nothing of one that is not, or never ran.
pub(super) fn known(paths: &Paths, record: &Record, status: &Status) -> std::io::Result<Option<Health>> {
    if record.options.health.command().is_none() {
        return Ok(None);
    }
    match status {
        Status::Created | Status::Initialized(_) => Ok(None),
        Status::Running(_) | Status::Paused(_) => {
            Ok(Health::read(&paths.bundle(&record.id))?.or(Some(Health::default())))
        }
        Status::Exited(_) => Health::read(&paths.container(&record.id)),
    }
}

impl Containers {
    /// Checks the health of a running one now, and answers what came of it.
    pub async fn check_health(&self, id: &ContainerId) -> Result<Outcome, Error> {
        let record = self.record(id).await?;
        let not_running = || Error::WrongState(format!("container {id} is not running"));
        let seen = self.look(id).await?;
        if !matches!((&seen.status, seen.monitor), (Status::Running(_), Monitor::Alive(_))) {
            return Err(not_running());
        }
        if record.options.health.command().is_none() {
            return Err(Error::Invalid(format!("container {id} has no defined healthcheck")));
        }
        let Some((mut receiver, sender)) = self.visit(id).await? else { return Err(not_running()) };
        let failed = |source| Error::Io { doing: format!("checking the health of container {id}"), source };
        sender.send(Kind::CheckHealth, &[]).await.map_err(failed)?;
        match receiver.next().await.map_err(failed)? {
            Some((Kind::Done, payload)) => serde_json::from_slice(&payload).map_err(|error| failed(error.into())),
            Some((Kind::Failed, payload)) => match serde_json::from_slice::<Failure>(&payload) {
                Ok(failure) => Err(Error::WrongState(failure.message)),
                Err(error) => Err(failed(error.into())),
            },
            _ => Err(not_running()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_s_check_counts_where_nothing_else_is_asked_for() {
        let image = br#"{"config":{"Healthcheck":{"Test":["CMD","a"],"Retries":7}}}"#;
        let mut options = Options::default();
        settle(&mut options, image).unwrap();
        let check = options.health.check.clone().unwrap();
        assert_eq!((check.interval, check.timeout, check.retries), (INTERVAL, INTERVAL, 7));
        assert_eq!(options.health.command().unwrap(), ["a"]);
        options.health.check = Some(Check { test: vec!["NONE".into()], ..Check::default() });
        settle(&mut options, image).unwrap();
        assert_eq!(options.health.command(), None);
        for strange in
            [&br#"{"config":{"Healthcheck":{"Test":["CMD","a"],"Interval":-1}}}"#[..], b"{\"config\":null}", b"{}"]
        {
            let mut options = Options::default();
            settle(&mut options, strange).unwrap();
            assert_eq!(options.health.check, None);
        }
    }

    #[test]
    fn what_needs_a_check_is_refused_without_one() {
        let mut options = Options::default();
        options.health.on_failure = OnFailure::Restart;
        let error = settle(&mut options, b"{}").unwrap_err();
        assert_eq!(error.to_string(), "cannot set on-failure action to restart without a health check");
        options.health.startup = Some(Startup::default());
        let error = settle(&mut options, b"{}").unwrap_err();
        assert!(error.to_string().starts_with("cannot set a startup healthcheck"), "{error}");
    }
}
