// SPDX-License-Identifier: GPL-3.0-or-later
//! The application: one instance a session, startable over D-Bus; its window is made when it is first activated.

use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::prelude::*;

use crate::APP_ID;
use crate::connection::Shared;
use crate::connection::local::Local;
use crate::window::Shell;

/// Accelerators, by action.
const KEYS: [(&str, &[&str]); 9] = [
    ("win.search", &["<Control>f"]),
    ("win.search-everything", &["<Control>k"]),
    ("win.shortcuts", &["<Control>question"]),
    ("win.pull", &["<Control>p"]),
    ("win.run", &["<Control>n"]),
    ("win.containers", &["<Alt>1"]),
    ("win.images", &["<Alt>2"]),
    ("window.close", &["<Control>w"]),
    ("app.quit", &["<Control>q"]),
];

/// Runs until the last window is closed.
pub fn run() -> glib::ExitCode {
    let bundle = glib::Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/haulout.gresource")));
    match gio::Resource::from_data(&bundle) {
        Ok(resource) => gio::resources_register(&resource),
        // Icons are missing then; everything else works.
        Err(error) => glib::g_warning!("haulout", "reading the resources of the program: {error}"),
    }
    let app = adw::Application::builder().application_id(APP_ID).resource_base_path("/org/haulout/Haulout").build();
    // Makes it relm4's own, too.
    let _ = relm4::RelmApp::<()>::from_app(app.clone());
    let quit = gio::ActionEntry::builder("quit").activate(|app: &adw::Application, _, _| app.quit()).build();
    app.add_action_entries([quit]);
    for (action, keys) in KEYS {
        app.set_accels_for_action(action, keys);
    }
    app.connect_startup(|_| glib::set_application_name(&gettext("Haulout")));
    app.connect_activate(|app| match app.windows().first() {
        Some(window) => window.present(),
        None => open_window(app),
    });
    app.run()
}

fn open_window(app: &adw::Application) {
    let connection = connection();
    let mut shell = Shell::builder().launch(connection).detach();
    let window = shell.widget().clone();
    app.add_window(&window);
    shell.detach_runtime();
    window.present();
}

#[cfg(not(feature = "preview"))]
fn connection() -> Shared {
    Rc::new(Local::open())
}

#[cfg(feature = "preview")]
fn connection() -> Shared {
    match crate::connection::preview::Preview::from_environment() {
        Some(preview) => Rc::new(preview),
        None => Rc::new(Local::open()),
    }
}
