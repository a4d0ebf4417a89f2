// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A command line in a unit.

use std::fmt;

use crate::unit::words;

/// A program and its arguments; shown, they are quoted as systemd.service(5) wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    prefix: &'static str,
    words: Vec<String>,
}

impl Command {
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self { prefix: "", words }
    }

    /// One whose failure does not count.
    pub(crate) fn forgiven(mut self) -> Self {
        self.prefix = "-";
        self
    }

    pub(crate) fn arg(&mut self, word: impl Into<String>) -> &mut Self {
        self.words.push(word.into());
        self
    }

    pub(crate) fn args<W: Into<String>>(&mut self, words: impl IntoIterator<Item = W>) -> &mut Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// The option and its value, as two words.
    pub(crate) fn option(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.arg(name).arg(value)
    }

    /// The option, and what it says when it is off.
    pub(crate) fn switch(&mut self, name: &str, on: bool) -> &mut Self {
        self.arg(if on { name.to_owned() } else { format!("{name}=false") })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            words::write_quoted(word, f)?;
        }
        Ok(())
    }
}
