// SPDX-License-Identifier: GPL-3.0-or-later
//! The question for how long units are left as they are.

use std::rc::Rc;

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

use super::actions;
use crate::language::fill;
use crate::measure::{self, plural_number};
use crate::widgets::copy::CommandRow;
use crate::window::Context;

/// What is proposed: two weeks.
const DAYS: i32 = 14;

/// Asks, and holds them if the answer is yes; `begun` is called then.
pub fn ask(context: &Context, units: Vec<String>, begun: impl FnOnce() + 'static) {
    let title = match units.as_slice() {
        [unit] => fill(&gettext("Hold “{}”?"), &[unit.trim_end_matches(".service")]),
        units => {
            let number = plural_number(i64::try_from(units.len()).unwrap_or(i64::MAX));
            fill(&ngettext("Hold {} Unit?", "Hold {} Units?", number), &[&units.len().to_string()])
        }
    };
    let body = gettext("What is held is not updated by itself. You can still update it here.");
    let dialog = adw::AlertDialog::new(Some(&title), Some(&body));
    let always = gtk::CheckButton::builder().active(true).valign(gtk::Align::Center).build();
    let dated = gtk::CheckButton::builder().group(&always).valign(gtk::Align::Center).build();
    let rows = adw::PreferencesGroup::new();
    for (title, check) in [(gettext("Until I Release It"), &always), (gettext("Until a Date"), &dated)] {
        let row = adw::ActionRow::builder().title(title).activatable_widget(check).build();
        row.add_prefix(check);
        rows.add(&row);
    }
    let calendar = gtk::Calendar::builder().visible(false).halign(gtk::Align::Center).build();
    calendar.update_property(&[gtk::accessible::Property::Label(&gettext("Date"))]);
    if let Ok(day) = glib::DateTime::now_local().and_then(|now| now.add_days(DAYS)) {
        calendar.select_day(&day);
    }
    let command = CommandRow::new(&gettext("Command"));
    let below = adw::PreferencesGroup::new();
    below.add(&command.row);
    let inner = gtk::Box::builder().orientation(gtk::Orientation::Vertical).spacing(12).build();
    inner.append(&rows);
    inner.append(&calendar);
    inner.append(&below);
    dialog.set_extra_child(Some(&inner));
    dialog.add_responses(&[("cancel", &gettext("_Cancel")), ("hold", &gettext("_Hold"))]);
    dialog.set_response_appearance("hold", adw::ResponseAppearance::Suggested);
    dialog.set_default_response(Some("hold"));
    dialog.set_close_response("cancel");

    let show = Rc::new({
        let (dialog, calendar, dated) = (dialog.downgrade(), calendar.downgrade(), dated.downgrade());
        let units = units.join(" ");
        move || {
            let (Some(dialog), Some(calendar), Some(dated)) = (dialog.upgrade(), calendar.upgrade(), dated.upgrade())
            else {
                return;
            };
            calendar.set_visible(dated.is_active());
            let day = dated.is_active().then(|| beginning(&calendar.date())).flatten();
            // A day that has begun is over for this.
            dialog.set_response_enabled("hold", day.as_ref().is_none_or(|day| day.to_unix() > measure::now()));
            let until = day.and_then(|day| day.format("%F").ok()).map(|day| format!(" --until {day}"));
            command.set_command(&format!("haulout auto-update hold{} {units}", until.unwrap_or_default()));
        }
    });
    show();
    let shown = show.clone();
    dated.connect_toggled(move |_| shown());
    calendar.connect_day_selected(move |_| show());

    let (context, parent) = (context.clone(), context.toasts.clone().upcast::<gtk::Widget>());
    relm4::spawn_local(async move {
        if dialog.choose_future(Some(&parent)).await == "hold" {
            begun();
            let until = dated.is_active().then(|| beginning(&calendar.date())).flatten();
            actions::hold(&context, units, until.map(|day| day.to_unix()));
        }
    });
}

/// When that day begins, here.
fn beginning(day: &glib::DateTime) -> Option<glib::DateTime> {
    glib::DateTime::from_local(day.year(), day.month(), day.day_of_month(), 0, 0, 0.).ok()
}
