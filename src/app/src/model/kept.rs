// SPDX-License-Identifier: GPL-3.0-or-later
//! Keeping a part of the model as it is: listed, and listed again whenever something changed.

use std::cell::Cell;
use std::future::Future;
use std::time::Instant;

use relm4::gtk::glib;

use super::{Phase, Stage, WELL};
use crate::connection::{Failure, Flow, Reason, Reply};

/// What keeps a part as it is; there is one at a time.
#[derive(Default)]
pub struct Keeper(Cell<Option<glib::JoinHandle<()>>>);

impl Keeper {
    /// Begins it, instead of the former one.
    pub fn begin(&self, keeping: impl Future<Output = ()> + 'static) {
        if let Some(former) = self.0.replace(Some(relm4::spawn_local(keeping))) {
            former.abort();
        }
    }

    /// Whether it was begun.
    pub fn has_begun(&self) -> bool {
        let task = self.0.take();
        let begun = task.is_some();
        self.0.set(task);
        begun
    }

    /// Ends it; whether there was anything to end.
    pub fn end(&self) -> bool {
        self.0.take().inspect(glib::JoinHandle::abort).is_some()
    }
}

/// Puts what `list` answers, now and whenever `changes` tells of a change, until that fails. `stage` says how far it is.
pub async fn keep<T>(stage: &Stage, changes: impl Fn() -> Flow<()>, list: impl Fn() -> Reply<T>, put: impl Fn(T)) {
    loop {
        let begun = Instant::now();
        // Before the list: what changes while it is made is heard of.
        let changes = changes();
        match list().await {
            Ok(found) => put(found),
            Err(failure) => return stage.enter(Phase::Failed(failure)),
        }
        stage.enter(Phase::Live);
        let mut failure = Failure { reason: Reason::Other, details: Vec::new() };
        while let Some(change) = changes.next().await {
            match async { change.map(|()| list())?.await }.await {
                Ok(found) => put(found),
                Err(told) => {
                    failure = told;
                    break;
                }
            }
        }
        // What went well for a while is begun anew; what fails at once is told.
        if begun.elapsed() < WELL {
            return stage.enter(Phase::Stale(failure));
        }
    }
}
