// SPDX-License-Identifier: GPL-3.0-or-later
//! Rows that are added and taken away in the dialog that runs a container: a port, a volume, a variable.

use std::cell::Cell;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::form::{EnvField, PortField, VolumeField};

/// What all of them share: a box of fields, a button that takes the row away, a line for what is wrong.
struct Frame {
    row: adw::PreferencesRow,
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

impl Frame {
    fn new(title: &str, remove: &str, told: &Told) -> Self {
        let fields = gtk::Box::builder().spacing(6).hexpand(true).build();
        let away = gtk::Button::builder()
            .icon_name("user-trash-symbolic")
            .tooltip_text(remove)
            .valign(gtk::Align::Center)
            .css_classes(["flat"])
            .build();
        away.update_property(&[gtk::accessible::Property::Label(remove)]);
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

    /// Says what is wrong with which of the fields; answers whether nothing is.
    fn say(&self, fields: &[(&gtk::Entry, Option<String>)], insist: bool) -> bool {
        if insist {
            self.said.set(true);
        }
        let said = self.said.get();
        for (entry, wrong) in fields {
            mark(*entry, said && wrong.is_some());
        }
        let first = fields.iter().find_map(|(_, wrong)| wrong.as_deref());
        self.wrong.set_visible(said && first.is_some());
        self.wrong.set_text(first.unwrap_or_default());
        first.is_none()
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
    let arrow = gtk::Label::builder().label("→").css_classes(["dim-label"]).build();
    arrow.set_accessible_role(gtk::AccessibleRole::Presentation);
    arrow
}

/// A published port.
pub struct PortRow {
    frame: Frame,
    host: gtk::Entry,
    container: gtk::Entry,
    protocol: gtk::DropDown,
}

impl PortRow {
    pub fn new(field: &PortField, told: &Told) -> Self {
        let frame = Frame::new(&gettext("Port"), &gettext("Remove Port"), told);
        let host = frame.entry(&gettext("Host port"), 6, told);
        let container = frame.entry(&gettext("Container port"), 6, told);
        for (entry, text) in [(&host, &field.host), (&container, &field.container)] {
            entry.set_input_purpose(gtk::InputPurpose::Digits);
            entry.set_text(text);
        }
        let protocol = gtk::DropDown::from_strings(&["TCP", "UDP"]);
        protocol.set_selected(u32::from(field.udp));
        protocol.set_valign(gtk::Align::Center);
        protocol.update_property(&[gtk::accessible::Property::Label(&gettext("Protocol"))]);
        let changed = told.changed.clone();
        protocol.connect_selected_notify(move |_| changed());
        frame.fields.append(&host);
        frame.fields.append(&arrow());
        frame.fields.append(&container);
        frame.fields.append(&protocol);
        Self { frame, host, container, protocol }
    }

    pub fn row(&self) -> &adw::PreferencesRow {
        &self.frame.row
    }

    pub fn field(&self) -> PortField {
        PortField {
            host: self.host.text().trim().to_owned(),
            container: self.container.text().trim().to_owned(),
            udp: self.protocol.selected() == 1,
        }
    }

    /// Says what is wrong (`insist`: also in a row that nobody has left yet); answers whether nothing is. `taken` tells
    /// what stands against a port of the host.
    pub fn check(&self, insist: bool, taken: impl Fn(&PortField) -> Option<String>) -> bool {
        let field = self.field();
        let host = field.wrong_host().or_else(|| taken(&field));
        self.frame.say(&[(&self.host, host), (&self.container, field.wrong_container())], insist)
    }
}

/// A folder of the host or a volume.
pub struct VolumeRow {
    frame: Frame,
    source: gtk::Entry,
    destination: gtk::Entry,
    read_only: gtk::ToggleButton,
}

impl VolumeRow {
    pub fn new(field: &VolumeField, told: &Told) -> Self {
        let frame = Frame::new(&gettext("Volume"), &gettext("Remove Volume"), told);
        let source = frame.entry(&gettext("Folder or volume name"), 10, told);
        let destination = frame.entry(&gettext("Path in the container"), 10, told);
        source.set_text(&field.source);
        destination.set_text(&field.destination);
        let read_only = gtk::ToggleButton::builder()
            .icon_name("changes-prevent-symbolic")
            .tooltip_text(gettext("Read Only"))
            .active(field.read_only)
            .css_classes(["flat"])
            .build();
        read_only.update_property(&[gtk::accessible::Property::Label(&gettext("Read Only"))]);
        let changed = told.changed.clone();
        read_only.connect_toggled(move |_| changed());
        let first = gtk::Box::builder().spacing(6).build();
        first.append(&source);
        first.append(&choose_folder(&source));
        let second = gtk::Box::builder().spacing(6).build();
        second.append(&arrow());
        second.append(&destination);
        second.append(&read_only);
        frame.fields.set_orientation(gtk::Orientation::Vertical);
        frame.fields.append(&first);
        frame.fields.append(&second);
        Self { frame, source, destination, read_only }
    }

    pub fn row(&self) -> &adw::PreferencesRow {
        &self.frame.row
    }

    pub fn field(&self) -> VolumeField {
        VolumeField {
            source: self.source.text().trim().to_owned(),
            destination: self.destination.text().trim().to_owned(),
            read_only: self.read_only.is_active(),
        }
    }

    pub fn check(&self, insist: bool) -> bool {
        let field = self.field();
        let fields = [(&self.source, field.wrong_source()), (&self.destination, field.wrong_destination())];
        self.frame.say(&fields, insist)
    }
}

/// A button that lets a folder of the host be chosen into `entry`.
fn choose_folder(entry: &gtk::Entry) -> gtk::Button {
    let button = gtk::Button::builder()
        .icon_name("folder-open-symbolic")
        .tooltip_text(gettext("Choose a Folder…"))
        .css_classes(["flat"])
        .build();
    button.update_property(&[gtk::accessible::Property::Label(&gettext("Choose a Folder…"))]);
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

/// A variable of the environment.
pub struct EnvRow {
    frame: Frame,
    name: gtk::Entry,
    value: gtk::Entry,
}

impl EnvRow {
    pub fn new(field: &EnvField, told: &Told) -> Self {
        let frame = Frame::new(&gettext("Variable"), &gettext("Remove Variable"), told);
        let name = frame.entry(&gettext("Name"), 8, told);
        let value = frame.entry(&gettext("Value"), 8, told);
        name.set_text(&field.name);
        value.set_text(&field.value);
        let equals = gtk::Label::builder().label("=").css_classes(["dim-label"]).build();
        frame.fields.append(&name);
        frame.fields.append(&equals);
        frame.fields.append(&value);
        Self { frame, name, value }
    }

    pub fn row(&self) -> &adw::PreferencesRow {
        &self.frame.row
    }

    pub fn field(&self) -> EnvField {
        EnvField { name: self.name.text().trim().to_owned(), value: self.value.text().into() }
    }

    pub fn check(&self, insist: bool) -> bool {
        self.frame.say(&[(&self.name, self.field().wrong())], insist)
    }
}
