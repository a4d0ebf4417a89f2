// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A unit as a form: which keys of each kind people set most, what each takes, and how a change of one becomes a change of its lines in
//! the text, and of no other line.

mod fields;
mod parts;

use std::ops::Range;

use crate::edit::{self, Assignment, Step, steps};
use crate::kind::Kind;
use crate::unit::{Entry, Section, Unit, words};

pub use fields::fields;
pub use parts::Parts;

/// A row of the form, or several of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where its key stands.
    pub section: &'static str,
    /// Its key.
    pub key: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What it is shown with.
    pub group: Group,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The last value, as it is written.
    Text(Expects),
    /// The last value, which is one of these.
    Choice(&'static [&'static str]),
    /// Yes or no; what it is when nothing is said.
    Switch(bool),
    /// Whether the unit starts by itself.
    Start,
    /// The value of an option among the words of the key.
    Option(&'static str, Expects),
    /// Any number of values, a line each.
    Lines(Parts),
    /// Any number of words, several of which may stand in a line.
    Words(Parts),
}

/// What a text should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// Whatever somebody writes.
    Anything,
    /// A number, which may have a fraction.
    Number,
    /// A number of bytes: 512m.
    Size,
}

/// What is shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum Group {
    Main,
    Running,
    Ports,
    Volumes,
    Environment,
    Networks,
    Limits,
    More,
}

/// What is wrong with what somebody put into a field, which Quadlet itself does not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is no number.
    Number,
    /// It is no number of bytes.
    Size,
    /// A port is no number from 1 to 65535, nor a range of them.
    Port,
    /// A path in the container does not begin with a slash.
    Path,
    /// A name is missing, or has characters that it cannot have.
    Name,
}

/// A value in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As it is written; of words, without quotes and escapes.
    pub text: String,
    /// The lines that it stands in, counted from 1.
    pub lines: Range<usize>,
}

/// Something in a text that the form does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The section.
    pub section: String,
    /// The key.
    pub key: String,
    /// Counted from 1.
    pub line: usize,
}

/// What a text says, as the form shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The values of each field, in the order of [`fields`].
    pub items: Vec<Vec<Item>>,
    /// What has no field.
    pub others: Vec<Other>,
}

/// Reads the text of a unit of `kind`.
pub fn read(kind: Kind, text: &str) -> Reading {
    let unit = edit::parse(text);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let items = fields(kind).iter().map(|field| field.items(&unit, &lines)).collect();
    let entries = unit.sections().iter().flat_map(|section| section.entries().map(move |entry| (section, entry)));
    let unshown = entries.filter(|(section, entry)| !is_shown(kind, section, entry));
    let others = unshown.map(|(section, entry)| Other {
        section: section.name().to_owned(),
        key: entry.key.to_string(),
        line: entry.place().map_or(1, |place| place.line),
    });
    Reading { items, others: others.collect() }
}

/// Whether fields show all that an entry says.
fn is_shown(kind: Kind, section: &Section, entry: &Entry) -> bool {
    let mut of_key = fields(kind).iter().filter(|field| {
        field.section == section.name()
            && (field.key == entry.key || field.shape == Shape::Start && crate::install::starts(&entry.key))
    });
    of_key.next().is_some_and(|field| match field.shape {
        Shape::Start => entry.words().iter().all(|word| word.text == crate::install::BEGINNING),
        Shape::Option(..) => {
            let words = entry.words();
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let shown = |option: &str| option_at(&texts, option).map_or(0, |(_, count)| count);
            let options = fields(kind).iter().filter_map(|other| match other.shape {
                Shape::Option(option, _) if other.key == entry.key => Some(shown(option)),
                _ => None,
            });
            options.sum::<usize>() == texts.len()
        }
        _ => true,
    })
}

/// Where among `words` an option last stands, and whether it takes one word (`--cpus=2`) or two.
fn option_at(words: &[&str], option: &str) -> Option<(usize, usize)> {
    let at = words
        .iter()
        .rposition(|word| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))?;
    Some((at, if words[at] == option { (words.len() - at).min(2) } else { 1 }))
}

impl Field {
    /// The values that a text has of it, in order.
    fn items(&self, unit: &Unit, lines: &[&str]) -> Vec<Item> {
        if self.shape == Shape::Start {
            let starts = crate::install::starts_of(unit);
            return starts.map(|line| Item { text: "true".to_owned(), lines: line..line + 1 }).into_iter().collect();
        }
        let mut found = edit::assignments(unit, lines, self.section, Some(self.key));
        if let Some(reset) = found.iter().rposition(|found| found.value.is_empty()) {
            found.drain(..=reset);
        }
        let place = |found: &Assignment<'_>| found.lines.start + 1..found.lines.end + 1;
        match self.shape {
            Shape::Lines(_) => {
                found.iter().map(|found| Item { text: found.value.to_owned(), lines: place(found) }).collect()
            }
            Shape::Words(_) => {
                let words = |found: &Assignment<'_>| {
                    let lines = place(found);
                    let words = words::split(found.value).words.into_iter();
                    words.map(|word| Item { text: word.text, lines: lines.clone() }).collect::<Vec<_>>()
                };
                found.iter().flat_map(words).collect()
            }
            Shape::Option(option, _) => {
                let words: Vec<_> = found
                    .iter()
                    .flat_map(|found| words::split(found.value).words.into_iter().map(|word| (word.text, place(found))))
                    .collect();
                let texts: Vec<&str> = words.iter().map(|(text, _)| text.as_str()).collect();
                let Some((at, count)) = option_at(&texts, option) else { return Vec::new() };
                let value = match (count, words[at].0.split_once('=')) {
                    (2, _) => words[at + 1].0.clone(),
                    (_, Some((_, value))) => value.to_owned(),
                    (_, None) => String::new(),
                };
                vec![Item { text: value, lines: words[at].1.clone() }]
            }
            Shape::Text(_) | Shape::Choice(_) | Shape::Switch(_) | Shape::Start => {
                let last = found.last();
                last.map(|found| Item { text: found.value.to_owned(), lines: place(found) }).into_iter().collect()
            }
        }
    }

    /// `text` with `items` as all that it says of this field. What systemd cannot read back (line breaks, white space around a value) is
    /// left out, and so is what is empty.
    pub fn set(&self, text: &str, items: &[&str]) -> String {
        let items: Vec<String> = items.iter().map(|item| tidy(item)).filter(|item| !item.is_empty()).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        match self.shape {
            Shape::Start => crate::install::with_start(text, items.last() == Some(&"true")),
            Shape::Lines(_) => edit::set(text, self.section, self.key, &items),
            Shape::Words(_) => self.set_words(text, &items),
            Shape::Option(option, _) => self.set_option(text, option, items.last().copied()),
            Shape::Text(_) | Shape::Choice(_) | Shape::Switch(_) => {
                let mut values = edit::values(text, self.section, self.key);
                match items.last() {
                    // Only the last one counts.
                    Some(item) => {
                        values.pop();
                        values.push((*item).to_owned());
                    }
                    None => values.clear(),
                }
                edit::set(text, self.section, self.key, &values.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
    }

    /// Makes `new` the words of the key. Those that stay are left as they are written, each in its line.
    fn set_words(&self, text: &str, new: &[&str]) -> String {
        let values = edit::values(text, self.section, self.key);
        let mut old = Vec::new();
        for (line, value) in values.iter().enumerate() {
            let words = words::split(value).words;
            for (index, word) in words.iter().enumerate() {
                let end = words.get(index + 1).map_or(value.len(), |next| next.offset);
                old.push((line, word.text.clone(), value[word.offset..end].trim_end()));
            }
        }
        let texts: Vec<&str> = old.iter().map(|(_, text, _)| text.as_str()).collect();
        // Each line's words as they are to be written; a word that comes gets a line of its own.
        let mut lines: Vec<(Option<usize>, Vec<String>)> = Vec::new();
        let mut touched = vec![false; values.len()];
        let put = |lines: &mut Vec<(Option<usize>, Vec<String>)>, line: usize, word: String| match lines.last_mut() {
            Some((Some(last), words)) if *last == line => words.push(word),
            _ => lines.push((Some(line), vec![word])),
        };
        for step in steps(&texts, new) {
            match step {
                Step::Keep(index) => put(&mut lines, old[index].0, old[index].2.to_owned()),
                Step::Replace(index, value) => {
                    touched[old[index].0] = true;
                    put(&mut lines, old[index].0, words::quote(new[value]));
                }
                Step::Remove(index) => touched[old[index].0] = true,
                Step::Insert(value) => {
                    if let Some((Some(line), _)) = lines.last() {
                        // What follows it in that line gets one of its own as well.
                        touched[*line] = true;
                    }
                    lines.push((None, vec![words::quote(new[value])]));
                }
            }
        }
        let written = lines.into_iter().map(|(line, words)| match line {
            Some(line) if !touched[line] => values[line].clone(),
            _ => words.join(" "),
        });
        let written: Vec<String> = written.collect();
        edit::set(text, self.section, self.key, &written.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn set_option(&self, text: &str, option: &str, value: Option<&str>) -> String {
        let values = edit::values(text, self.section, self.key);
        let words: Vec<String> =
            values.iter().flat_map(|value| words::split(value).words).map(|word| word.text).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        let new = value.map(|value| format!("{option}={value}"));
        match &new {
            // Only the last one counts.
            Some(new) => match option_at(&words, option) {
                Some((at, count)) => drop(words.splice(at..at + count, [new.as_str()])),
                None => words.push(new),
            },
            // Those before it would count then.
            None => {
                while let Some((at, count)) = option_at(&words, option) {
                    words.drain(at..at + count);
                }
            }
        }
        self.set_words(text, &words)
    }

    /// What is wrong with a value, beside what Quadlet itself finds. What systemd fills in cannot be judged.
    pub fn flaw(&self, item: &str) -> Option<Flaw> {
        if item.is_empty() || item.contains(['%', '$']) {
            return None;
        }
        match self.shape {
            Shape::Text(expects) | Shape::Option(_, expects) => expects.flaw(item),
            Shape::Lines(parts) | Shape::Words(parts) => parts.flaw(item),
            _ => None,
        }
    }
}

impl Expects {
    fn flaw(self, text: &str) -> Option<Flaw> {
        match self {
            Self::Anything => None,
            Self::Number => {
                text.parse::<f64>().map_or(true, |number| number < 0. || !number.is_finite()).then_some(Flaw::Number)
            }
            Self::Size => {
                let lower = text.to_ascii_lowercase();
                let number = lower.trim_end_matches('b').trim_end_matches(['k', 'm', 'g', 't', 'p']);
                (number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit())).then_some(Flaw::Size)
            }
        }
    }
}

/// A value as it can stand in a line.
fn tidy(item: &str) -> String {
    item.replace(['\n', '\r', '\0'], " ").trim().to_owned()
}

#[cfg(test)]
mod tests;
