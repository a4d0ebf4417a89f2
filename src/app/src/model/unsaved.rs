// SPDX-License-Identifier: GPL-3.0-or-later
//! What somebody has written and not saved: it outlives the page that it was written on.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::connection::UnitWrite;

/// Texts of units, by the units' names, each with what its file said when somebody began.
#[derive(Default)]
pub struct Unsaved(RefCell<BTreeMap<String, UnitWrite>>);

impl Unsaved {
    /// Keeps it, instead of what was kept of the same unit.
    pub fn keep(&self, write: UnitWrite) {
        self.0.borrow_mut().insert(write.name.clone(), write);
    }

    /// What is kept of a unit.
    pub fn get(&self, unit: &str) -> Option<UnitWrite> {
        self.0.borrow().get(unit).cloned()
    }

    /// It was saved, or nobody wants it.
    pub fn forget(&self, unit: &str) {
        self.0.borrow_mut().remove(unit);
    }

    /// All of it.
    pub fn all(&self) -> Vec<UnitWrite> {
        self.0.borrow().values().cloned().collect()
    }
}
