// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options as they are written: `-v`, `--tmpfs`, `--mount` and `--device`, on the command line and in containers.conf.

/// What makes no sense, in Podman's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WordsError(String);

impl From<String> for WordsError {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<&str> for WordsError {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}

/// What reading words comes to.
pub(super) type Result<T> = std::result::Result<T, WordsError>;

/// The error that says this.
macro_rules! wrong {
    ($($words:tt)*) => { $crate::container::options::words::WordsError::from(format!($($words)*)) };
}
pub(super) use wrong;

/// Leaves the function with the error that says this.
macro_rules! refuse {
    ($($words:tt)*) => { return Err($crate::container::options::words::WordsError::from(format!($($words)*))) };
}
pub(super) use refuse;
