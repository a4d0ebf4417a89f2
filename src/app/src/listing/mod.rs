// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of a noun: its things in a list, the search, the selection mode, and what is shown when there is nothing to
//! list. What differs from noun to noun is in [`Noun`]; the rest is here, once.

pub mod cells;
mod page;
mod row_menu;
mod shapes;

use std::fmt::Debug;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::gtk;
use relm4::gtk::prelude::*;
use relm4::gtk::{gio, glib};

pub use page::{Input, Page, below};
pub use shapes::{Column, by, by_text};

use crate::errors::Doing;
use crate::language::fill;
use crate::model::{Keyed, KeyedItem, Model, Stage};
use crate::widgets::icon_button::Wordless as _;
use crate::window::Context;
use cells::Cells;

/// Things of one kind, as their page shows them.
pub trait Noun: Sized + 'static {
    /// The object behind a row.
    type Item: KeyedItem;
    /// What can be done to things in the list.
    type Deed: Copy + Debug + 'static;
    /// What the page cannot do by itself.
    type Output: Debug + 'static;

    /// In the window's stack, and before the dot in the names of the menu's actions.
    const NAME: &'static str;
    /// Of the page that says that there are none.
    const ICON: &'static str;
    /// The names of the menu's actions. `select` and `copy` are there for every noun.
    const DEEDS: &'static [(&'static str, Self::Deed)];

    /// The properties of a thing that its main button depends on.
    const MAIN_PROPERTIES: &'static [&'static str];

    /// What the page says.
    fn words() -> Words;
    /// The things of this noun.
    fn things(model: &Model) -> &Keyed<Self::Item>;
    /// How far the part of the model is that has them.
    fn stage(model: &Model) -> &Stage {
        &model.stage
    }
    /// Fills that part anew.
    fn fill(model: &Rc<Model>) {
        model.fill();
    }
    /// What could not be done when that fails.
    fn listing() -> Doing {
        Doing::Listing
    }
    /// The texts of a thing that the search looks at.
    fn texts(item: &Self::Item) -> Vec<String>;
    /// The columns between the box to tick and the buttons; the list is sorted by the first until somebody chooses another.
    fn columns() -> Vec<Column>;
    /// What stands before the two lines of a narrow row.
    fn lead(list_item: &glib::Object) -> Option<gtk::Widget> {
        Some(Cells::<Self::Item>::state(list_item, false))
    }
    /// Makes the button of a row's main action say what it does to `item` now.
    fn show_main(button: &gtk::Button, item: &Self::Item);
    /// What that button does to `item` now.
    fn main_deed(item: &Self::Item) -> Self::Deed;
    /// What a click on a row does.
    fn open_deed() -> Self::Deed;
    /// What can be done to `item` in the list now.
    fn menu(item: &Self::Item) -> gio::Menu;
    /// The buttons below a selection.
    fn deeds_to_many() -> Vec<DeedToMany<Self::Deed>>;
    /// How one comes to a thing of this noun, the usual way first: the button in the header, and those of the empty page.
    fn ways_in() -> Vec<(String, Self::Output)>;
    /// What stands in its header and above its list, besides what all have.
    fn head(_: &Acting<Self>) -> Head {
        Head::default()
    }
    /// Does it to `items`; `begun` is called when nothing more is asked.
    fn act(page: &Acting<Self>, items: Vec<Self::Item>, deed: Self::Deed, begun: Box<dyn FnOnce()>);
}

/// What the page of a noun says, translated.
pub struct Words {
    /// Of the page: "Images".
    pub title: String,
    /// Of the page in selection mode, and of the button that begins it: "Select Images".
    pub select: String,
    /// Of the button in the header: "Pull an Image…".
    pub new: String,
    /// In the empty search entry: "Search images".
    pub search: String,
    /// When there are none: "No Images".
    pub none: String,
    /// The sentence below that.
    pub none_more: String,
}

/// What a page has besides what all have.
#[derive(Default)]
pub struct Head {
    /// At the header's start, instead of the button of the first way in.
    pub start: Vec<gtk::Widget>,
    /// At its end.
    pub end: Vec<gtk::Widget>,
    /// Between the header and the list.
    pub below: Option<gtk::Widget>,
}

/// A button below a selection.
pub struct DeedToMany<D> {
    pub label: String,
    /// At the end, in red.
    pub destructive: bool,
    pub deed: D,
}

/// What acting on things needs.
pub struct Acting<N: Noun> {
    pub context: Context,
    pub output: relm4::Sender<N::Output>,
}

/// An entry of a menu that does the deed called `name` to the thing `id`.
pub fn entry<N: Noun>(label: &str, name: &str, id: &str) -> gio::MenuItem {
    let entry = gio::MenuItem::new(Some(label), None);
    entry.set_action_and_target_value(Some(&format!("{}.{name}", N::NAME)), Some(&id.to_variant()));
    entry
}

/// A menu of `sections`.
pub fn menu_of<const N: usize>(sections: [Vec<gio::MenuItem>; N]) -> gio::Menu {
    let menu = gio::Menu::new();
    for entries in sections {
        let section = gio::Menu::new();
        for entry in entries {
            section.append_item(&entry);
        }
        menu.append_section(None, &section);
    }
    menu
}

/// The menu of a thing in the list: what can be done `on_page`, and before that what leads there.
pub fn menu_in_list<N: Noun>(on_page: gio::Menu, id: &str) -> gio::Menu {
    let entry = |label: &str, name| entry::<N>(label, name, id);
    let first = menu_of([vec![entry(&gettext("_Open"), "open"), entry(&gettext("Se_lect"), "select")]]);
    on_page.prepend_section(None, &first);
    on_page
}

/// Makes the main button of `name` say that it stops what runs, or starts what does not.
pub fn show_start_or_stop(button: &gtk::Button, name: &str, running: bool, sensitive: bool) {
    let (icon, word, whole) = if running {
        ("media-playback-stop-symbolic", gettext("Stop"), gettext("Stop {}"))
    } else {
        ("media-playback-start-symbolic", gettext("Start"), gettext("Start {}"))
    };
    button.set_icon_name(icon);
    button.set_tooltip_text(Some(&word));
    button.set_sensitive(sensitive);
    // "Stop web", not "Stop" fifty times.
    button.update_property(&[gtk::accessible::Property::Label(&fill(&whole, &[name]))]);
}

/// What a row's main button calls, with the thing that the row shows.
type Clicked<T> = Rc<dyn Fn(&T)>;

/// A row's buttons: the main one, and that of the menu.
fn buttons<N: Noun>(list_item: &glib::Object, clicked: &Clicked<N::Item>) -> gtk::Box {
    let both = gtk::Box::builder().spacing(6).halign(gtk::Align::End).build();
    both.append(&main_button::<N>(list_item, clicked.clone()));
    both.append(&menu_button::<N>(list_item));
    keep_clicks(&both);
    both
}

/// Has clicks on the buttons end there. One that can do nothing now lets them through: the second of two quick clicks, which comes when
/// the first has begun something, would open the row.
fn keep_clicks(buttons: &gtk::Box) {
    let click = gtk::GestureClick::new();
    // Not before: a button that can do something takes its click when it is released.
    click.connect_released(|click, _, _, _| {
        click.set_state(gtk::EventSequenceState::Claimed);
    });
    buttons.add_controller(click);
}

/// The button of the main action, as it is for whichever thing the row shows.
fn main_button<N: Noun>(list_item: &glib::Object, clicked: Clicked<N::Item>) -> gtk::Button {
    let button = gtk::Button::builder().valign(gtk::Align::Center).css_classes(["flat", "circular"]).build();
    let shown = button.downgrade();
    Cells::<N::Item>::follow(list_item, N::MAIN_PROPERTIES, move |item| {
        if let Some(button) = shown.upgrade() {
            N::show_main(&button, item);
        }
    });
    let weak = list_item.downgrade();
    button.connect_clicked(move |_| {
        if let Some(item) = weak.upgrade().as_ref().and_then(Cells::<N::Item>::item) {
            clicked(&item);
        }
    });
    button
}

/// A button that shows the menu; it is made when it is asked for: what it offers depends on the state.
fn menu_button<N: Noun>(list_item: &glib::Object) -> gtk::MenuButton {
    let button = gtk::MenuButton::builder()
        .icon_name("view-more-symbolic")
        .valign(gtk::Align::Center)
        .css_classes(["flat", "circular"])
        .build();
    button.set_meaning(&gettext("More Actions"));
    let weak = list_item.downgrade();
    button.set_create_popup_func(move |button| {
        if let Some(item) = weak.upgrade().as_ref().and_then(Cells::<N::Item>::item) {
            button.set_menu_model(Some(&N::menu(&item)));
        }
    });
    button
}

/// Whether `item` is ticked in selection mode.
fn selected(item: &impl IsA<glib::Object>) -> bool {
    item.property("selected")
}

/// Ticks `item`, or takes the tick away.
fn select(item: &impl IsA<glib::Object>, on: bool) {
    item.set_property("selected", on);
}
