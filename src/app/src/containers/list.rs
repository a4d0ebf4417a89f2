// SPDX-License-Identifier: GPL-3.0-or-later
//! The containers as a list: columns where there is room, rows of two lines where there is none.

use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk;
use relm4::gtk::{gio, glib};

use super::row;
use crate::model::{ContainerItem, Model, matches};
use crate::widgets::cells::Selecting;

/// What rows do when they are clicked.
#[derive(Clone)]
pub struct Clicks {
    /// The row's main action.
    pub main: Rc<dyn Fn(&ContainerItem)>,
    /// A row was chosen, or is no more.
    pub ticked: Rc<dyn Fn()>,
    /// The menu of a row.
    pub menu: Rc<dyn Fn(&ContainerItem) -> gio::Menu>,
}

/// Both shapes of the list over one model.
pub struct List {
    pub columns: gtk::ColumnView,
    pub rows: gtk::ListView,
    /// What is shown, in order.
    pub shown: gtk::SortListModel,
    /// Columns that leave when room gets scarce, the first to leave first.
    pub ports: gtk::ColumnViewColumn,
    pub age: gtk::ColumnViewColumn,
    check: gtk::ColumnViewColumn,
    filter: gtk::CustomFilter,
    sought: Rc<std::cell::RefCell<String>>,
    pub selecting: Selecting,
}

impl List {
    pub fn over(model: &Model, clicks: &Clicks) -> Self {
        let sought = Rc::new(std::cell::RefCell::new(String::new()));
        let filter = gtk::CustomFilter::new({
            let sought = sought.clone();
            move |object| {
                object.downcast_ref::<ContainerItem>().is_some_and(|item| {
                    let texts = [item.name(), item.image(), item.state_word(), item.ports(), item.id()];
                    matches(&sought.borrow(), &texts.each_ref().map(String::as_str))
                })
            }
        });
        let filtered = gtk::FilterListModel::new(Some(model.containers.store().clone()), Some(filter.clone()));
        let selecting = Selecting::default();
        let columns =
            gtk::ColumnView::builder().single_click_activate(true).hexpand(true).css_classes(["containers"]).build();
        columns.update_property(&[gtk::accessible::Property::Label(&gettext("Containers"))]);

        let check = column("", row::check_factory(clicks), None);
        check.set_visible(false);
        let name = column(&gettext("Name"), row::name_factory(), Some(&text_sorter("name")));
        name.set_expand(true);
        let image = column(&gettext("Image"), row::Cells::text("image", &["dim-label"]), Some(&text_sorter("image")));
        image.set_expand(true);
        let state = column(&gettext("State"), row::state_factory(), Some(&text_sorter("state-word")));
        state.set_fixed_width(150);
        let ports = column(&gettext("Ports"), row::Cells::text("ports", &["numeric"]), None);
        ports.set_fixed_width(170);
        let age = column(&gettext("Created"), row::Cells::text("age", &["dim-label"]), Some(&age_sorter()));
        age.set_fixed_width(140);
        let act = column("", row::act_factory(clicks), None);
        act.set_fixed_width(96);
        for column in [&check, &name, &image, &state, &ports, &age, &act] {
            columns.append_column(column);
        }

        let shown = gtk::SortListModel::new(Some(filtered), columns.sorter());
        columns.sort_by_column(Some(&name), gtk::SortType::Ascending);
        columns.set_model(Some(&gtk::NoSelection::new(Some(shown.clone()))));

        let rows = gtk::ListView::builder()
            .single_click_activate(true)
            .model(&gtk::NoSelection::new(Some(shown.clone())))
            .factory(&row::narrow_factory(clicks, &selecting))
            .css_classes(["containers", "narrow"])
            .build();
        rows.update_property(&[gtk::accessible::Property::Label(&gettext("Containers"))]);
        Self { columns, rows, shown, ports, age, check, filter, sought, selecting }
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

    /// The container in row `position`.
    pub fn at(&self, position: u32) -> Option<ContainerItem> {
        self.shown.item(position).and_downcast()
    }

    /// All that are shown.
    pub fn all(&self) -> Vec<ContainerItem> {
        (0..self.shown.n_items()).filter_map(|position| self.at(position)).collect()
    }
}

fn column(title: &str, factory: gtk::SignalListItemFactory, sorter: Option<&gtk::Sorter>) -> gtk::ColumnViewColumn {
    let column = gtk::ColumnViewColumn::new(Some(title), Some(factory));
    column.set_sorter(sorter);
    column
}

fn text_sorter(property: &'static str) -> gtk::Sorter {
    let expression = gtk::PropertyExpression::new(ContainerItem::static_type(), gtk::Expression::NONE, property);
    gtk::StringSorter::builder().expression(&expression).ignore_case(true).build().upcast()
}

/// The newest first.
fn age_sorter() -> gtk::Sorter {
    gtk::CustomSorter::new(|one, other| {
        let created = |object: &glib::Object| object.downcast_ref().map_or(0, ContainerItem::created);
        created(other).cmp(&created(one)).into()
    })
    .upcast()
}
