// SPDX-License-Identifier: GPL-3.0-or-later
//! Quadlet's units: what their page lists and what can be done there, a unit's own page, and the dialog that makes one.

mod actions;
pub mod detail;
pub mod name;
pub mod new_dialog;

use std::rc::Rc;

use gettextrs::gettext;
use relm4::gtk;
use relm4::gtk::gio;

use crate::connection::UnitAction;
use crate::errors::Doing;
use crate::listing::{
    Acting, Column, DeedToMany, Noun, Words, by_text, entry, menu_in_list, menu_of, show_start_or_stop,
};
use crate::model::{Keyed, Model, Stage, UnitItem};

/// Cells of units.
type Cells = crate::listing::cells::Cells<UnitItem>;

/// The noun.
pub struct UnitFiles;

/// What can be done to a unit in the list.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Its page is shown.
    Open,
    Act(UnitAction),
    /// Its folder is shown in the file manager.
    OpenFolder,
    Remove,
}

/// What the page cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show this unit's page.
    Open(String),
    /// Show the dialog that makes one.
    New,
}

impl Noun for UnitFiles {
    type Item = UnitItem;
    type Deed = Deed;
    type Output = Output;

    const NAME: &'static str = "units";
    const ICON: &'static str = "haulout-unit-symbolic";
    const DEEDS: &'static [(&'static str, Deed)] = &[
        ("open", Deed::Open),
        ("start", Deed::Act(UnitAction::Start)),
        ("stop", Deed::Act(UnitAction::Stop)),
        ("restart", Deed::Act(UnitAction::Restart)),
        ("folder", Deed::OpenFolder),
        ("remove", Deed::Remove),
    ];
    const MAIN_PROPERTIES: &'static [&'static str] = &["running", "busy", "name", "startable"];

    fn words() -> Words {
        Words {
            title: gettext("Units"),
            select: gettext("Select Units"),
            new: gettext("New Unit…"),
            search: gettext("Search units"),
            none: gettext("No Units"),
            none_more: gettext(
                "Units are containers that systemd runs: from login or boot on, and again when they fail",
            ),
        }
    }

    fn things(model: &Model) -> &Keyed<UnitItem> {
        &model.units
    }

    fn stage(model: &Model) -> &Stage {
        &model.unit_stage
    }

    fn fill(model: &Rc<Model>) {
        model.fill_units();
    }

    fn listing() -> Doing {
        Doing::ListingUnits
    }

    fn texts(item: &UnitItem) -> Vec<String> {
        let description = item.data().and_then(|data| data.description).unwrap_or_default();
        vec![item.id(), item.kind(), item.state_word(), item.folder(), description]
    }

    fn columns() -> Vec<Column> {
        vec![
            Column::names::<UnitItem>(),
            Column::new(&gettext("Kind"), Cells::text("kind", &["dim-label"]))
                .width(120)
                .sorted(&by_text::<UnitItem>("kind")),
            Column::states::<UnitItem>(150),
            Column::new(&gettext("Starts"), Cells::text("starts", &[]))
                .width(130)
                .sorted(&by_text::<UnitItem>("starts"))
                .leaves_below(660.),
            Column::new(&gettext("Folder"), Cells::text("folder", &["dim-label"]))
                .sorted(&by_text::<UnitItem>("folder"))
                .leaves_below(820.),
        ]
    }

    /// Stop for what runs, start for what does not.
    fn show_main(button: &gtk::Button, item: &UnitItem) {
        show_start_or_stop(button, &item.name(), item.running(), item.busy().is_empty() && item.startable());
    }

    fn main_deed(item: &UnitItem) -> Deed {
        Deed::Act(if item.running() { UnitAction::Stop } else { UnitAction::Start })
    }

    fn open_deed() -> Deed {
        Deed::Open
    }

    fn menu(item: &UnitItem) -> gio::Menu {
        menu_in_list::<Self>(menu_on_page(item), &item.id())
    }

    fn deeds_to_many() -> Vec<DeedToMany<Deed>> {
        let deed = |label, destructive, deed| DeedToMany { label, destructive, deed };
        vec![
            deed(gettext("Start"), false, Deed::Act(UnitAction::Start)),
            deed(gettext("Stop"), false, Deed::Act(UnitAction::Stop)),
            deed(gettext("Remove…"), true, Deed::Remove),
        ]
    }

    fn ways_in() -> Vec<(String, Output)> {
        vec![(gettext("_New Unit…"), Output::New)]
    }

    fn act(page: &Acting<Self>, items: Vec<UnitItem>, deed: Deed, begun: Box<dyn FnOnce()>) {
        match deed {
            Deed::Open => items.iter().for_each(|item| page.output.emit(Output::Open(item.id()))),
            Deed::OpenFolder => items.iter().for_each(|item| actions::open_folder(&page.context, item)),
            Deed::Act(action) => {
                begun();
                actions::act(&page.context, items, action);
            }
            Deed::Remove => actions::remove(&page.context, items, begun),
        }
    }
}

/// What can be done on the page of `item` now.
pub fn menu_on_page(item: &UnitItem) -> gio::Menu {
    let entry = |label: &str, name| entry::<UnitFiles>(label, name, &item.id());
    let life = match (item.startable(), item.running()) {
        (false, _) => Vec::new(),
        (true, true) => vec![entry(&gettext("_Stop"), "stop"), entry(&gettext("R_estart"), "restart")],
        (true, false) => vec![entry(&gettext("_Start"), "start")],
    };
    let data = item.data();
    let path = data.as_ref().map(|data| data.path.clone()).unwrap_or_default();
    let copy = crate::listing::entry::<UnitFiles>(&gettext("_Copy Path"), "copy", &path);
    let remove = match data {
        Some(data) if data.own => vec![entry(&gettext("Re_move…"), "remove")],
        _ => Vec::new(),
    };
    menu_of([life, vec![entry(&gettext("Open _Folder"), "folder"), copy], remove])
}
