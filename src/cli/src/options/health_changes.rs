// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--health-cmd` and the like, of `update`: what is not named stays as it is.

use anyhow::{Result, bail};
use haulout_engine::container::health::{CheckChanges, HealthChanges};

use super::health::{interval, log, on_failure, period, test, timeout};

/// The flags that say how a container's health is checked from now on.
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "the comments are what `--help` prints, as it is")]
#[command(about = None, long_about = None)]
pub struct HealthChangeFlags {
    /// Set a healthcheck command for the container ('none' disables the existing healthcheck)
    #[arg(long)]
    health_cmd: Option<String>,
    /// Set an interval for the healthcheck. (A value of disable results in no automatic checks)
    #[arg(long)]
    health_interval: Option<String>,
    /// Set the destination of the HealthCheck log. Directory path, local or events_logger
    #[arg(long)]
    health_log_destination: Option<String>,
    /// Set maximum number of attempts in the HealthCheck log. ('0' value means an infinite number of attempts)
    #[arg(long)]
    health_max_log_count: Option<usize>,
    /// Set maximum length in characters of stored HealthCheck log. ('0' value means an infinite log length)
    #[arg(long)]
    health_max_log_size: Option<usize>,
    /// Action to take once the container turns unhealthy ("none"|"kill"|"restart"|"stop")
    #[arg(long)]
    health_on_failure: Option<String>,
    /// The number of retries allowed before a healthcheck is considered to be unhealthy
    #[arg(long)]
    health_retries: Option<u32>,
    /// The initialization time needed for a container to bootstrap
    #[arg(long)]
    health_start_period: Option<String>,
    /// Set a startup healthcheck command for the container
    #[arg(long)]
    health_startup_cmd: Option<String>,
    /// Set an interval for the startup healthcheck. (A value of disable results in no automatic checks)
    #[arg(long)]
    health_startup_interval: Option<String>,
    /// Set the maximum number of retries before the startup healthcheck will restart the container
    #[arg(long)]
    health_startup_retries: Option<u32>,
    /// Set the number of consecutive successes before the startup healthcheck is marked as successful and the normal healthcheck begins (0 indicates any success will start the regular healthcheck)
    #[arg(long)]
    health_startup_success: Option<u32>,
    /// Set the maximum amount of time that the startup healthcheck may take before it is considered failed
    #[arg(long)]
    health_startup_timeout: Option<String>,
    /// The maximum time allowed to complete the healthcheck before an interval is considered failed
    #[arg(long)]
    health_timeout: Option<String>,
    /// Disable healthchecks on container
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthChangeFlags {
    /// What they come to; nothing when none is given.
    pub fn changes(&self) -> Result<Option<HealthChanges>> {
        if self.health_retries == Some(0) {
            bail!("healthcheck-retries must be greater than 0");
        }
        let with = |text: &Option<String>, parse: fn(&str) -> Result<u64>| text.as_deref().map(parse).transpose();
        let changes = HealthChanges {
            none: false,
            check: CheckChanges {
                test: self.health_cmd.as_deref().map(test),
                interval: with(&self.health_interval, interval)?,
                timeout: with(&self.health_timeout, timeout)?,
                start_period: with(&self.health_start_period, period)?,
                retries: self.health_retries,
                successes: None,
            },
            startup: CheckChanges {
                test: self.health_startup_cmd.as_deref().map(test),
                interval: with(&self.health_startup_interval, interval)?,
                timeout: with(&self.health_startup_timeout, timeout)?,
                start_period: None,
                retries: self.health_startup_retries,
                successes: self.health_startup_success,
            },
            on_failure: self.health_on_failure.as_deref().map(on_failure).transpose()?,
            log: self.health_log_destination.as_deref().map(log).transpose()?,
            max_log_count: self.health_max_log_count,
            max_log_size: self.health_max_log_size,
        };
        match (self.no_healthcheck, changes == HealthChanges::default()) {
            (true, false) => bail!("cannot specify both --no-healthcheck and other HealthCheck flags"),
            (true, true) => Ok(Some(HealthChanges { none: true, ..changes })),
            (false, is_empty) => Ok(Some(changes).filter(|_| !is_empty)),
        }
    }
}
