// SPDX-License-Identifier: GPL-3.0-or-later
//! Filling the updates, and keeping them as they are.

use std::rc::Rc;

use relm4::gtk::glib;

use super::{Model, keep};
use crate::connection::{Standing, Updates};

impl Model {
    /// Lists the updates (again) and follows from there.
    pub fn fill_updates(self: &Rc<Self>) {
        self.update_keeper.begin(self.clone().keep_updates());
    }

    /// The same, unless it was begun.
    pub(super) fn begin_updates(self: &Rc<Self>) {
        if !self.update_keeper.has_begun() {
            self.fill_updates();
        }
    }

    /// Asks for them now, without waiting for what is heard. A failure shows with the next change.
    pub async fn refresh_updates(&self) {
        if let Ok(updates) = self.connection.updates().await {
            self.put_updates(updates);
        }
    }

    async fn keep_updates(self: Rc<Self>) {
        let connection = &self.connection;
        keep(
            &self.update_stage,
            || connection.update_changes(),
            || connection.updates(),
            |updates| self.put_updates(updates),
        )
        .await;
    }

    fn put_updates(&self, updates: Updates) {
        let to_do = updates.list.iter().filter(|update| update.standing == Standing::Available).count();
        self.updates.replace(updates.list);
        self.to_do.set(u32::try_from(to_do).unwrap_or(u32::MAX));
        self.past_updates.set(Rc::new(updates.past));
        self.schedule.set(updates.schedule);
    }

    /// Shows how far what this app does about updates is; nothing when it does nothing.
    pub fn put_update_run(&self, run: Option<UpdateRun>) {
        self.update_run.set(run);
    }

    /// Keeps what does it, so that it can be ended.
    pub fn put_update_task(&self, task: glib::JoinHandle<()>) {
        self.update_task.set(Some(task));
    }

    /// It ends by itself.
    pub fn forget_update_task(&self) {
        self.update_task.set(None);
    }

    /// Ends it; whether there was anything to end.
    pub fn end_update_task(&self) -> bool {
        self.update_task.take().inspect(glib::JoinHandle::abort).is_some()
    }
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateRun {
    /// In words.
    pub line: String,
    /// Between 0 and 1, if that is known.
    pub fraction: Option<f64>,
    /// Whether it can be ended without leaving anything half done.
    pub can_cancel: bool,
}
