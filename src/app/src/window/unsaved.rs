// SPDX-License-Identifier: GPL-3.0-or-later
//! Texts of units that somebody has not saved: a page that is left says so, and the window asks before it closes.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{ComponentSender, adw};

use super::{Context, Input, Shell};
use crate::connection::{Failure, UnitWrite};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::widgets::failure;

/// Says that the page of `unit` was left with something that is not saved; leads back to it.
pub fn tell_left(context: &Context, unit: String, sender: &ComponentSender<Shell>) {
    let Some(write) = context.model.unsaved.get(&unit) else { return };
    let there = context.model.units.get(&unit).is_some();
    let (title, button) = if there {
        (gettext("Changes of “{}” are not saved"), gettext("_Show"))
    } else {
        // There is no page any more to go back to.
        context.model.unsaved.forget(&unit);
        (gettext("“{}” was removed, and your changes with it"), gettext("_Write Again"))
    };
    let toast =
        adw::Toast::builder().title(glib::markup_escape_text(&fill(&title, &[&unit]))).button_label(button).build();
    let (of, sender) = (context.clone(), sender.input_sender().clone());
    toast.connect_button_clicked(move |_| {
        let (of, unit, sender) = (of.clone(), unit.clone(), sender.clone());
        let missing = (!there).then(|| UnitWrite { before: None, ..write.clone() });
        relm4::spawn_local(async move {
            match save(&of, missing).await {
                Ok(()) => sender.emit(Input::OpenUnit(unit)),
                Err((name, failure)) => failure::present(&words(&Doing::WritingUnit(name), &failure), &of.toasts),
            }
        });
    });
    context.toasts.add_toast(toast);
}

/// Has `window` ask before it closes while something is not saved.
pub fn ask_before_closing(window: &adw::ApplicationWindow, context: &Context) {
    let context = context.clone();
    window.connect_close_request(move |window| {
        if context.model.unsaved.all().is_empty() {
            return glib::Propagation::Proceed;
        }
        if window.visible_dialog().is_none() {
            relm4::spawn_local(ask(window.clone(), context.clone()));
        }
        glib::Propagation::Stop
    });
}

async fn ask(window: adw::ApplicationWindow, context: Context) {
    let unsaved = context.model.unsaved.all();
    let names: Vec<&str> = unsaved.iter().map(|write| write.name.as_str()).collect();
    let body = fill(&gettext("Changes that are not saved are lost: {}"), &[&names.join(", ")]);
    let dialog = adw::AlertDialog::new(Some(&gettext("Save Changes?")), Some(&body));
    dialog.add_responses(&[
        ("cancel", &gettext("_Cancel")),
        ("discard", &gettext("_Discard")),
        ("save", &gettext("_Save")),
    ]);
    dialog.set_response_appearance("discard", adw::ResponseAppearance::Destructive);
    dialog.set_response_appearance("save", adw::ResponseAppearance::Suggested);
    dialog.set_default_response(Some("save"));
    dialog.set_close_response("cancel");
    match dialog.choose_future(Some(&window)).await.as_str() {
        "discard" => unsaved.iter().for_each(|write| context.model.unsaved.forget(&write.name)),
        "save" => {
            if let Err((name, failure)) = save(&context, unsaved).await {
                return failure::present(&words(&Doing::WritingUnit(name), &failure), &window);
            }
        }
        _ => return,
    }
    window.close();
}

/// Writes them, until one cannot be written; its name goes with the failure.
async fn save(context: &Context, unsaved: impl IntoIterator<Item = UnitWrite>) -> Result<(), (String, Failure)> {
    for write in unsaved {
        let name = write.name.clone();
        if let Err(failure) = context.connection.write_unit(write).await {
            return Err((name, failure));
        }
        context.model.unsaved.forget(&name);
        context.model.refresh_units().await;
    }
    Ok(())
}
