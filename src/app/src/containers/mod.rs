// SPDX-License-Identifier: GPL-3.0-or-later
//! Containers: what their page lists and what can be done there, a container's own page, and the dialog that runs one.

mod actions;
pub mod detail;
pub mod menu;
pub mod run_dialog;
pub mod unit_dialog;

use gettextrs::{gettext, pgettext};
use relm4::gtk;
use relm4::gtk::gio;

pub use actions::act;
use actions::act_and;

use crate::connection::Action;
use crate::listing::{Acting, Column, DeedToMany, Noun, Words, by, by_text, menu_in_list, show_start_or_stop};
use crate::model::{ContainerItem, Keyed, Model};

/// Cells of containers.
type Cells = crate::listing::cells::Cells<ContainerItem>;

/// The noun.
pub struct Containers;

/// What can be done to a container in the list.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Its page is shown.
    Open,
    Act(Action),
    /// The dialog is shown that makes a unit of it.
    MakeUnit,
}

/// What the page cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show this container's page.
    Open(String),
    /// Show the dialog that runs a container.
    Run,
    /// Show the dialog that pulls an image.
    Pull,
    /// Show the dialog that makes a unit of this container.
    MakeUnit(String),
}

impl Noun for Containers {
    type Item = ContainerItem;
    type Deed = Deed;
    type Output = Output;

    const NAME: &'static str = "containers";
    const ICON: &'static str = "haulout-container-symbolic";
    const DEEDS: &'static [(&'static str, Deed)] = &[
        ("open", Deed::Open),
        ("start", Deed::Act(Action::Start)),
        ("stop", Deed::Act(Action::Stop)),
        ("restart", Deed::Act(Action::Restart)),
        ("kill", Deed::Act(Action::Kill)),
        ("remove", Deed::Act(Action::Remove)),
        ("make-unit", Deed::MakeUnit),
    ];
    const MAIN_PROPERTIES: &'static [&'static str] = &["running", "busy", "name"];

    fn words() -> Words {
        Words {
            title: gettext("Containers"),
            select: gettext("Select Containers"),
            new: gettext("Run a Container…"),
            search: gettext("Search containers"),
            none: gettext("No Containers"),
            none_more: gettext("Containers that you run appear here"),
        }
    }

    fn things(model: &Model) -> &Keyed<ContainerItem> {
        &model.containers
    }

    fn texts(item: &ContainerItem) -> Vec<String> {
        vec![item.name(), item.image(), item.state_word(), item.ports(), item.id()]
    }

    fn columns() -> Vec<Column> {
        // The newest first.
        let age = by(|one: &ContainerItem, other| other.created().cmp(&one.created()));
        vec![
            Column::names::<ContainerItem>(),
            Column::new(&gettext("Image"), Cells::text("image", &["dim-label"]))
                .sorted(&by_text::<ContainerItem>("image")),
            Column::states::<ContainerItem>(150),
            Column::new(&gettext("Ports"), Cells::text("ports", &["numeric"])).width(195).leaves_below(680.),
            Column::new(&pgettext("time", "Created"), Cells::text("age", &["dim-label"]))
                .width(140)
                .sorted(&age)
                .leaves_below(860.),
        ]
    }

    /// Stop for a running container, start for any other.
    fn show_main(button: &gtk::Button, item: &ContainerItem) {
        show_start_or_stop(button, &item.name(), item.running(), item.busy().is_empty());
    }

    fn main_deed(item: &ContainerItem) -> Deed {
        Deed::Act(if item.running() { Action::Stop } else { Action::Start })
    }

    fn open_deed() -> Deed {
        Deed::Open
    }

    fn menu(item: &ContainerItem) -> gio::Menu {
        menu_in_list::<Self>(menu::on_page(item), &item.id())
    }

    fn deeds_to_many() -> Vec<DeedToMany<Deed>> {
        let deed = |label, destructive, action| DeedToMany { label, destructive, deed: Deed::Act(action) };
        vec![
            deed(gettext("Start"), false, Action::Start),
            deed(gettext("Stop"), false, Action::Stop),
            deed(gettext("Remove…"), true, Action::Remove),
        ]
    }

    fn ways_in() -> Vec<(String, Output)> {
        vec![(gettext("_Run a Container…"), Output::Run), (gettext("_Pull an Image…"), Output::Pull)]
    }

    fn act(page: &Acting<Self>, items: Vec<ContainerItem>, deed: Deed, begun: Box<dyn FnOnce()>) {
        match deed {
            Deed::Open => items.iter().for_each(|item| page.output.emit(Output::Open(item.id()))),
            Deed::MakeUnit => items.iter().for_each(|item| page.output.emit(Output::MakeUnit(item.id()))),
            Deed::Act(action) => {
                let items = items.into_iter().filter(|item| is_sensible(action, item)).collect();
                act_and(&page.context, items, action, begun);
            }
        }
    }
}

/// Whether it makes sense to do `action` to `item` as it is: others of a selection may need it.
fn is_sensible(action: Action, item: &ContainerItem) -> bool {
    match action {
        Action::Start => !item.running(),
        Action::Stop | Action::Kill | Action::Restart => item.running(),
        Action::Remove => true,
    }
}
