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

/// Keeps a property of `object` as it was left.
pub fn remember(key: &str, object: &impl IsA<relm4::gtk::glib::Object>, property: &str) {
    if let Some(settings) = open() {
        settings.bind(key, object, property).build();
    }
}

/// Whether updates are looked for without a window.
pub const BACKGROUND: &str = "check-in-background";

/// How a switch was left.
pub fn switch(key: &str) -> bool {
    open().is_some_and(|settings| settings.boolean(key))
}

/// Leaves it so.
pub fn set_switch(key: &str, on: bool) {
    if let Some(Err(error)) = open().map(|settings| settings.set_boolean(key, on)) {
        relm4::gtk::glib::g_warning!("haulout", "remembering {key}: {error}");
    }
}

/// Calls `obey` with how a switch is, now and whenever it is another, as long as the app runs.
pub fn follow_switch(key: &'static str, obey: impl Fn(bool) + 'static) {
    let Some(settings) = open() else { return };
    obey(settings.boolean(key));
    settings.connect_changed(Some(key), move |settings, key| obey(settings.boolean(key)));
    FOLLOWED.with_borrow_mut(|followed| followed.push(settings));
}

thread_local! {
    /// Settings tell of changes only as long as somebody has them.
    static FOLLOWED: std::cell::RefCell<Vec<gio::Settings>> = const { std::cell::RefCell::new(Vec::new()) };
}
