// SPDX-License-Identifier: GPL-3.0-or-later
//! What the window remembers, in `GSettings`. Where the schema is not installed it remembers nothing and works all the same.

use relm4::gtk::gio::prelude::*;
use relm4::{adw, gtk::gio};

use crate::APP_ID;

/// The settings of this app, if its schema is there.
fn open() -> Option<gio::Settings> {
    let schema = gio::SettingsSchemaSource::default()?.lookup(APP_ID, true)?;
    Some(gio::Settings::new_full(&schema, None::<&gio::SettingsBackend>, None))
}

/// Gives `window` its last size, and remembers the next one.
pub fn remember_size(window: &adw::ApplicationWindow) {
    if let Some(settings) = open() {
        settings.bind("window-width", window, "default-width").build();
        settings.bind("window-height", window, "default-height").build();
        settings.bind("window-maximized", window, "maximized").build();
    }
}

/// Keeps a switch of `object` as it was left.
pub fn remember_switch(key: &str, object: &impl IsA<relm4::gtk::glib::Object>, property: &str) {
    if let Some(settings) = open() {
        settings.bind(key, object, property).build();
    }
}
