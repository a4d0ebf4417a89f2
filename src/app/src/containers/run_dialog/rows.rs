// SPDX-License-Identifier: GPL-3.0-or-later
//! Rows that are added and taken away in the dialog that runs a container: a port, a volume, a variable.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::form::{EnvField, PortField, VolumeField};
use crate::widgets::fields::{Frame, Told, arrow, choose_folder};

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
