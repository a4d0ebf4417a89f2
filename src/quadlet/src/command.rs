// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A command line in a unit.

use crate::unit::words;

/// A program and its arguments, quoted as systemd.service(5) wants them: written word by word, because most of a generator's work is to
/// write commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    line: String,
}

/// No less than most commands take.
const USUAL: usize = 512;

impl Command {
    pub(crate) fn new(program: &str) -> Self {
        let mut command = Self { line: String::with_capacity(USUAL) };
        command.arg(program);
        command
    }

    /// One whose failure does not count.
    pub(crate) fn forgiven(mut self) -> Self {
        self.line.insert(0, '-');
        self
    }

    pub(crate) fn arg(&mut self, word: impl AsRef<str>) -> &mut Self {
        if !self.line.is_empty() {
            self.line.push(' ');
        }
        // A String takes whatever is written.
        let _ = words::write_quoted(word.as_ref(), &mut self.line);
        self
    }

    pub(crate) fn args(&mut self, words: impl IntoIterator<Item = impl AsRef<str>>) -> &mut Self {
        for word in words {
            self.arg(word);
        }
        self
    }

    /// The option and its value, as two words.
    pub(crate) fn option(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.arg(name).arg(value)
    }

    /// The option, and what it says when it is off.
    pub(crate) fn switch(&mut self, name: &str, on: bool) -> &mut Self {
        if on { self.arg(name) } else { self.arg(format!("{name}=false")) }
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.line
    }
}
