// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Health checks: commands that are run in a container again and again to learn whether it is well.
//!
//! A [`Check`] is written as Docker's image specification has it (`Healthcheck` of an image's configuration). The monitor runs what
//! [`Checks`] says and keeps what it learns in the file [`FILE`] of the container's runtime folder, as JSON; when the container has ended,
//! the file goes to the container's folder on disk.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file's name.
pub const FILE: &str = "health";

/// One command, and how often and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Check {
    /// `["NONE"]`, `["CMD", WORD…]` or `["CMD-SHELL", LINE]`.
    pub test: Vec<String>,
    /// Nanoseconds from the end of one to the beginning of the next; 0: only when somebody asks for it.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// Nanoseconds that one may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// Nanoseconds from the container's start in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: u64,
    /// So many failures in a row make it unhealthy.
    #[serde(skip_serializing_if = "is_none")]
    pub retries: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(number: &u32) -> bool {
    *number == 0
}

impl Check {
    /// The words of the command; nothing when there is to be none.
    pub fn command(&self) -> Option<Vec<String>> {
        match self.test.split_first() {
            None => None,
            Some((kind, _)) if kind == "NONE" => None,
            Some((kind, words)) if kind == "CMD" => Some(words.to_vec()).filter(|words| !words.is_empty()),
            Some((kind, words)) if kind == "CMD-SHELL" => {
                Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), words.join(" ")]).filter(|_| !words.is_empty())
            }
            Some(_) => Some(self.test.clone()),
        }
    }
}

/// A check that comes before the other until it has succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Startup {
    /// The command; when it has failed [`Check::retries`] times in a row (0: never), the container is restarted.
    pub check: Check,
    /// So many successes are needed; 0 is as good as 1.
    pub successes: u32,
}

/// What is done when a container becomes unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Nothing.
    #[default]
    None,
    /// Its process is killed.
    Kill,
    /// It is stopped and started again.
    Restart,
    /// It is stopped.
    Stop,
}

/// Everything about the checks of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// The check.
    pub check: Check,
    /// What comes before it.
    pub startup: Option<Startup>,
    /// What is done when it fails.
    pub on_failure: OnFailure,
    /// So many attempts are remembered; 0: all of them.
    pub max_log_count: usize,
    /// So many characters of an attempt's output are remembered; 0: all of them.
    pub max_log_size: usize,
    /// A further file that what was learned is written to.
    pub log: Option<PathBuf>,
    /// Whether events tell what the command wrote.
    pub log_events: bool,
}

/// How a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not known yet.
    #[default]
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

impl Status {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What is known of a container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// How it is.
    pub status: Status,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last attempts, the oldest first.
    pub log: Vec<Attempt>,
}

/// One run of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attempt {
    /// When it began, as RFC 3339 has it.
    pub start: String,
    /// When it ended.
    pub end: String,
    /// What the command ended with: 0 is well; -1 when it took too long.
    pub exit_code: i32,
    /// The beginning of what it wrote.
    pub output: String,
}

impl Health {
    /// Reads `folder/health`; nothing when it is not there.
    ///
    /// # Errors
    /// What reading it met; `InvalidData` when it is not what [`Health::write`] writes.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file `path`, whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_added_extension("new");
        std::fs::write(&temporary, serde_json::to_vec(self)?)?;
        std::fs::rename(temporary, path)
    }
}

/// What somebody who asked for a check is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It succeeded.
    Passed,
    /// It failed.
    Failed,
    /// It failed, and was the one that comes before the other.
    FailedStartup,
    /// It took longer than so many nanoseconds.
    TimedOut(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_as_images_have_it() {
        let check: Check = serde_json::from_str(r#"{"Test":["CMD-SHELL","a b"],"Interval":5,"Retries":2}"#).unwrap();
        assert_eq!(check.command().unwrap(), ["/bin/sh", "-c", "a b"]);
        assert_eq!((check.interval, check.timeout, check.retries), (5, 0, 2));
        let of =
            |words: &[&str]| Check { test: words.iter().map(|word| (*word).to_owned()).collect(), ..check.clone() };
        assert_eq!(of(&["CMD", "a", "b"]).command().unwrap(), ["a", "b"]);
        for none in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"]] {
            assert_eq!(of(none).command(), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_known_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Health::read(folder.path()).unwrap(), None);
        let attempt = Attempt { start: "a".into(), end: "b".into(), exit_code: -1, output: "\u{fffd}\n".into() };
        let health = Health { status: Status::Unhealthy, failing_streak: 3, log: vec![attempt] };
        health.write(&folder.path().join(FILE)).unwrap();
        assert_eq!(Health::read(folder.path()).unwrap(), Some(health));
    }
}
