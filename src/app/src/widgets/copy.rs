// SPDX-License-Identifier: GPL-3.0-or-later
//! A button that copies a text, and a row that shows a command with one.

use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::icon_button;

/// A flat button that copies what `text` answers at the click, and shows a tick for a while.
pub fn button(text: impl Fn() -> String + 'static) -> gtk::Button {
    let button = icon_button::in_row("edit-copy-symbolic", &gettext("Copy"));
    button.connect_clicked(move |button| {
        button.clipboard().set_text(&text());
        button.set_icon_name("object-select-symbolic");
        button.announce(&gettext("Copied"), gtk::AccessibleAnnouncementPriority::Medium);
        let button = button.downgrade();
        gtk::glib::timeout_add_seconds_local_once(2, move || {
            if let Some(button) = button.upgrade() {
                button.set_icon_name("edit-copy-symbolic");
            }
        });
    });
    button
}

/// A row whose title is a command in monospace, with a button that copies it.
#[derive(Clone)]
pub struct CommandRow {
    pub row: adw::PreferencesRow,
    label: gtk::Label,
}

impl CommandRow {
    pub fn new(name: &str) -> Self {
        let label = gtk::Label::builder()
            .xalign(0.0)
            .hexpand(true)
            .wrap(true)
            .wrap_mode(gtk::pango::WrapMode::WordChar)
            .selectable(true)
            .css_classes(["monospace"])
            .build();
        // The button copies it; with the keyboard all of it would be selected on the way.
        label.set_focusable(false);
        let shown = Rc::new(label.clone());
        let copy = button(move || shown.text().into());
        let inner = gtk::Box::builder().spacing(6).build();
        inner.set_margin_start(12);
        inner.set_margin_end(6);
        inner.set_margin_top(8);
        inner.set_margin_bottom(8);
        inner.append(&label);
        inner.append(&copy);
        let row = adw::PreferencesRow::builder().title(name).activatable(false).child(&inner).build();
        row.set_focusable(false);
        label.update_property(&[gtk::accessible::Property::Label(name)]);
        Self { row, label }
    }

    pub fn set_command(&self, command: &str) {
        if self.label.text() != command {
            self.label.set_text(command);
        }
    }
}
