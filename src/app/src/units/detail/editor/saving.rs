// SPDX-License-Identifier: GPL-3.0-or-later
//! A unit's text and its file: what is read, what is not saved yet, and whose text it is to be when both have changed.

use gettextrs::gettext;
use relm4::ComponentSender;

use super::{Editor, Input};
use crate::connection::{UnitText, UnitWrite};
use crate::language::fill;
use crate::widgets::confirm;

impl Editor {
    /// Takes what the file says: instead of what is shown, unless somebody is writing that.
    pub(super) fn take(&mut self, read: UnitText) {
        let name = self.item.id();
        let unsaved = self.context.model.unsaved.get(&name).filter(|_| self.saved.is_none());
        if self.changed {
            self.elsewhere = self.saved.as_ref().is_some_and(|saved| saved.text != read.text);
            if !self.elsewhere {
                self.saved = Some(read);
            }
        } else if let Some(UnitWrite { text, before: Some(before), .. }) = unsaved {
            self.unit.set_text(&before);
            self.unit.change_to(&text);
            self.elsewhere = before != read.text;
            self.changed = true;
            self.saved = Some(UnitText { text: before, ..read });
        } else {
            if self.unit.text() != read.text {
                self.unit.set_text(&read.text);
            }
            self.elsewhere = false;
            self.saved = Some(read);
        }
    }

    /// Whether there is something that is not saved, which is kept as long as nobody discards it.
    pub(super) fn put_changed(&mut self, changed: bool) {
        self.changed = changed;
        match self.saved.as_ref().filter(|_| changed) {
            Some(saved) => self.context.model.unsaved.keep(self.to_write(Some(saved.text.clone()))),
            None => self.context.model.unsaved.forget(&self.item.id()),
        }
    }

    fn to_write(&self, before: Option<String>) -> UnitWrite {
        UnitWrite { name: self.item.id(), text: self.unit.text(), before }
    }

    pub(super) fn save(&mut self, sender: &ComponentSender<Self>) {
        let Some(saved) = self.saved.as_ref().filter(|_| self.changed && !self.saving && self.may_write()) else {
            return;
        };
        let write = self.to_write(Some(saved.text.clone()));
        self.saving = true;
        let text = write.text.clone();
        let (asked, sender) = (self.context.connection.write_unit(write), sender.input_sender().clone());
        relm4::spawn_local(async move {
            let _ = sender.send(Input::Saved(text, asked.await));
        });
    }

    /// Somebody else has changed the file: whose text is it to be?
    pub(super) fn ask_to_save_anyway(&self, sender: &ComponentSender<Self>) {
        let title = fill(&gettext("Replace “{}”?"), &[&self.item.id()]);
        let lost = gettext(
            "Another program has changed this file since you opened it. What it has written is lost if you save your text.",
        );
        let input = sender.input_sender().clone();
        confirm::ask(&self.context.toasts, &title, &lost, &gettext("_Replace"), move || input.emit(Input::SaveAnyway));
    }

    pub(super) fn save_anyway(&mut self, sender: &ComponentSender<Self>) {
        if self.saving {
            return;
        }
        self.saving = true;
        let (connection, sender) = (self.context.connection.clone(), sender.input_sender().clone());
        let mut write = self.to_write(None);
        relm4::spawn_local(async move {
            // What is not there any more is made again.
            write.before = connection.unit_text(&write.name).await.ok().map(|read| read.text);
            let text = write.text.clone();
            let _ = sender.send(Input::Saved(text, connection.write_unit(write).await));
        });
    }
}
