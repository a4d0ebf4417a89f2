// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The OCI runtime, by its command line (the one that crun and runc share), and what its failures mean.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haulout_monitor::config::Config;
use haulout_monitor::frame::Failure;
use serde::Deserialize;

use crate::kernel;

/// The standard streams of what is started; `/dev/null` where there is nothing.
#[derive(Debug, Default)]
pub struct Streams {
    /// Standard input.
    pub input: Option<std::os::fd::OwnedFd>,
    /// Standard output.
    pub output: Option<std::os::fd::OwnedFd>,
    /// Standard error.
    pub error: Option<std::os::fd::OwnedFd>,
    /// Further ones, by their numbers.
    pub passed: Vec<(u32, std::os::fd::OwnedFd)>,
}

/// The runtime at work.
#[derive(Debug)]
pub struct Call {
    /// Its process.
    pub pid: i32,
    /// The runtime's name, for messages.
    name: String,
    verb: &'static str,
    log: PathBuf,
}

impl Call {
    /// Runs `verb` of the runtime with `arguments`. The working folder is the bundle.
    ///
    /// The runtime writes what goes wrong to `log`, because its standard error is the container's.
    pub fn start(
        config: &Config,
        verb: &'static str,
        arguments: &[&str],
        log: &Path,
        streams: Streams,
    ) -> Result<Self, Failure> {
        let Some((program, globals)) = config.runtime.split_first() else {
            return Err(failure(125, "no OCI runtime is named"));
        };
        let stream = |fd: Option<std::os::fd::OwnedFd>| fd.map_or_else(Stdio::null, Stdio::from);
        let mut command = Command::new(program);
        command.args(globals).arg("--log").arg(log).args(["--log-format=json", verb]);
        if let Some(highest) = streams.passed.iter().map(|(number, _)| *number).max() {
            // So many after the standard three.
            command.arg(format!("--preserve-fds={}", highest.saturating_sub(2)));
            kernel::pass(&mut command, &streams.passed);
        }
        let child = command
            .args(arguments)
            .arg(&config.id)
            // The container is not told of the service that its engine runs in.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES")
            .stdin(stream(streams.input))
            .stdout(stream(streams.output))
            .stderr(stream(streams.error))
            .spawn();
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        match child {
            Ok(child) => Ok(Self { pid: child.id().cast_signed(), name, verb, log: log.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(failure(125, format!("the OCI runtime {program} is not there: install the package {name}")))
            }
            Err(error) => Err(failure(125, format!("running the OCI runtime {program}: {error}"))),
        }
    }

    /// What it came to, now that it has ended with `status`. What it `said` on standard error counts when there is nothing in
    /// its log: it may have failed before it had one.
    pub fn result(&self, status: i32, said: &[u8]) -> Result<(), Failure> {
        let log = fs::read(&self.log).unwrap_or_default();
        let _ = fs::remove_file(&self.log);
        if status == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(said);
        let said = Some(said.trim()).filter(|said| !said.is_empty()).map(str::to_owned);
        Err(match last_error(&log).or(said) {
            Some(words) => explain(&self.name, self.verb, &words),
            None => failure(
                otherwise(self.verb),
                format!("OCI runtime error: {}: {} ended with status {status} and said nothing", self.name, self.verb),
            ),
        })
    }
}

/// A failure in these words.
pub fn failure(status: u8, message: impl Into<String>) -> Failure {
    Failure { status, message: message.into() }
}

/// The last thing that the runtime complained of.
fn last_error(log: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        msg: String,
        level: String,
    }
    let lines = log.rsplit(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    lines.into_iter().find(|line| line.level == "error").map(|line| line.msg)
}

/// What Podman ends with where the runtime's words mean nothing else.
fn otherwise(verb: &str) -> u8 {
    if verb == "exec" { 255 } else { 126 }
}

/// What the runtime's words mean to a caller: the words and statuses that Podman gives them.
fn explain(runtime: &str, verb: &str, words: &str) -> Failure {
    let lower = words.to_ascii_lowercase();
    if lower.contains("permission denied") || lower.contains("operation not permitted") {
        failure(126, format!("{runtime}: {words}: OCI permission denied"))
    } else if lower.contains("no such file or directory") || lower.contains("executable file not found in") {
        failure(127, format!("{runtime}: {words}: OCI runtime attempted to invoke a command that was not found"))
    } else {
        failure(otherwise(verb), format!("OCI runtime error: {runtime}: {words}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_podmans_words_and_statuses() {
        for (words, status, message) in [
            (
                "executable file `nosuch` not found in $PATH: No such file or directory",
                127,
                "crun: executable file `nosuch` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found",
            ),
            (
                "the path `/etc` is not a regular file: Operation not permitted",
                126,
                "crun: the path `/etc` is not a regular file: Operation not permitted: OCI permission denied",
            ),
            (
                "write to `/proc/sys/kernel/shm_rmid_forced`: Invalid argument",
                126,
                "OCI runtime error: crun: write to `/proc/sys/kernel/shm_rmid_forced`: Invalid argument",
            ),
        ] {
            let log = format!(
                "{}\n{}\n",
                serde_json::json!({"msg": "cgroup v1 is old", "level": "warning"}),
                serde_json::json!({"msg": words, "level": "error", "time": "2026-11-24T22:10:18.452891Z"})
            );
            for verb in ["start", "exec"] {
                let failure = explain("crun", verb, &last_error(log.as_bytes()).unwrap());
                let status = if verb == "exec" && message.starts_with("OCI runtime error") { 255 } else { status };
                assert_eq!((failure.status, failure.message.as_str()), (status, message));
            }
        }
    }
}
