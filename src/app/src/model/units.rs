// SPDX-License-Identifier: GPL-3.0-or-later
//! Filling the units, and keeping them as they are: apart from containers and images, because files and systemd have them, not the engine.

use std::rc::Rc;

use super::{AllUnits, Model, keep};
use crate::connection::{Boot, Units};

impl Model {
    /// Lists the units (again) and follows from there.
    pub fn fill_units(self: &Rc<Self>) {
        self.unit_keeper.begin(self.clone().keep_units());
    }

    /// The same, unless it was begun.
    pub(super) fn begin_units(self: &Rc<Self>) {
        if !self.unit_keeper.has_begun() {
            self.fill_units();
        }
    }

    /// Asks for the units now, without waiting for what is heard. A failure shows with the next change.
    pub async fn refresh_units(&self) {
        if let Ok(units) = self.connection.units().await {
            self.put_units(units);
        }
    }

    async fn keep_units(self: Rc<Self>) {
        let connection = &self.connection;
        keep(&self.unit_stage, || connection.unit_changes(), || connection.units(), |units| self.put_units(units))
            .await;
    }

    fn put_units(&self, units: Units) {
        let at_boot = units.boot == Boot::Yes;
        let changed = AllUnits { boot: units.boot, maker: units.maker };
        self.units.replace(units.list);
        for unit in self.units.all() {
            unit.put_boot(at_boot);
        }
        self.all_units.replace(changed);
        self.units_listed.set(self.units_listed.get() + 1);
    }
}
