// SPDX-License-Identifier: GPL-3.0-or-later
//! What a row of the list of containers shows.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk;
use relm4::gtk::{glib, pango};

use super::list::Clicks;
use crate::language::fill;
use crate::model::ContainerItem;
use crate::widgets::cells::Selecting;
use crate::widgets::status::Status;

/// Cells of containers.
pub type Cells = crate::widgets::cells::Cells<ContainerItem>;

/// The name, what people look for first.
pub fn name_factory() -> gtk::SignalListItemFactory {
    Cells::factory(|list_item| Cells::label(list_item, "name", pango::EllipsizeMode::End, &["heading"]).upcast())
}

/// A box to tick in selection mode.
pub fn check_factory(clicks: &Clicks) -> gtk::SignalListItemFactory {
    let clicks = clicks.clone();
    Cells::factory(move |list_item| Cells::check(list_item, &clicks.ticked).upcast())
}

/// Icon and word.
pub fn state_factory() -> gtk::SignalListItemFactory {
    Cells::factory(|list_item| state(list_item, &Status::new(true)))
}

fn state(list_item: &glib::Object, status: &Status) -> gtk::Widget {
    let shown = status.weak();
    Cells::follow(list_item, Status::PROPERTIES, move |item| {
        if let Some(status) = shown() {
            status.show(item);
        }
    });
    status.root.clone().upcast()
}

/// The main action and the menu of the rest.
pub fn act_factory(clicks: &Clicks) -> gtk::SignalListItemFactory {
    let clicks = clicks.clone();
    Cells::factory(move |list_item| buttons(list_item, &clicks).upcast())
}

fn buttons(list_item: &glib::Object, clicks: &Clicks) -> gtk::Box {
    let both = gtk::Box::builder().spacing(6).halign(gtk::Align::End).build();
    both.append(&main_button(list_item, clicks));
    both.append(&Cells::menu_button(list_item, &clicks.menu));
    both
}

/// Stop for a running container, start for any other.
fn main_button(list_item: &glib::Object, clicks: &Clicks) -> gtk::Button {
    let button = gtk::Button::builder().valign(gtk::Align::Center).css_classes(["flat", "circular"]).build();
    let shown = button.downgrade();
    Cells::follow(list_item, &["running", "busy", "name"], move |item| {
        let Some(button) = shown.upgrade() else { return };
        let (icon, word, name) = if item.running() {
            ("media-playback-stop-symbolic", gettext("Stop"), gettext("Stop {}"))
        } else {
            ("media-playback-start-symbolic", gettext("Start"), gettext("Start {}"))
        };
        button.set_icon_name(icon);
        button.set_tooltip_text(Some(&word));
        button.set_sensitive(item.busy().is_empty());
        // "Stop web", not "Stop" fifty times.
        button.update_property(&[gtk::accessible::Property::Label(&fill(&name, &[&item.name()]))]);
    });
    let (weak, main) = (list_item.downgrade(), clicks.main.clone());
    button.connect_clicked(move |_| {
        if let Some(item) = weak.upgrade().as_ref().and_then(Cells::item) {
            main(&item);
        }
    });
    button
}

/// Two lines, for a window as narrow as a telephone.
pub fn narrow_factory(clicks: &Clicks, selecting: &Selecting) -> gtk::SignalListItemFactory {
    let (clicks, selecting) = (clicks.clone(), selecting.clone());
    Cells::factory(move |list_item| {
        let line = gtk::Box::builder().spacing(12).build();
        let check = Cells::check(list_item, &clicks.ticked);
        selecting.watch(&check);
        line.append(&check);
        line.append(&state(list_item, &Status::new(false)));
        line.append(&Cells::two_lines(list_item));
        let buttons = buttons(list_item, &clicks);
        buttons.set_spacing(0);
        line.append(&buttons);
        line.upcast()
    })
}
