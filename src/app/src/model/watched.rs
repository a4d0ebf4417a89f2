// SPDX-License-Identifier: GPL-3.0-or-later
//! A value, and who wants to know when it is another.

use std::cell::RefCell;

use relm4::gtk;
use relm4::gtk::prelude::*;

/// Who is told, and whether they still want to be.
type Watcher<T> = Box<dyn Fn(&T) -> bool>;

/// The value and its watchers.
pub struct Watched<T> {
    value: RefCell<T>,
    watchers: RefCell<Vec<Watcher<T>>>,
}

impl<T: Clone + PartialEq> Watched<T> {
    pub fn new(value: T) -> Self {
        Self { value: RefCell::new(value), watchers: RefCell::default() }
    }

    /// The value now.
    pub fn get(&self) -> T {
        self.value.borrow().clone()
    }

    /// Tells `watcher` now and whenever it is another, as long as `widget` lives.
    pub fn watch<W: IsA<gtk::Widget>>(&self, widget: &W, watcher: impl Fn(&W, &T) + 'static) {
        watcher(widget, &self.get());
        let widget = widget.downgrade();
        self.watchers
            .borrow_mut()
            .push(Box::new(move |value| widget.upgrade().inspect(|widget| watcher(widget, value)).is_some()));
    }

    pub(super) fn set(&self, value: T) {
        if *self.value.borrow() == value {
            return;
        }
        self.value.replace(value);
        let value = self.get();
        // Whoever is told may begin to watch.
        let mut told = self.watchers.take();
        told.retain(|watcher| watcher(&value));
        let new = self.watchers.replace(told);
        self.watchers.borrow_mut().extend(new);
    }

    /// Tells nobody any more.
    pub(super) fn forget(&self) {
        self.watchers.borrow_mut().clear();
    }
}
