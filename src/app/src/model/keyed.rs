// SPDX-License-Identifier: GPL-3.0-or-later
//! A list store whose objects are found by key and updated in place.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use relm4::gtk::glib::object::IsClass;
use relm4::gtk::prelude::*;
use relm4::gtk::{gio, glib};

/// An object that stands for one thing of the engine.
pub trait Item: IsA<glib::Object> + IsClass {
    /// The thing as the connection tells it.
    type Data;
    /// What tells it from others.
    fn key(data: &Self::Data) -> &str;
    /// A new object, to be updated.
    fn empty() -> Self {
        glib::Object::new()
    }
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
        if !new.is_empty() {
            self.store.extend_from_slice(&new);
        }
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

    /// Calls `gone` when `item` is taken away, as long as `page` lives.
    pub fn when_gone(&self, item: &I, page: &impl IsA<relm4::gtk::Widget>, gone: impl Fn() + 'static) {
        let item = item.clone();
        let handler = self.store.connect_items_changed(move |store, _, removed, _| {
            if removed > 0 && store.find(&item).is_none() {
                gone();
            }
        });
        let (store, watched) = (self.store.clone(), Cell::new(Some(handler)));
        page.as_ref().connect_destroy(move |_| {
            if let Some(handler) = watched.take() {
                store.disconnect(handler);
            }
        });
    }

    /// Takes one away, if it is there.
    pub fn remove(&self, key: &str) {
        let item = self.by_key.borrow_mut().remove(key);
        if let Some(position) = item.and_then(|item| self.store.find(&item)) {
            self.store.remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use relm4::gtk::gio::prelude::*;

    use super::Keyed;
    use crate::connection::Image;
    use crate::model::ImageItem;

    fn image(id: &str, size: u64) -> Image {
        Image { id: id.to_owned(), names: vec![format!("localhost/{id}:1")], created: 0, size }
    }

    #[test]
    fn an_object_of_a_thing_that_stays_is_the_same_object() {
        let images = Keyed::<ImageItem>::new();
        images.replace(vec![image("a", 1000), image("b", 1)]);
        let kept = images.get("a").unwrap();
        images.replace(vec![image("c", 1), image("a", 2000)]);
        assert_eq!(images.get("a"), Some(kept.clone()));
        assert_eq!(kept.size(), "2.0\u{a0}kB");
        assert_eq!((images.get("b"), images.store().n_items()), (None, 2));
        assert!(images.store().find(&kept).is_some());
    }

    #[test]
    fn a_list_that_says_nothing_new_moves_no_row_and_draws_nothing() {
        let images = Keyed::<ImageItem>::new();
        images.replace(vec![image("a", 1), image("b", 1)]);
        let (moved, drawn) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let counted = moved.clone();
        images.store().connect_items_changed(move |_, _, _, _| counted.set(counted.get() + 1));
        let counted = drawn.clone();
        images.get("a").unwrap().connect_notify_local(None, move |_, _| counted.set(counted.get() + 1));
        images.replace(vec![image("b", 1), image("a", 1)]);
        assert_eq!((moved.get(), drawn.get()), (0, 0));
    }
}
