// SPDX-License-Identifier: GPL-3.0-or-later
//! Updates: what their page lists and what can be done there, a container's own page, what was done, and what the desktop is told.

pub mod actions;
pub mod detail;
mod head;
pub mod history;
mod hold_dialog;
pub mod notice;
mod past;
mod results;
mod run;

use std::rc::Rc;

use gettextrs::gettext;
use relm4::gtk;
use relm4::gtk::gio;
use relm4::gtk::prelude::*;

use crate::connection::{Standing, UpdateWork};
use crate::errors::Doing;
use crate::language::fill;
use crate::listing::{Acting, Column, DeedToMany, Head, Noun, Words, by, by_text, entry, menu_in_list, menu_of};
use crate::model::{Keyed, Model, Stage, UpdateItem};

/// Cells of updates.
type Cells = crate::listing::cells::Cells<UpdateItem>;

/// The noun.
pub struct Updates;

/// What can be done to a container that is kept up to date.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Its page is shown.
    Open,
    Check,
    Update,
    RollBack,
    Hold,
    Release,
    /// What was done to it is shown.
    History,
}

/// What the page cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show the page of this one.
    Open(String),
    /// Show what was done: to this unit, or to all.
    History(Option<String>),
    /// Show the units.
    Units,
}

impl Noun for Updates {
    type Item = UpdateItem;
    type Deed = Deed;
    type Output = Output;

    const NAME: &'static str = "updates";
    const ICON: &'static str = "software-update-available-symbolic";
    const DEEDS: &'static [(&'static str, Deed)] = &[
        ("open", Deed::Open),
        ("check", Deed::Check),
        ("update", Deed::Update),
        ("roll-back", Deed::RollBack),
        ("hold", Deed::Hold),
        ("release", Deed::Release),
        ("history", Deed::History),
    ];
    const MAIN_PROPERTIES: &'static [&'static str] = &["to-do", "busy", "name", "state"];

    fn words() -> Words {
        Words {
            title: gettext("Updates"),
            select: gettext("Select Updates"),
            new: gettext("Show Units"),
            search: gettext("Search updates"),
            none: gettext("No Containers to Update"),
            none_more: gettext("Choose “Automatic Updates” in the form of a unit, and its container appears here"),
        }
    }

    fn things(model: &Model) -> &Keyed<UpdateItem> {
        &model.updates
    }

    fn stage(model: &Model) -> &Stage {
        &model.update_stage
    }

    fn fill(model: &Rc<Model>) {
        model.fill_updates();
    }

    fn listing() -> Doing {
        Doing::ListingUpdates
    }

    fn texts(item: &UpdateItem) -> Vec<String> {
        let image = item.data().map(|data| data.image).unwrap_or_default();
        vec![item.id(), item.name(), image, item.state_word(), item.version()]
    }

    fn columns() -> Vec<Column> {
        let checked = by::<UpdateItem>(|one, other| other.checked_at().cmp(&one.checked_at()));
        vec![
            Column::names::<UpdateItem>(),
            Column::states::<UpdateItem>(190),
            Column::new(&gettext("Version"), Cells::text("version", &["numeric"])).leaves_below(620.),
            Column::new(&gettext("Image"), Cells::text("image", &["dim-label"]))
                .sorted(&by_text::<UpdateItem>("image"))
                .leaves_below(860.),
            Column::new(&gettext("Checked"), Cells::text("checked", &["dim-label"]))
                .width(140)
                .sorted(&checked)
                .leaves_below(700.),
        ]
    }

    /// Update where there is something new, look where there is not.
    fn show_main(button: &gtk::Button, item: &UpdateItem) {
        let (icon, word, whole) = if item.to_do() {
            ("software-update-available-symbolic", gettext("Update"), gettext("Update {}"))
        } else {
            ("view-refresh-symbolic", gettext("Check"), gettext("Check {}"))
        };
        button.set_icon_name(icon);
        button.set_tooltip_text(Some(&word));
        button.set_sensitive(item.busy().is_empty() && can_check(item));
        button.update_property(&[gtk::accessible::Property::Label(&fill(&whole, &[&item.name()]))]);
    }

    fn main_deed(item: &UpdateItem) -> Deed {
        if item.to_do() { Deed::Update } else { Deed::Check }
    }

    fn open_deed() -> Deed {
        Deed::Open
    }

    fn menu(item: &UpdateItem) -> gio::Menu {
        menu_in_list::<Self>(menu_on_page(item), &item.id())
    }

    fn deeds_to_many() -> Vec<DeedToMany<Deed>> {
        let deed = |label, deed| DeedToMany { label, destructive: false, deed };
        vec![
            deed(gettext("Update"), Deed::Update),
            deed(gettext("Hold…"), Deed::Hold),
            deed(gettext("Release"), Deed::Release),
        ]
    }

    fn ways_in() -> Vec<(String, Output)> {
        vec![(gettext("Show _Units"), Output::Units)]
    }

    fn head(page: &Acting<Self>) -> Head {
        head::make(page)
    }

    fn act(page: &Acting<Self>, items: Vec<UpdateItem>, deed: Deed, begun: Box<dyn FnOnce()>) {
        match deed {
            Deed::Open => items.iter().for_each(|item| page.output.emit(Output::Open(item.id()))),
            Deed::History => {
                items
                    .iter()
                    .filter_map(UpdateItem::unit)
                    .for_each(|unit| page.output.emit(Output::History(Some(unit))));
            }
            deed => actions::act(&page.context, &items, deed, begun),
        }
    }
}

/// Whether something can be found out about it.
fn can_check(item: &UpdateItem) -> bool {
    item.data().is_some_and(|data| data.unit.is_some() && data.standing != Standing::Asleep)
}

/// What can be done on the page of `item` now.
pub fn menu_on_page(item: &UpdateItem) -> gio::Menu {
    let entry = |label: &str, name| entry::<Updates>(label, name, &item.id());
    let Some(data) = item.data() else { return gio::Menu::new() };
    let idle = item.busy().is_empty();
    let mut now = Vec::new();
    if idle && can_check(item) {
        if data.newest.is_some() || data.standing == Standing::Interrupted {
            now.push(entry(&gettext("_Update Now"), "update"));
        }
        now.push(entry(&gettext("Chec_k for Updates"), "check"));
    }
    let mut later = Vec::new();
    if idle && data.can_roll_back {
        later.push(entry(&gettext("Roll _Back…"), "roll-back"));
    }
    if data.unit.is_some() {
        later.push(match data.standing {
            Standing::Held(_) => entry(&gettext("Relea_se"), "release"),
            _ => entry(&gettext("_Hold…"), "hold"),
        });
        later.push(entry(&gettext("Histor_y"), "history"));
    }
    let copy = |label: &str, digest: &str| crate::listing::entry::<Updates>(label, "copy", digest);
    let current = data.current.iter().map(|version| copy(&gettext("_Copy Current Digest"), &version.digest));
    let newest = data.newest.iter().map(|version| copy(&gettext("Copy _Newest Digest"), &version.digest));
    menu_of([now, later, current.chain(newest).collect()])
}

/// Brings the units up to date that a notification was about.
pub fn update(context: &crate::window::Context, units: Vec<String>) {
    run::begin(context, UpdateWork::Update(units));
}

/// Has them run what they ran before.
pub fn roll_back(context: &crate::window::Context, units: Vec<String>) {
    run::begin(context, UpdateWork::RollBack(units));
}
