// SPDX-License-Identifier: GPL-3.0-or-later
//! Filling the units, and keeping them as they are: apart from containers and images, because files and systemd have them, not the engine.

use std::rc::Rc;
use std::time::Instant;

use super::{AllUnits, Model, Phase, WELL};
use crate::connection::{Boot, Failure, Reason, Units};

impl Model {
    /// Lists the units (again) and follows from there.
    pub fn fill_units(self: &Rc<Self>) {
        let follower = relm4::spawn_local(self.clone().follow_units());
        if let Some(former) = self.unit_follower.replace(Some(follower)) {
            former.abort();
        }
    }

    /// The same, unless it was begun.
    pub(super) fn begin_units(self: &Rc<Self>) {
        let follower = self.unit_follower.take();
        let begun = follower.is_some();
        self.unit_follower.set(follower);
        if !begun {
            self.fill_units();
        }
    }

    /// Asks for the units now, without waiting for what is heard. A failure shows with the next change.
    pub async fn refresh_units(&self) {
        if let Ok(units) = self.connection.units().await {
            self.put_units(units);
        }
    }

    async fn follow_units(self: Rc<Self>) {
        loop {
            let begun = Instant::now();
            // Before the list: what changes while it is made is heard of.
            let changes = self.connection.unit_changes();
            match self.connection.units().await {
                Ok(units) => self.put_units(units),
                Err(failure) => return self.unit_stage.enter(Phase::Failed(failure)),
            }
            self.unit_stage.enter(Phase::Live);
            let mut failure = Failure { reason: Reason::Other, details: Vec::new() };
            while let Some(change) = changes.next().await {
                match async { change.map(|()| self.connection.units())?.await }.await {
                    Ok(units) => self.put_units(units),
                    Err(told) => {
                        failure = told;
                        break;
                    }
                }
            }
            if begun.elapsed() < WELL {
                return self.unit_stage.enter(Phase::Stale(failure));
            }
        }
    }

    fn put_units(&self, units: Units) {
        let at_boot = units.boot == Boot::Yes;
        let changed = AllUnits { boot: units.boot, maker: units.maker };
        self.units.replace(units.list);
        for unit in self.units.all() {
            unit.put_boot(at_boot);
        }
        self.all_units.replace(changed);
    }
}
