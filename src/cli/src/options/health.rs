// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--health-cmd` and the like.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::health::{
    Check, HealthOptions, INTERVAL, LogDestination, MAX_LOG_COUNT, MAX_LOG_SIZE, OnFailure, RETRIES, Startup,
};

use super::given;
use crate::time;

/// The flags that say how a container's health is checked.
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "the comments are what `--help` prints, as it is")]
#[command(about = None, long_about = None)]
pub struct HealthFlags {
    /// Set a healthcheck command for the container ('none' disables the existing healthcheck)
    #[arg(long, alias = "healthcheck-command")]
    health_cmd: Option<String>,
    /// Set an interval for the healthcheck. (A value of disable results in no automatic checks)
    #[arg(long, alias = "healthcheck-interval", default_value = "30s")]
    health_interval: String,
    /// Set the destination of the HealthCheck log. Directory path, local or events_logger
    #[arg(long, default_value = "local")]
    health_log_destination: String,
    /// Set maximum number of attempts in the HealthCheck log. ('0' value means an infinite number of attempts)
    #[arg(long, default_value_t = 5)]
    health_max_log_count: usize,
    /// Set maximum length in characters of stored HealthCheck log. ('0' value means an infinite log length)
    #[arg(long, default_value_t = 500)]
    health_max_log_size: usize,
    /// Action to take once the container turns unhealthy ("none"|"kill"|"restart"|"stop")
    #[arg(long, default_value = "none")]
    health_on_failure: String,
    /// The number of retries allowed before a healthcheck is considered to be unhealthy
    #[arg(long, alias = "healthcheck-retries", default_value_t = 3)]
    health_retries: u32,
    /// The initialization time needed for a container to bootstrap
    #[arg(long, alias = "healthcheck-start-period", default_value = "0s")]
    health_start_period: String,
    /// Set a startup healthcheck command for the container
    #[arg(long)]
    health_startup_cmd: Option<String>,
    /// Set an interval for the startup healthcheck. (A value of disable results in no automatic checks)
    #[arg(long, default_value = "30s")]
    health_startup_interval: String,
    /// Set the maximum number of retries before the startup healthcheck will restart the container
    #[arg(long, default_value_t = 0)]
    health_startup_retries: u32,
    /// Set the number of consecutive successes before the startup healthcheck is marked as successful and the normal healthcheck begins (0 indicates any success will start the regular healthcheck)
    #[arg(long, default_value_t = 0)]
    health_startup_success: u32,
    /// Set the maximum amount of time that the startup healthcheck may take before it is considered failed
    #[arg(long, default_value = "30s")]
    health_startup_timeout: String,
    /// The maximum time allowed to complete the healthcheck before an interval is considered failed
    #[arg(long, alias = "healthcheck-timeout", default_value = "30s")]
    health_timeout: String,
    /// Disable healthchecks on container
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    /// What they come to.
    pub fn options(&self) -> Result<HealthOptions> {
        let command = given(self.health_cmd.as_ref());
        if self.no_healthcheck && command.is_some() {
            bail!("cannot specify both --no-healthcheck and --health-cmd");
        }
        let startup = given(self.health_startup_cmd.as_ref());
        if [command, startup].into_iter().flatten().any(|command| command == "[]") {
            bail!("must define a healthcheck command for all healthchecks");
        }
        let check = match command {
            None if self.no_healthcheck => Some(Check { test: vec!["NONE".to_owned()], ..Check::default() }),
            None => None,
            Some(command) => Some(self.check(command)?),
        };
        let startup = startup.map(|command| self.startup(command)).transpose()?;
        Ok(HealthOptions {
            check,
            startup,
            on_failure: on_failure(&self.health_on_failure)?,
            log: log(&self.health_log_destination)?,
            max_log_count: Some(self.health_max_log_count).filter(|count| *count != MAX_LOG_COUNT),
            max_log_size: Some(self.health_max_log_size).filter(|size| *size != MAX_LOG_SIZE),
        })
    }

    fn check(&self, command: &str) -> Result<Check> {
        if self.health_retries == 0 {
            bail!("healthcheck-retries must be greater than 0");
        }
        let check = Check {
            test: test(command),
            interval: interval(&self.health_interval)?,
            timeout: timeout(&self.health_timeout)?,
            start_period: period(&self.health_start_period)?,
            retries: self.health_retries,
        };
        Ok(check)
    }

    fn startup(&self, command: &str) -> Result<Startup> {
        let check = Check {
            test: test(command),
            interval: interval(&self.health_startup_interval)?,
            timeout: timeout(&self.health_startup_timeout)?,
            start_period: 0,
            retries: self.health_startup_retries,
        };
        Ok(Startup { check, successes: self.health_startup_success })
    }
}

/// The default values, for what `inspect` shows of a container that says nothing.
const _: () = assert!(INTERVAL == 30_000_000_000 && RETRIES == 3, "the flags' default values say so");

pub(super) fn on_failure(text: &str) -> Result<OnFailure> {
    Ok(match text {
        "" | "none" => OnFailure::None,
        "kill" => OnFailure::Kill,
        "restart" => OnFailure::Restart,
        "stop" => OnFailure::Stop,
        other => {
            bail!("invalid on-failure action {other:?} for health check: supported actions are none,kill,restart,stop")
        }
    })
}

pub(super) fn log(text: &str) -> Result<LogDestination> {
    Ok(match text {
        "" | "local" => LogDestination::Local,
        "events_logger" => LogDestination::Events,
        folder => LogDestination::Folder(std::path::absolute(folder)?),
    })
}

/// A command as Docker's image specification has it: a JSON array of several words is one without a shell.
pub(super) fn test(command: &str) -> Vec<String> {
    let line = |line: &str| vec!["CMD-SHELL".to_owned(), line.to_owned()];
    match serde_json::from_str::<Vec<String>>(command).ok().as_deref() {
        Some([]) | None => match command.split_once(' ') {
            Some(("CMD-SHELL", rest)) => line(rest),
            Some(("CMD", rest)) => {
                std::iter::once("CMD".to_owned()).chain(rest.split_whitespace().map(str::to_owned)).collect()
            }
            _ if command.eq_ignore_ascii_case("none") => vec!["NONE".to_owned()],
            _ => line(command),
        },
        Some([word]) if word.eq_ignore_ascii_case("none") => vec!["NONE".to_owned()],
        Some([word]) => line(word),
        Some(words @ [first, ..]) if first == "CMD" || first == "CMD-SHELL" => words.to_vec(),
        Some(words) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
    }
}

/// Nanoseconds between two checks; none for `disable`.
pub(super) fn interval(text: &str) -> Result<u64> {
    if text == "disable" {
        return Ok(0);
    }
    let interval = duration("healthcheck-interval", text)?;
    u64::try_from(interval).map_err(|_| anyhow!("healthcheck-interval must be 0 seconds or greater"))
}

pub(super) fn timeout(text: &str) -> Result<u64> {
    match u64::try_from(duration("healthcheck-timeout", text)?) {
        // It is podman that calls this a second.
        Ok(nanoseconds) if nanoseconds > 0 => Ok(nanoseconds),
        _ => bail!("healthcheck-timeout must be at least 1 second"),
    }
}

pub(super) fn period(text: &str) -> Result<u64> {
    let period = duration("healthcheck-start-period", text)?;
    u64::try_from(period).map_err(|_| anyhow!("healthcheck-start-period must be 0 seconds or greater"))
}

fn duration(name: &str, text: &str) -> Result<i64> {
    time::duration(text).ok_or_else(|| anyhow!("invalid {name}: {}", time::not_a_duration(text)))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn options(line: &[&str]) -> Result<HealthOptions, String> {
        let command = HealthFlags::augment_args(clap::Command::new("x"));
        let matches =
            command.try_get_matches_from(std::iter::once(&"x").chain(line)).map_err(|error| error.to_string())?;
        let flags = HealthFlags::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        flags.options().map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_is_a_line_for_the_shell_or_several_words() {
        for (text, words) in [
            ("a b", &["CMD-SHELL", "a b"][..]),
            ("CMD-SHELL a b", &["CMD-SHELL", "a b"]),
            ("CMD a b", &["CMD", "a", "b"]),
            (r#"["a"]"#, &["CMD-SHELL", "a"]),
            (r#"["a", "b c"]"#, &["CMD", "a", "b c"]),
            (r#"["CMD", "b c"]"#, &["CMD", "b c"]),
            ("none", &["NONE"]),
        ] {
            assert_eq!(test(text), words, "{text}");
        }
    }

    #[test]
    fn nothing_said_is_nothing_asked_for() {
        let options = options(&[]).unwrap();
        assert_eq!((options.check, options.startup), (None, None));
        let check = self::options(&["--health-cmd=x", "--health-interval=disable"]).unwrap().check.unwrap();
        assert_eq!((check.interval, check.timeout, check.start_period, check.retries), (0, INTERVAL, 0, RETRIES));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_podmans_words() {
        for (line, message) in [
            (&["--health-cmd=[]"][..], "must define a healthcheck command for all healthchecks"),
            (&["--health-cmd=x", "--no-healthcheck"], "cannot specify both --no-healthcheck and --health-cmd"),
            (
                &["--health-cmd=x", "--health-interval=5x"],
                "invalid healthcheck-interval: time: unknown unit \"x\" in duration \"5x\"",
            ),
            (&["--health-cmd=x", "--health-interval=x"], "invalid healthcheck-interval: time: invalid duration \"x\""),
            (
                &["--health-cmd=x", "--health-interval=5"],
                "invalid healthcheck-interval: time: missing unit in duration \"5\"",
            ),
            (&["--health-cmd=x", "--health-retries=0"], "healthcheck-retries must be greater than 0"),
            (&["--health-cmd=x", "--health-timeout=0"], "healthcheck-timeout must be at least 1 second"),
            (&["--health-cmd=x", "--health-start-period=-1s"], "healthcheck-start-period must be 0 seconds or greater"),
            (
                &["--health-on-failure=foo"],
                "invalid on-failure action \"foo\" for health check: supported actions are none,kill,restart,stop",
            ),
        ] {
            assert_eq!(options(line).unwrap_err(), message, "{line:?}");
        }
    }
}
