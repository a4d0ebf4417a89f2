// SPDX-License-Identifier: GPL-3.0-or-later
//! How far a part of the model is, and who wants to know.

use std::cell::RefCell;

use crate::connection::Failure;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first answer is still to come.
    Loading,
    /// It is as the engine says.
    Live,
    /// It could not be filled.
    Failed(Failure),
    /// It is as it was: nothing is heard of changes any more.
    Stale(Failure),
}

/// Who is told of phases.
type Watcher = Box<dyn Fn(&Phase)>;

/// The phase of a part, and its watchers.
pub struct Stage {
    phase: RefCell<Phase>,
    watchers: RefCell<Vec<Watcher>>,
}

impl Stage {
    /// At its beginning.
    pub fn new() -> Self {
        Self { phase: RefCell::new(Phase::Loading), watchers: RefCell::default() }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Tells `watcher` now and whenever the phase changes.
    pub fn watch(&self, watcher: impl Fn(&Phase) + 'static) {
        watcher(&self.phase.borrow());
        self.watchers.borrow_mut().push(Box::new(watcher));
    }

    pub(super) fn enter(&self, phase: Phase) {
        if *self.phase.borrow() == phase {
            return;
        }
        self.phase.replace(phase);
        let phase = self.phase.borrow().clone();
        for watcher in self.watchers.borrow().iter() {
            watcher(&phase);
        }
    }

    /// Tells nobody any more.
    pub(super) fn forget(&self) {
        self.watchers.borrow_mut().clear();
    }
}
