// SPDX-License-Identifier: GPL-3.0-or-later
//! A list store whose objects are found by key and updated in place.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use relm4::gtk::gio;
use relm4::gtk::prelude::*;

/// An object that stands for one thing of the engine.
pub trait Item: IsA<relm4::gtk::glib::Object> {
    /// The thing as the connection tells it.
    type Data;
    /// What tells it from others.
    fn key(data: &Self::Data) -> &str;
    /// A new object, to be updated.
    fn empty() -> Self;
    /// Makes it as `data` says.
    fn update(&self, data: Self::Data);
}

/// The objects of one noun.
pub struct Keyed<I: Item> {
    store: gio::ListStore,
    by_key: RefCell<HashMap<String, I>>,
}

impl<I: Item> Keyed<I> {
    pub fn new() -> Self {
        Self { store: gio::ListStore::new::<I>(), by_key: RefCell::default() }
    }

    /// What lists show.
    pub fn store(&self) -> &gio::ListStore {
        &self.store
    }

    /// The object of `key`.
    pub fn get(&self, key: &str) -> Option<I> {
        self.by_key.borrow().get(key).cloned()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<I> {
        self.by_key.borrow().values().cloned().collect()
    }

    /// Makes it hold what `list` holds: objects of things that stay, stay.
    pub fn replace(&self, list: Vec<I::Data>) {
        let keys: HashSet<String> = list.iter().map(|data| I::key(data).to_owned()).collect();
        let gone: Vec<String> = self.by_key.borrow().keys().filter(|key| !keys.contains(*key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
        let mut new = Vec::new();
        for data in list {
            let key = I::key(&data).to_owned();
            let item = self.get(&key).unwrap_or_else(|| {
                let item = I::empty();
                self.by_key.borrow_mut().insert(key, item.clone());
                new.push(item.clone());
                item
            });
            item.update(data);
        }
        self.store.extend_from_slice(&new);
    }

    /// Adds or updates one.
    pub fn put(&self, data: I::Data) {
        let key = I::key(&data).to_owned();
        if let Some(item) = self.get(&key) {
            item.update(data);
        } else {
            let item = I::empty();
            item.update(data);
            self.by_key.borrow_mut().insert(key, item.clone());
            self.store.append(&item);
        }
    }

    /// Takes one away, if it is there.
    pub fn remove(&self, key: &str) {
        let item = self.by_key.borrow_mut().remove(key);
        if let Some(position) = item.and_then(|item| self.store.find(&item)) {
            self.store.remove(position);
        }
    }
}
