// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags in the words of a command that runs a container: `-dp8080:80 --name=web`.

use crate::from_run::FromRunError;

/// A flag of `run`, as its command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its long name, without dashes.
    pub long: String,
    /// Whether a value comes after it.
    pub takes_value: bool,
}

/// A flag that was said, or several as letters of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// The word, and the one after it where that is the value.
    pub words: &'a [String],
    /// Long names, each with its value; `true` of one that takes none.
    pub flags: Vec<(String, &'a str)>,
}

impl<'a> Said<'a> {
    /// The value that it gives the flag `long`, if it does.
    pub fn value(&self, long: &str) -> Option<&'a str> {
        self.flags.iter().find(|(flag, _)| flag == long).map(|(_, value)| *value)
    }
}

/// The flags that `words` begin with, and what comes after them: the image, or the `--` before it. `known` says which flag a name is, long
/// or of one letter.
///
/// # Errors
/// A flag that nobody knows, and one without its value.
pub fn said<'a>(
    mut words: &'a [String],
    known: &dyn Fn(&str) -> Option<Flag>,
) -> Result<(Vec<Said<'a>>, &'a [String]), FromRunError> {
    let mut all = Vec::new();
    while let Some((word, after)) = words.split_first() {
        let Some(name) = word.strip_prefix('-').filter(|name| !["", "-"].contains(name)) else { break };
        let next = after.first().map(String::as_str);
        let (flags, takes_next) = match name.strip_prefix('-') {
            Some(long) => of_long(long, next, known)?,
            None => of_letters(name, next, known)?,
        };
        let (words_of_it, rest) = words.split_at(1 + usize::from(takes_next));
        all.push(Said { words: words_of_it, flags });
        words = rest;
    }
    Ok((all, words))
}

/// Flags with their values, and whether the last has the next word for its value.
type OfWord<'a> = (Vec<(String, &'a str)>, bool);

fn of_long<'a>(
    long: &'a str,
    next: Option<&'a str>,
    known: &dyn Fn(&str) -> Option<Flag>,
) -> Result<OfWord<'a>, FromRunError> {
    let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
    let flag = known(name).ok_or_else(|| FromRunError::Unknown(format!("--{name}")))?;
    match value {
        Some(value) => Ok((vec![(flag.long, value)], false)),
        None if !flag.takes_value => Ok((vec![(flag.long, "true")], false)),
        None => {
            let value = next.ok_or_else(|| FromRunError::NoValue(format!("--{name}")))?;
            Ok((vec![(flag.long, value)], true))
        }
    }
}

/// One or more flags of one letter, the last may have its value behind it.
fn of_letters<'a>(
    letters: &'a str,
    next: Option<&'a str>,
    known: &dyn Fn(&str) -> Option<Flag>,
) -> Result<OfWord<'a>, FromRunError> {
    let mut flags = Vec::new();
    for (at, letter) in letters.char_indices() {
        let flag = known(&letter.to_string()).ok_or_else(|| FromRunError::Unknown(format!("-{letter}")))?;
        let behind = &letters[at + letter.len_utf8()..];
        if let Some(value) = behind.strip_prefix('=') {
            flags.push((flag.long, value));
            break;
        }
        if !flag.takes_value {
            flags.push((flag.long, "true"));
            continue;
        }
        if behind.is_empty() {
            let value = next.ok_or_else(|| FromRunError::NoValue(format!("-{letter}")))?;
            flags.push((flag.long, value));
            return Ok((flags, true));
        }
        flags.push((flag.long, behind));
        break;
    }
    Ok((flags, false))
}
