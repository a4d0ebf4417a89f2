// SPDX-License-Identifier: GPL-3.0-or-later
//! The menu of a row: by right click, long press, the menu key and Shift+F10.

use std::rc::Rc;

use relm4::gtk;
use relm4::gtk::prelude::*;
use relm4::gtk::{gdk, gio, glib};

/// The menu of the thing that a cell bears the id of as its widget's name; nothing when it is none.
pub type MenuOf = Rc<dyn Fn(&str) -> Option<gio::Menu>>;

/// Lets the rows of the list `view` show their menus.
pub fn install(view: &impl IsA<gtk::Widget>, menu: &MenuOf) {
    let click = gtk::GestureClick::builder().button(gdk::BUTTON_SECONDARY).build();
    let menu_of = menu.clone();
    click.connect_pressed(move |gesture, _, x, y| {
        if let Some(view) = gesture.widget()
            && show(&view, view.pick(x, y, gtk::PickFlags::DEFAULT), &menu_of, x, y)
        {
            gesture.set_state(gtk::EventSequenceState::Claimed);
        }
    });
    view.add_controller(click);
    let press = gtk::GestureLongPress::builder().touch_only(true).build();
    let menu_of = menu.clone();
    press.connect_pressed(move |gesture, x, y| {
        if let Some(view) = gesture.widget()
            && show(&view, view.pick(x, y, gtk::PickFlags::DEFAULT), &menu_of, x, y)
        {
            gesture.set_state(gtk::EventSequenceState::Claimed);
        }
    });
    view.add_controller(press);
    let keys = gtk::ShortcutController::new();
    for trigger in ["Menu", "<Shift>F10"] {
        let menu_of = menu.clone();
        let action = gtk::CallbackAction::new(move |view, _| {
            let focus = view.root().and_then(|root| root.focus());
            let place = focus.as_ref().and_then(|focus| focus.compute_bounds(view));
            let (x, y) =
                place.map_or((0., 0.), |place| (f64::from(place.x()) + 24., f64::from(place.y() + place.height())));
            show(view, focus, &menu_of, x, y).into()
        });
        keys.add_shortcut(gtk::Shortcut::new(gtk::ShortcutTrigger::parse_string(trigger), Some(action)));
    }
    view.add_controller(keys);
}

/// Shows the menu of the row that `inside` is in, if it is in one.
fn show(view: &gtk::Widget, inside: Option<gtk::Widget>, menu_of: &MenuOf, x: f64, y: f64) -> bool {
    let Some(menu) = inside.and_then(|widget| row_of(widget, view)).and_then(|row| menu_in(&row, menu_of)) else {
        return false;
    };
    let popover = gtk::PopoverMenu::from_model(Some(&menu));
    popover.set_parent(view);
    popover.set_has_arrow(false);
    popover.set_halign(gtk::Align::Start);
    #[allow(clippy::cast_possible_truncation, reason = "pixels of a window")]
    popover.set_pointing_to(Some(&gdk::Rectangle::new(x as i32, y as i32, 1, 1)));
    popover.connect_closed(|popover| {
        // Not before the click that closed it has done what it does.
        let popover = popover.clone();
        glib::idle_add_local_once(move || popover.unparent());
    });
    popover.popup();
    true
}

/// The list's row that `widget` is in or is.
fn row_of(mut widget: gtk::Widget, view: &gtk::Widget) -> Option<gtk::Widget> {
    while &widget != view {
        if widget.css_name() == "row" {
            return Some(widget);
        }
        widget = widget.parent()?;
    }
    None
}

/// The menu for the first cell below `widget` that bears an id.
fn menu_in(widget: &gtk::Widget, menu_of: &MenuOf) -> Option<gio::Menu> {
    menu_of(&widget.widget_name()).or_else(|| {
        let mut child = widget.first_child();
        while let Some(at) = child {
            if let Some(menu) = menu_in(&at, menu_of) {
                return Some(menu);
            }
            child = at.next_sibling();
        }
        None
    })
}
