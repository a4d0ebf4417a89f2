// SPDX-License-Identifier: GPL-3.0-or-later
//! A unit's or a service's text in a view: coloured, with line numbers, underlined where something is wrong, marked where something is new.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use relm4::{adw, gtk};
use sourceview5::prelude::*;

use crate::connection::Problem;

/// The view and its text.
#[derive(Clone)]
pub struct SourceText {
    pub view: sourceview5::View,
    pub buffer: sourceview5::Buffer,
    pub scrolled: gtk::ScrolledWindow,
    differences: Rc<Cell<u32>>,
}

impl SourceText {
    /// Empty; `name` is what a screen reader calls it.
    pub fn new(name: &str) -> Self {
        let buffer = sourceview5::Buffer::new(None);
        buffer.set_language(language().as_ref());
        buffer.set_highlight_matching_brackets(false);
        buffer.set_implicit_trailing_newline(false);
        let view = sourceview5::View::builder()
            .buffer(&buffer)
            .monospace(true)
            .show_line_numbers(true)
            .wrap_mode(gtk::WrapMode::WordChar)
            .top_margin(6)
            .bottom_margin(12)
            .left_margin(6)
            .right_margin(6)
            .tab_width(4)
            .vexpand(true)
            .build();
        view.upcast_ref::<gtk::TextView>().update_property(&[gtk::accessible::Property::Label(name)]);
        let scrolled = gtk::ScrolledWindow::builder().child(&view).vexpand(true).hexpand(true).build();
        for name in ["error", "warning"] {
            let tag = gtk::TextTag::builder().name(name).underline(gtk::pango::Underline::Error).build();
            buffer.tag_table().add(&tag);
        }
        buffer.tag_table().add(&gtk::TextTag::builder().name("new").build());
        let text = Self { view, buffer, scrolled, differences: Rc::default() };
        let style = adw::StyleManager::default();
        text.follow_style(&style);
        let followed = text.buffer.downgrade();
        style.connect_dark_notify(move |style| {
            if let Some(buffer) = followed.upgrade() {
                dress(&buffer, style.is_dark());
            }
        });
        text
    }

    fn follow_style(&self, style: &adw::StyleManager) {
        dress(&self.buffer, style.is_dark());
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.buffer.text(&self.buffer.start_iter(), &self.buffer.end_iter(), true).into()
    }

    /// Shows `text`, which is not a change that can be undone.
    pub fn set_text(&self, text: &str) {
        self.buffer.begin_irreversible_action();
        self.buffer.set_text(text);
        self.buffer.end_irreversible_action();
        self.buffer.place_cursor(&self.buffer.start_iter());
    }

    /// Makes it `text` by changing only what differs; that can be undone.
    pub fn change_to(&self, text: &str) {
        let now = self.text();
        let same = now.chars().zip(text.chars()).take_while(|(one, other)| one == other).count();
        let (gone, come): (Vec<char>, Vec<char>) =
            (now.chars().skip(same).collect(), text.chars().skip(same).collect());
        let end = gone.iter().rev().zip(come.iter().rev()).take_while(|(one, other)| one == other).count();
        if gone.len() == end && come.len() == end {
            return;
        }
        let offset = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let mut from = self.buffer.iter_at_offset(offset(same));
        let mut to = self.buffer.iter_at_offset(offset(same + gone.len() - end));
        self.buffer.begin_user_action();
        self.buffer.delete(&mut from, &mut to);
        self.buffer.insert(&mut from, &come[..come.len() - end].iter().collect::<String>());
        self.buffer.end_user_action();
    }

    /// Puts the cursor there, counted from 1, and gives it the keyboard.
    pub fn go_to(&self, line: usize, column: usize) {
        if let Some(at) = self.at(line, column) {
            self.buffer.place_cursor(&at);
            self.view.scroll_to_mark(&self.buffer.get_insert(), 0.1, false, 0., 0.);
        }
        self.view.grab_focus();
    }

    /// Underlines the places of what is wrong, each to the end of its line.
    pub fn underline(&self, problems: &[Problem]) {
        let (start, end) = self.buffer.bounds();
        for tag in ["error", "warning"] {
            self.buffer.remove_tag_by_name(tag, &start, &end);
        }
        for problem in problems {
            let Some(from) = problem.at.and_then(|(line, column)| self.at(line, column)) else { continue };
            let mut to = from;
            if !to.ends_line() {
                to.forward_to_line_end();
            }
            self.buffer.apply_tag_by_name(if problem.error { "error" } else { "warning" }, &from, &to);
        }
    }

    /// Shows `text`, and marks the lines that `before` has not.
    pub fn show_differences(&self, text: &str, before: Option<&str>) {
        if self.text() != text {
            self.set_text(text);
        }
        let (start, end) = self.buffer.bounds();
        self.buffer.remove_tag_by_name("new", &start, &end);
        let Some(before) = before else { return self.differences.set(0) };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for line in before.lines().filter(|line| counts(line)) {
            *known.entry(line).or_default() += 1;
        }
        let mut count = 0;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| counts(line)) {
            if let Some(times) = known.get_mut(line).filter(|times| **times > 0) {
                *times -= 1;
                continue;
            }
            count += 1;
            if let Some(from) = self.at(number + 1, 1) {
                let mut to = from;
                to.forward_line();
                self.buffer.apply_tag_by_name("new", &from, &to);
            }
        }
        let gone: usize = known.values().sum();
        self.differences.set(count + u32::try_from(gone).unwrap_or(u32::MAX - count));
    }

    /// How many lines differ.
    pub fn differences(&self) -> u32 {
        self.differences.get()
    }

    fn at(&self, line: usize, column: usize) -> Option<gtk::TextIter> {
        let line = i32::try_from(line.checked_sub(1)?).ok()?;
        let mut at = self.buffer.iter_at_line(line)?;
        for _ in 1..column {
            if at.ends_line() {
                break;
            }
            at.forward_char();
        }
        Some(at)
    }
}

/// How units are coloured; as systemd's other files where ours is not found.
fn language() -> Option<sourceview5::Language> {
    thread_local! {
        static KNOWN: sourceview5::LanguageManager = {
            let known = sourceview5::LanguageManager::new();
            known.append_search_path("resource:///org/haulout/Haulout/language-specs");
            known
        };
    }
    KNOWN.with(|known| known.language("haulout-quadlet").or_else(|| known.language("ini")))
}

/// Whether a line says something: comments and empty ones do not.
fn counts(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with(['#', ';'])
}

/// Colours it for a light or a dark window.
fn dress(buffer: &sourceview5::Buffer, dark: bool) {
    let scheme = sourceview5::StyleSchemeManager::default().scheme(if dark { "Adwaita-dark" } else { "Adwaita" });
    buffer.set_style_scheme(scheme.as_ref());
    let colour = |tag: &str, light: &str, on_dark: &str| {
        let tag = buffer.tag_table().lookup(tag)?;
        Some((tag, gtk::gdk::RGBA::parse(if dark { on_dark } else { light }).ok()?))
    };
    if let Some((tag, colour)) = colour("new", "rgba(46,194,126,0.20)", "rgba(38,162,105,0.25)") {
        tag.set_paragraph_background_rgba(Some(&colour));
    }
    for (name, light, on_dark) in [("error", "#e01b24", "#ff938c"), ("warning", "#e5a50a", "#ffc252")] {
        if let Some((tag, colour)) = colour(name, light, on_dark) {
            tag.set_underline_rgba(Some(&colour));
        }
    }
}
