// SPDX-License-Identifier: GPL-3.0-or-later
//! Rows that are added and taken away in the dialog that runs a container: a port, a volume, a variable.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::form::{EnvField, PortField, VolumeField};
use crate::connection::Protocol;
use crate::widgets::fields::{Frame, MountFields, PairFields, PortFields, Told};

/// The protocols that can be published.
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// A published port.
pub struct PortRow {
    frame: Frame,
    fields: PortFields,
}

impl PortRow {
    pub fn new(field: &PortField, told: &Told) -> Self {
        let frame = Frame::new(&gettext("Port"), &gettext("Remove Port"), told);
        let fields = frame.port(&PROTOCOLS.map(Protocol::name), told);
        for (entry, text) in [(&fields.host, &field.host), (&fields.container, &field.container)] {
            entry.set_input_purpose(gtk::InputPurpose::Digits);
            entry.set_text(text);
        }
        let chosen = PROTOCOLS.iter().position(|protocol| *protocol == field.protocol);
        fields.protocol.set_selected(chosen.and_then(|index| u32::try_from(index).ok()).unwrap_or_default());
        Self { frame, fields }
    }

    pub fn row(&self) -> &adw::PreferencesRow {
        &self.frame.row
    }

    pub fn field(&self) -> PortField {
        let chosen = usize::try_from(self.fields.protocol.selected()).ok();
        PortField {
            host: self.fields.host.text().trim().to_owned(),
            container: self.fields.container.text().trim().to_owned(),
            protocol: chosen.and_then(|index| PROTOCOLS.get(index)).copied().unwrap_or_default(),
        }
    }

    /// Says what is wrong (`insist`: also in a row that nobody has left yet); answers whether nothing is. `taken` tells
    /// what stands against a port of the host.
    pub fn check(&self, insist: bool, taken: impl Fn(&PortField) -> Option<String>) -> bool {
        let field = self.field();
        let host = field.wrong_host().or_else(|| taken(&field));
        self.frame.say(&[(&self.fields.host, host), (&self.fields.container, field.wrong_container())], insist)
    }
}

/// A folder of the host or a volume.
pub struct VolumeRow {
    frame: Frame,
    fields: MountFields,
}

impl VolumeRow {
    pub fn new(field: &VolumeField, told: &Told) -> Self {
        let frame = Frame::new(&gettext("Volume"), &gettext("Remove Volume"), told);
        let fields = frame.mount(told);
        fields.source.set_text(&field.source);
        fields.destination.set_text(&field.destination);
        fields.read_only.set_active(field.read_only);
        Self { frame, fields }
    }

    pub fn row(&self) -> &adw::PreferencesRow {
        &self.frame.row
    }

    pub fn field(&self) -> VolumeField {
        VolumeField {
            source: self.fields.source.text().trim().to_owned(),
            destination: self.fields.destination.text().trim().to_owned(),
            read_only: self.fields.read_only.is_active(),
        }
    }

    pub fn check(&self, insist: bool) -> bool {
        let field = self.field();
        let source = (&self.fields.source, field.wrong_source());
        self.frame.say(&[source, (&self.fields.destination, field.wrong_destination())], insist)
    }
}

/// A variable of the environment.
pub struct EnvRow {
    frame: Frame,
    fields: PairFields,
}

impl EnvRow {
    pub fn new(field: &EnvField, told: &Told) -> Self {
        let frame = Frame::new(&gettext("Variable"), &gettext("Remove Variable"), told);
        let fields = frame.pair(told);
        fields.name.set_text(&field.name);
        fields.value.set_text(&field.value);
        Self { frame, fields }
    }

    pub fn row(&self) -> &adw::PreferencesRow {
        &self.frame.row
    }

    pub fn field(&self) -> EnvField {
        EnvField { name: self.fields.name.text().trim().to_owned(), value: self.fields.value.text().into() }
    }

    pub fn check(&self, insist: bool) -> bool {
        self.frame.say(&[(&self.fields.name, self.field().wrong())], insist)
    }
}
