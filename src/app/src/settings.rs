// SPDX-License-Identifier: GPL-3.0-or-later
//! What the window remembers, in `GSettings`. Where the schema is not installed the window begins as new and works all the same; only how
//! somebody left a switch is kept, in a file.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use relm4::adw;
use relm4::gtk::gio::prelude::*;
use relm4::gtk::{gio, glib};

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
pub fn remember(key: &str, object: &impl IsA<glib::Object>, property: &str) {
    if let Some(settings) = open() {
        settings.bind(key, object, property).build();
    }
}

/// Whether updates are looked for without a window.
pub const BACKGROUND: &str = "check-in-background";

/// How a switch was left.
pub fn switch(key: &str) -> bool {
    open().map_or_else(|| read_switch(&switches_file(), key), |settings| settings.boolean(key))
}

/// Leaves it so.
pub fn set_switch(key: &str, on: bool) {
    let kept = if let Some(settings) = open() {
        settings.set_boolean(key, on).map_err(|error| error.to_string())
    } else {
        let kept = write_switch(&switches_file(), key, on);
        let obeying = OBEYING.with_borrow(Clone::clone);
        obeying.iter().filter(|(of, _)| *of == key).for_each(|(_, obey)| obey(on));
        kept
    };
    if let Err(error) = kept {
        glib::g_warning!("haulout", "remembering {key}: {error}");
    }
}

/// Calls `obey` with how a switch is, now and whenever it is another, as long as the app runs.
pub fn follow_switch(key: &'static str, obey: impl Fn(bool) + 'static) {
    obey(switch(key));
    match open() {
        Some(settings) => {
            settings.connect_changed(Some(key), move |settings, key| obey(settings.boolean(key)));
            FOLLOWED.with_borrow_mut(|followed| followed.push(settings));
        }
        None => OBEYING.with_borrow_mut(|obeying| obeying.push((key, Rc::new(obey)))),
    }
}

/// A switch of the file, and who obeys it.
type Obeying = (&'static str, Rc<dyn Fn(bool)>);

thread_local! {
    /// Settings tell of changes only as long as somebody has them.
    static FOLLOWED: RefCell<Vec<gio::Settings>> = const { RefCell::new(Vec::new()) };
    /// A file tells nobody: whoever writes it does.
    static OBEYING: RefCell<Vec<Obeying>> = const { RefCell::new(Vec::new()) };
}

/// Its only group.
const GROUP: &str = "Switches";

/// Where switches are kept without a schema.
fn switches_file() -> PathBuf {
    glib::user_config_dir().join("haulout/app.ini")
}

/// What is not there, or no switch, is off.
fn read_switch(file: &Path, key: &str) -> bool {
    let switches = glib::KeyFile::new();
    switches.load_from_file(file, glib::KeyFileFlags::NONE).is_ok() && switches.boolean(GROUP, key).unwrap_or_default()
}

fn write_switch(file: &Path, key: &str, on: bool) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("writing {}: {error}", file.display());
    let switches = glib::KeyFile::new();
    // What cannot be read is written anew.
    let _ = switches.load_from_file(file, glib::KeyFileFlags::KEEP_COMMENTS);
    switches.set_boolean(GROUP, key, on);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    switches.save_to_file(file).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::{read_switch, write_switch};

    #[test]
    fn a_switch_is_as_it_was_left_where_there_is_no_schema() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haulout/app.ini");
        assert!(!read_switch(&file, "a"));
        write_switch(&file, "a", true).unwrap();
        write_switch(&file, "b", true).unwrap();
        write_switch(&file, "b", false).unwrap();
        assert_eq!((read_switch(&file, "a"), read_switch(&file, "b")), (true, false));
        std::fs::write(&file, "[Switches]\na=perhaps\n").unwrap();
        assert!(!read_switch(&file, "a"));
        std::fs::write(&file, "nonsense").unwrap();
        write_switch(&file, "a", true).unwrap();
        assert!(read_switch(&file, "a"));
        let error = write_switch(&file.join("below"), "a", true).unwrap_err();
        assert!(error.contains("app.ini/below"), "{error}");
    }
}
