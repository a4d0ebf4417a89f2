// SPDX-License-Identifier: GPL-3.0-or-later
//! The images that are here, to choose from.

use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::{adw, gtk};

use crate::model::{ImageItem, Model};

/// Lets `button` offer the images that are here.
pub fn offer(model: &Model, button: &gtk::MenuButton, entry: &adw::EntryRow) {
    let mut names: Vec<String> =
        model.images.all().iter().filter_map(ImageItem::data).flat_map(|image| image.names).collect();
    names.sort();
    let menu = gio::Menu::new();
    for name in &names {
        let item = gio::MenuItem::new(Some(&crate::model::short_image(name).replace('_', "__")), None);
        item.set_action_and_target_value(Some("images.choose"), Some(&name.to_variant()));
        menu.append_item(&item);
    }
    let choose = gio::SimpleAction::new("choose", Some(glib::VariantTy::STRING));
    let chosen = entry.downgrade();
    choose.connect_activate(move |_, name| {
        if let (Some(entry), Some(name)) = (chosen.upgrade(), name.and_then(glib::Variant::get::<String>)) {
            entry.set_text(&name);
        }
    });
    let group = gio::SimpleActionGroup::new();
    group.add_action(&choose);
    button.insert_action_group("images", Some(&group));
    button.set_menu_model(Some(&menu));
    button.set_visible(!names.is_empty());
}
