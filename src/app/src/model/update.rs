// SPDX-License-Identifier: GPL-3.0-or-later
//! The object behind the row and page of a container that is kept up to date.

use std::cell::{Cell, RefCell};

use gettextrs::gettext;
use relm4::gtk::glib;
use relm4::gtk::prelude::*;
use relm4::gtk::subclass::prelude::*;

use super::container::short_image;
use super::keyed::Item;
use super::{put, put_state};
use crate::connection::{Standing, Update, Version};
use crate::language::{fill, left_to_right};
use crate::measure;

mod imp {
    use super::{Cell, ObjectExt, RefCell, Update, glib};

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::UpdateItem)]
    pub struct UpdateItem {
        #[property(get, set)]
        pub id: RefCell<String>,
        /// Of its unit, without what all have; of its container where it has no unit.
        #[property(get, set)]
        pub name: RefCell<String>,
        #[property(get, set)]
        pub image: RefCell<String>,
        /// `running`, `available`, `failed`, `unknown` or `created`: what icon and colour follow.
        #[property(get, set)]
        pub state: RefCell<String>,
        /// How it stands in a word or three, or what is being done now.
        #[property(get, set)]
        pub state_word: RefCell<String>,
        #[property(get, set)]
        pub state_icon: RefCell<String>,
        /// What it runs, and what there is: `1.2 → 1.3`.
        #[property(get, set)]
        pub version: RefCell<String>,
        /// How long ago somebody looked.
        #[property(get, set)]
        pub checked: RefCell<String>,
        /// Whether there is something to do.
        #[property(get, set)]
        pub to_do: Cell<bool>,
        /// What is being done to it, in a word; empty when nothing is.
        #[property(get, set)]
        pub busy: RefCell<String>,
        /// Chosen in selection mode.
        #[property(get, set)]
        pub selected: Cell<bool>,
        /// Second line of a narrow row: state and image.
        #[property(get, set)]
        pub summary: RefCell<String>,
        /// What this app is doing to it.
        pub ours: RefCell<Option<String>>,
        pub data: RefCell<Option<Update>>,
    }
}

item_class! {
    /// A container that is kept up to date.
    UpdateItem of Update, named "HauloutUpdateItem"
}

impl Item for UpdateItem {
    type Data = Update;

    fn key(data: &Update) -> &str {
        &data.key
    }

    fn update(&self, data: Update) {
        put(self, "id", &data.key);
        put(self, "name", name(&data));
        put(self, "image", short_image(&data.image));
        let (state, icon) = look(&data.standing);
        put(self, "state", state);
        put(self, "state-icon", icon);
        put(self, "version", &versions(&data));
        let to_do = data.standing == Standing::Available;
        if self.to_do() != to_do {
            self.set_to_do(to_do);
        }
        self.imp().data.replace(Some(data));
        self.say_state();
        self.grow_old(measure::now());
    }
}

impl UpdateItem {
    /// Its unit's name, if it runs as one.
    pub fn unit(&self) -> Option<String> {
        self.imp().data.borrow().as_ref().and_then(|data| data.unit.clone())
    }

    /// When somebody looked.
    pub fn checked_at(&self) -> i64 {
        self.imp().data.borrow().as_ref().and_then(|data| data.checked).unwrap_or_default()
    }

    /// Shows that something is being done to it (`word`), or no more (nothing).
    pub fn put_busy(&self, word: Option<&str>) {
        self.imp().ours.replace(word.map(str::to_owned));
        self.say_state();
    }

    pub fn grow_old(&self, now: i64) {
        let at = self.imp().data.borrow().as_ref().and_then(|data| data.checked);
        put(self, "checked", &at.map_or_else(String::new, |at| measure::age(at, now)));
    }

    fn say_state(&self) {
        let data = self.imp().data.borrow();
        let Some(data) = data.as_ref() else { return };
        let theirs = (data.standing == Standing::Updating).then(|| gettext("Updating…"));
        let busy = self.imp().ours.borrow().clone().or(theirs).unwrap_or_default();
        put(self, "busy", &busy);
        put_state(self, &busy, || standing_word(&data.standing), &self.image());
    }
}

fn name(data: &Update) -> &str {
    let unit = data.unit.as_deref().map(|unit| unit.trim_end_matches(".service"));
    match (unit, &data.container) {
        // A pod's unit has several.
        (Some(unit), Some(container)) if data.key.contains(' ') && container != unit => container,
        (Some(unit), _) => unit,
        (None, Some(container)) => container,
        (None, None) => &data.key,
    }
}

/// What icon and colour it has.
fn look(standing: &Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Current => ("running", "object-select-symbolic"),
        Standing::Available => ("available", "software-update-available-symbolic"),
        Standing::Held(_) => ("created", "haulout-paused-symbolic"),
        Standing::TakenBack(..) => ("unknown", "edit-undo-symbolic"),
        Standing::Failed(_) => ("failed", "haulout-failed-symbolic"),
        Standing::Interrupted => ("unknown", "haulout-unknown-symbolic"),
        Standing::Unknown => ("created", "haulout-unknown-symbolic"),
        Standing::Updating | Standing::Asleep => ("created", "haulout-created-symbolic"),
    }
}

/// How it stands, in a word or three.
fn standing_word(standing: &Standing) -> String {
    match standing {
        Standing::Unknown => gettext("Not Checked Yet"),
        Standing::Current => gettext("Up to Date"),
        Standing::Available => gettext("Update Available"),
        Standing::Held(None) => gettext("Held"),
        Standing::Held(Some(until)) => fill(&gettext("Held Until {}"), &[&measure::day(*until)]),
        Standing::TakenBack(..) => gettext("Rolled Back"),
        Standing::Failed(_) => gettext("Failed"),
        Standing::Updating => gettext("Updating…"),
        Standing::Interrupted => gettext("Interrupted"),
        Standing::Asleep => gettext("Not Running"),
    }
}

/// The first of a digest's digits, which tell it from others.
pub fn short_digest(digest: &str) -> &str {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

/// `1.2 → 1.3`, or digests where the versions say nothing.
fn versions(data: &Update) -> String {
    let short = |version: &Version| short_digest(&version.digest).to_owned();
    match (&data.current, &data.newest) {
        (None, _) => String::new(),
        (Some(current), None) => current.name.clone().unwrap_or_else(|| short(current)),
        (Some(current), Some(newest)) => match (&current.name, &newest.name) {
            (Some(old), Some(new)) if old != new => left_to_right(format!("{old} → {new}")),
            _ => left_to_right(format!("{} → {}", short(current), short(newest))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyed::Item as _;
    use super::{UpdateItem, short_digest};
    use crate::connection::{Standing, Update, UpdatePolicy, Version};

    #[test]
    fn what_is_new_is_told_by_its_version_or_else_by_its_digest() {
        let version = |letter: &str, version: Option<&str>| Version {
            digest: format!("sha256:{}", letter.repeat(64)),
            name: version.map(str::to_owned),
            source: None,
        };
        let update = Update {
            key: "web.service".to_owned(),
            unit: Some("web.service".to_owned()),
            container: Some("systemd-web".to_owned()),
            image: "docker.io/library/nginx:1".to_owned(),
            policy: UpdatePolicy::Registry,
            current: Some(version("a", Some("1.2"))),
            newest: Some(version("b", Some("1.3"))),
            checked: Some(1),
            standing: Standing::Available,
            pinned: false,
            can_roll_back: false,
        };
        let item = UpdateItem::empty();
        item.update(update.clone());
        assert_eq!((item.name().as_str(), item.version().as_str(), item.to_do()), ("web", "1.2 → 1.3", true));
        // The same version was built anew.
        item.update(Update { newest: Some(version("b", Some("1.2"))), ..update.clone() });
        assert_eq!(item.version(), "aaaaaaaaaaaa → bbbbbbbbbbbb");
        item.put_busy(Some("Checking…"));
        item.update(Update { standing: Standing::Current, newest: None, ..update });
        assert_eq!((item.state_word().as_str(), item.to_do()), ("Checking…", false));
        item.put_busy(None);
        assert_eq!((item.state_word().as_str(), item.busy().as_str()), ("Up to Date", ""));
    }

    #[test]
    fn what_is_no_digest_is_shown_as_it_is() {
        assert_eq!(short_digest("sha256:0123"), "0123");
        assert_eq!(short_digest("é"), "é");
    }
}
