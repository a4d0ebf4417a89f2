// SPDX-License-Identifier: GPL-3.0-or-later
//! The images as a list: columns where there is room, rows of two lines where there is none.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk;
use relm4::gtk::{gio, glib, pango};

use crate::language::fill;
use crate::model::{ImageItem, Model, matches};
use crate::widgets::cells::Selecting;

/// Cells of images.
type Cells = crate::widgets::cells::Cells<ImageItem>;

/// What rows do when they are clicked.
#[derive(Clone)]
pub struct Clicks {
    /// The row's main action: run it.
    pub main: Rc<dyn Fn(&ImageItem)>,
    /// A row was chosen, or is no more.
    pub ticked: Rc<dyn Fn()>,
    pub menu: Rc<dyn Fn(&ImageItem) -> gio::Menu>,
}

/// Both shapes of the list over one model.
pub struct List {
    pub columns: gtk::ColumnView,
    pub rows: gtk::ListView,
    pub shown: gtk::SortListModel,
    /// Columns that leave when room gets scarce.
    pub used: gtk::ColumnViewColumn,
    pub age: gtk::ColumnViewColumn,
    check: gtk::ColumnViewColumn,
    filter: gtk::CustomFilter,
    sought: Rc<RefCell<String>>,
    pub selecting: Selecting,
}

impl List {
    pub fn over(model: &Model, clicks: &Clicks) -> Self {
        let sought = Rc::new(RefCell::new(String::new()));
        let filter = gtk::CustomFilter::new({
            let sought = sought.clone();
            move |object| {
                object.downcast_ref::<ImageItem>().is_some_and(|item| {
                    let names = item.data().map(|data| data.names.join(" ")).unwrap_or_default();
                    matches(&sought.borrow(), &[&item.name(), &item.tag(), &names, &item.id()])
                })
            }
        });
        let filtered = gtk::FilterListModel::new(Some(model.images.store().clone()), Some(filter.clone()));
        let columns =
            gtk::ColumnView::builder().single_click_activate(true).hexpand(true).css_classes(["images"]).build();
        columns.update_property(&[gtk::accessible::Property::Label(&gettext("Images"))]);
        let selecting = Selecting::default();

        let ticked = clicks.ticked.clone();
        let check = column("", Cells::factory(move |list_item| Cells::check(list_item, &ticked).upcast()), None);
        check.set_visible(false);
        let name = Cells::factory(|list_item| {
            Cells::label(list_item, "name", pango::EllipsizeMode::Middle, &["heading"]).upcast()
        });
        let name = column(&gettext("Name"), name, Some(&by(|one, other| one.name().cmp(&other.name()))));
        name.set_expand(true);
        let tag = column(&gettext("Tag"), Cells::text("tag", &[]), None);
        tag.set_fixed_width(130);
        let size = column(
            &gettext("Size"),
            Cells::text("size", &["numeric"]),
            Some(&by(|one, other| one.byte_count().cmp(&other.byte_count()))),
        );
        size.set_fixed_width(110);
        let used = column(
            &gettext("Used By"),
            Cells::text("used", &["dim-label"]),
            Some(&by(|one, other| other.uses().cmp(&one.uses()))),
        );
        used.set_fixed_width(140);
        let age = column(
            &gettext("Built"),
            Cells::text("age", &["dim-label"]),
            Some(&by(|one, other| other.created().cmp(&one.created()))),
        );
        age.set_fixed_width(140);
        let main = clicks.clone();
        let act = column("", Cells::factory(move |list_item| buttons(list_item, &main).upcast()), None);
        act.set_fixed_width(96);
        for column in [&check, &name, &tag, &size, &used, &age, &act] {
            columns.append_column(column);
        }
        let shown = gtk::SortListModel::new(Some(filtered), columns.sorter());
        columns.sort_by_column(Some(&name), gtk::SortType::Ascending);
        columns.set_model(Some(&gtk::NoSelection::new(Some(shown.clone()))));

        let rows = gtk::ListView::builder()
            .single_click_activate(true)
            .model(&gtk::NoSelection::new(Some(shown.clone())))
            .factory(&narrow(clicks, &selecting))
            .css_classes(["images", "narrow"])
            .build();
        rows.update_property(&[gtk::accessible::Property::Label(&gettext("Images"))]);
        Self { columns, rows, shown, used, age, check, filter, sought, selecting }
    }

    /// Shows only what matches.
    pub fn seek(&self, text: &str) {
        self.sought.replace(text.to_owned());
        self.filter.changed(gtk::FilterChange::Different);
    }

    /// Shows boxes to tick, or none any more.
    pub fn select(&self, on: bool) {
        self.check.set_visible(on);
        self.selecting.set(on);
    }

    pub fn at(&self, position: u32) -> Option<ImageItem> {
        self.shown.item(position).and_downcast()
    }

    pub fn all(&self) -> Vec<ImageItem> {
        (0..self.shown.n_items()).filter_map(|position| self.at(position)).collect()
    }
}

fn column(title: &str, factory: gtk::SignalListItemFactory, sorter: Option<&gtk::Sorter>) -> gtk::ColumnViewColumn {
    let column = gtk::ColumnViewColumn::new(Some(title), Some(factory));
    column.set_sorter(sorter);
    column
}

fn by(compare: impl Fn(&ImageItem, &ImageItem) -> Ordering + 'static) -> gtk::Sorter {
    gtk::CustomSorter::new(move |one: &glib::Object, other: &glib::Object| {
        match (one.downcast_ref(), other.downcast_ref()) {
            (Some(one), Some(other)) => compare(one, other).into(),
            _ => gtk::Ordering::Equal,
        }
    })
    .upcast()
}

fn buttons(list_item: &glib::Object, clicks: &Clicks) -> gtk::Box {
    let run = gtk::Button::builder()
        .icon_name("media-playback-start-symbolic")
        .tooltip_text(gettext("Run a Container…"))
        .valign(gtk::Align::Center)
        .css_classes(["flat", "circular"])
        .build();
    let shown = run.downgrade();
    Cells::follow(list_item, &["name", "busy"], move |item| {
        if let Some(run) = shown.upgrade() {
            let text = fill(&gettext("Run a Container from {}"), &[&item.name()]);
            run.update_property(&[gtk::accessible::Property::Label(&text)]);
            run.set_sensitive(!item.busy());
        }
    });
    let (weak, main) = (list_item.downgrade(), clicks.main.clone());
    run.connect_clicked(move |_| {
        if let Some(item) = weak.upgrade().as_ref().and_then(Cells::item) {
            main(&item);
        }
    });
    let both = gtk::Box::builder().spacing(6).halign(gtk::Align::End).build();
    both.append(&run);
    both.append(&Cells::menu_button(list_item, &clicks.menu));
    both
}

fn narrow(clicks: &Clicks, selecting: &Selecting) -> gtk::SignalListItemFactory {
    let (clicks, selecting) = (clicks.clone(), selecting.clone());
    Cells::factory(move |list_item| {
        let line = gtk::Box::builder().spacing(12).build();
        let check = Cells::check(list_item, &clicks.ticked);
        selecting.watch(&check);
        line.append(&check);
        line.append(&Cells::two_lines(list_item));
        let buttons = buttons(list_item, &clicks);
        buttons.set_spacing(0);
        line.append(&buttons);
        line.upcast()
    })
}
