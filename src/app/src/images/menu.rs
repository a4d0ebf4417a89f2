// SPDX-License-Identifier: GPL-3.0-or-later
//! The menu of an image: in its row and at the pointer.

use gettextrs::gettext;
use relm4::gtk::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::prelude::*;

use super::list::List;
use super::{Images, Input};
use crate::model::ImageItem;

/// What can be done to `item`.
pub fn of(item: &ImageItem) -> gio::Menu {
    let entry = |label: String, action: &str, target: &str| {
        let entry = gio::MenuItem::new(Some(&label), None);
        entry.set_action_and_target_value(Some(&format!("images.{action}")), Some(&target.to_variant()));
        entry
    };
    let id = item.id();
    let first = gio::Menu::new();
    first.append_item(&entry(gettext("_Details"), "show", &id));
    first.append_item(&entry(gettext("_Run a Container…"), "run", &id));
    first.append_item(&entry(gettext("Se_lect"), "select", &id));
    let copy = gio::Menu::new();
    copy.append_item(&entry(gettext("Copy _Name"), "copy", &item.reference()));
    copy.append_item(&entry(gettext("_Copy ID"), "copy", &id));
    let end = gio::Menu::new();
    end.append_item(&entry(gettext("R_emove…"), "remove", &id));
    let menu = gio::Menu::new();
    for section in [first, copy, end] {
        menu.append_section(None, &section);
    }
    menu
}

/// The actions behind the menu, on `page`.
pub fn install(page: &adw::NavigationPage, list: &List, sender: &ComponentSender<Images>) {
    let group = gio::SimpleActionGroup::new();
    let add = |name: &str, act: Box<dyn Fn(String)>| {
        let action = gio::SimpleAction::new(name, Some(glib::VariantTy::STRING));
        action.connect_activate(move |_, target| {
            if let Some(text) = target.and_then(glib::Variant::get::<String>) {
                act(text);
            }
        });
        group.add_action(&action);
    };
    let make: [fn(String) -> Input; 4] = [Input::Show, Input::Run, Input::SelectOne, Input::Remove];
    for (name, input) in ["show", "run", "select", "remove"].into_iter().zip(make) {
        let sender = sender.clone();
        add(name, Box::new(move |id| sender.input_sender().emit(input(id))));
    }
    let clipboard = list.columns.clipboard();
    add("copy", Box::new(move |text| clipboard.set_text(&text)));
    page.insert_action_group("images", Some(&group));
}
