// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is done to a unit, and what it says of itself (org.freedesktop.systemd1(5)).

use std::time::Duration;

use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use super::{MANAGER, MANAGER_PATH, NoResult, PATIENCE, PROPERTIES, REST, SystemdError, UserManager};

/// The interface of every unit.
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// What is done to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Start it; one that runs is left as it is.
    Start,
    /// Stop it.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
    /// Have it read its settings anew.
    Reload,
}

impl Job {
    fn method(self) -> &'static str {
        match self {
            Self::Start => "StartUnit",
            Self::Stop => "StopUnit",
            Self::Restart => "RestartUnit",
            Self::Reload => "ReloadUnit",
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Start => "starting a unit",
            Self::Stop => "stopping a unit",
            Self::Restart => "restarting a unit",
            Self::Reload => "reloading a unit",
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobResult {
    /// What was to be done is done.
    Done,
    /// It is not, in systemd's word: `failed`, `timeout`, `dependency`, `canceled`, `skipped`, …
    Other(String),
}

impl UserManager {
    /// Does `job` to `unit` and waits for its end, at most `patience`: a unit that never gets ready may take for ever.
    ///
    /// # Errors
    /// What the manager refuses at once, such as a unit that there is not, and a job that does not end.
    pub async fn do_job(&mut self, job: Job, unit: &str, patience: Duration) -> Result<JobResult, SystemdError> {
        let failed = |reason| SystemdError::Failed { doing: job.doing(), reason };
        let done = async {
            match self.job(job.method(), &(unit, "replace")).await {
                Ok(result) if result == "done" => Ok(JobResult::Done),
                Ok(result) => Ok(JobResult::Other(result)),
                Err(NoResult::Refused(reason)) => Err(failed(reason)),
                Err(NoResult::Lost(_)) => self.result_of(job, unit).await,
            }
        };
        match tokio::time::timeout(patience, done).await {
            Ok(done) => done,
            Err(_) => Err(failed(format!("{unit} took longer than {} seconds", patience.as_secs()))),
        }
    }

    /// How a job ends of which a manager that executes itself anew, as it does when systemd is updated, does not tell us any more.
    async fn result_of(&mut self, job: Job, unit: &str) -> Result<JobResult, SystemdError> {
        *self = Self::connect_within(PATIENCE).await?;
        loop {
            // Its number and path; 0 when there is none.
            let waiting: OwnedValue = self.unit_property(unit, "Job").await?;
            let number = match &*waiting {
                Value::Structure(job) => job.fields().first().and_then(|number| u32::try_from(number).ok()),
                _ => None,
            };
            if number.is_none_or(|number| number == 0) {
                break;
            }
            tokio::time::sleep(REST).await;
        }
        let state = self.units(&[unit.to_owned()]).await?.pop();
        let runs = state.is_some_and(|state| matches!(state.active.as_str(), "active" | "reloading" | "refreshing"));
        Ok(if runs == (job != Job::Stop) { JobResult::Done } else { JobResult::Other("failed".to_owned()) })
    }

    /// Forgets that a unit failed, and how often it was started lately: else systemd refuses to start it for a while.
    pub async fn reset_failed(&mut self, unit: &str) -> Result<(), SystemdError> {
        let failed = |reason| SystemdError::Failed { doing: "forgetting a unit's failure", reason };
        self.ask(MANAGER_PATH, MANAGER, "ResetFailedUnit", &(unit,)).await.map_err(failed)
    }

    /// A property of a unit's, of the interface that all have.
    pub async fn unit_property<T>(&mut self, unit: &str, name: &str) -> Result<T, SystemdError>
    where
        T: TryFrom<OwnedValue>,
        T::Error: std::fmt::Display,
    {
        self.property(unit, UNIT, name).await
    }

    /// A property of a service's.
    pub async fn service_property<T>(&mut self, unit: &str, name: &str) -> Result<T, SystemdError>
    where
        T: TryFrom<OwnedValue>,
        T::Error: std::fmt::Display,
    {
        self.property(unit, "org.freedesktop.systemd1.Service", name).await
    }

    /// A property of a timer's.
    pub async fn timer_property<T>(&mut self, unit: &str, name: &str) -> Result<T, SystemdError>
    where
        T: TryFrom<OwnedValue>,
        T::Error: std::fmt::Display,
    {
        self.property(unit, "org.freedesktop.systemd1.Timer", name).await
    }

    async fn property<T>(&mut self, unit: &str, interface: &str, name: &str) -> Result<T, SystemdError>
    where
        T: TryFrom<OwnedValue>,
        T::Error: std::fmt::Display,
    {
        let failed = |reason| SystemdError::Failed { doing: "asking how a unit is", reason };
        let path: OwnedObjectPath = self.ask(MANAGER_PATH, MANAGER, "LoadUnit", &(unit,)).await.map_err(failed)?;
        let value: OwnedValue = self.ask(path.as_str(), PROPERTIES, "Get", &(interface, name)).await.map_err(failed)?;
        T::try_from(value).map_err(|error| failed(format!("{name} of {unit}: {error}")))
    }

    /// Why a unit could not be loaded; nothing for one that could.
    pub async fn load_error(&mut self, unit: &str) -> Result<Option<String>, SystemdError> {
        let value: OwnedValue = self.unit_property(unit, "LoadError").await?;
        let Value::Structure(error) = &*value else { return Ok(None) };
        // D-Bus's name for it, and what it says.
        let text = error.fields().get(1).and_then(|text| <&str>::try_from(text).ok()).unwrap_or_default();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// The first of the commands that a service runs beside its process whose last status was none of success: the key that it stands at,
    /// and the status.
    pub async fn failed_command(&mut self, service: &str) -> Result<Option<(&'static str, i32)>, SystemdError> {
        for key in ["ExecCondition", "ExecStartPre", "ExecStartPost", "ExecStop"] {
            let value: OwnedValue = self.service_property(service, key).await?;
            let Value::Array(commands) = &*value else { continue };
            let statuses = commands.iter().filter_map(|command| match command {
                Value::Structure(command) => command.fields().last().and_then(|status| i32::try_from(status).ok()),
                _ => None,
            });
            if let Some(status) = { statuses }.find(|status| *status != 0) {
                return Ok(Some((key, status)));
            }
        }
        Ok(None)
    }

    /// The units that cannot do without `unit`, directly or by others: they stop or fail when it does.
    pub async fn dependents(&mut self, unit: &str) -> Result<Vec<String>, SystemdError> {
        let mut found: Vec<String> = Vec::new();
        let mut waiting = vec![unit.to_owned()];
        while let Some(next) = waiting.pop() {
            for property in ["RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"] {
                for name in self.unit_property::<Vec<String>>(&next, property).await? {
                    // A target is not a thing that runs: whoever is in it does not stop with one of its units.
                    if name != unit && !found.contains(&name) && !name.ends_with(".target") {
                        found.push(name.clone());
                        waiting.push(name);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Has the units start of themselves (their `[Install]` section), or not any more; whether they had any such section.
    pub async fn enable(&mut self, units: &[&str], enabled: bool) -> Result<bool, SystemdError> {
        type Changes = Vec<(String, String, String)>;
        let failed = |doing| move |reason| SystemdError::Failed { doing, reason };
        if enabled {
            let (installable, _): (bool, Changes) = self
                .ask(MANAGER_PATH, MANAGER, "EnableUnitFiles", &(units, false, true))
                .await
                .map_err(failed("enabling units"))?;
            return Ok(installable);
        }
        let _: (Changes,) = self
            .ask(MANAGER_PATH, MANAGER, "DisableUnitFiles", &(units, false))
            .await
            .map_err(failed("disabling units"))?;
        Ok(true)
    }

    /// Whether a unit starts of itself, in systemd's word: `enabled`, `disabled`, `static`, `generated`, `masked`, …
    pub async fn file_state(&mut self, unit: &str) -> Result<String, SystemdError> {
        self.ask(MANAGER_PATH, MANAGER, "GetUnitFileState", &(unit,))
            .await
            .map_err(|reason| SystemdError::Failed { doing: "asking whether a unit is enabled", reason })
    }
}
