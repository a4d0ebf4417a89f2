// SPDX-License-Identifier: GPL-3.0-or-later
//! The window of keyboard shortcuts.

#![allow(deprecated, reason = "deprecated for libadwaita 1.8's dialog, and 1.7 has none yet")]

use gettextrs::gettext;
use relm4::gtk::prelude::*;
use relm4::{adw, gtk};

use crate::language::is_right_to_left;

/// The key that goes back: to where one came from, as people read.
pub fn back() -> &'static str {
    if is_right_to_left() { "<Alt>Right" } else { "<Alt>Left" }
}

pub fn show(window: &adw::ApplicationWindow) {
    let general = group(
        &gettext("General"),
        &[
            ("<Control>k", gettext("Search everything")),
            ("<Control>f", gettext("Search in this page")),
            ("<Control>n", gettext("Run a container")),
            ("<Control>p", gettext("Pull an image")),
            ("F10", gettext("Open the menu")),
            ("<Control>comma", gettext("Preferences")),
            ("<Control>question", gettext("Show keyboard shortcuts")),
            ("<Control>w", gettext("Close the window")),
            ("<Control>q", gettext("Quit")),
        ],
    );
    let pages = group(
        &gettext("Pages"),
        &[
            ("<Alt>1", gettext("Containers")),
            ("<Alt>2", gettext("Images")),
            ("<Alt>3", gettext("Units")),
            ("<Alt>4", gettext("Updates")),
            (back(), gettext("Go back")),
        ],
    );
    let lists = group(
        &gettext("Lists"),
        &[
            ("Return", gettext("Open")),
            ("<Shift>F10 Menu", gettext("Show the menu of a row")),
            ("Escape", gettext("Leave search or selection")),
        ],
    );
    let terminal =
        group(&gettext("Terminal"), &[("<Control><Shift>c", gettext("Copy")), ("<Control><Shift>v", gettext("Paste"))]);
    let section = gtk::ShortcutsSection::builder().section_name("all").max_height(12).build();
    for group in [general, pages, lists, terminal] {
        section.add_group(&group);
    }
    let shown = gtk::ShortcutsWindow::builder().transient_for(window).modal(true).build();
    shown.add_section(&section);
    shown.present();
}

fn group(title: &str, shortcuts: &[(&str, String)]) -> gtk::ShortcutsGroup {
    let group = gtk::ShortcutsGroup::builder().title(title).build();
    for (keys, title) in shortcuts {
        group.add_shortcut(&gtk::ShortcutsShortcut::builder().accelerator(*keys).title(title).build());
    }
    group
}
