// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user's terminal: raw while a container has it, as it was whatever happens afterwards.

use std::io;
use std::sync::Mutex;

use anyhow::{Result, anyhow, bail};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{LocalModes, OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// How the terminal was before it was made raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal that is not as it was as long as this lives.
pub struct Raw(());

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal on standard input raw: every key goes to the container. Nothing where there is no terminal.
pub fn raw() -> io::Result<Option<Raw>> {
    changed(Termios::make_raw)
}

/// Has the terminal on standard input show what comes as it is: the container's own has ended its lines already. Keys are still the
/// user's.
pub fn verbatim() -> io::Result<Option<Raw>> {
    changed(|terminal| terminal.output_modes.remove(OutputModes::OPOST))
}

fn changed(change: impl FnOnce(&mut Termios)) -> io::Result<Option<Raw>> {
    if !isatty(stdin()) {
        return Ok(None);
    }
    let before = tcgetattr(stdin())?;
    let mut other = before.clone();
    change(&mut other);
    if let Ok(mut saved) = BEFORE.lock() {
        *saved = Some(before);
    }
    tcsetattr(stdin(), OptionalActions::Drain, &other)?;
    Ok(Some(Raw(())))
}

/// Puts the terminal back as it was, if it was made raw.
pub fn restore() {
    if let Some(before) = BEFORE.lock().ok().and_then(|mut saved| saved.take()) {
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &before);
    }
}

/// Has a panic leave the terminal as it was. What the runtime panics for that is no mistake of ours is an error like others.
pub fn restore_on_panic() {
    let inner = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        let words = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if words.starts_with("OS can't spawn worker thread") {
            crate::output::error(
                "Error: starting a thread: resource temporarily unavailable: this user has as many processes as they may (ulimit -u)\n",
            );
            std::process::exit(i32::from(crate::exit::ENGINE));
        }
        inner(panic);
    }));
}

/// Whether standard input is a terminal.
pub fn is_input() -> bool {
    isatty(stdin())
}

/// Whether standard output is a terminal.
pub fn is_output() -> bool {
    isatty(stdout())
}

/// Prints `question` and reads a line.
pub fn ask(question: &str) -> Result<String> {
    crate::output::print(question)?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        bail!("EOF");
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// The same without showing what is typed.
pub fn ask_secretly(question: &str) -> Result<String> {
    crate::output::print(question)?;
    if !isatty(stdin()) {
        bail!("inappropriate ioctl for device");
    }
    let before = tcgetattr(stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    if let Ok(mut saved) = BEFORE.lock() {
        *saved = Some(before);
    }
    tcsetattr(stdin(), OptionalActions::Drain, &silent)?;
    let line = ask("");
    restore();
    crate::output::print("\n")?;
    line
}

/// Whether standard error is a terminal.
pub fn is_error() -> bool {
    isatty(stderr())
}

/// Columns and rows of the terminal on standard input or output.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdin()).or_else(|_| tcgetwinsize(stdout())).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// The keys that detach, and how many of them came so far.
#[derive(Debug)]
pub struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`: single characters and `ctrl-` with a letter or one of `@^[\]_`. None at all when empty.
    pub fn parse(text: &str) -> Result<Self> {
        let keys = text.split(',').filter(|_| !text.is_empty()).map(|key| {
            let unknown = || anyhow!("invalid detach keys: Unknown character: '{key}'");
            match key.strip_prefix("ctrl-").map(str::as_bytes) {
                Some(&[letter @ b'a'..=b'z']) => Ok(letter - b'a' + 1),
                Some(b"@") => Ok(0),
                Some(b"[") => Ok(27),
                Some(b"\\") => Ok(28),
                Some(b"]") => Ok(29),
                Some(b"^") => Ok(30),
                Some(b"_") => Ok(31),
                Some(_) => Err(unknown()),
                None => match key.as_bytes() {
                    &[byte] => Ok(byte),
                    _ => Err(unknown()),
                },
            }
        });
        Ok(Self { keys: keys.collect::<Result<_>>()?, matched: 0 })
    }

    /// What of `typed` goes on to the container, and whether the user detached. A part of the keys is held back until it is
    /// clear that it is not the whole.
    pub fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        if self.keys.is_empty() {
            return (typed.to_vec(), false);
        }
        let mut passed = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte != self.keys[self.matched] {
                passed.extend_from_slice(&self.keys[..self.matched]);
                self.matched = 0;
            }
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return (passed, true);
                }
            } else {
                passed.push(byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detach_keys_are_held_back_until_it_is_clear() {
        let mut keys = DetachKeys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys.feed(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(keys.feed(b"b"), (b"\x10b".to_vec(), false));
        assert_eq!(keys.feed(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.feed(b"\x11rest"), (Vec::new(), true));
    }

    #[test]
    fn no_detach_keys_pass_everything() {
        assert_eq!(DetachKeys::parse("").unwrap().feed(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }

    #[test]
    fn detach_keys_that_are_none_are_named() {
        for bad in ["foo", "ctrl-1", "ctrl-", "ctrl-ab", "a,,b"] {
            assert!(
                DetachKeys::parse(bad).unwrap_err().to_string().starts_with("invalid detach keys: Unknown character")
            );
        }
        assert_eq!(DetachKeys::parse("a,ctrl-@").unwrap().keys, [b'a', 0]);
    }
}
