// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Another health check for a container that is there.

use haulout_monitor::health::{Check, OnFailure, Startup};

use super::{HealthOptions, INTERVAL, LogDestination, RETRIES};
use crate::engine::Error;

/// What is to be otherwise with a check; what is not named stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckChanges {
    /// The command, as [`Check::test`] has it.
    pub test: Option<Vec<String>>,
    /// Nanoseconds between two; 0 for only when somebody asks.
    pub interval: Option<u64>,
    /// Nanoseconds that one may take.
    pub timeout: Option<u64>,
    /// Nanoseconds in which failures do not count.
    pub start_period: Option<u64>,
    /// Failures in a row.
    pub retries: Option<u32>,
    /// Successes that the startup check needs.
    pub successes: Option<u32>,
}

/// What is to be otherwise with how a container's health is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthChanges {
    /// It is not checked any more, whatever else is said.
    pub none: bool,
    /// The check.
    pub check: CheckChanges,
    /// What comes before it.
    pub startup: CheckChanges,
    /// What is done when it fails.
    pub on_failure: Option<OnFailure>,
    /// Where what was learned goes.
    pub log: Option<LogDestination>,
    /// Attempts that are remembered.
    pub max_log_count: Option<usize>,
    /// Characters of each.
    pub max_log_size: Option<usize>,
}

impl CheckChanges {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These made to `check`, which a command makes when there is none.
    fn made_to(self, check: Option<Check>, retries: u32) -> Result<Check, Error> {
        let old = check.filter(|check| check.command().is_some());
        let mut check = match (old, self.test) {
            (Some(old), None) => old,
            (Some(old), Some(test)) => Check { test, ..old },
            (None, Some(test)) => Check { test, interval: INTERVAL, timeout: INTERVAL, start_period: 0, retries },
            // Podman's words, of either check.
            (None, None) => return Err(Error::Invalid("startup healthcheck command is not set".to_owned())),
        };
        check.interval = self.interval.unwrap_or(check.interval);
        check.timeout = self.timeout.unwrap_or(check.timeout);
        check.start_period = self.start_period.unwrap_or(check.start_period);
        check.retries = self.retries.unwrap_or(check.retries);
        Ok(check)
    }
}

impl HealthOptions {
    /// These, but for what `changes` names.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a check is to be otherwise that is not there, or its log is to go where nothing can be put.
    pub fn changed(mut self, changes: HealthChanges) -> Result<Self, Error> {
        if changes.none {
            self.check = Some(Check { test: vec!["NONE".to_owned()], ..Check::default() });
            self.startup = None;
            return Ok(self);
        }
        if !changes.check.is_empty() {
            self.check = Some(changes.check.made_to(self.check, RETRIES)?);
        }
        if !changes.startup.is_empty() {
            let (check, old) = self.startup.map(|startup| (startup.check, startup.successes)).unzip();
            let successes = changes.startup.successes.or(old).unwrap_or_default();
            self.startup = Some(Startup { check: changes.startup.made_to(check, 0)?, successes });
        }
        self.on_failure = changes.on_failure.unwrap_or(self.on_failure);
        if let Some(log) = changes.log {
            log.is_usable().map_err(Error::Invalid)?;
            self.log = log;
        }
        self.max_log_count = changes.max_log_count.or(self.max_log_count);
        self.max_log_size = changes.max_log_size.or(self.max_log_size);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_what_is_not_there_cannot_be_changed() {
        let interval = HealthChanges {
            check: CheckChanges { interval: Some(5), ..CheckChanges::default() },
            ..HealthChanges::default()
        };
        assert!(HealthOptions::default().changed(interval.clone()).is_err());
        let check =
            Check { test: vec!["CMD".into(), "x".into()], interval: 1, timeout: 2, start_period: 3, retries: 4 };
        let old = HealthOptions { check: Some(check.clone()), ..HealthOptions::default() };
        let new = old.clone().changed(interval).unwrap();
        assert_eq!(new.check, Some(Check { interval: 5, ..check }));
        let none = old.changed(HealthChanges { none: true, ..HealthChanges::default() }).unwrap();
        assert_eq!(none.command(), None);
    }
}
