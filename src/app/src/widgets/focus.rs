// SPDX-License-Identifier: GPL-3.0-or-later
//! Who has the keyboard when a dialog opens.

use std::cell::Cell;
use std::rc::Rc;

use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

/// A dialog has risen by then, in microseconds.
const RISING: i64 = 500_000;

/// Gives it to `widget`. A dialog that is a sheet at the bottom of a narrow window would hand it on to its next button
/// while it rises.
pub fn first(dialog: &adw::Dialog, widget: &impl IsA<gtk::Widget>) {
    dialog.set_focus(Some(widget));
    let widget = widget.as_ref().downgrade();
    let grab = Rc::new(move || {
        let widget = widget.clone();
        glib::idle_add_local_once(move || {
            if let Some(widget) = widget.upgrade()
                && widget.focus_child().is_none()
                && !widget.has_focus()
            {
                widget.grab_focus();
            }
        });
    });
    let risen = Rc::new(Cell::new(0));
    let (until, first) = (risen.clone(), grab.clone());
    dialog.connect_map(move |_| {
        until.set(glib::monotonic_time() + RISING);
        first();
    });
    dialog.connect_focus_widget_notify(move |_| {
        if glib::monotonic_time() < risen.get() {
            grab();
        }
    });
}
