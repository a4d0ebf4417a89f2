// SPDX-License-Identifier: GPL-3.0-or-later
//! The menu of a container: in its row, at the pointer, and on its page.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::prelude::*;

use super::list::List;
use super::{Containers, Input, Output};
use crate::connection::Action;
use crate::model::ContainerItem;

/// What can be done in the list to `item` now.
pub fn of(item: &ContainerItem) -> gio::Menu {
    let first = gio::Menu::new();
    first.append_item(&entry(item, &gettext("_Open"), "open"));
    first.append_item(&entry(item, &gettext("Se_lect"), "select"));
    let menu = on_page(item);
    menu.prepend_section(None, &first);
    menu
}

/// What can be done on the page of `item` now.
pub fn on_page(item: &ContainerItem) -> gio::Menu {
    let life = gio::Menu::new();
    if item.running() {
        life.append_item(&entry(item, &gettext("_Stop"), "stop"));
        life.append_item(&entry(item, &gettext("R_estart"), "restart"));
        life.append_item(&entry(item, &gettext("_Kill…"), "kill"));
    } else {
        life.append_item(&entry(item, &gettext("_Start"), "start"));
    }
    let copy = gio::Menu::new();
    copy.append_item(&entry(item, &gettext("_Copy ID"), "copy-id"));
    let end = gio::Menu::new();
    end.append_item(&entry(item, &gettext("_Remove…"), "remove"));
    let menu = gio::Menu::new();
    for section in [life, copy, end] {
        menu.append_section(None, &section);
    }
    menu
}

fn entry(item: &ContainerItem, label: &str, action: &str) -> gio::MenuItem {
    let entry = gio::MenuItem::new(Some(label), None);
    entry.set_action_and_target_value(Some(&format!("containers.{action}")), Some(&item.id().to_variant()));
    entry
}

/// The actions behind the menus, on `page`.
pub fn install(page: &adw::NavigationPage, list: &List, sender: &ComponentSender<Containers>) {
    let group = gio::SimpleActionGroup::new();
    let add = |name: &str, act: Box<dyn Fn(String)>| {
        let action = gio::SimpleAction::new(name, Some(glib::VariantTy::STRING));
        action.connect_activate(move |_, target| {
            if let Some(id) = target.and_then(glib::Variant::get::<String>) {
                act(id);
            }
        });
        group.add_action(&action);
    };
    let life = [
        ("start", Action::Start),
        ("stop", Action::Stop),
        ("restart", Action::Restart),
        ("kill", Action::Kill),
        ("remove", Action::Remove),
    ];
    for (name, action) in life {
        let sender = sender.clone();
        add(name, Box::new(move |id| sender.input_sender().emit(Input::Act(id, action))));
    }
    let open = sender.clone();
    add(
        "open",
        Box::new(move |id| {
            let _ = open.output(Output::Open(id));
        }),
    );
    let select = sender.clone();
    add("select", Box::new(move |id| select.input_sender().emit(Input::SelectOne(id))));
    let clipboard = list.columns.clipboard();
    add("copy-id", Box::new(move |id| clipboard.set_text(&id)));
    page.insert_action_group("containers", Some(&group));
}
