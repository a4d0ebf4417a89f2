// SPDX-License-Identifier: GPL-3.0-or-later
//! Haulout: rootless containers for the GNOME desktop.
//!
//! Two threads of life: GTK's main loop, in which everything here runs, and a tokio runtime on which the engine lives
//! (behind [`connection::Connection`]). Between them go typed messages only.
//!
//! Data flows one way: engine → event → [`model`] (by key, in place) → bound property. A click flows one way:
//! widget → message → connection → engine; its result comes back as an event, as if someone had typed it in a terminal.

mod ansi;
mod application;
mod background;
mod connection;
mod containers;
mod deeds;
mod errors;
mod images;
mod language;
mod listing;
mod log;
mod measure;
mod model;
mod settings;
mod units;
mod updates;
mod widgets;
mod window;

use relm4::gtk::glib;

/// The name that the desktop, D-Bus, `GSettings` and the resources know.
const APP_ID: &str = "org.haulout.Haulout";

fn main() -> glib::ExitCode {
    abort_on_panic();
    if std::env::args_os().skip(1).any(|word| word == "--version") {
        println!("haulout-app {}", env!("CARGO_PKG_VERSION"));
        return glib::ExitCode::SUCCESS;
    }
    language::choose();
    application::run()
}

/// `relm4` catches panics of components and goes on without them: half a window that answers to nothing. Better none.
fn abort_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
}
