// SPDX-License-Identifier: GPL-3.0-or-later
//! What forms are put together from: rows of fields that can be taken away, what is wrong with a field, a folder to choose.

use std::cell::Cell;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::icon_button::{self, Wordless as _};
use crate::language::is_right_to_left;

/// How many characters a port's field is wide at least. It grows; this is for large text in a narrow window.
const PORT_WIDTH: i32 = 4;

/// What rows that can be taken away share: a box of fields, a button that takes the row away, a line for what is wrong.
pub struct Frame {
    pub row: adw::PreferencesRow,
    fields: gtk::Box,
    wrong: gtk::Label,
    /// What is wrong is said only once the row was left or the dialog was asked to go on.
    said: Rc<Cell<bool>>,
}

/// Called when something was typed, and when the row is to go.
#[derive(Clone)]
pub struct Told {
    pub changed: Rc<dyn Fn()>,
    pub removed: Rc<dyn Fn(&adw::PreferencesRow)>,
}

/// Of a published port.
pub struct PortFields {
    pub host: gtk::Entry,
    pub container: gtk::Entry,
    pub protocol: gtk::DropDown,
}

/// Of a folder of the host or a volume.
pub struct MountFields {
    pub source: gtk::Entry,
    pub destination: gtk::Entry,
    pub read_only: gtk::ToggleButton,
}

/// Of a variable of the environment, or whatever else has a name and a value.
pub struct PairFields {
    pub name: gtk::Entry,
    pub value: gtk::Entry,
}

impl Frame {
    pub fn new(title: &str, remove: &str, told: &Told) -> Self {
        let fields = gtk::Box::builder().spacing(6).hexpand(true).build();
        let away = icon_button::in_row("user-trash-symbolic", remove);
        let line = gtk::Box::builder().spacing(6).build();
        line.append(&fields);
        line.append(&away);
        let wrong =
            gtk::Label::builder().xalign(0.0).wrap(true).visible(false).css_classes(["error", "caption"]).build();
        let all = gtk::Box::builder()
            .orientation(gtk::Orientation::Vertical)
            .spacing(6)
            .margin_start(12)
            .margin_end(6)
            .margin_top(8)
            .margin_bottom(8)
            .build();
        all.append(&line);
        all.append(&wrong);
        let row = adw::PreferencesRow::builder().title(title).activatable(false).focusable(false).child(&all).build();
        let (gone, removed) = (row.downgrade(), told.removed.clone());
        away.connect_clicked(move |_| {
            if let Some(row) = gone.upgrade() {
                removed(&row);
            }
        });
        Self { row, fields, wrong, said: Rc::default() }
    }

    /// Fills the row with one field; what is to stand beside it can be appended to the box.
    pub fn whole(&self, label: &str, told: &Told) -> (gtk::Box, gtk::Entry) {
        let entry = self.entry(label, 10, told);
        self.fields.append(&entry);
        (self.fields.clone(), entry)
    }

    fn entry(&self, label: &str, width: i32, told: &Told) -> gtk::Entry {
        let entry = gtk::Entry::builder()
            .placeholder_text(label)
            .hexpand(true)
            .width_chars(width)
            .max_width_chars(width.max(12))
            .build();
        entry.update_property(&[gtk::accessible::Property::Label(label)]);
        let changed = told.changed.clone();
        entry.connect_changed(move |_| changed());
        let (said, changed) = (self.said.clone(), told.changed.clone());
        let focus = gtk::EventControllerFocus::new();
        focus.connect_leave(move |_| {
            said.set(true);
            changed();
        });
        entry.add_controller(focus);
        entry
    }

    /// Fills the row with the fields of a published port: its protocol is one of `protocols`.
    pub fn port(&self, protocols: &[&str], told: &Told) -> PortFields {
        let host = self.entry(&gettext("Host port"), PORT_WIDTH, told);
        let container = self.entry(&gettext("Container port"), PORT_WIDTH, told);
        let names: Vec<String> = protocols.iter().map(|protocol| protocol.to_uppercase()).collect();
        let protocol = gtk::DropDown::from_strings(&names.iter().map(String::as_str).collect::<Vec<_>>());
        protocol.set_valign(gtk::Align::Center);
        protocol.update_property(&[gtk::accessible::Property::Label(&gettext("Protocol"))]);
        let changed = told.changed.clone();
        protocol.connect_selected_notify(move |_| changed());
        self.fields.append(&host);
        self.fields.append(&arrow());
        self.fields.append(&container);
        self.fields.append(&protocol);
        PortFields { host, container, protocol }
    }

    /// Fills the row with the fields of a folder or volume: two lines of them.
    pub fn mount(&self, told: &Told) -> MountFields {
        let source = self.entry(&gettext("Folder or volume name"), 10, told);
        let destination = self.entry(&gettext("Path in the container"), 10, told);
        let read_only =
            gtk::ToggleButton::builder().icon_name("changes-prevent-symbolic").css_classes(["flat"]).build();
        read_only.set_meaning(&gettext("Read Only"));
        let changed = told.changed.clone();
        read_only.connect_toggled(move |_| changed());
        let first = gtk::Box::builder().spacing(6).build();
        first.append(&source);
        first.append(&choose_folder(&source));
        let second = gtk::Box::builder().spacing(6).build();
        second.append(&arrow());
        second.append(&destination);
        second.append(&read_only);
        self.fields.set_orientation(gtk::Orientation::Vertical);
        self.fields.append(&first);
        self.fields.append(&second);
        MountFields { source, destination, read_only }
    }

    /// Fills the row with a name and its value.
    pub fn pair(&self, told: &Told) -> PairFields {
        let name = self.entry(&gettext("Name"), 8, told);
        let value = self.entry(&gettext("Value"), 8, told);
        self.fields.append(&name);
        self.fields.append(&gtk::Label::builder().label("=").css_classes(["dim-label"]).build());
        self.fields.append(&value);
        PairFields { name, value }
    }

    /// Says what is wrong with which of the fields; answers whether nothing is.
    pub fn say(&self, fields: &[(&gtk::Entry, Option<String>)], insist: bool) -> bool {
        if insist {
            self.said.set(true);
        }
        let said = self.said.get();
        for (entry, wrong) in fields {
            mark(*entry, said && wrong.is_some());
        }
        let first = fields.iter().find_map(|(_, wrong)| wrong.as_deref());
        self.tell(first.filter(|_| said));
        first.is_none()
    }

    /// Says below the fields what is wrong with them, or that nothing is.
    pub fn tell(&self, wrong: Option<&str>) {
        self.wrong.set_visible(wrong.is_some());
        self.wrong.set_text(wrong.unwrap_or_default());
    }
}

/// Marks a field as wrong, for eyes and for screen readers.
fn mark(field: &impl IsA<gtk::Widget>, wrong: bool) {
    let field = field.as_ref();
    let state = if wrong { gtk::AccessibleInvalidState::True } else { gtk::AccessibleInvalidState::False };
    field.update_state(&[gtk::accessible::State::Invalid(state)]);
    if wrong {
        field.add_css_class("error");
    } else {
        field.remove_css_class("error");
    }
}

/// What is wrong with the field in the row above this one.
#[derive(Clone)]
pub struct WrongRow {
    pub row: adw::PreferencesRow,
    label: gtk::Label,
}

impl WrongRow {
    pub fn new() -> Self {
        let label = gtk::Label::builder()
            .xalign(0.0)
            .wrap(true)
            .css_classes(["error", "caption"])
            .margin_start(12)
            .margin_end(12)
            .margin_top(8)
            .margin_bottom(8)
            .build();
        let row =
            adw::PreferencesRow::builder().activatable(false).focusable(false).visible(false).child(&label).build();
        Self { row, label }
    }

    /// Says it, or that nothing is; answers whether nothing is.
    pub fn say(&self, field: &adw::EntryRow, wrong: Option<&str>) -> bool {
        if self.label.text() != wrong.unwrap_or_default() {
            let widget: &gtk::Widget = field.upcast_ref();
            widget.update_relation(&[gtk::accessible::Relation::ErrorMessage(&[self.label.upcast_ref()])]);
            self.label.set_text(wrong.unwrap_or_default());
        }
        self.row.set_visible(wrong.is_some());
        mark(field, wrong.is_some());
        wrong.is_none()
    }
}

/// An arrow that says what leads into the container.
fn arrow() -> gtk::Label {
    let inward = if is_right_to_left() { "←" } else { "→" };
    let arrow = gtk::Label::builder().label(inward).css_classes(["dim-label"]).build();
    arrow.set_accessible_role(gtk::AccessibleRole::Presentation);
    arrow
}

/// A button that lets a folder of the host be chosen into `entry`.
fn choose_folder(entry: &gtk::Entry) -> gtk::Button {
    let button = icon_button::in_row("folder-open-symbolic", &gettext("Choose a Folder…"));
    let entry = entry.clone();
    button.connect_clicked(move |button| {
        let dialog = gtk::FileDialog::builder().title(gettext("Choose a Folder")).modal(true).build();
        let window = button.root().and_downcast::<gtk::Window>();
        let entry = entry.clone();
        relm4::spawn_local(async move {
            // Cancelled: nothing to say.
            if let Ok(folder) = dialog.select_folder_future(window.as_ref()).await
                && let Some(path) = folder.path()
            {
                entry.set_text(&path.to_string_lossy());
            }
        });
    });
    button
}
