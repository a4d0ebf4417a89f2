// SPDX-License-Identifier: GPL-3.0-or-later
//! The text of a log: the last lines only, coloured, searchable.

use std::collections::VecDeque;

use relm4::adw::prelude::*;
use relm4::gtk::{glib, pango};
use relm4::{adw, gtk};

use crate::ansi::{PALETTE, Style, pieces};
use crate::connection::LogLine;

/// Older lines are forgotten: the window stays as quick as at the first line.
pub const MOST: usize = 10_000;
/// So many are forgotten at a time.
const SLACK: usize = 500;

/// Lines and the buffer that shows them.
pub struct LogText {
    pub buffer: gtk::TextBuffer,
    lines: VecDeque<LogLine>,
    style: Style,
    times: bool,
    /// Where the last search was.
    found: Option<(i32, i32)>,
}

impl LogText {
    pub fn new() -> Self {
        let buffer = gtk::TextBuffer::new(None);
        tag(&buffer, "bold").set_weight(700);
        tag(&buffer, "italic").set_style(pango::Style::Italic);
        tag(&buffer, "stderr").set_style(pango::Style::Italic);
        tag(&buffer, "underline").set_underline(pango::Underline::Single);
        tag(&buffer, "dim");
        tag(&buffer, "time");
        for number in 0..16 {
            tag(&buffer, &format!("colour{number}"));
        }
        tag(&buffer, "found");
        let text = Self { buffer, lines: VecDeque::new(), style: Style::default(), times: false, found: None };
        let manager = adw::StyleManager::default();
        paint(&text.buffer, manager.is_dark());
        let painted = text.buffer.downgrade();
        manager.connect_dark_notify(move |manager| {
            if let Some(buffer) = painted.upgrade() {
                paint(&buffer, manager.is_dark());
            }
        });
        text
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.style = Style::default();
        self.found = None;
        self.buffer.set_text("");
    }

    /// Adds lines at the end, and forgets the first when there are too many.
    pub fn push(&mut self, lines: Vec<LogLine>) {
        let skip = lines.len().saturating_sub(MOST);
        for line in lines.into_iter().skip(skip) {
            self.write(&line);
            self.lines.push_back(line);
        }
        if self.lines.len() > MOST + SLACK {
            let surplus = self.lines.len() - MOST;
            let rows = self.lines.drain(..surplus).filter(|line| !line.partial).count();
            let (mut start, end) =
                (self.buffer.start_iter(), self.buffer.iter_at_line(i32::try_from(rows).unwrap_or(0)));
            if let Some(mut end) = end {
                self.buffer.delete(&mut start, &mut end);
            }
        }
    }

    /// Shows or hides the time before each line.
    pub fn show_times(&mut self, on: bool) {
        if self.times == on {
            return;
        }
        self.times = on;
        self.style = Style::default();
        self.found = None;
        self.buffer.set_text("");
        let lines = std::mem::take(&mut self.lines);
        for line in &lines {
            self.write(line);
        }
        self.lines = lines;
    }

    /// All of it as plain text.
    pub fn plain(&self) -> String {
        self.buffer.text(&self.buffer.start_iter(), &self.buffer.end_iter(), false).into()
    }

    fn write(&mut self, line: &LogLine) {
        let mut end = self.buffer.end_iter();
        if self.times && end.starts_line() {
            self.buffer.insert_with_tags_by_name(&mut end, &time(line.time), &["time"]);
        }
        for (style, text) in pieces(&line.text, &mut self.style) {
            let colour = style.colour.map(|number| format!("colour{number}"));
            let tags = [
                colour.as_deref(),
                style.bold.then_some("bold"),
                style.dim.then_some("dim"),
                style.italic.then_some("italic"),
                style.underline.then_some("underline"),
                line.stderr.then_some("stderr"),
            ];
            let tags: Vec<&str> = tags.into_iter().flatten().collect();
            self.buffer.insert_with_tags_by_name(&mut end, text, &tags);
        }
        if !line.partial {
            self.buffer.insert(&mut end, "\n");
        }
    }

    /// Marks every place with `text`; answers how many there are.
    pub fn mark(&mut self, text: &str) -> usize {
        self.buffer.remove_tag_by_name("found", &self.buffer.start_iter(), &self.buffer.end_iter());
        self.found = None;
        if text.is_empty() {
            return 0;
        }
        let mut count = 0;
        let mut from = self.buffer.start_iter();
        while let Some((start, end)) = from.forward_search(text, flags(), None) {
            self.buffer.apply_tag_by_name("found", &start, &end);
            count += 1;
            from = end;
        }
        count
    }

    /// Selects the next place with `text` (or the one before), going round; answers where it begins.
    pub fn find(&mut self, text: &str, forward: bool) -> Option<gtk::TextIter> {
        if text.is_empty() {
            return None;
        }
        let (first, last) = (self.buffer.start_iter(), self.buffer.end_iter());
        let (before, after) = self
            .found
            .map_or((last, first), |(start, end)| (self.buffer.iter_at_offset(start), self.buffer.iter_at_offset(end)));
        let hit = if forward {
            after.forward_search(text, flags(), None).or_else(|| first.forward_search(text, flags(), None))
        } else {
            before.backward_search(text, flags(), None).or_else(|| last.backward_search(text, flags(), None))
        };
        let (start, end) = hit?;
        self.found = Some((start.offset(), end.offset()));
        self.buffer.select_range(&start, &end);
        Some(start)
    }
}

fn flags() -> gtk::TextSearchFlags {
    gtk::TextSearchFlags::CASE_INSENSITIVE | gtk::TextSearchFlags::TEXT_ONLY
}

fn tag(buffer: &gtk::TextBuffer, name: &str) -> gtk::TextTag {
    let tag = gtk::TextTag::new(Some(name));
    buffer.tag_table().add(&tag);
    tag
}

/// Gives the tags the colours of the light or the dark style.
fn paint(buffer: &gtk::TextBuffer, dark: bool) {
    let table = buffer.tag_table();
    let set = |name: &str, colour: &str| {
        if let Some(tag) = table.lookup(name) {
            tag.set_foreground(Some(colour));
        }
    };
    for (number, colour) in PALETTE[usize::from(dark)].iter().enumerate() {
        set(&format!("colour{number}"), colour);
    }
    let soft = if dark { "#9a9996" } else { "#77767b" };
    set("dim", soft);
    set("time", soft);
    set("stderr", if dark { "#ffbe6f" } else { "#a33a00" });
    if let Some(tag) = table.lookup("found") {
        tag.set_background(Some(if dark { "#7a5a00" } else { "#f9f06b" }));
    }
}

/// A line's time, to the millisecond.
fn time(micros: i64) -> String {
    glib::DateTime::from_unix_local_usec(micros)
        .and_then(|time| Ok(format!("{}.{:03}  ", time.format("%F %T")?, time.microsecond() / 1000)))
        .unwrap_or_default()
}
