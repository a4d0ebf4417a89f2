// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unit files: sections of `Key=value` lines, as systemd.syntax(7) has them.
//!
//! Every entry knows where it stands, so that whatever is wrong with it can be pointed at by line and column.

mod parse;
pub(crate) use parse::continues;
pub mod words;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use words::Word;

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A unit: what its file and its drop-ins say, in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Comments and empty lines before the first section.
    head: Vec<String>,
    /// In the order of their first line; each name once.
    sections: Vec<Section>,
}

/// A section: `[Name]` and the lines below it. Sections of one name are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    name: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Comment(String),
    Entry(Entry),
}

/// An assignment, continuation lines joined.
#[derive(Clone, Debug, Eq)]
pub struct Entry {
    /// What stands before the `=`.
    pub key: Cow<'static, str>,
    /// What stands after it, without the white space around it; quotes and escapes as they are.
    pub value: String,
    place: Option<Place>,
    /// Where the value begins.
    start: Part,
    /// Where its parts on later lines stand, in the order of their offsets.
    later: Vec<Part>,
}

/// Where the value's bytes from `offset` on stand, until the next part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    offset: usize,
    line: usize,
    column: usize,
}

/// Entries are the same when they say the same, wherever they stand.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Entry {
    /// One that stands in no file.
    pub fn new(key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), place: None, start: Part::default(), later: Vec::new() }
    }

    /// Where the key stands.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Where the byte at `offset` of the value stands.
    pub fn place_of(&self, offset: usize) -> Option<Place> {
        let place = self.place.as_ref()?;
        let part = self.later.iter().rev().find(|part| part.offset <= offset).unwrap_or(&self.start);
        let before = self.value.get(part.offset..offset).unwrap_or_default().chars().count();
        Some(Place { file: Arc::clone(&place.file), line: part.line, column: part.column + before })
    }

    /// The value without the quotes that enclose the whole of it.
    pub fn unquoted(&self) -> &str {
        for quote in ['"', '\''] {
            let inner = self.value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
                return inner;
            }
        }
        &self.value
    }

    /// The value's words.
    pub fn words(&self) -> Vec<Word> {
        words::split(&self.value).words
    }

    /// The value as systemd reads a boolean; nothing for what is none.
    pub fn boolean(&self) -> Option<bool> {
        match self.value.to_ascii_lowercase().as_str() {
            "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
            "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
            _ => None,
        }
    }
}

impl Section {
    /// What is between its brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its entries, in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Comment(_) => None,
        })
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.lines.iter_mut().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Comment(_) => None,
        })
    }

    /// The last entry of `key`, unless it is empty: an empty one takes back those before it.
    pub fn last(&self, key: &str) -> Option<&Entry> {
        self.entries().rfind(|entry| entry.key == key).filter(|entry| !entry.value.is_empty())
    }

    /// The entries of `key` since the last empty one.
    pub fn all(&self, key: &str) -> Vec<&Entry> {
        let mut found = Vec::new();
        for entry in self.entries().filter(|entry| entry.key == key) {
            if entry.value.is_empty() {
                found.clear();
            } else {
                found.push(entry);
            }
        }
        found
    }

    /// The words of all entries of `key`, each with the entry that it stands in.
    pub fn words(&self, key: &str) -> Vec<(&Entry, Word)> {
        self.all(key).into_iter().flat_map(|entry| entry.words().into_iter().map(move |word| (entry, word))).collect()
    }

    /// Whether there is a line for `key`, an empty one too.
    pub fn has(&self, key: &str) -> bool {
        self.entries().any(|entry| entry.key == key)
    }

    /// Adds a line.
    pub fn add(&mut self, key: &'static str, value: impl Into<String>) {
        self.lines.push(Line::Entry(Entry::new(key, value)));
    }

    /// Makes `value` the only one of `key`, in the place of the last one if there is one.
    pub fn set(&mut self, key: &'static str, value: &str) {
        let last = self.lines.iter().rposition(|line| matches!(line, Line::Entry(entry) if entry.key == key));
        match last {
            Some(index) => self.lines[index] = Line::Entry(Entry::new(key, value)),
            None => self.add(key, value),
        }
    }

    /// Adds a line unless `key` has one.
    pub fn add_default(&mut self, key: &'static str, value: &str) {
        if !self.has(key) {
            self.add(key, value);
        }
    }

    /// Adds lines before all others.
    pub fn prepend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.lines.splice(0..0, entries.into_iter().map(Line::Entry));
    }

    /// Puts what `new` says in the place of each value.
    pub fn rewrite(&mut self, mut new: impl FnMut(&Entry) -> Option<String>) {
        for entry in self.entries_mut() {
            if let Some(value) = new(entry) {
                entry.value = value;
            }
        }
    }
}

impl Unit {
    /// The section of that name; none means the same as an empty one.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The section of that name, made at the end when there is none.
    pub fn section_mut(&mut self, name: &str) -> &mut Section {
        let index = self.sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
            self.sections.push(Section { name: name.to_owned(), lines: Vec::new() });
            self.sections.len() - 1
        });
        &mut self.sections[index]
    }

    /// All sections.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The last entry of `key` in `section`, as [`Section::last`].
    pub fn last(&self, section: &str, key: &str) -> Option<&Entry> {
        self.section(section)?.last(key)
    }

    /// Adds what a drop-in says after what is here.
    pub fn overlay(&mut self, drop_in: Self) {
        for section in drop_in.sections {
            self.section_mut(&section.name).lines.extend(section.lines);
        }
    }

    /// Gives a section another name; its lines go to the one that has that name, if one has it.
    pub fn rename(&mut self, name: &str, new: &str) {
        let Some(index) = self.sections.iter().position(|section| section.name == name) else { return };
        if self.section(new).is_some() {
            let section = self.sections.remove(index);
            self.section_mut(new).lines.extend(section.lines);
        } else {
            new.clone_into(&mut self.sections[index].name);
        }
    }
}

impl Unit {
    /// Writes it as a file has it. Piece by piece: most of a generator's work is to write units.
    pub(crate) fn write_to(&self, to: &mut impl fmt::Write) -> fmt::Result {
        for comment in &self.head {
            write_line(to, &[comment])?;
        }
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 {
                write_line(to, &[])?;
            }
            write_line(to, &["[", &section.name, "]"])?;
            for line in &section.lines {
                match line {
                    Line::Comment(text) => write_line(to, &[text])?,
                    Line::Entry(entry) => {
                        // Without the space a backslash at the end would continue the line.
                        let end = if parse::continues(&entry.value) { " " } else { "" };
                        write_line(to, &[&entry.key, "=", &entry.value, end])?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn write_line(to: &mut impl fmt::Write, pieces: &[&str]) -> fmt::Result {
    pieces.iter().try_for_each(|piece| to.write_str(piece))?;
    to.write_char('\n')
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}
