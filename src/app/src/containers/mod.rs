// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of containers: the list, its search, its selection mode, and what it shows when there is nothing to list.

mod actions;
pub mod detail;
mod list;
mod menu;
mod row;
pub mod run_dialog;

use std::rc::Rc;

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

pub use actions::act;
use actions::act_and;
use list::{Clicks, List};

use crate::connection::Action;
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::{ContainerItem, Phase};
use crate::widgets::failure::FailurePage;
use crate::widgets::row_menu;
use crate::window::Context;

/// The page.
pub struct Containers {
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
    /// Do it to all that are selected.
    ActOnSelected(Action),
    /// Do it to one.
    Act(String, Action),
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
}

#[relm4::component(pub)]
impl Component for Containers {
    type Init = Context;
    type Input = Input;
    type Output = Output;
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_title: &gettext("Containers"),
            set_tag: Some("containers"),

            adw::ToolbarView {
                add_top_bar = &adw::HeaderBar {
                    pack_start = &gtk::Button {
                        set_icon_name: "list-add-symbolic",
                        set_tooltip_text: Some(&gettext("Run a Container…")),
                        update_property: &[gtk::accessible::Property::Label(&gettext("Run a Container…"))],
                        #[watch]
                        set_visible: !model.selecting,
                        connect_clicked[sender] => move |_| { let _ = sender.output(Output::Run); },
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
                            set_tooltip_text: Some(&gettext("Select Containers")),
                            update_property: &[gtk::accessible::Property::Label(&gettext("Select Containers"))],
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
                            set_placeholder_text: Some(&gettext("Search containers")),
                            update_property: &[gtk::accessible::Property::Label(&gettext("Search containers"))],
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
                            set_icon_name: Some("haulout-container-symbolic"),
                            set_title: &gettext("No Containers"),
                            set_description: Some(&gettext("Containers that you run appear here")),
                            gtk::Box {
                                set_orientation: gtk::Orientation::Vertical,
                                set_spacing: 12,
                                set_halign: gtk::Align::Center,
                                gtk::Button {
                                    set_label: &gettext("_Run a Container…"),
                                    set_use_underline: true,
                                    set_css_classes: &["pill", "suggested-action"],
                                    connect_clicked[sender] => move |_| { let _ = sender.output(Output::Run); },
                                },
                                gtk::Button {
                                    set_label: &gettext("_Pull an Image…"),
                                    set_use_underline: true,
                                    set_css_classes: &["pill"],
                                    connect_clicked[sender] => move |_| { let _ = sender.output(Output::Pull); },
                                },
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
                    add_breakpoint = bin_breakpoint(860., &[model.list.age.clone().upcast()]),
                    add_breakpoint = bin_breakpoint(680., &[model.list.ports.clone().upcast(), model.list.age.clone().upcast()]),
                    add_breakpoint = narrow.clone(),
                },
                add_bottom_bar = &gtk::ActionBar {
                    pack_start = &gtk::Button {
                        set_label: &gettext("Start"),
                        #[watch]
                        set_sensitive: model.selected > 0,
                        connect_clicked => Input::ActOnSelected(Action::Start),
                    },
                    pack_start = &gtk::Button {
                        set_label: &gettext("Stop"),
                        #[watch]
                        set_sensitive: model.selected > 0,
                        connect_clicked => Input::ActOnSelected(Action::Stop),
                    },
                    pack_end = &gtk::Button {
                        set_label: &gettext("Remove…"),
                        set_css_classes: &["destructive-action"],
                        #[watch]
                        set_sensitive: model.selected > 0,
                        connect_clicked => Input::ActOnSelected(Action::Remove),
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
                let context = context.clone();
                move |item: &ContainerItem| {
                    let action = if item.running() { Action::Stop } else { Action::Start };
                    act(&context, vec![item.clone()], action);
                }
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
        let menu_of: row_menu::MenuOf = Rc::new(move |id| known.containers.get(id).map(|item| menu::of(&item)));
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
                        let _ = sender.output(Output::Open(item.id()));
                    }
                }
            }
            Input::Select(on) => {
                self.selecting = on;
                self.list.select(on);
                if !on {
                    for item in self.context.model.containers.all() {
                        item.set_selected(false);
                    }
                }
                self.count_selected();
            }
            Input::SelectOne(id) => {
                if let Some(item) = self.context.model.containers.get(&id) {
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
            Input::ActOnSelected(action) => {
                let sensible = |item: &ContainerItem| match action {
                    Action::Start => !item.running(),
                    Action::Stop | Action::Kill | Action::Restart => item.running(),
                    Action::Remove => true,
                };
                let items = self.list.all().into_iter().filter(|item| item.selected() && sensible(item)).collect();
                let sender = sender.clone();
                act_and(&self.context, items, action, move || sender.input_sender().emit(Input::Select(false)));
            }
            Input::Act(id, action) => {
                if let Some(item) = self.context.model.containers.get(&id) {
                    act(&self.context, vec![item], action);
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Containers {
    fn has_rows(&self) -> bool {
        self.context.model.containers.store().n_items() > 0
    }

    fn count_selected(&mut self) {
        let count = self.list.all().iter().filter(|item| item.selected()).count();
        self.selected = u32::try_from(count).unwrap_or(u32::MAX);
    }

    fn title(&self) -> String {
        match self.selected {
            _ if !self.selecting => gettext("Containers"),
            0 => gettext("Select Containers"),
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
