// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog about the app.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use crate::APP_ID;

pub fn show(window: &adw::ApplicationWindow) {
    let dialog = adw::AboutDialog::builder()
        .application_icon(APP_ID)
        .application_name(gettext("Haulout"))
        .developer_name(gettext("The Haulout developers"))
        .version(env!("CARGO_PKG_VERSION"))
        .comments(gettext("Rootless containers for the GNOME desktop: an engine of its own, no daemon, no root."))
        .website("https://haulout.org")
        .license_type(gtk::License::Gpl30)
        // Translators: your names, one a line.
        .translator_credits(gettext("translator-credits"))
        .build();
    dialog.present(Some(window));
}
