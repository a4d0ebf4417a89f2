// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a command ends with: an exit status, and `Error: …` on standard error.
//!
//! 125 is the engine's, 126 and 127 are of commands that could not be started, anything else is the container's own.

use std::io;

use haulout_engine::Error;

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
        Some(Failure { status, message }) => (*status, message.clone()),
        None => (status(error), format!("{error:#}")),
    };
    if !message.is_empty() {
        crate::output::error(&format!("Error: {message}\n"));
    }
    status
}

fn status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(Error::Start { status, .. }) => *status,
        _ => ENGINE,
    }
}

/// An error of the operating system in the words that Go has for it: the C library's, in lower case.
pub fn os_words(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => return error.to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_said_in_lower_case_without_its_number() {
        assert_eq!(os_words(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(os_words(&io::Error::from_raw_os_error(13)), "permission denied");
    }
}
