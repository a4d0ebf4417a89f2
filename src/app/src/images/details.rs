// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog that tells everything about an image.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

use super::actions;
use crate::connection::Defaults;
use crate::language::fill;
use crate::measure;
use crate::model::{Followed, ImageItem, short_id};
use crate::widgets::{copy, fact, focus, icon_button};
use crate::window::Context;

/// Shows it; `run` runs a container from the image.
pub fn show(context: &Context, item: &ImageItem, run: impl Fn() + 'static) {
    let Some(image) = item.data() else { return };
    let dialog = adw::Dialog::builder().title(actions::called(item)).content_width(480).build();

    let names = Names::of(context, item);

    let facts = adw::PreferencesGroup::new();
    let id = image.id.clone();
    let row = fact::row(&gettext("ID"), short_id(&image.id));
    row.add_suffix(&copy::button(move || id.clone()));
    facts.add(&row);
    facts.add(&fact::row(&gettext("Size"), &measure::bytes(image.size)));
    facts.add(&fact::row(&gettext("Built"), &measure::date(image.created)));
    let used = match item.used() {
        used if used.is_empty() => gettext("No container"),
        used => used,
    };
    facts.add(&fact::row(&gettext("Used By"), &used));

    let starts = adw::PreferencesGroup::builder().title(gettext("Its Containers")).visible(false).build();
    let asked = context.connection.defaults(&image.id);
    let filled = starts.clone();
    relm4::spawn_local(async move {
        if let Ok(Some(defaults)) = asked.await {
            for row in defaults_rows(&defaults) {
                filled.add(&row);
                filled.set_visible(true);
            }
        }
    });

    let page = adw::PreferencesPage::new();
    page.add(&facts);
    page.add(&names.group);
    page.add(&starts);
    let remove = gtk::Button::builder().label(gettext("_Remove…")).use_underline(true).build();
    let start =
        gtk::Button::builder().label(gettext("R_un…")).use_underline(true).css_classes(["suggested-action"]).build();
    let header = adw::HeaderBar::builder().show_start_title_buttons(false).build();
    let bottom = gtk::ActionBar::new();
    bottom.pack_start(&remove);
    bottom.pack_end(&start);
    let view = adw::ToolbarView::builder().content(&page).build();
    view.add_top_bar(&header);
    view.add_bottom_bar(&bottom);
    dialog.set_child(Some(&view));

    let closing = dialog.downgrade();
    start.connect_clicked(move |_| {
        if let Some(dialog) = closing.upgrade() {
            dialog.close();
        }
        run();
    });
    let (closing, context_of, removed) = (dialog.downgrade(), context.clone(), item.clone());
    remove.connect_clicked(move |_| {
        if let Some(dialog) = closing.upgrade() {
            dialog.close();
        }
        actions::remove(&context_of, vec![removed.clone()], || {});
    });
    let shown = names.clone();
    let followed = Followed::new(item.clone(), &["name", "tag"], move |_| shown.fill());
    let (store, context_of, closing) = (context.model.images.store().clone(), context.clone(), dialog.downgrade());
    let gone = item.clone();
    let removal = store.connect_items_changed(move |store, _, removed, _| {
        if let Some(dialog) = closing.upgrade()
            && removed > 0
            && store.find(&gone).is_none()
        {
            dialog.close();
            context_of.tell(&fill(&gettext("“{}” was removed"), &[&actions::called(&gone)]));
        }
    });
    let heard = Cell::new(Some((followed, removal)));
    dialog.connect_closed(move |_| {
        if let Some((_, removal)) = heard.take() {
            store.disconnect(removal);
        }
    });
    dialog.set_default_widget(Some(&start));
    focus::first(&dialog, &start);
    dialog.present(Some(&context.toasts));
}

/// The names of an image, to be taken away and added.
#[derive(Clone)]
struct Names {
    group: adw::PreferencesGroup,
    rows: Rc<RefCell<Vec<adw::PreferencesRow>>>,
    context: Context,
    item: ImageItem,
}

impl Names {
    fn of(context: &Context, item: &ImageItem) -> Self {
        let group = adw::PreferencesGroup::builder().title(gettext("Names")).build();
        let names = Self { group, rows: Rc::default(), context: context.clone(), item: item.clone() };
        names.fill();
        names
    }

    fn fill(&self) {
        for row in self.rows.take() {
            self.group.remove(&row);
        }
        let known = self.item.data().map(|image| image.names).unwrap_or_default();
        for name in &known {
            let row = adw::ActionRow::builder().title(glib::markup_escape_text(name)).title_selectable(true).build();
            let copied = name.clone();
            row.add_suffix(&copy::button(move || copied.clone()));
            if known.len() > 1 {
                row.add_suffix(&self.remove_button(name));
            }
            self.add(row.upcast());
        }
        let field = adw::EntryRow::builder().title(gettext("Add a Name")).show_apply_button(true).build();
        let (context, item) = (self.context.clone(), self.item.clone());
        field.connect_apply(move |field| actions::name(&context, &item, field.text().trim()));
        self.add(field.upcast());
    }

    fn add(&self, row: adw::PreferencesRow) {
        self.group.add(&row);
        self.rows.borrow_mut().push(row);
    }

    fn remove_button(&self, name: &str) -> gtk::Button {
        let text = fill(&gettext("Remove the Name {}"), &[name]);
        let button = icon_button::in_row("user-trash-symbolic", &text);
        let (context, item, name) = (self.context.clone(), self.item.clone(), name.to_owned());
        button.connect_clicked(move |_| actions::unname(&context, &item, &name));
        button
    }
}

fn defaults_rows(defaults: &Defaults) -> Vec<adw::ActionRow> {
    let mut rows = Vec::new();
    let command = shell_words::join(defaults.entrypoint.iter().chain(&defaults.command));
    if !command.is_empty() {
        rows.push(fact::row(&gettext("Command"), &command));
    }
    if !defaults.ports.is_empty() {
        let ports: Vec<String> =
            defaults.ports.iter().map(|(number, protocol)| format!("{number}{}", protocol.suffix())).collect();
        rows.push(fact::row(&gettext("Listens On"), &ports.join(", ")));
    }
    if !defaults.volumes.is_empty() {
        rows.push(fact::row(&gettext("Keeps Files In"), &defaults.volumes.join(", ")));
    }
    rows
}
