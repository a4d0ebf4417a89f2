// SPDX-License-Identifier: GPL-3.0-or-later
//! Images: what their page lists and what can be done there, the dialog that shows one, and the dialog that pulls one.

mod actions;
mod details;
pub mod progress;
pub mod pull_dialog;

use gettextrs::gettext;
use relm4::gtk;
use relm4::gtk::prelude::*;
use relm4::gtk::{gio, glib, pango};

use crate::language::fill;
use crate::listing::{Acting, Column, DeedToMany, Noun, Words, by, entry, menu_of};
use crate::model::{ImageItem, Keyed, Model};

/// Cells of images.
type Cells = crate::listing::cells::Cells<ImageItem>;

/// The noun.
pub struct Images;

/// What can be done to an image in the list.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Its dialog is shown.
    Show,
    /// A container is run from it.
    Run,
    Remove,
}

/// What the page cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show the dialog that runs a container from this image.
    Run(String),
    /// Show the dialog that pulls an image.
    Pull,
}

impl Noun for Images {
    type Item = ImageItem;
    type Deed = Deed;
    type Output = Output;

    const NAME: &'static str = "images";
    const ICON: &'static str = "haulout-image-symbolic";
    const DEEDS: &'static [(&'static str, Deed)] =
        &[("show", Deed::Show), ("run", Deed::Run), ("remove", Deed::Remove)];
    const MAIN_PROPERTIES: &'static [&'static str] = &["name", "busy"];

    fn words() -> Words {
        Words {
            title: gettext("Images"),
            select: gettext("Select Images"),
            new: gettext("Pull an Image…"),
            search: gettext("Search images"),
            none: gettext("No Images"),
            none_more: gettext("Images that you pull appear here, to run containers from"),
        }
    }

    fn things(model: &Model) -> &Keyed<ImageItem> {
        &model.images
    }

    fn texts(item: &ImageItem) -> Vec<String> {
        let mut texts = item.data().map(|data| data.names).unwrap_or_default();
        texts.extend([item.name(), item.tag(), item.id()]);
        texts
    }

    fn columns() -> Vec<Column> {
        let name = Cells::factory(|row| Cells::label(row, "name", pango::EllipsizeMode::Middle, &["heading"]).upcast());
        vec![
            Column::new(&gettext("Name"), name).sorted(&by(|one: &ImageItem, other| one.name().cmp(&other.name()))),
            Column::new(&gettext("Tag"), Cells::text("tag", &[])).width(130),
            Column::new(&gettext("Size"), Cells::text("size", &["numeric"]))
                .width(110)
                .sorted(&by(|one: &ImageItem, other| one.byte_count().cmp(&other.byte_count()))),
            Column::new(&gettext("Used By"), Cells::text("used", &["dim-label"]))
                .width(140)
                .sorted(&by(|one: &ImageItem, other| other.uses().cmp(&one.uses())))
                .leaves_below(840.),
            Column::new(&gettext("Built"), Cells::text("age", &["dim-label"]))
                .width(140)
                .sorted(&by(|one: &ImageItem, other| other.created().cmp(&one.created())))
                .leaves_below(660.),
        ]
    }

    fn lead(_: &glib::Object) -> Option<gtk::Widget> {
        None
    }

    fn show_main(button: &gtk::Button, item: &ImageItem) {
        button.set_icon_name("media-playback-start-symbolic");
        button.set_tooltip_text(Some(&gettext("Run a Container…")));
        button.set_sensitive(!item.busy());
        let text = fill(&gettext("Run a Container from {}"), &[&item.name()]);
        button.update_property(&[gtk::accessible::Property::Label(&text)]);
    }

    fn main_deed(_: &ImageItem) -> Deed {
        Deed::Run
    }

    fn open_deed() -> Deed {
        Deed::Show
    }

    fn menu(item: &ImageItem) -> gio::Menu {
        let entry = |label, name, target: &str| entry::<Self>(label, name, target);
        let id = item.id();
        menu_of([
            vec![
                entry(&gettext("_Details"), "show", &id),
                entry(&gettext("_Run a Container…"), "run", &id),
                entry(&gettext("Se_lect"), "select", &id),
            ],
            vec![entry(&gettext("Copy _Name"), "copy", &item.reference()), entry(&gettext("_Copy ID"), "copy", &id)],
            vec![entry(&gettext("R_emove…"), "remove", &id)],
        ])
    }

    fn deeds_to_many() -> Vec<DeedToMany<Deed>> {
        vec![DeedToMany { label: gettext("Remove…"), destructive: true, deed: Deed::Remove }]
    }

    fn ways_in() -> Vec<(String, Output)> {
        vec![(gettext("_Pull an Image…"), Output::Pull)]
    }

    fn act(page: &Acting<Self>, items: Vec<ImageItem>, deed: Deed, begun: Box<dyn FnOnce()>) {
        match deed {
            Deed::Show => {
                for item in items {
                    let (output, image) = (page.output.clone(), item.clone());
                    details::show(&page.context, &item, move || output.emit(Output::Run(image.reference())));
                }
            }
            Deed::Run => items.iter().for_each(|item| page.output.emit(Output::Run(item.reference()))),
            Deed::Remove => actions::remove(&page.context, items, begun),
        }
    }
}
