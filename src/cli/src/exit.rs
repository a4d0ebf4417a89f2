// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a command ends with: an exit status, and `Error: …` on standard error.
//!
//! 125 is the engine's, 126 and 127 are of commands that could not be started, anything else is the container's own.

use haulout_engine::Error;
pub use haulout_engine::os_words;

/// The status of what failed before a container's process ran.
pub const ENGINE: u8 = 125;

/// A failure that has a status of its own, and may have nothing left to say.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What is printed after `Error: `; nothing when it is empty.
    pub message: String,
}

/// Several things failed, each of them is said.
#[derive(Debug, thiserror::Error)]
#[error("{} failures", .0.len())]
pub struct Failures(pub Vec<anyhow::Error>);

impl Failures {
    /// Nothing when nothing failed, itself when something did.
    pub fn of(failures: Vec<anyhow::Error>) -> anyhow::Result<()> {
        match failures.len() {
            0 => Ok(()),
            _ => Err(Self(failures).into()),
        }
    }
}

/// Says on standard error what failed; answers the exit status.
pub fn report(error: &anyhow::Error) -> u8 {
    if let Some(Failures(failures)) = error.downcast_ref() {
        return failures.iter().map(report).max().unwrap_or(ENGINE);
    }
    let (status, message) = match error.downcast_ref() {
        Some(Failure { status, message }) => (*status, without_numbers(message)),
        None => (status(error), words(error)),
    };
    if !message.is_empty() {
        crate::output::error(&format!("Error: {message}\n"));
    }
    status
}

/// An error and what caused it, in one line. What the system says is said as Go, and so Podman, says it.
pub fn words(error: &anyhow::Error) -> String {
    let said = error.chain().map(|cause| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => os_words(error),
        None => cause.to_string(),
    });
    without_numbers(&said.collect::<Vec<_>>().join(": "))
}

/// What was said of an error of the system's on the way here, as a child's answer is, has its number: that says nothing to people.
fn without_numbers(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        left.push_str(before);
        match after.split_once(')') {
            Some((number, after)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest = after,
            _ => {
                left.push_str(" (os error ");
                rest = after;
            }
        }
    }
    left + rest
}

fn status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(Error::Start { status, .. }) => *status,
        _ => ENGINE,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_of_the_system_is_said_without_its_number() {
        let error = Err::<(), _>(std::io::Error::from_raw_os_error(2)).context("opening x").unwrap_err();
        assert_eq!(words(&error), "opening x: no such file or directory");
        let error = anyhow::anyhow!("writing: {} there", std::io::Error::from_raw_os_error(28));
        assert_eq!(words(&error), "writing: No space left on device there");
        assert_eq!(without_numbers("what (os error x) is"), "what (os error x) is");
    }
}
