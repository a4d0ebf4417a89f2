// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's health as `inspect` shows it.

use haulout_engine::container::health::{Check, Health, HealthOptions, LogDestination, OnFailure};

use crate::format::{Data, Struct};

/// What is known of it; of a container that never ran, a status without a word.
pub fn known(health: Option<&Health>) -> Data {
    let attempts = health.map(|health| {
        let attempts = health.log.iter().map(|attempt| {
            Struct::of("define.HealthCheckLog")
                .with("Start", &attempt.start)
                .with("End", &attempt.end)
                .with("ExitCode", attempt.exit_code)
                .with("Output", &attempt.output)
        });
        attempts.collect::<Vec<_>>()
    });
    Struct::of("*define.HealthCheckResults")
        .with("Status", health.map_or("", |health| health.status.as_str()))
        .with("FailingStreak", health.map_or(0, |health| health.failing_streak))
        .with("Log", attempts.filter(|attempts| !attempts.is_empty()).map_or(Data::List(None), Data::from))
        .into()
}

fn fields(kind: &'static str, check: &Check) -> Struct {
    Struct::of(kind)
        .with_omitted("Test", "Test", check.test.clone())
        .with_omitted("StartPeriod", "StartPeriod", length(check.start_period))
        .with_omitted("Interval", "Interval", length(check.interval))
        .with_omitted("Timeout", "Timeout", length(check.timeout))
        .with_omitted("Retries", "Retries", check.retries)
}

/// Nanoseconds as Go's duration.
fn length(nanoseconds: u64) -> Data {
    Data::Duration(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}

/// The check; nothing when there is none.
pub fn check(check: Option<&Check>) -> Data {
    check.map(|check| fields("*manifest.Schema2HealthConfig", check)).into()
}

/// The check that comes before it.
pub fn startup(options: &HealthOptions) -> Data {
    let startup = options.startup.as_ref().map(|startup| {
        fields("*define.StartupHealthCheck", &startup.check).with_omitted("Successes", "Successes", startup.successes)
    });
    startup.into()
}

/// What is done when it fails.
pub fn action(action: OnFailure) -> &'static str {
    match action {
        OnFailure::None => "none",
        OnFailure::Kill => "kill",
        OnFailure::Restart => "restart",
        OnFailure::Stop => "stop",
    }
}

/// Where what is learned goes.
pub fn destination(log: &LogDestination) -> String {
    match log {
        LogDestination::Local => "local".to_owned(),
        LogDestination::Events => "events_logger".to_owned(),
        LogDestination::Folder(folder) => folder.display().to_string(),
    }
}
