// SPDX-License-Identifier: GPL-3.0-or-later
//! Who has the keyboard when a dialog opens.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use relm4::adw::prelude::*;
use relm4::gtk::{gdk, glib};
use relm4::{adw, gtk};

/// A dialog has risen by then, on the slowest machine: in microseconds.
const RISEN: i64 = 2_000_000;

/// Gives it to `widget`. A dialog that is a sheet at the bottom of a narrow window would hand it on to its next button
/// while it rises.
pub fn first(dialog: &adw::Dialog, widget: &impl IsA<gtk::Widget>) {
    dialog.set_focus(Some(widget));
    let widget = widget.as_ref().downgrade();
    let grab = Rc::new(move || {
        let widget = widget.clone();
        glib::idle_add_local_once(move || {
            if let Some(widget) = widget.upgrade()
                && !has(&widget)
            {
                widget.grab_focus();
            }
        });
    });
    // Until a person does something in it.
    let untouched = Rc::new(Cell::new(true));
    let touched = untouched.clone();
    let watch = gtk::EventControllerLegacy::new();
    watch.set_propagation_phase(gtk::PropagationPhase::Capture);
    watch.connect_event(move |_, event| {
        if matches!(
            event.event_type(),
            gdk::EventType::KeyPress | gdk::EventType::ButtonPress | gdk::EventType::TouchBegin
        ) {
            touched.set(false);
        }
        glib::Propagation::Proceed
    });
    dialog.add_controller(watch);
    let followed: Rc<RefCell<Option<(gtk::Window, glib::SignalHandlerId)>>> = Rc::default();
    let followed_here = followed.clone();
    dialog.connect_map(move |dialog| {
        grab();
        let Some(window) = dialog.root().and_downcast::<gtk::Window>() else { return };
        let (grab, untouched, until) = (grab.clone(), untouched.clone(), glib::monotonic_time() + RISEN);
        let handler = window.connect_focus_widget_notify(move |_| {
            if untouched.get() && glib::monotonic_time() < until {
                grab();
            }
        });
        forget(followed_here.replace(Some((window, handler))));
    });
    dialog.connect_unmap(move |_| forget(followed.take()));
}

/// Whether `widget` has it; of a field, where one types.
fn has(widget: &gtk::Widget) -> bool {
    let inner = widget.dynamic_cast_ref::<gtk::Editable>().and_then(EditableExt::delegate);
    let inner = inner.and_then(|inner| inner.dynamic_cast::<gtk::Widget>().ok());
    inner.as_ref().unwrap_or(widget).has_focus()
}

fn forget(followed: Option<(gtk::Window, glib::SignalHandlerId)>) {
    if let Some((window, handler)) = followed {
        window.disconnect(handler);
    }
}
