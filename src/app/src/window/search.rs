// SPDX-License-Identifier: GPL-3.0-or-later
//! Ctrl+K: one search over everything.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use super::Context;
use super::sidebar::Place;
use crate::model::matches;

/// More are not worth scrolling through: one types another letter.
const MOST: usize = 40;

/// The dialog.
pub struct SearchDialog {
    context: Context,
    found: Vec<Found>,
}

/// Something that was found, and where it is.
#[derive(Clone, Debug)]
struct Found {
    place: Place,
    id: String,
    name: String,
    line: String,
}

#[derive(Debug)]
pub enum SearchInput {
    Seek(String),
    Choose(usize),
    First,
}

#[derive(Debug)]
pub enum SearchOutput {
    /// This thing of that place was chosen.
    Chosen(Place, String),
}

#[relm4::component(pub)]
impl Component for SearchDialog {
    type Init = Context;
    type Input = SearchInput;
    type Output = SearchOutput;
    type CommandOutput = ();

    view! {
        adw::Dialog {
            set_title: &gettext("Search Everything"),
            set_content_width: 480,
            set_content_height: 460,
            set_presentation_mode: adw::DialogPresentationMode::Floating,
            #[wrap(Some)]
            set_child = &adw::ToolbarView {
                add_top_bar = &adw::HeaderBar {
                    #[name = "entry"]
                    #[wrap(Some)]
                    set_title_widget = &gtk::SearchEntry {
                        set_hexpand: true,
                        set_placeholder_text: Some(&gettext("Search everything")),
                        update_property: &[gtk::accessible::Property::Label(&gettext("Search everything"))],
                        connect_search_changed[sender] => move |entry| sender.input_sender().emit(SearchInput::Seek(entry.text().into())),
                        connect_activate => SearchInput::First,
                        connect_stop_search[root] => move |_| { root.close(); },
                    },
                },
                #[name = "stack"]
                #[wrap(Some)]
                set_content = &gtk::Stack {
                    #[name = "scrolled"]
                    add_named[Some("list")] = &gtk::ScrolledWindow {
                        set_hscrollbar_policy: gtk::PolicyType::Never,
                        #[name = "list"]
                        gtk::ListBox {
                            set_margin_all: 12,
                            set_valign: gtk::Align::Start,
                            set_selection_mode: gtk::SelectionMode::None,
                            add_css_class: "boxed-list",
                            update_property: &[gtk::accessible::Property::Label(&gettext("Results"))],
                            connect_row_activated[sender] => move |_, row| {
                                sender.input_sender().emit(SearchInput::Choose(usize::try_from(row.index()).unwrap_or_default()));
                            },
                        },
                    },
                    add_named[Some("nothing")] = &adw::StatusPage {
                        set_icon_name: Some("system-search-symbolic"),
                        set_title: &gettext("No Results Found"),
                        set_description: Some(&gettext("Try a different search")),
                        add_css_class: "compact",
                    },
                },
            },
        }
    }

    fn init(context: Context, root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let model = Self { context, found: Vec::new() };
        let widgets = view_output!();
        root.set_focus(Some(&widgets.entry));
        sender.input_sender().emit(SearchInput::Seek(String::new()));
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: SearchInput,
        sender: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        match input {
            SearchInput::Seek(text) => {
                self.found = self.seek(&text);
                widgets.list.remove_all();
                for found in &self.found {
                    widgets.list.append(&row(found));
                }
                widgets.stack.set_visible_child_name(if self.found.is_empty() { "nothing" } else { "list" });
            }
            SearchInput::First => sender.input_sender().emit(SearchInput::Choose(0)),
            SearchInput::Choose(index) => {
                if let Some(found) = self.found.get(index) {
                    let _ = sender.output(SearchOutput::Chosen(found.place, found.id.clone()));
                    root.close();
                }
            }
        }
    }
}

impl SearchDialog {
    /// Containers first, then images, units and updates, each by name.
    fn seek(&self, text: &str) -> Vec<Found> {
        let model = &self.context.model;
        let containers = model
            .containers
            .all()
            .into_iter()
            .filter(|item| matches(text, &[&item.name(), &item.image(), &item.id(), &item.ports(), &item.state_word()]))
            .map(|item| Found { place: Place::Containers, id: item.id(), name: item.name(), line: item.summary() });
        let images = model
            .images
            .all()
            .into_iter()
            .filter(|item| {
                let names = item.data().map(|data| data.names.join(" ")).unwrap_or_default();
                matches(text, &[&item.name(), &item.tag(), &item.id(), &names])
            })
            .map(|item| Found { place: Place::Images, id: item.id(), name: item.name(), line: item.summary() });
        let units = model
            .units
            .all()
            .into_iter()
            .filter(|item| matches(text, &[&item.id(), &item.kind(), &item.state_word()]))
            .map(|item| Found { place: Place::Units, id: item.id(), name: item.id(), line: item.summary() });
        let updates = model
            .updates
            .all()
            .into_iter()
            .filter(|item| matches(text, &[&item.name(), &item.id(), &item.image(), &item.state_word()]))
            .map(|item| Found { place: Place::Updates, id: item.id(), name: item.name(), line: item.summary() });
        let mut found: Vec<Found> = containers.chain(images).chain(units).chain(updates).collect();
        // Those whose name it is before those that only have to do with it.
        let sought = text.trim().to_lowercase();
        found.sort_by_cached_key(|found| {
            let named = found.name.to_lowercase().contains(&sought);
            (found.place, !named, found.name.clone())
        });
        found.truncate(MOST);
        found
    }
}

fn row(found: &Found) -> adw::ActionRow {
    let row = adw::ActionRow::builder()
        .title(glib::markup_escape_text(&found.name))
        .subtitle(glib::markup_escape_text(&found.line))
        .title_lines(1)
        .subtitle_lines(1)
        .activatable(true)
        .build();
    let icon = gtk::Image::builder().icon_name(found.place.icon()).accessible_role(gtk::AccessibleRole::Presentation);
    row.add_prefix(&icon.build());
    row
}
