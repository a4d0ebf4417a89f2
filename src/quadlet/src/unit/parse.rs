// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From text to a [`Unit`], as systemd.syntax(7) says.

use std::path::Path;
use std::sync::Arc;

use super::{Entry, Line, Part, Place, Section, Unit};
use crate::problem::{Fault, Problem};

/// What systemd takes for white space in a unit file.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
/// The longest line that systemd reads, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

impl Unit {
    /// Reads `text`, which stands in `file` from `first_line` on (counted from 1). What is wrong is told, and passed over.
    pub fn parse(text: &str, file: &Arc<Path>, first_line: usize) -> (Self, Vec<Problem>) {
        let mut parser =
            Parser { file, unit: Self::default(), current: None, passed_over: false, problems: Vec::new() };
        let mut logical = Logical::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.split('\n').enumerate() {
            logical.push(line, first_line + index, &mut parser);
        }
        logical.finish(&mut parser);
        (parser.unit, parser.problems)
    }
}

/// Whether a line that ends so goes on in the next one: in a backslash that no other backslash escapes.
pub(crate) fn continues(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

/// A line as it means: with those that continue it.
#[derive(Default)]
struct Logical {
    /// Those that go on, joined, and where they stand.
    text: String,
    parts: Vec<Part>,
}

impl Logical {
    fn push(&mut self, line: &str, number: usize, parser: &mut Parser<'_>) {
        let begun = line.trim_start_matches(WHITE_SPACE);
        if begun.starts_with(['#', ';']) {
            // Between lines that belong together, comments are passed over.
            if self.parts.is_empty() {
                parser.comment(line.trim_end_matches('\r'));
            }
            return;
        }
        // White space is one byte a character.
        let column = line.len() - begun.len() + 1;
        let part = Part { offset: self.text.len(), line: number, column };
        let line = begun.strip_suffix('\r').unwrap_or(begun);
        if let Some(line) = line.strip_suffix('\\').filter(|_| continues(line)) {
            self.parts.push(part);
            self.text.push_str(line);
            self.text.push(' ');
        } else if self.parts.is_empty() {
            parser.line(line.trim_end_matches(WHITE_SPACE), part, &[]);
        } else {
            self.parts.push(part);
            self.text.push_str(line);
            self.finish(parser);
        }
    }

    fn finish(&mut self, parser: &mut Parser<'_>) {
        let Self { text, parts } = std::mem::take(self);
        if let Some((first, later)) = parts.split_first() {
            parser.line(text.trim_end_matches(WHITE_SPACE), *first, later);
        }
    }
}

struct Parser<'a> {
    file: &'a Arc<Path>,
    unit: Unit,
    /// The index of the section that lines go to.
    current: Option<usize>,
    /// Whether the section's name cannot be read: its lines are not wrong because of it.
    passed_over: bool,
    problems: Vec<Problem>,
}

impl Parser<'_> {
    fn comment(&mut self, text: &str) {
        match self.current {
            Some(section) => self.unit.sections[section].lines.push(Line::Comment(text.to_owned())),
            None => self.unit.head.push(text.to_owned()),
        }
    }

    /// A line that begins at `at`, its other parts at `later`.
    fn line(&mut self, text: &str, at: Part, later: &[Part]) {
        if text.is_empty() {
            return;
        }
        if text.len() > LONGEST_LINE {
            return self.problem(at, Fault::LongLine);
        }
        if text.starts_with('[') {
            return self.header(text, at);
        }
        let not_an_assignment = || Fault::NotAnAssignment { line: at.line, text: text.to_owned() };
        let Some((before, after)) = text.split_once('=') else { return self.problem(at, not_an_assignment()) };
        let key = before.trim_end_matches(WHITE_SPACE);
        if key.is_empty() {
            return self.problem(at, not_an_assignment());
        }
        let Some(section) = self.current else {
            if !self.passed_over {
                self.problem(at, Fault::NoSection);
            }
            return;
        };
        let value = after.trim_start_matches(WHITE_SPACE);
        let begins = text.len() - value.len();
        let (start, later) = value_parts(text, begins, at, later);
        let entry =
            Entry { key: key.to_owned().into(), value: value.to_owned(), place: Some(self.place(at)), start, later };
        self.unit.sections[section].lines.push(Line::Entry(entry));
    }

    fn header(&mut self, text: &str, at: Part) {
        (self.current, self.passed_over) = (None, true);
        let Some(name) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            return self.problem(at, Fault::NotAnAssignment { line: at.line, text: text.to_owned() });
        };
        if name.is_empty() || name.contains(['[', ']']) || name.chars().any(char::is_control) {
            return self.problem(at, Fault::SectionName { name: name.to_owned() });
        }
        let known = self.unit.sections.iter().position(|section| section.name == name);
        self.current = Some(known.unwrap_or_else(|| {
            self.unit.sections.push(Section { name: name.to_owned(), lines: Vec::new() });
            self.unit.sections.len() - 1
        }));
    }

    fn place(&self, at: Part) -> Place {
        Place { file: Arc::clone(self.file), line: at.line, column: at.column }
    }

    fn problem(&mut self, at: Part, fault: Fault) {
        self.problems.push(Problem { place: Some(self.place(at)), fault });
    }
}

/// Where the value that begins at byte `begins` of `text` stands, from where the parts of the whole of `text` do.
fn value_parts(text: &str, begins: usize, first: Part, later: &[Part]) -> (Part, Vec<Part>) {
    let part = later.iter().rev().find(|part| part.offset <= begins).copied().unwrap_or(first);
    let before = text.get(part.offset..begins).unwrap_or_default().chars().count();
    let rest = later.iter().filter(|part| part.offset > begins);
    let rest = rest.map(|part| Part { offset: part.offset - begins, ..*part }).collect();
    (Part { offset: 0, line: part.line, column: part.column + before }, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> (Unit, Vec<String>) {
        let (unit, problems) = Unit::parse(text, &Arc::from(Path::new("/u/a.container")), 1);
        (unit, problems.iter().map(ToString::to_string).collect())
    }

    fn value(text: &str, key: &str) -> Option<String> {
        Some(parse(text).0.last("Container", key)?.value.clone())
    }

    #[test]
    fn lines_that_belong_together_are_joined_by_a_space_and_comments_between_them_passed_over() {
        let text = "[Container]\nExec=a \\\n# no\n  ; nor this\n  b\\\nc\nImage=x\\\\\nLabel=l";
        assert_eq!(value(text, "Exec").as_deref(), Some("a  b c"));
        assert_eq!(value(text, "Image").as_deref(), Some("x\\\\"));
        assert_eq!(value(text, "Label").as_deref(), Some("l"));
        assert_eq!(value("[Container]\nExec=a \\\n\nLabel=l", "Label").as_deref(), Some("l"));
        assert_eq!(value("[Container]\nExec=a \\", "Exec").as_deref(), Some("a"));
    }

    #[test]
    fn white_space_around_keys_and_values_and_at_the_line_s_ends_is_nothing() {
        let text = "\u{feff}  [Container]  \r\n\t Image = \tx y \r\n";
        assert_eq!(value(text, "Image").as_deref(), Some("x y"));
        assert_eq!(parse(text).1, Vec::<String>::new());
    }

    #[test]
    fn an_empty_value_takes_back_those_before_it() {
        let (unit, _) = parse("[Container]\nLabel=a\nLabel=\nLabel=b\n[Service]\n[Container]\nLabel=c");
        let section = unit.section("Container").unwrap();
        let values: Vec<_> = section.all("Label").into_iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(values, ["b", "c"]);
        assert_eq!(section.last("Label").unwrap().value, "c");
        assert!(parse("[Container]\nLabel=a\nLabel=").0.last("Container", "Label").is_none());
    }

    #[test]
    fn what_is_no_assignment_is_told_in_podman_s_words_and_the_rest_is_read() {
        let (unit, problems) = parse("A=b\n[Container\nC=d\n[]\n=x\nfoo\n[Container]\nImage=x");
        assert_eq!(
            problems,
            [
                "/u/a.container:1:1: key file does not start with a group",
                "/u/a.container:2:1: file contains line 2: “[Container” which is not a key-value pair, group, or comment",
                "/u/a.container:4:1: invalid group name: ",
                "/u/a.container:5:1: file contains line 5: “=x” which is not a key-value pair, group, or comment",
                "/u/a.container:6:1: file contains line 6: “foo” which is not a key-value pair, group, or comment",
            ]
        );
        assert!(unit.last("Container", "Image").is_some());
    }

    #[test]
    fn every_byte_of_a_value_knows_its_line_and_column() {
        let (unit, _) = parse("[Container]\n  Exec = é a \\\n   # no\n   b c");
        let entry = unit.last("Container", "Exec").unwrap();
        let at = |word: &str| {
            let place = entry.place_of(entry.value.find(word).unwrap()).unwrap();
            (place.line, place.column)
        };
        assert_eq!((at("é"), at("a"), at("b"), at("c")), ((2, 10), (2, 12), (4, 4), (4, 6)));
        assert_eq!(entry.place().map(|place| (place.line, place.column)), Some((2, 3)));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_what_it_prints_it_reads_the_same(text in "([a-zA-Z=\\\\\\[\\] \t#;\"'é]{0,12}\n){0,12}") {
            let (unit, _) = parse(&text);
            let (again, problems) = parse(&unit.to_string());
            prop_assert_eq!(problems, Vec::<String>::new());
            prop_assert_eq!(again, unit);
        }
    }
}
