// SPDX-License-Identifier: GPL-3.0-or-later
//! The sidebar: the nouns, each with how many there are; the main menu.

use std::cell::Cell;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, pango};
use relm4::{adw, gtk};

use super::Context;
use crate::widgets::icon_button::Wordless as _;

/// What the sidebar leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Containers,
    Images,
    Units,
    Updates,
}

impl Place {
    const ALL: [Self; 4] = [Self::Containers, Self::Images, Self::Units, Self::Updates];

    /// In the window's stack.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::Images => "images",
            Self::Units => "units",
            Self::Updates => "updates",
        }
    }

    pub fn title(self) -> String {
        match self {
            Self::Containers => gettext("Containers"),
            Self::Images => gettext("Images"),
            Self::Units => gettext("Units"),
            Self::Updates => gettext("Updates"),
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Containers => "haulout-container-symbolic",
            Self::Images => "haulout-image-symbolic",
            Self::Units => "haulout-unit-symbolic",
            Self::Updates => "software-update-available-symbolic",
        }
    }
}

/// The sidebar's page and what it has chosen.
pub struct Sidebar {
    pub page: adw::NavigationPage,
    list: gtk::ListBox,
    place: Rc<Cell<Place>>,
}

impl Sidebar {
    /// `go` is called when another place is chosen.
    pub fn new(context: &Context, go: impl Fn(Place) + 'static) -> Self {
        let list = gtk::ListBox::builder().css_classes(["navigation-sidebar"]).build();
        list.update_property(&[gtk::accessible::Property::Label(&gettext("Pages"))]);
        for place in Place::ALL {
            list.append(&row(place, context));
        }
        list.select_row(list.row_at_index(0).as_ref());
        let place = Rc::new(Cell::new(Place::Containers));
        let chosen = place.clone();
        // A click on the row that is chosen already has to lead there too: in a narrow window it is how one goes on.
        list.connect_row_activated(move |_, row| {
            let index = usize::try_from(row.index()).unwrap_or_default();
            if let Some(place) = Place::ALL.get(index) {
                chosen.set(*place);
                go(*place);
            }
        });

        let menu =
            gtk::MenuButton::builder().icon_name("open-menu-symbolic").menu_model(&main_menu()).primary(true).build();
        menu.set_meaning(&gettext("Main Menu"));
        let search =
            gtk::Button::builder().icon_name("edit-find-symbolic").action_name("win.search-everything").build();
        search.set_meaning(&gettext("Search Everything"));
        let header = adw::HeaderBar::new();
        header.pack_start(&search);
        header.pack_end(&menu);
        let view = adw::ToolbarView::builder()
            .content(&gtk::ScrolledWindow::builder().hscrollbar_policy(gtk::PolicyType::Never).child(&list).build())
            .build();
        view.add_top_bar(&header);
        let page = adw::NavigationPage::builder().title(gettext("Haulout")).tag("sidebar").child(&view).build();
        Self { page, list, place }
    }

    /// What is chosen.
    pub fn place(&self) -> Place {
        self.place.get()
    }

    /// Marks `place` as chosen.
    pub fn choose(&self, place: Place) {
        self.place.set(place);
        let index = Place::ALL.iter().position(|known| *known == place).unwrap_or_default();
        let row = i32::try_from(index).ok().and_then(|index| self.list.row_at_index(index));
        self.list.select_row(row.as_ref());
    }
}

fn row(place: Place, context: &Context) -> gtk::ListBoxRow {
    let icon = gtk::Image::builder().icon_name(place.icon()).accessible_role(gtk::AccessibleRole::Presentation).build();
    let title = gtk::Label::builder()
        .label(place.title())
        .xalign(0.0)
        .hexpand(true)
        .ellipsize(pango::EllipsizeMode::End)
        .build();
    let count = gtk::Label::builder().css_classes(["dim-label", "numeric"]).build();
    let model = &context.model;
    match place {
        Place::Containers => count_things(&count, model.containers.store()),
        Place::Images => count_things(&count, model.images.store()),
        Place::Units => count_things(&count, model.units.store()),
        // What is to do, not what there is.
        Place::Updates => model.to_do.watch(&count, |count, number| say(count, *number)),
    }
    let line = gtk::Box::builder().spacing(12).build();
    line.append(&icon);
    line.append(&title);
    line.append(&count);
    let row = gtk::ListBoxRow::builder().child(&line).build();
    row.update_property(&[gtk::accessible::Property::Label(&place.title())]);
    row
}

/// Has `count` say how many there are in `store`.
fn count_things(count: &gtk::Label, store: &gio::ListStore) {
    say(count, store.n_items());
    let count = count.clone();
    store.connect_items_changed(move |store, _, _, _| say(&count, store.n_items()));
}

fn say(count: &gtk::Label, number: u32) {
    let text = if number == 0 { String::new() } else { number.to_string() };
    count.set_text(&text);
}

fn main_menu() -> gio::Menu {
    let make = gio::Menu::new();
    make.append(Some(&gettext("_Run a Container…")), Some("win.run"));
    make.append(Some(&gettext("_Pull an Image…")), Some("win.pull"));
    make.append(Some(&gettext("New _Unit…")), Some("win.new-unit"));
    let about = gio::Menu::new();
    about.append(Some(&gettext("Pr_eferences")), Some("win.preferences"));
    about.append(Some(&gettext("_Keyboard Shortcuts")), Some("win.shortcuts"));
    about.append(Some(&gettext("_About Haulout")), Some("win.about"));
    let menu = gio::Menu::new();
    menu.append_section(None, &make);
    menu.append_section(None, &about);
    menu
}
