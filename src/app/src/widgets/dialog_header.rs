// SPDX-License-Identifier: GPL-3.0-or-later
//! The header of a dialog that is answered: a button that cancels it, and one that does what it is for.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{WidgetTemplate, adw, gtk};

/// The header. Whoever shows it says what `main` does.
#[relm4::widget_template(pub)]
impl WidgetTemplate for DialogHeader {
    view! {
        adw::HeaderBar {
            set_show_start_title_buttons: false,
            set_show_end_title_buttons: false,
            pack_start = &gtk::Button {
                set_label: &gettext("_Cancel"),
                set_use_underline: true,
                connect_clicked: close,
            },
            #[name = "main"]
            pack_end = &gtk::Button {
                set_use_underline: true,
                add_css_class: "suggested-action",
            },
        }
    }
}

/// Closes the dialog that `button` is in.
fn close(button: &gtk::Button) {
    if let Some(dialog) = button.ancestor(adw::Dialog::static_type()).and_downcast::<adw::Dialog>() {
        dialog.close();
    }
}
