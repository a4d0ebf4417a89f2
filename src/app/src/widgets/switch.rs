// SPDX-License-Identifier: GPL-3.0-or-later
//! A row with a switch for what takes a while to change, may fail to, and is changed by others too.
//!
//! It stands where somebody put it as long as that is being done, then where it is. Whoever presses it meanwhile is not forgotten: what was
//! wanted last is done next, and what was wanted in between is not.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

use relm4::adw;
use relm4::adw::prelude::*;
use relm4::gtk::glib;

/// A change that goes on; answers how it is afterwards, whatever was wanted.
pub type Changing = Pin<Box<dyn Future<Output = bool>>>;

/// The switch.
#[derive(Clone)]
pub struct Switch {
    pub row: adw::SwitchRow,
    state: Rc<State>,
}

struct State {
    row: glib::WeakRef<adw::SwitchRow>,
    change: Box<dyn Fn(bool) -> Changing>,
    /// How it is, as far as it was told.
    is: Cell<bool>,
    /// How somebody wants it, until that is done.
    wanted: Cell<Option<bool>>,
}

impl Switch {
    /// Of `row`, which says how it is now; `change` has it changed.
    pub fn new(row: adw::SwitchRow, change: impl Fn(bool) -> Changing + 'static) -> Self {
        let (is, wanted) = (Cell::new(row.is_active()), Cell::default());
        let state = Rc::new(State { row: row.downgrade(), change: Box::new(change), is, wanted });
        let pressed = state.clone();
        row.connect_active_notify(move |row| {
            if row.is_active() != pressed.stands() {
                pressed.want(row.is_active());
            }
        });
        Self { row, state }
    }

    /// Has it say how it is.
    pub fn show(&self, is: bool) {
        self.state.is.set(is);
        self.state.show();
    }
}

impl State {
    /// Where the switch stands, or belongs.
    fn stands(&self) -> bool {
        self.wanted.get().unwrap_or(self.is.get())
    }

    fn show(&self) {
        if let Some(row) = self.row.upgrade() {
            row.set_active(self.stands());
        }
    }

    fn want(self: &Rc<Self>, on: bool) {
        let goes_on = self.wanted.replace(Some(on)).is_some();
        if !goes_on {
            relm4::spawn_local(self.clone().carry_out());
        }
    }

    async fn carry_out(self: Rc<Self>) {
        while let Some(on) = self.wanted.get() {
            self.is.set((self.change)(on).await);
            if self.wanted.get() == Some(on) {
                self.wanted.set(None);
            }
        }
        self.show();
    }
}
