// SPDX-License-Identifier: GPL-3.0-or-later
//! Rows that tell one thing.

use relm4::adw;
use relm4::adw::prelude::*;
use relm4::gtk::glib;

use super::copy;

/// A row that tells one thing.
pub fn row(title: &str, value: &str) -> adw::ActionRow {
    adw::ActionRow::builder()
        .title(title)
        .subtitle(glib::markup_escape_text(value))
        .subtitle_selectable(true)
        .css_classes(["property"])
        .build()
}

/// The same, with a button that copies it.
pub fn copied(title: &str, value: &str) -> adw::ActionRow {
    shortened(title, value, value)
}

/// The same, with a button that copies what it is short for.
pub fn shortened(title: &str, value: &str, whole: &str) -> adw::ActionRow {
    let row = row(title, value);
    let whole = whole.to_owned();
    row.add_suffix(&copy::button(move || whole.clone()));
    row
}
