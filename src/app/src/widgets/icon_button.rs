// SPDX-License-Identifier: GPL-3.0-or-later
//! Buttons that show an icon and no word.

use relm4::gtk;
use relm4::gtk::prelude::*;

/// What shows no word.
pub trait Wordless: IsA<gtk::Widget> + IsA<gtk::Accessible> {
    /// Tells whoever points at it, and screen readers, what it does.
    fn set_meaning(&self, words: &str) {
        self.set_tooltip_text(Some(words));
        self.update_property(&[gtk::accessible::Property::Label(words)]);
    }
}

impl<W: IsA<gtk::Widget> + IsA<gtk::Accessible>> Wordless for W {}

/// A flat button at the end of a row.
pub fn in_row(icon: &str, words: &str) -> gtk::Button {
    let button = gtk::Button::builder().icon_name(icon).valign(gtk::Align::Center).css_classes(["flat"]).build();
    button.set_meaning(words);
    button
}
