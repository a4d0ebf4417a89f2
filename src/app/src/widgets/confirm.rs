// SPDX-License-Identifier: GPL-3.0-or-later
//! The question before what cannot be undone.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

/// Asks, naming what is lost; calls `go` if the answer is yes.
pub fn ask(parent: &impl IsA<gtk::Widget>, title: &str, lost: &str, answer: &str, go: impl FnOnce() + 'static) {
    let dialog = adw::AlertDialog::new(Some(title), Some(lost));
    dialog.add_responses(&[("cancel", &gettext("_Cancel")), ("go", answer)]);
    dialog.set_response_appearance("go", adw::ResponseAppearance::Destructive);
    dialog.set_default_response(Some("cancel"));
    dialog.set_close_response("cancel");
    let parent = parent.clone().upcast();
    relm4::spawn_local(async move {
        if dialog.choose_future(Some(&parent)).await == "go" {
            go();
        }
    });
}
