// SPDX-License-Identifier: GPL-3.0-or-later
//! A field with any number of values: a row for each, of the parts that it is put together from, and a button that adds one.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use haulout_quadlet::form::{Field, Parts, Shape};
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

use super::completion::OffersOf;
use super::names;
use crate::widgets::fields::{Frame, MountFields, PairFields, PortFields, Told};
use crate::widgets::offer;

/// The protocols of ports.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// The rows.
pub struct List {
    pub group: adw::PreferencesGroup,
    inner: Rc<Inner>,
}

struct Inner {
    group: adw::PreferencesGroup,
    add: adw::ButtonRow,
    field: Field,
    parts: Parts,
    offers: Option<OffersOf>,
    rows: RefCell<Vec<ValueRow>>,
    changed: Rc<dyn Fn(Vec<String>)>,
}

/// A value.
struct ValueRow {
    frame: Frame,
    parts: Parts,
    cells: Vec<Part>,
    /// As it is written, or would be.
    value: Rc<RefCell<String>>,
    /// The cells are being filled.
    filling: Rc<Cell<bool>>,
}

/// A part of a value.
#[derive(Clone)]
enum Part {
    Entry(gtk::Entry),
    /// This word when it is on.
    Toggle(gtk::ToggleButton, &'static str),
    /// One of the protocols; the first need not be said.
    Protocol(gtk::DropDown, Rc<RefCell<String>>),
    /// Kept as it is.
    Hidden(Rc<RefCell<String>>),
}

impl List {
    pub fn new(field: &Field, changed: Rc<dyn Fn(Vec<String>)>, offers: Option<OffersOf>) -> Self {
        let (Shape::Lines(parts) | Shape::Words(parts)) = field.shape else { unreachable!("{field:?} is no list") };
        let group = adw::PreferencesGroup::builder().title(names::field(field)).build();
        let add = adw::ButtonRow::builder()
            .title(names::add(field))
            .use_underline(true)
            .start_icon_name("list-add-symbolic")
            .build();
        group.add(&add);
        let inner = Rc::new(Inner {
            group: group.clone(),
            add: add.clone(),
            field: *field,
            parts,
            offers,
            rows: RefCell::default(),
            changed,
        });
        let weak = Rc::downgrade(&inner);
        add.connect_activated(move |_| {
            if let Some(inner) = weak.upgrade() {
                let row = inner.push("");
                glib::idle_add_local_once(move || {
                    row.child_focus(gtk::DirectionType::TabForward);
                });
            }
        });
        Self { group, inner }
    }

    /// Makes the rows be those of `values`, and says what is wrong with each. Rows that nobody has filled in stay.
    pub fn show(&self, values: &[&str], wrong: &[Option<String>]) {
        let filled = |row: &ValueRow| !row.value.borrow().trim().is_empty();
        let surplus: Vec<adw::PreferencesRow> = {
            let rows = self.inner.rows.borrow();
            rows.iter().filter(|row| filled(row)).skip(values.len()).map(|row| row.frame.row.clone()).collect()
        };
        for row in &surplus {
            self.inner.remove(row);
        }
        let known = self.inner.rows.borrow().iter().filter(|row| filled(row)).count();
        for (row, value) in self.inner.rows.borrow().iter().filter(|row| filled(row)).zip(values) {
            row.show(value);
        }
        for value in values.iter().skip(known) {
            self.inner.push(value);
        }
        let mut wrong = wrong.iter();
        for row in self.inner.rows.borrow().iter() {
            let wrong = if filled(row) { wrong.next().and_then(Option::as_deref) } else { None };
            row.frame.tell(wrong);
        }
    }
}

impl Inner {
    /// Adds a row at the end; the button stays last.
    fn push(self: &Rc<Self>, value: &str) -> adw::PreferencesRow {
        let row = ValueRow::new(self, value);
        let widget = row.frame.row.clone();
        self.group.remove(&self.add);
        self.group.add(&widget);
        self.group.add(&self.add);
        self.rows.borrow_mut().push(row);
        widget
    }

    fn remove(&self, row: &adw::PreferencesRow) {
        self.rows.borrow_mut().retain(|known| known.frame.row != *row);
        self.group.remove(row);
    }

    fn tell(&self) {
        let all: Vec<String> = self.rows.borrow().iter().map(|row| row.value.borrow().clone()).collect();
        (self.changed)(all.into_iter().filter(|value| !value.trim().is_empty()).collect());
    }
}

impl ValueRow {
    fn new(list: &Rc<Inner>, value: &str) -> Self {
        let parts = list.parts;
        let (held, filling) = (Rc::new(RefCell::new(value.to_owned())), Rc::new(Cell::new(false)));
        let cells: Rc<RefCell<Vec<Part>>> = Rc::default();
        let told = told(list, parts, &cells, &held, &filling);
        let frame = Frame::new(&names::one(&list.field), &names::remove(&list.field), &told);
        let built = self::cells(list, &frame, &told);
        for cell in &built {
            if let Part::Entry(entry) = cell {
                entry.set_enable_undo(false);
            }
        }
        cells.replace(built.clone());
        let row = Self { frame, parts, cells: built, value: held, filling };
        row.fill(value);
        row
    }

    fn show(&self, value: &str) {
        if self.value.borrow().trim() != value {
            self.value.replace(value.to_owned());
            self.fill(value);
        }
    }

    fn fill(&self, value: &str) {
        self.filling.set(true);
        for (cell, part) in self.cells.iter().zip(self.parts.split(value)) {
            cell.set(&part);
        }
        self.filling.set(false);
    }
}

/// What the fields of a row call: what they say is put together, and told.
fn told(
    list: &Rc<Inner>,
    parts: Parts,
    cells: &Rc<RefCell<Vec<Part>>>,
    held: &Rc<RefCell<String>>,
    filling: &Rc<Cell<bool>>,
) -> Told {
    let (list, gone): (Weak<Inner>, Weak<Inner>) = (Rc::downgrade(list), Rc::downgrade(list));
    let (cells, held, filling) = (cells.clone(), held.clone(), filling.clone());
    Told {
        changed: Rc::new(move || {
            if filling.get() {
                return;
            }
            let said: Vec<String> = cells.borrow().iter().map(Part::get).collect();
            let value = parts.join(&said);
            if *held.borrow() != value {
                held.replace(value);
                if let Some(list) = list.upgrade() {
                    list.tell();
                }
            }
        }),
        removed: Rc::new(move |row| {
            if let Some(list) = gone.upgrade() {
                list.remove(row);
                list.tell();
            }
        }),
    }
}

/// The cells of a row, in the order of its parts.
fn cells(list: &Rc<Inner>, frame: &Frame, told: &Told) -> Vec<Part> {
    match list.parts {
        Parts::Whole => {
            let (beside, entry) = frame.whole(&names::one(&list.field), told);
            if let Some(offers) = list.offers.clone() {
                beside.append(&offer::button(&entry, move || offers()));
            }
            vec![Part::Entry(entry)]
        }
        Parts::Pair => {
            let PairFields { name, value } = frame.pair(told);
            vec![Part::Entry(name), Part::Entry(value)]
        }
        Parts::Port => {
            let PortFields { host, container, protocol } = frame.port(&PROTOCOLS, told);
            vec![Part::Entry(host), Part::Entry(container), Part::Protocol(protocol, Rc::default())]
        }
        Parts::Mount => {
            let MountFields { source, destination, read_only } = frame.mount(told);
            let (source, destination) = (Part::Entry(source), Part::Entry(destination));
            vec![source, destination, Part::Toggle(read_only, "ro"), Part::Hidden(Rc::default())]
        }
    }
}

impl Part {
    fn get(&self) -> String {
        match self {
            Self::Entry(entry) => entry.text().into(),
            Self::Toggle(button, word) => if button.is_active() { *word } else { "" }.to_owned(),
            Self::Protocol(chosen, said) => {
                let word = usize::try_from(chosen.selected()).ok().and_then(|index| PROTOCOLS.get(index));
                match (word, said.borrow().as_str()) {
                    // As it was written.
                    (Some(word), said) if said.eq_ignore_ascii_case(word) => said.to_owned(),
                    (None, said) => said.to_owned(),
                    (Some(word), _) if *word == PROTOCOLS[0] => String::new(),
                    (Some(word), _) => (*word).to_owned(),
                }
            }
            Self::Hidden(text) => text.borrow().clone(),
        }
    }

    fn set(&self, text: &str) {
        match self {
            Self::Entry(entry) => {
                if entry.text() != text {
                    entry.set_text(text);
                }
            }
            Self::Toggle(button, word) => button.set_active(text == *word),
            Self::Protocol(chosen, said) => {
                said.replace(text.to_owned());
                let known = PROTOCOLS.iter().position(|protocol| protocol.eq_ignore_ascii_case(text));
                let index = if text.is_empty() { Some(0) } else { known };
                chosen.set_selected(
                    index.and_then(|index| u32::try_from(index).ok()).unwrap_or(gtk::INVALID_LIST_POSITION),
                );
            }
            Self::Hidden(held) => drop(held.replace(text.to_owned())),
        }
    }
}
