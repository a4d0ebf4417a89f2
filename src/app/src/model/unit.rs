// SPDX-License-Identifier: GPL-3.0-or-later
//! The object behind a unit's row and page.

use std::cell::{Cell, RefCell};

use gettextrs::{gettext, ngettext};
use relm4::gtk::glib;
use relm4::gtk::prelude::*;
use relm4::gtk::subclass::prelude::*;

use super::keyed::Item;
use super::{put, put_state};
use crate::connection::{Activity, Unit, UnitKind};
use crate::language::fill;
use crate::measure::plural_number;

mod imp {
    use super::{Cell, ObjectExt, RefCell, Unit, glib};

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::UnitItem)]
    pub struct UnitItem {
        /// The name of its file.
        #[property(get, set)]
        pub id: RefCell<String>,
        /// Without what its kind is called.
        #[property(get, set)]
        pub name: RefCell<String>,
        #[property(get, set)]
        pub kind: RefCell<String>,
        /// `running`, `done`, `created`, `failed` or `unknown`: what icon and colour follow.
        #[property(get, set)]
        pub state: RefCell<String>,
        /// The state in a word, or what is being done now.
        #[property(get, set)]
        pub state_word: RefCell<String>,
        #[property(get, set)]
        pub state_icon: RefCell<String>,
        /// When it starts, in words.
        #[property(get, set)]
        pub starts: RefCell<String>,
        /// The folder of its file.
        #[property(get, set)]
        pub folder: RefCell<String>,
        #[property(get, set)]
        pub running: Cell<bool>,
        /// Whether it can be started at all.
        #[property(get, set)]
        pub startable: Cell<bool>,
        /// What is being done to it, in a word; empty when nothing is.
        #[property(get, set)]
        pub busy: RefCell<String>,
        /// Chosen in selection mode.
        #[property(get, set)]
        pub selected: Cell<bool>,
        /// Second line of a narrow row: state and kind.
        #[property(get, set)]
        pub summary: RefCell<String>,
        pub at_boot: Cell<bool>,
        pub data: RefCell<Option<Unit>>,
    }
}

item_class! {
    /// A unit.
    UnitItem of Unit, named "HauloutUnitItem"
}

impl Item for UnitItem {
    type Data = Unit;

    fn key(data: &Unit) -> &str {
        &data.name
    }

    fn update(&self, data: Unit) {
        put(self, "id", &data.name);
        put(self, "name", data.name.rsplit_once('.').map_or(data.name.as_str(), |(stem, _)| stem));
        put(self, "kind", &kind_word(data.kind));
        let (state, icon) = look(&data);
        put(self, "state", state);
        put(self, "state-icon", icon);
        put(self, "folder", &folder(&data.path));
        let startable = !data.template && !data.is_broken() && data.activity != Activity::Unknown;
        if self.startable() != startable {
            self.set_startable(startable);
        }
        if self.running() != data.activity.is_active() {
            self.set_running(data.activity.is_active());
        }
        self.imp().data.replace(Some(data));
        self.say_state();
        self.say_start();
    }
}

impl UnitItem {
    /// Shows that something is being done to it (`word`), or no more (nothing).
    pub fn put_busy(&self, word: Option<&str>) {
        put(self, "busy", word.unwrap_or_default());
        self.say_state();
    }

    /// Whether what starts at login starts at boot already.
    pub fn put_boot(&self, on: bool) {
        self.imp().at_boot.set(on);
        self.say_start();
    }

    fn say_start(&self) {
        let word = match self.imp().data.borrow().as_ref() {
            Some(data) if data.at_login && self.imp().at_boot.get() => gettext("At Boot"),
            Some(data) if data.at_login => gettext("At Login"),
            _ => gettext("When Needed"),
        };
        put(self, "starts", &word);
    }

    fn say_state(&self) {
        let word = || self.imp().data.borrow().as_ref().map_or_else(String::new, state_word);
        put_state(self, &self.busy(), word, &self.kind());
    }
}

/// What icon and colour a unit has.
fn look(data: &Unit) -> (&'static str, &'static str) {
    match data.activity {
        _ if data.is_broken() => ("failed", "haulout-failed-symbolic"),
        Activity::Running | Activity::Starting => ("running", "haulout-running-symbolic"),
        Activity::Done => ("running", "haulout-ended-symbolic"),
        Activity::Failed => ("failed", "haulout-failed-symbolic"),
        Activity::Unknown => ("unknown", "haulout-unknown-symbolic"),
        Activity::NotLoaded | Activity::Inactive | Activity::Stopping => ("created", "haulout-created-symbolic"),
    }
}

/// The state in a word or three.
pub fn state_word(data: &Unit) -> String {
    let mistakes = data.problems.iter().filter(|problem| problem.error).count();
    if mistakes > 0 {
        let number = plural_number(i64::try_from(mistakes).unwrap_or(i64::MAX));
        return fill(&ngettext("{} Mistake", "{} Mistakes", number), &[&mistakes.to_string()]);
    }
    match data.activity {
        _ if data.template => gettext("Template"),
        Activity::NotLoaded => gettext("Not Loaded"),
        Activity::Inactive => gettext("Stopped"),
        Activity::Starting => gettext("Starting…"),
        Activity::Running => gettext("Running"),
        Activity::Done => gettext("Done"),
        Activity::Stopping => gettext("Stopping…"),
        Activity::Failed => gettext("Failed"),
        Activity::Unknown => gettext("Unknown"),
    }
}

/// What a kind is called.
pub fn kind_word(kind: UnitKind) -> String {
    match kind {
        UnitKind::Artifact => gettext("Artifact"),
        UnitKind::Image => gettext("Image"),
        UnitKind::Volume => gettext("Volume"),
        UnitKind::Network => gettext("Network"),
        UnitKind::Build => gettext("Build"),
        UnitKind::Container => gettext("Container"),
        UnitKind::Kube => gettext("Kubernetes"),
        UnitKind::Pod => gettext("Pod"),
    }
}

/// The folder of a file, as people say it.
fn folder(path: &str) -> String {
    let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    let home = glib::home_dir().display().to_string();
    match folder.strip_prefix(&home) {
        Some(rest) if home.len() > 1 => format!("~{rest}"),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyed::Item as _;
    use super::UnitItem;
    use crate::connection::{Activity, Problem, Unit, UnitKind};

    #[test]
    fn what_is_wrong_with_a_unit_is_its_state() {
        let problem = Problem { error: true, at: Some((1, 1)), file: None, key: None, text: String::new(), hint: None };
        let unit = Unit {
            name: "web.container".to_owned(),
            kind: UnitKind::Container,
            service: "web.service".to_owned(),
            description: None,
            path: "/etc/containers/systemd/web.container".to_owned(),
            own: false,
            activity: Activity::NotLoaded,
            at_login: true,
            template: false,
            problems: vec![problem],
        };
        let item = UnitItem::empty();
        item.update(unit.clone());
        assert_eq!((item.name().as_str(), item.state_word().as_str(), item.startable()), ("web", "1 Mistake", false));
        item.update(Unit { problems: Vec::new(), activity: Activity::Running, ..unit });
        item.put_boot(true);
        assert_eq!((item.state_word().as_str(), item.starts().as_str()), ("Running", "At Boot"));
        assert_eq!(item.folder(), "/etc/containers/systemd");
    }
}
