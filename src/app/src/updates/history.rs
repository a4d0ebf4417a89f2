// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of what was done: to one unit, or to all; the newest first.

use std::cell::Cell;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::past;
use crate::connection::PastUpdate;
use crate::language::fill;
use crate::window::Context;

/// So many more are shown at once.
const PORTION: usize = 50;

/// Makes the page.
pub fn page(context: &Context, unit: Option<String>) -> adw::NavigationPage {
    let name = unit.as_deref().map(|unit| unit.trim_end_matches(".service").to_owned());
    let title = name.as_ref().map_or_else(|| gettext("History"), |name| fill(&gettext("History of {}"), &[name]));
    let empty = adw::StatusPage::builder()
        .icon_name("document-open-recent-symbolic")
        .title(gettext("Nothing Was Updated Yet"))
        .description(gettext("What is updated, rolled back or fails is told here, with the reason"))
        .build();
    let place = adw::Bin::new();
    let stack = gtk::Stack::new();
    stack.add_named(&empty, Some("empty"));
    stack.add_named(&place, Some("list"));
    let view = adw::ToolbarView::builder().content(&stack).build();
    view.add_top_bar(&adw::HeaderBar::new());
    let page = adw::NavigationPage::builder().title(&title).child(&view).build();
    let shown = Rc::new(Cell::new(PORTION));
    context.model.past_updates.watch(&place, move |place, all| {
        let of_unit = |past: &&PastUpdate| unit.as_ref().is_none_or(|unit| past.unit == *unit);
        let some: Vec<PastUpdate> = all.iter().filter(of_unit).cloned().collect();
        stack.set_visible_child_name(if some.is_empty() { "empty" } else { "list" });
        fill_in(place, Rc::new(some), unit.is_none(), &shown);
    });
    page
}

/// Puts the first of them there.
fn fill_in(place: &adw::Bin, all: Rc<Vec<PastUpdate>>, by_unit: bool, shown: &Rc<Cell<usize>>) {
    let page = adw::PreferencesPage::new();
    let group = adw::PreferencesGroup::new();
    for past in all.iter().take(shown.get()) {
        group.add(&past::row(past, by_unit));
    }
    page.add(&group);
    if all.len() > shown.get() {
        let more = adw::ButtonRow::builder().title(gettext("Show _More")).use_underline(true).build();
        let (place, shown) = (place.downgrade(), shown.clone());
        more.connect_activated(move |_| {
            shown.set(shown.get() + PORTION);
            if let Some(place) = place.upgrade() {
                fill_in(&place, all.clone(), by_unit, &shown);
            }
        });
        let group = adw::PreferencesGroup::new();
        group.add(&more);
        page.add(&group);
    }
    place.set_child(Some(&page));
}
