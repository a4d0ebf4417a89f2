// SPDX-License-Identifier: GPL-3.0-or-later
//! Filling the updates, and keeping them as they are.

use std::rc::Rc;
use std::time::Instant;

use relm4::gtk::glib;

use super::{Model, Phase, WELL};
use crate::connection::{Failure, Reason, Standing, Updates};

impl Model {
    /// Lists the updates (again) and follows from there.
    pub fn fill_updates(self: &Rc<Self>) {
        let follower = relm4::spawn_local(self.clone().follow_updates());
        if let Some(former) = self.update_follower.replace(Some(follower)) {
            former.abort();
        }
    }

    /// The same, unless it was begun.
    pub(super) fn begin_updates(self: &Rc<Self>) {
        let follower = self.update_follower.take();
        let begun = follower.is_some();
        self.update_follower.set(follower);
        if !begun {
            self.fill_updates();
        }
    }

    /// Asks for them now, without waiting for what is heard. A failure shows with the next change.
    pub async fn refresh_updates(&self) {
        if let Ok(updates) = self.connection.updates().await {
            self.put_updates(updates);
        }
    }

    async fn follow_updates(self: Rc<Self>) {
        loop {
            let begun = Instant::now();
            // Before the list: what changes while it is made is heard of.
            let changes = self.connection.update_changes();
            match self.connection.updates().await {
                Ok(updates) => self.put_updates(updates),
                Err(failure) => return self.update_stage.enter(Phase::Failed(failure)),
            }
            self.update_stage.enter(Phase::Live);
            let mut failure = Failure { reason: Reason::Other, details: Vec::new() };
            while let Some(change) = changes.next().await {
                match async { change.map(|()| self.connection.updates())?.await }.await {
                    Ok(updates) => self.put_updates(updates),
                    Err(told) => {
                        failure = told;
                        break;
                    }
                }
            }
            if begun.elapsed() < WELL {
                return self.update_stage.enter(Phase::Stale(failure));
            }
        }
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
