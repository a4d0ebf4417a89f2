// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changing what a unit's text says of a key, and leaving everything else as somebody wrote it: comments, order, white space.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::unit::{Section, Unit, continues};

/// `text` with `values` as all that its section `section` says of `key`. Lines that say one of them already stay as they are, the others
/// are replaced one by one; what comes new stands after the last of them, or at the end of the section. Comments stay, those between
/// the lines of a value as well.
///
/// ```
/// let text = "# mine\n[Container]\nImage=a\n# why\nPublishPort=80\n";
/// let new = haulout_quadlet::edit::set(text, "Container", "PublishPort", &["80", "443"]);
/// assert_eq!(new, "# mine\n[Container]\nImage=a\n# why\nPublishPort=80\nPublishPort=443\n");
/// ```
pub fn set(text: &str, section: &str, key: &str, values: &[&str]) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let unit = parse(text);
    let found = assignments(&unit, &lines, section, Some(key));
    // What an empty value takes back says nothing, and is left alone.
    let live = found.iter().rposition(|found| found.value.is_empty()).map_or(0, |at| at + 1);
    let old: Vec<&str> = found[live..].iter().map(|found| found.value).collect();
    // Where what comes before any line that stays belongs.
    let first = match (found.get(live), found.last()) {
        (Some(next), _) => Some(next.lines.start),
        (None, Some(last)) => Some(last.lines.end),
        (None, None) => end_of_section(&unit, &lines, section),
    };
    let mut out = Out::default();
    let (mut at, mut begun) = (0, false);
    for step in steps(&old, values) {
        let (index, value) = match step {
            Step::Keep(index) => {
                let until = found[live + index].lines.end;
                out.copy(&lines[at..until]);
                (at, begun) = (until, true);
                continue;
            }
            Step::Replace(index, value) => (Some(index), Some(value)),
            Step::Remove(index) => (Some(index), None),
            Step::Insert(value) => (None, Some(value)),
        };
        if let Some(index) = index {
            let range = found[live + index].lines.clone();
            out.copy(&lines[at..range.start]);
            out.comments(&lines[range.clone()]);
            if let Some(value) = value {
                out.push(&replaced(lines[range.start], values[value]));
            }
            at = range.end;
        } else if let Some(value) = value {
            if !begun {
                let until = first.unwrap_or(lines.len());
                out.copy(&lines[at..until]);
                at = until;
                if first.is_none() {
                    out.header(section);
                }
            }
            out.insert(&format!("{key}={}", guarded(values[value])));
        }
        begun = true;
    }
    out.copy(&lines[at..]);
    out.text
}

/// The values of `key` in `section`, in order, continuation lines joined; an empty one takes back those before it.
pub fn values(text: &str, section: &str, key: &str) -> Vec<String> {
    let unit = parse(text);
    let section = unit.section(section);
    section.map(|section| section.all(key).iter().map(|entry| entry.value.clone()).collect()).unwrap_or_default()
}

/// The unit that a text is.
pub(crate) fn parse(text: &str) -> Unit {
    Unit::parse(text, &Arc::from(Path::new("")), 1).0
}

/// An assignment: the lines that it takes, counted from 0, and what it says.
pub(crate) struct Assignment<'a> {
    pub(crate) lines: Range<usize>,
    pub(crate) value: &'a str,
}

/// Those of a key, or of all keys, of a section in `lines`, which are those of `unit`.
pub(crate) fn assignments<'a>(unit: &'a Unit, lines: &[&str], section: &str, key: Option<&str>) -> Vec<Assignment<'a>> {
    let entries = unit.section(section).into_iter().flat_map(Section::entries);
    let of_key = entries.filter(|entry| key.is_none_or(|key| entry.key == key));
    let placed = of_key.filter_map(|entry| Some((entry.place()?.line.checked_sub(1)?, entry)));
    placed.map(|(start, entry)| Assignment { lines: start..end_of(lines, start), value: &entry.value }).collect()
}

/// After which line the one that begins at `start` ends, with those that continue it and the comments between them.
fn end_of(lines: &[&str], start: usize) -> usize {
    let mut at = start;
    while at < lines.len() {
        let open = continues(ended(lines[at]));
        at += 1;
        if !open {
            break;
        }
        while lines.get(at).is_some_and(|line| is_comment(line)) {
            at += 1;
        }
    }
    at.min(lines.len())
}

/// Where more of a section belongs: after its last assignment. White space and comments after that belong to what comes next.
fn end_of_section(unit: &Unit, lines: &[&str], section: &str) -> Option<usize> {
    let last = assignments(unit, lines, section, None).into_iter().map(|found| found.lines.end).max();
    last.or_else(|| headers(lines).rfind(|(_, name)| *name == section).map(|(at, _)| at + 1))
}

/// The lines that begin a section, and its name.
fn headers<'a>(lines: &[&'a str]) -> impl DoubleEndedIterator<Item = (usize, &'a str)> {
    let mut found = Vec::new();
    let mut open = false;
    for (at, line) in lines.iter().enumerate() {
        let text = line.trim_start_matches('\u{feff}').trim();
        if is_comment(text) {
            continue;
        }
        let was_open = std::mem::replace(&mut open, continues(ended(line)));
        if let Some(name) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|_| !was_open) {
            found.push((at, name));
        }
    }
    found.into_iter()
}

/// How one list of values becomes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This old one stays.
    Keep(usize),
    /// A new one takes the place of an old one.
    Replace(usize, usize),
    /// An old one goes.
    Remove(usize),
    /// A new one comes.
    Insert(usize),
}

/// The steps from `old` to `new` that keep the most, in order.
pub(crate) fn steps<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Step> {
    // How many are the same from (row, column) on.
    let mut same = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            same[row][column] = if old[row] == new[column] {
                same[row + 1][column + 1] + 1
            } else {
                same[row + 1][column].max(same[row][column + 1])
            };
        }
    }
    let mut steps = Vec::with_capacity(old.len().max(new.len()));
    let (mut row, mut column) = (0, 0);
    // What differs since the last one that stays.
    let (mut from_row, mut from_column) = (0, 0);
    let differing = |steps: &mut Vec<Step>, gone: Range<usize>, come: Range<usize>| {
        let both = gone.len().min(come.len());
        steps.extend((0..both).map(|index| Step::Replace(gone.start + index, come.start + index)));
        steps.extend((gone.start + both..gone.end).map(Step::Remove));
        steps.extend((come.start + both..come.end).map(Step::Insert));
    };
    while row < old.len() && column < new.len() {
        if old[row] == new[column] {
            differing(&mut steps, from_row..row, from_column..column);
            steps.push(Step::Keep(row));
            (row, column) = (row + 1, column + 1);
            (from_row, from_column) = (row, column);
        } else if same[row + 1][column] >= same[row][column + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    differing(&mut steps, from_row..old.len(), from_column..new.len());
    steps
}

/// A text that is being written.
#[derive(Default)]
struct Out {
    text: String,
    /// Where its last line begins that is no comment.
    said: usize,
}

impl Out {
    fn push(&mut self, line: &str) {
        if !is_comment(line) {
            self.said = self.text.len();
        }
        self.text.push_str(line);
    }

    fn copy(&mut self, lines: &[&str]) {
        for line in lines {
            self.push(line);
        }
    }

    /// The comments among `lines`, of which the last may lack its end.
    fn comments(&mut self, lines: &[&str]) {
        for line in lines.iter().filter(|line| is_comment(line)) {
            self.push(line);
            self.end_line();
        }
    }

    /// A line of its own. What goes on in the next line, which there was none of, ends in an empty one.
    fn insert(&mut self, line: &str) {
        self.end_line();
        if continues(ended(self.text[self.said..].split('\n').next().unwrap_or_default())) {
            self.push("\n");
        }
        let end = if self.text.ends_with("\r\n") { "\r\n" } else { "\n" };
        self.push(&format!("{line}{end}"));
    }

    fn header(&mut self, section: &str) {
        self.end_line();
        if !self.text.is_empty() {
            self.insert("");
        }
        self.insert(&format!("[{section}]"));
    }

    /// Ends the last line, if it is not ended.
    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

/// The line that says `value` where `line` said something else, which spells and ends it.
fn replaced(line: &str, value: &str) -> String {
    let until = line.find('=').map_or(line.len(), |at| at + 1);
    let said = ended(line);
    let space = said.get(until..).unwrap_or_default();
    let space = &space[..space.len() - space.trim_start_matches([' ', '\t']).len()];
    let end = &line[said.len()..];
    format!("{}{space}{}{end}", &line[..until], guarded(value))
}

/// Without the space a backslash at the end would continue the line.
fn guarded(value: &str) -> String {
    if continues(value) { format!("{value} ") } else { value.to_owned() }
}

fn ended(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_stays_as_it_was_written() {
        let text = "\u{feff}# head\n\n[Unit]\nDescription = x\n\n; why\n[Container]\nExec=a \\\n  # in between\n  b\nImage=i\n\n# end\n";
        let exec = "Exec=a \\\n  # in between\n  b\n";
        assert_eq!(set(text, "Container", "Exec", &["c"]), text.replace(exec, "  # in between\nExec=c\n"));
        assert_eq!(set(text, "Container", "Exec", &[]), text.replace(exec, "  # in between\n"));
        assert_eq!(set(text, "Container", "Exec", &["a  b"]), text);
        assert_eq!(set(text, "Unit", "Description", &["y"]), text.replace("= x", "= y"));
        assert_eq!(set(text, "Unit", "After", &["n"]), text.replace("= x\n", "= x\nAfter=n\n"));
        assert_eq!(set(text, "Install", "WantedBy", &["t"]), format!("{text}\n[Install]\nWantedBy=t\n"));
        assert_eq!(set(text, "Install", "WantedBy", &[]), text);
        assert_eq!(set("", "A", "B", &["c", "d"]), "[A]\nB=c\nB=d\n");
        assert_eq!(set("[A]\r\nB=1\r\n", "A", "B", &["2"]), "[A]\r\nB=2\r\n");
        assert_eq!(set("[A]\r\n", "A", "B", &["2"]), "[A]\r\nB=2\r\n");
        assert_eq!(set("[A]", "A", "B", &["2\\"]), "[A]\nB=2\\ \n");
    }

    #[test]
    fn lines_that_say_what_they_should_already_stay_with_the_comments_about_them() {
        let text = "[A]\n# one\nB=1\n# two\nB=2\n# three\nB = 3\nC=x\n";
        assert_eq!(set(text, "A", "B", &["1", "3"]), text.replace("B=2\n", ""));
        assert_eq!(set(text, "A", "B", &["1", "2", "3", "4"]), text.replace("B = 3\n", "B = 3\nB=4\n"));
        assert_eq!(set(text, "A", "B", &["1", "x", "3"]), text.replace("B=2\n", "B=x\n"));
        let reset = "[A]\nB=0\nB=\n";
        assert_eq!(set(reset, "A", "B", &["1"]), "[A]\nB=0\nB=\nB=1\n");
        assert_eq!(set(reset, "A", "B", &[]), reset);
    }

    #[test]
    fn what_was_set_is_what_is_read() {
        use proptest::prelude::*;
        let line = prop_oneof![
            Just("[A]".to_owned()),
            Just("[B]".to_owned()),
            Just(String::new()),
            Just("# c".to_owned()),
            "(K|L)=[a-z \\\\]{0,6}",
            "[a-z\\\\ ]{0,4}",
        ];
        let text = prop::collection::vec(line, 0..12).prop_map(|lines| format!("[Z]\n{}", lines.join("\n")));
        proptest!(|(text in text, new in prop::collection::vec("[a-z]{1,4}", 0..4))| {
            let new: Vec<&str> = new.iter().map(String::as_str).collect();
            let changed = set(&text, "A", "K", &new);
            prop_assert_eq!(values(&changed, "A", "K"), new.clone(), "{}", changed);
            for (section, key) in [("A", "L"), ("B", "K"), ("B", "L")] {
                prop_assert_eq!(values(&changed, section, key), values(&text, section, key), "{}", changed);
            }
            prop_assert_eq!(set(&changed, "A", "K", &new), changed);
        });
    }

    #[test]
    fn the_fewest_steps_are_taken() {
        assert_eq!(steps(&["a", "b", "c"], &["a", "c"]), [Step::Keep(0), Step::Remove(1), Step::Keep(2)]);
        assert_eq!(steps(&["a", "b"], &["a", "x", "y"]), [Step::Keep(0), Step::Replace(1, 1), Step::Insert(2)]);
        assert_eq!(steps::<&str>(&[], &["a"]), [Step::Insert(0)]);
    }
}
