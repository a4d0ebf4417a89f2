// SPDX-License-Identifier: GPL-3.0-or-later
//! An object, and somebody who hears of its changes.

use std::ops::Deref;

use relm4::gtk::glib;
use relm4::gtk::prelude::*;

/// The object. Whoever hears of its changes does so as long as this is kept.
pub struct Followed<T: IsA<glib::Object>> {
    item: T,
    handlers: Vec<glib::SignalHandlerId>,
}

impl<T: IsA<glib::Object>> Followed<T> {
    /// Calls `changed` whenever one of its `properties` is another.
    pub fn new(item: T, properties: &[&str], changed: impl Fn(&T) + Clone + 'static) -> Self {
        let follow = |property: &&str| {
            let changed = changed.clone();
            item.connect_notify_local(Some(property), move |item, _| changed(item))
        };
        let handlers = properties.iter().map(follow).collect();
        Self { item, handlers }
    }
}

impl<T: IsA<glib::Object>> Deref for Followed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T: IsA<glib::Object>> Drop for Followed<T> {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            self.item.disconnect(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::Followed;
    use crate::model::{ImageItem, KeyedItem as _};

    #[test]
    fn who_follows_no_more_hears_nothing_more() {
        let (image, heard) = (ImageItem::empty(), Rc::new(Cell::new(0)));
        let counted = heard.clone();
        let followed = Followed::new(image.clone(), &["name", "tag"], move |_| counted.set(counted.get() + 1));
        image.set_name("a");
        image.set_tag("1");
        image.set_size("1 kB");
        assert_eq!((heard.get(), followed.name().as_str()), (2, "a"));
        drop(followed);
        image.set_name("b");
        assert_eq!(heard.get(), 2);
    }
}
