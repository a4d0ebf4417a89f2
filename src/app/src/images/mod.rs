// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of images: the list, its search, its selection mode, and what it shows when there is nothing to list.

mod actions;
mod details;
mod list;
mod menu;
pub mod progress;
pub mod pull_dialog;

use std::rc::Rc;

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use list::{Clicks, List};

use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::{ImageItem, Phase};
use crate::widgets::failure::FailurePage;
use crate::widgets::row_menu;
use crate::window::Context;

/// The page.
pub struct Images {
    context: Context,
    list: List,
    failed: FailurePage,
    phase: Phase,
    sought: String,
    selecting: bool,
    selected: u32,
}

/// What the page takes.
#[derive(Debug)]
pub enum Input {
    /// The model entered another phase.
    Phase(Phase),
    /// How many rows there are changed.
    Counted,
    /// The search has this text.
    Seek(String),
    /// Show the search.
    Search,
    /// The row was clicked.
    Activate(u32),
    /// Selection mode begins or ends.
    Select(bool),
    /// Selection mode begins with this one.
    SelectOne(String),
    /// What is selected changed.
    Ticked,
    SelectAll,
    RemoveSelected,
    /// Remove this one.
    Remove(String),
    /// Run a container from this one.
    Run(String),
    /// Show this one's dialog.
    Show(String),
}

/// What the page cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show the dialog that runs a container from this image.
    Run(String),
    /// Show the dialog that pulls an image.
    Pull,
}

#[relm4::component(pub)]
impl Component for Images {
    type Init = Context;
    type Input = Input;
    type Output = Output;
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_title: &gettext("Images"),
            set_tag: Some("images"),

            adw::ToolbarView {
                add_top_bar = &adw::HeaderBar {
                    pack_start = &gtk::Button {
                        set_icon_name: "list-add-symbolic",
                        set_tooltip_text: Some(&gettext("Pull an Image…")),
                        update_property: &[gtk::accessible::Property::Label(&gettext("Pull an Image…"))],
                        #[watch]
                        set_visible: !model.selecting,
                        connect_clicked[sender] => move |_| { let _ = sender.output(Output::Pull); },
                    },
                    pack_start = &gtk::Button {
                        set_icon_name: "edit-select-all-symbolic",
                        set_tooltip_text: Some(&gettext("Select All")),
                        update_property: &[gtk::accessible::Property::Label(&gettext("Select All"))],
                        #[watch]
                        set_visible: model.selecting,
                        connect_clicked => Input::SelectAll,
                    },
                    #[wrap(Some)]
                    set_title_widget = &adw::WindowTitle {
                        #[watch]
                        set_title: &model.title(),
                    },
                    pack_end = &gtk::Button {
                        set_label: &gettext("Done"),
                        #[watch]
                        set_visible: model.selecting,
                        connect_clicked => Input::Select(false),
                    },
                    // In a narrow window selection begins in the menu of a row.
                    #[name = "select_place"]
                    pack_end = &gtk::Box {
                        gtk::Button {
                            set_icon_name: "selection-mode-symbolic",
                            set_tooltip_text: Some(&gettext("Select Images")),
                            update_property: &[gtk::accessible::Property::Label(&gettext("Select Images"))],
                            #[watch]
                            set_visible: !model.selecting && model.has_rows(),
                            connect_clicked => Input::Select(true),
                        },
                    },
                    #[name = "search_button"]
                    pack_end = &gtk::ToggleButton {
                        set_icon_name: "system-search-symbolic",
                        set_tooltip_text: Some(&gettext("Search")),
                        update_property: &[gtk::accessible::Property::Label(&gettext("Search"))],
                        #[watch]
                        set_visible: !model.selecting && model.has_rows(),
                    },
                },
                #[name = "search_bar"]
                add_top_bar = &gtk::SearchBar {
                    #[wrap(Some)]
                    set_child = &adw::Clamp {
                        set_maximum_size: 400,
                        set_hexpand: true,
                        #[name = "search_entry"]
                        gtk::SearchEntry {
                            set_hexpand: true,
                            set_placeholder_text: Some(&gettext("Search images")),
                            update_property: &[gtk::accessible::Property::Label(&gettext("Search images"))],
                            connect_search_changed[sender] => move |entry| sender.input_sender().emit(Input::Seek(entry.text().into())),
                        },
                    },
                },
                #[wrap(Some)]
                set_content = &adw::BreakpointBin {
                    set_size_request: (300, 200),
                    #[name = "stack"]
                    #[wrap(Some)]
                    set_child = &gtk::Stack {
                        set_transition_type: gtk::StackTransitionType::Crossfade,
                        add_named[Some("loading")] = &adw::Bin {},
                        add_named[Some("failed")] = &model.failed.page.clone(),
                        add_named[Some("empty")] = &adw::StatusPage {
                            set_icon_name: Some("haulout-image-symbolic"),
                            set_title: &gettext("No Images"),
                            set_description: Some(&gettext("Images that you pull appear here, to run containers from")),
                            gtk::Button {
                                set_label: &gettext("_Pull an Image…"),
                                set_use_underline: true,
                                set_halign: gtk::Align::Center,
                                set_css_classes: &["pill", "suggested-action"],
                                connect_clicked[sender] => move |_| { let _ = sender.output(Output::Pull); },
                            },
                        },
                        add_named[Some("nothing")] = &adw::StatusPage {
                            set_icon_name: Some("system-search-symbolic"),
                            set_title: &gettext("No Results Found"),
                            set_description: Some(&gettext("Try a different search")),
                        },
                        #[name = "shapes"]
                        add_named[Some("list")] = &gtk::Stack {
                            add_named[Some("columns")] = &gtk::ScrolledWindow {
                                set_child: Some(&model.list.columns),
                            },
                            add_named[Some("rows")] = &gtk::ScrolledWindow {
                                set_hscrollbar_policy: gtk::PolicyType::Never,
                                set_child: Some(&model.list.rows),
                            },
                        },
                        #[watch]
                        set_visible_child_name: model.shown(),
                    },
                    add_breakpoint = bin_breakpoint(840., &[model.list.used.clone().upcast()]),
                    add_breakpoint = bin_breakpoint(660., &[model.list.used.clone().upcast(), model.list.age.clone().upcast()]),
                    add_breakpoint = narrow.clone(),
                },
                add_bottom_bar = &gtk::ActionBar {
                    pack_end = &gtk::Button {
                        set_label: &gettext("Remove…"),
                        set_css_classes: &["destructive-action"],
                        #[watch]
                        set_sensitive: model.selected > 0,
                        connect_clicked => Input::RemoveSelected,
                    },
                },
                #[watch]
                set_reveal_bottom_bars: model.selecting,
            },
        }
    }

    fn init(context: Context, root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let clicks = Clicks {
            main: Rc::new({
                let sender = sender.clone();
                move |item: &ImageItem| sender.input_sender().emit(Input::Run(item.id()))
            }),
            ticked: Rc::new({
                let sender = sender.clone();
                move || sender.input_sender().emit(Input::Ticked)
            }),
            menu: Rc::new(menu::of),
        };
        let list = List::over(&context.model, &clicks);
        let failed = FailurePage::new({
            let model = context.model.clone();
            move || model.fill()
        });
        let model = Self {
            phase: context.model.phase(),
            context,
            list,
            failed,
            sought: String::new(),
            selecting: false,
            selected: 0,
        };
        let narrow = adw::Breakpoint::new(adw::BreakpointCondition::new_length(
            adw::BreakpointConditionLengthType::MaxWidth,
            500.,
            adw::LengthUnit::Sp,
        ));
        let widgets = view_output!();
        narrow.add_setter(&widgets.shapes, "visible-child-name", Some(&"rows".to_value()));
        narrow.add_setter(&widgets.select_place, "visible", Some(&false.to_value()));

        widgets.search_bar.connect_entry(&widgets.search_entry);
        widgets.search_bar.set_key_capture_widget(Some(&root));
        widgets
            .search_button
            .bind_property("active", &widgets.search_bar, "search-mode-enabled")
            .bidirectional()
            .build();
        menu::install(&root, &model.list, &sender);
        let known = model.context.model.clone();
        let menu_of: row_menu::MenuOf = Rc::new(move |id| known.images.get(id).map(|item| menu::of(&item)));
        row_menu::install(&model.list.columns, &menu_of);
        row_menu::install(&model.list.rows, &menu_of);
        let escaped = sender.clone();
        model.list.selecting.end_by_escape(&root, move || escaped.input_sender().emit(Input::Select(false)));
        let activate = |sender: &ComponentSender<Self>| {
            let sender = sender.clone();
            move |position| sender.input_sender().emit(Input::Activate(position))
        };
        let to = activate(&sender);
        model.list.columns.connect_activate(move |_, position| to(position));
        let to = activate(&sender);
        model.list.rows.connect_activate(move |_, position| to(position));
        let counted = sender.clone();
        model.list.shown.connect_items_changed(move |_, _, _, _| counted.input_sender().emit(Input::Counted));
        let entered = sender.clone();
        model.context.model.watch_phase(move |phase| entered.input_sender().emit(Input::Phase(phase.clone())));
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: Input,
        sender: ComponentSender<Self>,
        _: &Self::Root,
    ) {
        match input {
            Input::Phase(phase) => {
                if let Phase::Failed(failure) = &phase {
                    self.failed.show(&words(&Doing::Listing, failure));
                }
                self.phase = phase;
            }
            Input::Counted => {
                if self.selecting && !self.has_rows() {
                    sender.input_sender().emit(Input::Select(false));
                }
                self.count_selected();
            }
            Input::Seek(text) => {
                self.list.seek(&text);
                self.sought = text;
            }
            Input::Search => {
                widgets.search_bar.set_search_mode(true);
                widgets.search_entry.grab_focus();
            }
            Input::Activate(position) => {
                if let Some(item) = self.list.at(position) {
                    if self.selecting {
                        item.set_selected(!item.selected());
                    } else {
                        sender.input_sender().emit(Input::Show(item.id()));
                    }
                }
            }
            Input::Select(on) => {
                self.selecting = on;
                self.list.select(on);
                if !on {
                    for item in self.context.model.images.all() {
                        item.set_selected(false);
                    }
                }
                self.count_selected();
            }
            Input::SelectOne(id) => {
                if let Some(item) = self.context.model.images.get(&id) {
                    item.set_selected(true);
                    sender.input_sender().emit(Input::Select(true));
                }
            }
            Input::Ticked => self.count_selected(),
            Input::SelectAll => {
                let all = self.list.all();
                let on = all.iter().any(|item| !item.selected());
                for item in all {
                    item.set_selected(on);
                }
                self.count_selected();
            }
            Input::RemoveSelected => {
                let items = self.list.all().into_iter().filter(ImageItem::selected).collect();
                let sender = sender.clone();
                actions::remove(&self.context, items, move || sender.input_sender().emit(Input::Select(false)));
            }
            Input::Remove(id) => {
                if let Some(item) = self.context.model.images.get(&id) {
                    actions::remove(&self.context, vec![item], || {});
                }
            }
            Input::Run(id) => {
                if let Some(item) = self.context.model.images.get(&id) {
                    let _ = sender.output(Output::Run(item.reference()));
                }
            }
            Input::Show(id) => {
                if let Some(item) = self.context.model.images.get(&id) {
                    details::show(&self.context, &item, {
                        let sender = sender.clone();
                        move || sender.input_sender().emit(Input::Run(id.clone()))
                    });
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Images {
    fn has_rows(&self) -> bool {
        self.context.model.images.store().n_items() > 0
    }

    fn count_selected(&mut self) {
        let count = self.list.all().iter().filter(|item| item.selected()).count();
        self.selected = u32::try_from(count).unwrap_or(u32::MAX);
    }

    fn title(&self) -> String {
        match self.selected {
            _ if !self.selecting => gettext("Images"),
            0 => gettext("Select Images"),
            count => fill(&ngettext("{} Selected", "{} Selected", plural_number(count.into())), &[&count.to_string()]),
        }
    }

    /// Which of the stack's children there is to see.
    fn shown(&self) -> &'static str {
        match self.phase {
            Phase::Loading => "loading",
            Phase::Failed(_) => "failed",
            _ if !self.has_rows() => "empty",
            _ if self.list.shown.n_items() == 0 && !self.sought.is_empty() => "nothing",
            _ => "list",
        }
    }
}

/// Below `width` (scaled pixels) the `columns` are not shown.
fn bin_breakpoint(width: f64, columns: &[glib::Object]) -> adw::Breakpoint {
    let breakpoint = adw::Breakpoint::new(adw::BreakpointCondition::new_length(
        adw::BreakpointConditionLengthType::MaxWidth,
        width,
        adw::LengthUnit::Sp,
    ));
    for column in columns {
        breakpoint.add_setter(column, "visible", Some(&false.to_value()));
    }
    breakpoint
}
