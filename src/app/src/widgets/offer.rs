// SPDX-License-Identifier: GPL-3.0-or-later
//! What there is to choose from for a field in which one may also type.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk;
use relm4::gtk::{gio, glib};

use super::icon_button::Wordless as _;

/// Something to choose: what it is called, and what goes into the field.
pub type Choice = (String, String);

/// Lets `button` offer `choices` for `field`; it is not to be seen when there are none.
pub fn fill(button: &gtk::MenuButton, field: &(impl IsA<gtk::Editable> + IsA<glib::Object>), choices: Vec<Choice>) {
    button.set_visible(!choices.is_empty());
    let menu = gio::Menu::new();
    for (name, value) in choices {
        let item = gio::MenuItem::new(Some(&name.replace('_', "__")), None);
        item.set_action_and_target_value(Some("offer.choose"), Some(&value.to_variant()));
        menu.append_item(&item);
    }
    let choose = gio::SimpleAction::new("choose", Some(glib::VariantTy::STRING));
    let chosen = field.downgrade();
    choose.connect_activate(move |_, value| {
        if let (Some(field), Some(value)) = (chosen.upgrade(), value.and_then(glib::Variant::get::<String>)) {
            field.set_text(&value);
        }
    });
    let group = gio::SimpleActionGroup::new();
    group.add_action(&choose);
    button.insert_action_group("offer", Some(&group));
    button.set_menu_model(Some(&menu));
}

/// A button that asks what there is whenever it is pressed.
pub fn button(
    field: &(impl IsA<gtk::Editable> + IsA<glib::Object>),
    choices: impl Fn() -> Vec<Choice> + 'static,
) -> gtk::MenuButton {
    let button = gtk::MenuButton::builder()
        .icon_name("pan-down-symbolic")
        .valign(gtk::Align::Center)
        .css_classes(["flat"])
        .build();
    button.set_meaning(&gettext("Choose"));
    let field = field.downgrade();
    button.set_create_popup_func(move |button| {
        if let Some(field) = field.upgrade() {
            fill(button, &field, choices());
            button.set_visible(true);
        }
    });
    button
}
