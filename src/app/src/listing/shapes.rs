// SPDX-License-Identifier: GPL-3.0-or-later
//! The two shapes of a list over one model: columns where there is room, rows of two lines where there is none.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::gtk::glib;
use relm4::gtk::prelude::*;
use relm4::{adw, gtk};

use super::cells::{Cells, Selecting};
use super::{Clicked, Noun, buttons};
use crate::model::{Model, matches};

/// The column of the buttons: two of them and their spacing.
const BUTTONS_WIDTH: i32 = 96;

/// A column of a list.
pub struct Column {
    column: gtk::ColumnViewColumn,
    leaves_below: Option<f64>,
}

impl Column {
    /// One that takes what room there is.
    pub fn new(title: &str, factory: gtk::SignalListItemFactory) -> Self {
        let column = gtk::ColumnViewColumn::new(Some(title), Some(factory));
        column.set_expand(true);
        Self { column, leaves_below: None }
    }

    /// Of the names of things: the first one, by which the list is sorted.
    pub fn names<T: IsA<glib::Object>>() -> Self {
        let end = gtk::pango::EllipsizeMode::End;
        let name = Cells::<T>::factory(move |row| {
            let label = Cells::<T>::label(row, "name", end, &["heading"]);
            Cells::<T>::bind(row, "name", &label, "tooltip-text");
            label.upcast()
        });
        Self::new(&gettext("Name"), name).sorted(&by_text::<T>("name"))
    }

    /// Of the states of things, as wide as this, in scaled pixels.
    pub fn states<T: IsA<glib::Object>>(width: i32) -> Self {
        let state = Cells::<T>::factory(|row| Cells::<T>::state(row, true));
        Self::new(&gettext("State"), state).width(width).sorted(&by_text::<T>("state-word"))
    }

    /// Always as wide as this, in scaled pixels: as words are, it is wider where people have chosen large text.
    pub fn width(self, width: i32) -> Self {
        self.column.set_expand(false);
        let Some(settings) = gtk::Settings::default() else { return self };
        let column = self.column.downgrade();
        let fit = move |settings: &gtk::Settings| {
            let pixels = adw::LengthUnit::Sp.to_px(width.into(), Some(settings));
            if let Some(column) = column.upgrade() {
                #[allow(clippy::cast_possible_truncation, reason = "pixels of a window")]
                column.set_fixed_width(pixels.round() as i32);
            }
        };
        fit(&settings);
        settings.connect_gtk_xft_dpi_notify(fit);
        self
    }

    /// A click on its title sorts by this.
    pub fn sorted(self, sorter: &gtk::Sorter) -> Self {
        self.column.set_sorter(Some(sorter));
        self
    }

    /// It is not shown where the list is narrower than this, in scaled pixels.
    pub fn leaves_below(self, width: f64) -> Self {
        Self { leaves_below: Some(width), ..self }
    }
}

/// A sorter of objects by `compare`.
pub fn by<T: IsA<glib::Object>>(compare: impl Fn(&T, &T) -> Ordering + 'static) -> gtk::Sorter {
    gtk::CustomSorter::new(move |one: &glib::Object, other: &glib::Object| {
        match (one.downcast_ref(), other.downcast_ref()) {
            (Some(one), Some(other)) => compare(one, other).into(),
            _ => gtk::Ordering::Equal,
        }
    })
    .upcast()
}

/// A sorter of objects by the text of a property, as people sort.
pub fn by_text<T: IsA<glib::Object>>(property: &str) -> gtk::Sorter {
    let expression = gtk::PropertyExpression::new(T::static_type(), gtk::Expression::NONE, property);
    gtk::StringSorter::builder().expression(&expression).ignore_case(true).build().upcast()
}

/// What a row tells its page.
pub struct Clicks<T> {
    /// Its main button was clicked.
    pub main: Clicked<T>,
    /// It was ticked, or is no more.
    pub ticked: Rc<dyn Fn()>,
}

/// Both shapes.
pub struct Shapes<N: Noun> {
    pub columns: gtk::ColumnView,
    pub rows: gtk::ListView,
    /// What is shown, in order.
    pub shown: gtk::SortListModel,
    pub selecting: Selecting,
    /// Columns, and below which width they leave.
    leaving: Vec<(f64, gtk::ColumnViewColumn)>,
    check: gtk::ColumnViewColumn,
    filter: gtk::CustomFilter,
    sought: Rc<RefCell<String>>,
    noun: std::marker::PhantomData<N>,
}

impl<N: Noun> Shapes<N> {
    pub fn over(model: &Model, clicks: Clicks<N::Item>) -> Self {
        let sought = Rc::new(RefCell::new(String::new()));
        let filter = gtk::CustomFilter::new({
            let sought = sought.clone();
            move |object| {
                object.downcast_ref::<N::Item>().is_some_and(|item| {
                    let texts = N::texts(item);
                    matches(&sought.borrow(), &texts.iter().map(String::as_str).collect::<Vec<_>>())
                })
            }
        });
        let filtered = gtk::FilterListModel::new(Some(N::things(model).store().clone()), Some(filter.clone()));
        let columns = gtk::ColumnView::builder().single_click_activate(true).hexpand(true).build();
        let Clicks { main, ticked } = clicks;

        let check_ticked = ticked.clone();
        let check =
            Column::new("", Cells::<N::Item>::factory(move |row| Cells::<N::Item>::check(row, &check_ticked).upcast()));
        check.column.set_expand(false);
        check.column.set_visible(false);
        columns.append_column(&check.column);
        let between = N::columns();
        for column in &between {
            columns.append_column(&column.column);
        }
        let clicked = main.clone();
        let act = Column::new("", Cells::<N::Item>::factory(move |row| buttons::<N>(row, &clicked).upcast()));
        columns.append_column(&act.width(BUTTONS_WIDTH).column);
        let shown = gtk::SortListModel::new(Some(filtered), columns.sorter());
        columns.sort_by_column(between.first().map(|column| &column.column), gtk::SortType::Ascending);
        columns.set_model(Some(&gtk::NoSelection::new(Some(shown.clone()))));

        let selecting = Selecting::default();
        let rows = gtk::ListView::builder()
            .single_click_activate(true)
            .model(&gtk::NoSelection::new(Some(shown.clone())))
            .factory(&narrow::<N>(main, ticked, selecting.clone()))
            .build();
        let title = N::words().title;
        for list in [columns.upcast_ref::<gtk::Widget>(), rows.upcast_ref()] {
            list.add_css_class("listing");
            list.update_property(&[gtk::accessible::Property::Label(&title)]);
        }
        let leaving = between.into_iter().filter_map(|column| Some((column.leaves_below?, column.column))).collect();
        Self {
            columns,
            rows,
            shown,
            selecting,
            leaving,
            check: check.column,
            filter,
            sought,
            noun: std::marker::PhantomData,
        }
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

    /// The thing in row `position`.
    pub fn at(&self, position: u32) -> Option<N::Item> {
        self.shown.item(position).and_downcast()
    }

    /// All that are shown.
    pub fn all(&self) -> Vec<N::Item> {
        (0..self.shown.n_items()).filter_map(|position| self.at(position)).collect()
    }

    /// What makes columns leave, the widest first: of breakpoints that hold at once only the last has its way.
    pub fn breakpoints(&self) -> Vec<adw::Breakpoint> {
        let mut widths: Vec<f64> = self.leaving.iter().map(|(width, _)| *width).collect();
        widths.sort_by(|one, other| other.total_cmp(one));
        widths.dedup();
        let at = |width| {
            let breakpoint = super::page::below(width);
            for (_, column) in self.leaving.iter().filter(|(leaves, _)| *leaves >= width) {
                breakpoint.add_setter(column, "visible", Some(&false.to_value()));
            }
            breakpoint
        };
        widths.into_iter().map(at).collect()
    }
}

/// Two lines, for a window as narrow as a telephone.
fn narrow<N: Noun>(main: Clicked<N::Item>, ticked: Rc<dyn Fn()>, selecting: Selecting) -> gtk::SignalListItemFactory {
    Cells::<N::Item>::factory(move |list_item| {
        let line = gtk::Box::builder().spacing(12).build();
        let check = Cells::<N::Item>::check(list_item, &ticked);
        selecting.watch(&check);
        line.append(&check);
        if let Some(lead) = N::lead(list_item) {
            line.append(&lead);
        }
        line.append(&Cells::<N::Item>::two_lines(list_item));
        let buttons = buttons::<N>(list_item, &main);
        buttons.set_spacing(0);
        line.append(&buttons);
        line.upcast()
    })
}
