// SPDX-License-Identifier: GPL-3.0-or-later
//! What a click does to images.

use gettextrs::{gettext, ngettext};
use relm4::adw;

use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::ImageItem;
use crate::widgets::{confirm, failure};
use crate::window::Context;

/// Asks, then removes every name of the images, and so the images; `begun` is called when the answer was yes.
pub fn remove(context: &Context, items: Vec<ImageItem>, begun: impl FnOnce() + 'static) {
    let items: Vec<ImageItem> = items.into_iter().filter(|item| !item.busy()).collect();
    let Some(first) = items.first() else { return begun() };
    let number = plural_number(i64::try_from(items.len()).unwrap_or(i64::MAX));
    let title = match items.len() {
        1 => fill(&gettext("Remove “{}”?"), &[&called(first)]),
        count => fill(&ngettext("Remove {} Image?", "Remove {} Images?", number), &[&count.to_string()]),
    };
    let mut lost = gettext("To use it again it has to be pulled again; an image that was made here is lost for good.");
    let names: Vec<String> = items.iter().filter_map(ImageItem::data).flat_map(|data| data.names).collect();
    if names.len() > 1 {
        lost.push_str("\n\n");
        lost.push_str(&names.join("\n"));
    }
    let again = context.clone();
    confirm::ask(&context.toasts, &title, &lost, &gettext("_Remove"), move || {
        begun();
        carry_out(&again, items);
    });
}

/// Gives the image one more name.
pub fn name(context: &Context, item: &ImageItem, name: &str) {
    if name.is_empty() {
        return;
    }
    let (asked, context, name) = (context.connection.tag(&item.id(), name), context.clone(), name.to_owned());
    relm4::spawn_local(async move {
        match asked.await {
            Ok(()) => context.tell(&fill(&gettext("The image is also called “{}” now"), &[&name])),
            Err(failure) => failure::present(&words(&Doing::Tagging(name), &failure), &context.toasts),
        }
    });
}

/// Takes one of several names away; the toast gives it back.
pub fn unname(context: &Context, item: &ImageItem, name: &str) {
    let (asked, context) = (context.connection.remove_image(name), context.clone());
    let (item, name) = (item.clone(), name.to_owned());
    relm4::spawn_local(async move {
        match asked.await {
            Ok(()) => {
                let title = fill(&gettext("Removed the name “{}”"), &[&name]);
                let toast = adw::Toast::builder()
                    .title(relm4::gtk::glib::markup_escape_text(&title))
                    .button_label(gettext("_Undo"))
                    .build();
                let (again, toasts) = (context.clone(), context.toasts.clone());
                toast.connect_button_clicked(move |_| self::name(&again, &item, &name));
                toasts.add_toast(toast);
            }
            Err(failure) => failure::present(&words(&Doing::RemovingImage(name), &failure), &context.toasts),
        }
    });
}

/// What people call it.
pub fn called(item: &ImageItem) -> String {
    let tag = item.data().and_then(|data| data.names.first().cloned());
    tag.map_or_else(|| item.name(), |name| crate::model::short_image(&name).to_owned())
}

fn carry_out(context: &Context, items: Vec<ImageItem>) {
    let context = context.clone();
    relm4::spawn_local(async move {
        let mut gone = Vec::new();
        for item in items {
            item.set_busy(true);
            let name = called(&item);
            // By id all of its names go, as was asked; by name only one would.
            let names = item.data().map(|data| data.names).unwrap_or_default();
            let targets = if names.is_empty() { vec![item.id()] } else { names };
            let mut removed = Ok(());
            for target in targets {
                removed = context.connection.remove_image(&target).await;
                if removed.is_err() {
                    break;
                }
            }
            item.set_busy(false);
            match removed {
                Ok(()) => gone.push(name),
                Err(failure) => failure::toast(&words(&Doing::RemovingImage(name), &failure), &context.toasts),
            }
        }
        match gone.as_slice() {
            [] => {}
            [name] => context.tell(&fill(&gettext("Removed “{}”"), &[name])),
            names => {
                let number = plural_number(i64::try_from(names.len()).unwrap_or(i64::MAX));
                let text = ngettext("Removed {} image", "Removed {} images", number);
                context.tell(&fill(&text, &[&names.len().to_string()]));
            }
        }
    });
}
