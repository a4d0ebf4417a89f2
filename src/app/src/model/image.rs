// SPDX-License-Identifier: GPL-3.0-or-later
//! The object behind an image's row.

use std::cell::{Cell, RefCell};

use gettextrs::{gettext, ngettext};
use relm4::gtk::glib;
use relm4::gtk::prelude::*;
use relm4::gtk::subclass::prelude::*;

use super::keyed::Item;
use super::put;
use crate::connection::Image;
use crate::language::{fill, left_to_right};
use crate::measure;

mod imp {
    use super::{Cell, Image, ObjectExt, RefCell, glib};

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::ImageItem)]
    pub struct ImageItem {
        #[property(get, set)]
        pub id: RefCell<String>,
        /// Without its tag.
        #[property(get, set)]
        pub name: RefCell<String>,
        #[property(get, set)]
        pub tag: RefCell<String>,
        #[property(get, set)]
        pub size: RefCell<String>,
        #[property(get, set)]
        pub age: RefCell<String>,
        /// Who uses it, in words; empty when nobody does.
        #[property(get, set)]
        pub used: RefCell<String>,
        /// Whether it is being removed.
        #[property(get, set)]
        pub busy: Cell<bool>,
        #[property(get, set)]
        pub selected: Cell<bool>,
        /// Second line of a narrow row: tag, size, use.
        #[property(get, set)]
        pub summary: RefCell<String>,
        pub uses: Cell<u32>,
        pub data: RefCell<Option<Image>>,
    }
}

item_class! {
    /// An image.
    ImageItem of Image, named "HauloutImageItem"
}

impl Item for ImageItem {
    type Data = Image;

    fn key(data: &Image) -> &str {
        &data.id
    }

    fn update(&self, data: Image) {
        put(self, "id", &data.id);
        let (name, tag) = match data.names.first() {
            Some(name) => split_tag(name),
            None => (short_id(&data.id), ""),
        };
        let more = data.names.len().saturating_sub(1);
        let tag = match (data.names.is_empty(), more) {
            (true, _) => gettext("no name"),
            (_, 0) => tag.to_owned(),
            _ => left_to_right(format!("{tag} +{more}")),
        };
        put(self, "name", name);
        put(self, "tag", &tag);
        put(self, "size", &measure::bytes(data.size));
        self.imp().data.replace(Some(data));
        self.grow_old(measure::now());
        self.say_summary();
    }
}

impl ImageItem {
    /// When it was built.
    pub fn created(&self) -> i64 {
        self.imp().data.borrow().as_ref().map_or(0, |data| data.created)
    }

    /// Its bytes.
    pub fn byte_count(&self) -> u64 {
        self.imp().data.borrow().as_ref().map_or(0, |data| data.size)
    }

    /// What a command calls it: its first name, else its id.
    pub fn reference(&self) -> String {
        self.data().and_then(|data| data.names.first().cloned()).unwrap_or_else(|| self.id())
    }

    /// How many containers are made from it.
    pub fn uses(&self) -> u32 {
        self.imp().uses.get()
    }

    pub fn put_uses(&self, count: u32) {
        self.imp().uses.set(count);
        let text = match count {
            0 => String::new(),
            _ => fill(&ngettext("{} container", "{} containers", count), &[&count.to_string()]),
        };
        put(self, "used", &text);
        self.say_summary();
    }

    pub fn grow_old(&self, now: i64) {
        put(self, "age", &measure::age(self.created(), now));
    }

    fn say_summary(&self) {
        let parts = [self.tag(), self.size(), self.used()];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        put(self, "summary", &parts.join(" · "));
    }
}

/// A name's repository, shortened, and its tag. The colon of a registry's port is none of a tag's.
fn split_tag(name: &str) -> (&str, &str) {
    let slash = name.rfind('/').map_or(0, |position| position + 1);
    let (repository, tag) = match name[slash..].rfind(':') {
        Some(colon) => (&name[..slash + colon], &name[slash + colon + 1..]),
        None => (name, ""),
    };
    (super::container::short_image(repository), tag)
}

/// The first 12 digits of a digest.
pub fn short_id(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::{short_id, split_tag};

    #[test]
    fn a_registry_s_port_is_no_tag() {
        assert_eq!(split_tag("localhost:5000/busybox"), ("localhost:5000/busybox", ""));
        assert_eq!(split_tag("localhost:5000/busybox:1"), ("localhost:5000/busybox", "1"));
        assert_eq!(split_tag("docker.io/library/redis:7"), ("redis", "7"));
    }

    #[test]
    fn a_short_text_is_its_own_short_id() {
        assert_eq!(short_id("sha256:abc"), "abc");
    }
}
