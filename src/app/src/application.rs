// SPDX-License-Identifier: GPL-3.0-or-later
//! The application: one instance a session, startable over D-Bus; its window is made when it is first activated. Its actions are what
//! the desktop's notifications ask for.

use std::cell::RefCell;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::prelude::*;

use crate::APP_ID;
use crate::background::{self, Background};
use crate::connection::Shared;
use crate::connection::local::Local;
use crate::window::{Input, Shell, shortcuts};

/// Accelerators, by action.
const KEYS: [(&str, &[&str]); 12] = [
    ("win.search", &["<Control>f"]),
    ("win.search-everything", &["<Control>k"]),
    ("win.shortcuts", &["<Control>question"]),
    ("win.pull", &["<Control>p"]),
    ("win.run", &["<Control>n"]),
    ("win.containers", &["<Alt>1"]),
    ("win.images", &["<Alt>2"]),
    ("win.units", &["<Alt>3"]),
    ("win.updates", &["<Alt>4"]),
    ("win.preferences", &["<Control>comma"]),
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
    let quit = gio::ActionEntry::builder("quit").activate(|app: &adw::Application, _, _| quit(app)).build();
    app.add_action_entries([quit]);
    let shell = Opened::default();
    add_actions_of_notices(&app, &shell);
    for (action, keys) in KEYS {
        app.set_accels_for_action(action, keys);
    }
    let background = Background::default();
    app.connect_startup(move |app| {
        // By the window: a page that was just shown may have no focus yet, and a text view would take it for itself.
        app.set_accels_for_action("win.back", &[shortcuts::back()]);
        glib::set_application_name(&gettext("Haulout"));
        background.obey(app, connection);
    });
    app.connect_activate(move |app| present(app, &shell));
    app.run()
}

/// Ends it, unless a window asks something first.
fn quit(app: &adw::Application) {
    for window in app.windows() {
        window.close();
    }
    if app.windows().is_empty() {
        app.quit();
    }
}

/// What the window takes its messages from, once there is one.
type Opened = Rc<RefCell<Option<relm4::Sender<Input>>>>;

/// What notifications ask for. Whatever is to be done is done where somebody sees it.
fn add_actions_of_notices(app: &adw::Application, shell: &Opened) {
    let act = |name: &str, kind: Option<&glib::VariantTy>, input: fn(Vec<String>) -> Input| {
        let action = gio::SimpleAction::new(name, kind);
        let (app_of, shell) = (app.downgrade(), shell.clone());
        action.connect_activate(move |_, target| {
            let Some(app) = app_of.upgrade() else { return };
            present(&app, &shell);
            let units = target.and_then(glib::Variant::get).unwrap_or_default();
            if let Some(shell) = shell.borrow().as_ref() {
                shell.emit(input(units));
            }
        });
        app.add_action(&action);
    };
    let units = Some(<Vec<String>>::static_variant_type());
    act("show-updates", None, |_| Input::ShowUpdates);
    act("update-units", units.as_deref(), Input::UpdateUnits);
    act("roll-back-units", units.as_deref(), Input::RollBackUnits);
    // Of the timer's runs.
    let tell = gio::SimpleAction::new("tell-updates", None);
    let (app_of, shell) = (app.downgrade(), shell.clone());
    tell.connect_activate(move |_, _| {
        let Some(app) = app_of.upgrade() else { return };
        if let Some(shell) = shell.borrow().as_ref().filter(|_| !app.windows().is_empty()) {
            return shell.emit(Input::TellUpdates);
        }
        let hold = app.hold();
        relm4::spawn_local(async move {
            background::tell(&connection()).await;
            drop(hold);
        });
    });
    app.add_action(&tell);
}

fn present(app: &adw::Application, shell: &Opened) {
    if let Some(window) = app.windows().first() {
        window.present();
    } else {
        shell.replace(Some(open_window(app)));
    }
}

fn open_window(app: &adw::Application) -> relm4::Sender<Input> {
    let connection = connection();
    let mut shell = Shell::builder().launch(connection).detach();
    let window = shell.widget().clone();
    app.add_window(&window);
    let input = shell.sender().clone();
    shell.detach_runtime();
    window.present();
    input
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
