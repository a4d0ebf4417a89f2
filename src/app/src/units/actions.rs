// SPDX-License-Identifier: GPL-3.0-or-later
//! What a click does to units: a job of systemd's, a question before what cannot be undone, a toast.

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use crate::connection::{Action, Failure, UnitAction, UnitWrite};
use crate::deeds::{self, Telling};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::UnitItem;
use crate::widgets::{confirm, failure};
use crate::window::Context;

/// What was done to several.
fn done_to_many(action: Action, count: usize) -> String {
    let number = plural_number(i64::try_from(count).unwrap_or(i64::MAX));
    let text = match action {
        Action::Start => ngettext("Started {} unit", "Started {} units", number),
        Action::Stop => ngettext("Stopped {} unit", "Stopped {} units", number),
        _ => ngettext("Restarted {} unit", "Restarted {} units", number),
    };
    fill(&text, &[&count.to_string()])
}

/// Does `action` to all of `items` for which it makes sense, at the same time.
pub fn act(context: &Context, items: Vec<UnitItem>, action: UnitAction) {
    let sensible =
        |item: &UnitItem| item.busy().is_empty() && item.startable() && (action == UnitAction::Start) != item.running();
    let begin = |item: UnitItem| Some((context.connection.act_on_unit(&item.data()?.service, action), item));
    let begun = items.into_iter().filter(sensible).filter_map(begin).collect();
    let telling = Telling {
        refresh: |context: &Context, _: &UnitItem, _| {
            let model = context.model.clone();
            Box::pin(async move {
                model.refresh_units().await;
                Ok(())
            })
        },
        busy: UnitItem::put_busy,
        doing: Doing::ActOnUnit,
        done_to_many,
    };
    deeds::carry_out(context, action.into(), begun, &telling);
}

/// Stops units and removes their files; only one's own, after a question. The toast gives one back.
pub fn remove(context: &Context, items: Vec<UnitItem>, begun: impl FnOnce() + 'static) {
    let items: Vec<UnitItem> =
        items.into_iter().filter(|item| item.busy().is_empty() && item.data().is_some_and(|data| data.own)).collect();
    let Some(first) = items.first() else {
        context.tell(&gettext("Only units in your own folder can be removed here"));
        return begun();
    };
    let number = plural_number(i64::try_from(items.len()).unwrap_or(i64::MAX));
    let title = match items.len() {
        1 => fill(&gettext("Remove “{}”?"), &[&first.id()]),
        count => fill(&ngettext("Remove {} Unit?", "Remove {} Units?", number), &[&count.to_string()]),
    };
    let mut lost = gettext("It is stopped, and its file is removed. Volumes and images stay.");
    if items.len() > 1 {
        lost.push_str("\n\n");
        lost.push_str(&items.iter().map(UnitItem::id).collect::<Vec<_>>().join("\n"));
    }
    let again = context.clone();
    confirm::ask(&context.toasts, &title, &lost, &gettext("_Remove"), move || {
        begun();
        for item in items {
            relm4::spawn_local(remove_one(again.clone(), item));
        }
    });
}

async fn remove_one(context: Context, item: UnitItem) {
    let name = item.id();
    item.put_busy(Some(&deeds::under_way(Action::Remove)));
    let removed = async {
        let text = context.connection.unit_text(&name).await?.text;
        context.connection.remove_unit(&name, &text).await?;
        Ok::<String, Failure>(text)
    }
    .await;
    context.model.refresh_units().await;
    item.put_busy(None);
    match removed {
        Ok(text) => offer_back(&context, name, text),
        Err(failure) => failure::toast(&words(&Doing::RemovingUnit(name), &failure), &context.toasts),
    }
}

/// The toast of a removed unit, whose button writes it again.
fn offer_back(context: &Context, name: String, text: String) {
    let title = fill(&gettext("Removed “{}”"), &[&name]);
    let toast =
        adw::Toast::builder().title(gtk::glib::markup_escape_text(&title)).button_label(gettext("_Undo")).build();
    let again = context.clone();
    toast.connect_button_clicked(move |_| {
        let (context, name, text) = (again.clone(), name.clone(), text.clone());
        relm4::spawn_local(async move {
            let write = UnitWrite { name: name.clone(), text, before: None };
            if let Err(failure) = context.connection.write_unit(write).await {
                failure::present(&words(&Doing::WritingUnit(name), &failure), &context.toasts);
            }
            context.model.refresh_units().await;
        });
    });
    context.toasts.add_toast(toast);
}

/// Shows the folder of a unit's file, with the file chosen in it where the file manager can do that.
pub fn open_folder(context: &Context, item: &UnitItem) {
    let Some(data) = item.data() else { return };
    let launcher = gtk::FileLauncher::new(Some(&gtk::gio::File::for_path(&data.path)));
    let window = context.toasts.root().and_downcast::<gtk::Window>();
    let told = context.clone();
    launcher.open_containing_folder(window.as_ref(), gtk::gio::Cancellable::NONE, move |opened| {
        if let Err(error) = opened
            && !error.matches(gtk::DialogError::Dismissed)
        {
            told.tell(&fill(&gettext("The folder could not be opened: {}"), &[error.message()]));
        }
    });
}
