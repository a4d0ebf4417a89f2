// SPDX-License-Identifier: GPL-3.0-or-later
//! Who has the keyboard when a dialog opens, and when a page is built anew.

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

/// Builds what is on `page` anew: whoever has it in a row has it afterwards in the row of the same title.
pub fn keep(page: &impl IsA<gtk::Widget>, build: impl FnOnce()) {
    let page = page.upcast_ref::<gtk::Widget>();
    let focus = page.root().and_then(|root| root.focus()).filter(|focus| focus.is_ancestor(page));
    let row = focus.and_then(|focus| focus.ancestor(adw::PreferencesRow::static_type()));
    let title = row.and_downcast::<adw::PreferencesRow>().map(|row| row.title());
    build();
    if let Some(row) = title.and_then(|title| row_of(page, &title)) {
        row.grab_focus();
    }
}

/// The first row of this title below `widget`.
fn row_of(widget: &gtk::Widget, title: &str) -> Option<adw::PreferencesRow> {
    let mut child = widget.first_child();
    while let Some(at) = child {
        let row = at.downcast_ref::<adw::PreferencesRow>().filter(|row| row.title() == title);
        if let Some(found) = row.cloned().or_else(|| row_of(&at, title)) {
            return Some(found);
        }
        child = at.next_sibling();
    }
    None
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
