// SPDX-License-Identifier: GPL-3.0-or-later
//! The page itself.

use std::rc::Rc;

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::prelude::*;

use super::row_menu;
use super::shapes::{Clicks, Shapes};
use super::{Acting, Noun, select, selected};
use crate::errors::words;
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::Phase;
use crate::widgets::failure::FailurePage;
use crate::widgets::icon_button::Wordless as _;
use crate::window::Context;

/// Below this width, in scaled pixels, rows have two lines.
const NARROW: f64 = 500.;

/// The page of the noun `N`.
pub struct Page<N: Noun> {
    acting: Acting<N>,
    list: Shapes<N>,
    failed: FailurePage,
    phase: Phase,
    sought: String,
    selecting: bool,
    selected: u32,
    /// The buttons below a selection.
    to_many: Vec<gtk::Button>,
    /// Whether the header has the button of the first way in.
    has_new: bool,
    /// What it has of the noun's own.
    tools: Vec<gtk::Box>,
}

/// What the page takes; `D` is what can be done to things.
#[derive(Debug)]
pub enum Input<D> {
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
    ActOnSelected(D),
    /// Do it to one.
    Act(String, D),
    /// The main action of one.
    Main(String),
    /// The first of the ways in.
    New,
}

#[relm4::component(pub)]
impl<N: Noun> Component for Page<N> {
    type Init = Context;
    type Input = Input<N::Deed>;
    type Output = N::Output;
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_title: &says.title,
            set_tag: Some(N::NAME),

            #[name = "view"]
            adw::ToolbarView {
                #[name = "header"]
                add_top_bar = &adw::HeaderBar {
                    pack_start = &gtk::Button {
                        set_icon_name: "list-add-symbolic",
                        set_meaning: &says.new,
                        #[watch]
                        set_visible: model.has_new && !model.selecting,
                        connect_clicked => Input::New,
                    },
                    pack_start = &gtk::Button {
                        set_icon_name: "edit-select-all-symbolic",
                        set_meaning: &gettext("Select All"),
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
                            set_meaning: &says.select,
                            #[watch]
                            set_visible: !model.selecting && model.has_rows(),
                            connect_clicked => Input::Select(true),
                        },
                    },
                    #[name = "search_button"]
                    pack_end = &gtk::ToggleButton {
                        set_icon_name: "system-search-symbolic",
                        set_meaning: &gettext("Search"),
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
                            set_placeholder_text: Some(&says.search),
                            update_property: &[gtk::accessible::Property::Label(&says.search)],
                            connect_search_changed[sender] => move |entry| sender.input_sender().emit(Input::Seek(entry.text().into())),
                        },
                    },
                },
                #[wrap(Some)]
                set_content = &adw::BreakpointBin {
                    set_size_request: (300, 200),
                    #[wrap(Some)]
                    set_child = &gtk::Stack {
                        set_transition_type: gtk::StackTransitionType::Crossfade,
                        add_named[Some("loading")] = &adw::Bin {},
                        add_named[Some("failed")] = &model.failed.page.clone(),
                        add_named[Some("empty")] = &adw::StatusPage {
                            set_icon_name: Some(N::ICON),
                            set_title: &says.none,
                            set_description: Some(&says.none_more),
                            #[name = "invitation"]
                            gtk::Box {
                                set_orientation: gtk::Orientation::Vertical,
                                set_spacing: 12,
                                set_halign: gtk::Align::Center,
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
                    #[iterate]
                    add_breakpoint: model.list.breakpoints(),
                    add_breakpoint: narrow.clone(),
                },
                #[name = "bottom"]
                add_bottom_bar = &gtk::ActionBar {},
                #[watch]
                set_reveal_bottom_bars: model.selecting,
            },
        }
    }

    fn init(context: Context, root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let (main, ticked) = (sender.input_sender().clone(), sender.input_sender().clone());
        let clicks = Clicks {
            main: Rc::new(move |item: &N::Item| main.emit(Input::Main(item.property("id")))),
            ticked: Rc::new(move || ticked.emit(Input::Ticked)),
        };
        let failed = FailurePage::new({
            let model = context.model.clone();
            move || N::fill(&model)
        });
        let mut model = Self {
            list: Shapes::over(&context.model, clicks),
            phase: N::stage(&context.model).phase(),
            acting: Acting { context, output: sender.output_sender().clone() },
            failed,
            sought: String::new(),
            selecting: false,
            selected: 0,
            to_many: Vec::new(),
            has_new: true,
            tools: Vec::new(),
        };
        let head = N::head(&model.acting);
        model.has_new = head.start.is_empty();
        let says = N::words();
        let narrow = below(NARROW);
        let widgets = view_output!();
        narrow.add_setter(&widgets.shapes, "visible-child-name", Some(&"rows".to_value()));
        narrow.add_setter(&widgets.select_place, "visible", Some(&false.to_value()));
        for (number, (label, _)) in N::ways_in().into_iter().enumerate() {
            widgets.invitation.append(&way_in_button::<N>(&label, number, &sender));
        }
        model.tools = [&head.start, &head.end].into_iter().map(|tools| side_by_side(tools)).collect();
        widgets.header.pack_start(&model.tools[0]);
        widgets.header.pack_end(&model.tools[1]);
        if let Some(below) = &head.below {
            widgets.view.add_top_bar(below);
        }
        model.to_many = buttons_to_many::<N>(&widgets.bottom, &sender);

        widgets.search_bar.connect_entry(&widgets.search_entry);
        widgets.search_bar.set_key_capture_widget(Some(&root));
        widgets
            .search_button
            .bind_property("active", &widgets.search_bar, "search-mode-enabled")
            .bidirectional()
            .build();
        install_actions::<N>(&root, &sender);
        model.hear(&root, &sender);
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: Self::Input,
        sender: ComponentSender<Self>,
        _: &Self::Root,
    ) {
        match input {
            Input::Phase(phase) => {
                if let Phase::Failed(failure) = &phase {
                    self.failed.show(&words(&N::listing(), failure));
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
                        select(&item, !selected(&item));
                    } else {
                        N::act(&self.acting, vec![item], N::open_deed(), Box::new(|| {}));
                    }
                }
            }
            Input::Select(on) => {
                self.selecting = on;
                self.list.select(on);
                if !on {
                    for item in self.things().all() {
                        select(&item, false);
                    }
                }
                self.count_selected();
            }
            Input::SelectOne(id) => {
                if let Some(item) = self.things().get(&id) {
                    select(&item, true);
                    sender.input_sender().emit(Input::Select(true));
                }
            }
            Input::Ticked => self.count_selected(),
            Input::SelectAll => {
                let all = self.list.all();
                let on = all.iter().any(|item| !selected(item));
                for item in all {
                    select(&item, on);
                }
                self.count_selected();
            }
            Input::ActOnSelected(deed) => {
                let items = self.list.all().into_iter().filter(selected).collect();
                let sender = sender.input_sender().clone();
                N::act(&self.acting, items, deed, Box::new(move || sender.emit(Input::Select(false))));
            }
            Input::Act(id, deed) => {
                if let Some(item) = self.things().get(&id) {
                    N::act(&self.acting, vec![item], deed, Box::new(|| {}));
                }
            }
            Input::Main(id) => {
                if let Some(item) = self.things().get(&id) {
                    let deed = N::main_deed(&item);
                    N::act(&self.acting, vec![item], deed, Box::new(|| {}));
                }
            }
            Input::New => {
                if let Some((_, output)) = N::ways_in().into_iter().next() {
                    let _ = sender.output(output);
                }
            }
        }
        for button in &self.to_many {
            button.set_sensitive(self.selected > 0);
        }
        for tools in &self.tools {
            tools.set_visible(!self.selecting);
        }
        self.update_view(widgets, sender);
    }
}

impl<N: Noun> Page<N> {
    fn things(&self) -> &crate::model::Keyed<N::Item> {
        N::things(&self.acting.context.model)
    }

    fn has_rows(&self) -> bool {
        self.things().store().n_items() > 0
    }

    fn count_selected(&mut self) {
        let count = self.list.all().iter().filter(|item| selected(*item)).count();
        self.selected = u32::try_from(count).unwrap_or(u32::MAX);
    }

    fn title(&self) -> String {
        match self.selected {
            _ if !self.selecting => N::words().title,
            0 => N::words().select,
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

    /// Lets the list, its menus, the keyboard and the model speak to the page at `root`.
    fn hear(&self, root: &adw::NavigationPage, sender: &ComponentSender<Self>) {
        let model = self.acting.context.model.clone();
        let menu_of: row_menu::MenuOf = Rc::new(move |id| N::things(&model).get(id).map(|item| N::menu(&item)));
        row_menu::install(&self.list.columns, &menu_of);
        row_menu::install(&self.list.rows, &menu_of);
        let input = sender.input_sender();
        let escaped = input.clone();
        self.list.selecting.end_by_escape(root, move || escaped.emit(Input::Select(false)));
        let activated = input.clone();
        self.list.columns.connect_activate(move |_, position| activated.emit(Input::Activate(position)));
        let activated = input.clone();
        self.list.rows.connect_activate(move |_, position| activated.emit(Input::Activate(position)));
        let counted = input.clone();
        self.list.shown.connect_items_changed(move |_, _, _, _| counted.emit(Input::Counted));
        let entered = input.clone();
        N::stage(&self.acting.context.model).watch(move |phase| entered.emit(Input::Phase(phase.clone())));
    }
}

fn side_by_side(widgets: &[gtk::Widget]) -> gtk::Box {
    let line = gtk::Box::builder().spacing(6).build();
    for widget in widgets {
        line.append(widget);
    }
    line
}

/// One of the buttons of the page that says that there are none.
fn way_in_button<N: Noun>(label: &str, number: usize, sender: &ComponentSender<Page<N>>) -> gtk::Button {
    let button = gtk::Button::builder().label(label).use_underline(true).css_classes(["pill"]).build();
    if number == 0 {
        button.add_css_class("suggested-action");
    }
    let output = sender.output_sender().clone();
    button.connect_clicked(move |_| {
        if let Some((_, way)) = N::ways_in().into_iter().nth(number) {
            output.emit(way);
        }
    });
    button
}

/// The buttons of selection mode, in `bar`.
fn buttons_to_many<N: Noun>(bar: &gtk::ActionBar, sender: &ComponentSender<Page<N>>) -> Vec<gtk::Button> {
    let button = |of: super::DeedToMany<N::Deed>| {
        let button = gtk::Button::builder().label(&of.label).sensitive(false).build();
        if of.destructive {
            button.add_css_class("destructive-action");
            bar.pack_end(&button);
        } else {
            bar.pack_start(&button);
        }
        let (input, deed) = (sender.input_sender().clone(), of.deed);
        button.connect_clicked(move |_| input.emit(Input::ActOnSelected(deed)));
        button
    };
    N::deeds_to_many().into_iter().map(button).collect()
}

/// The actions behind the menus, on `page`.
fn install_actions<N: Noun>(page: &adw::NavigationPage, sender: &ComponentSender<Page<N>>) {
    let group = gio::SimpleActionGroup::new();
    let add = |name: &str, act: Box<dyn Fn(String)>| {
        let action = gio::SimpleAction::new(name, Some(glib::VariantTy::STRING));
        action.connect_activate(move |_, target| {
            if let Some(text) = target.and_then(glib::Variant::get::<String>) {
                act(text);
            }
        });
        group.add_action(&action);
    };
    for (name, deed) in N::DEEDS {
        let input = sender.input_sender().clone();
        add(name, Box::new(move |id| input.emit(Input::Act(id, *deed))));
    }
    let input = sender.input_sender().clone();
    add("select", Box::new(move |id| input.emit(Input::SelectOne(id))));
    let clipboard = page.clipboard();
    add("copy", Box::new(move |text| clipboard.set_text(&text)));
    page.insert_action_group(N::NAME, Some(&group));
}

/// Holds where there is less room than `width`, in scaled pixels.
pub fn below(width: f64) -> adw::Breakpoint {
    adw::Breakpoint::new(adw::BreakpointCondition::new_length(
        adw::BreakpointConditionLengthType::MaxWidth,
        width,
        adw::LengthUnit::Sp,
    ))
}
