// SPDX-License-Identifier: GPL-3.0-or-later
//! A container's own page: what it is, its log, a terminal in it.

mod log_text;
mod logs;
mod overview;
mod terminal;
mod uid_map;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use super::{Containers, Deed, act, menu};
use crate::connection::Action;
use crate::language::fill;
use crate::listing::Noun;
use crate::model::ContainerItem;
use crate::window::Context;
use logs::Logs;
use overview::Overview;
use terminal::Terminal;

/// The page.
pub struct Detail {
    context: Context,
    item: ContainerItem,
    handlers: Vec<glib::SignalHandlerId>,
    overview: Controller<Overview>,
    logs: Controller<Logs>,
    terminal: Controller<Terminal>,
    gone: bool,
}

/// What the page takes.
#[derive(Debug)]
pub enum Input {
    /// The container changed.
    Changed,
    /// Another tab is shown.
    Tab(String),
    /// Search in what is shown.
    Search,
    /// Stop it if it runs, start it if not.
    Main,
    /// The container was removed.
    Removed,
}

#[relm4::component(pub)]
impl Component for Detail {
    type Init = (Context, ContainerItem);
    type Input = Input;
    type Output = ();
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_tag: Some("container"),
            #[watch]
            set_title: &model.item.name(),
            adw::ToolbarView {
                add_top_bar = &adw::HeaderBar {
                    #[wrap(Some)]
                    set_title_widget = &adw::WindowTitle {
                        #[watch]
                        set_title: &model.item.name(),
                        #[watch]
                        set_subtitle: &model.item.state_word(),
                    },
                    #[name = "menu_button"]
                    pack_end = &gtk::MenuButton {
                        set_icon_name: "view-more-symbolic",
                        set_tooltip_text: Some(&gettext("More Actions")),
                        update_property: &[gtk::accessible::Property::Label(&gettext("More Actions"))],
                        #[watch]
                        set_visible: !model.gone,
                    },
                    #[name = "main_button"]
                    pack_end = &gtk::Button {
                        #[watch]
                        set_icon_name: if model.item.running() { "media-playback-stop-symbolic" } else { "media-playback-start-symbolic" },
                        #[watch]
                        set_tooltip_text: Some(&model.main_word()),
                        #[watch]
                        update_property: &[gtk::accessible::Property::Label(&model.main_word())],
                        #[watch]
                        set_sensitive: model.item.busy().is_empty(),
                        #[watch]
                        set_visible: !model.gone,
                        connect_clicked => Input::Main,
                    },
                },
                #[name = "switcher"]
                add_top_bar = &adw::InlineViewSwitcher {
                    set_stack: Some(&tabs),
                    set_display_mode: adw::InlineViewSwitcherDisplayMode::Labels,
                    set_homogeneous: true,
                    set_halign: gtk::Align::Center,
                    set_margin_bottom: 6,
                    set_margin_start: 12,
                    set_margin_end: 12,
                },
                set_content: Some(&tabs),
            },
        }
    }

    fn init(
        (context, item): (Context, ContainerItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let overview = Overview::builder().launch((context.clone(), item.clone())).detach();
        let logs = Logs::builder().launch((context.clone(), item.clone())).detach();
        let terminal = Terminal::builder().launch((context.clone(), item.clone())).detach();
        let tabs = adw::ViewStack::builder().enable_transitions(true).build();
        tabs.add_titled(overview.widget(), Some("overview"), &gettext("Overview"));
        tabs.add_titled(logs.widget(), Some("logs"), &gettext("Logs"));
        tabs.add_titled(terminal.widget(), Some("terminal"), &gettext("Terminal"));
        let handlers = ["running", "state-word", "busy", "name"]
            .into_iter()
            .map(|property| {
                let changed = sender.clone();
                item.connect_notify_local(Some(property), move |_, _| {
                    // The page may be on its way out.
                    changed.input_sender().emit(Input::Changed);
                })
            })
            .collect();
        let model = Self { context, item, handlers, overview, logs, terminal, gone: false };
        let widgets = view_output!();
        let shown = sender.clone();
        tabs.connect_visible_child_name_notify(move |tabs| {
            shown.input_sender().emit(Input::Tab(tabs.visible_child_name().map(Into::into).unwrap_or_default()));
        });
        let item = model.item.clone();
        widgets.menu_button.set_create_popup_func(move |button| button.set_menu_model(Some(&menu::on_page(&item))));
        install_actions(&root, &model);
        let (store, id, gone) = (model.context.model.containers.store().clone(), model.item.clone(), sender.clone());
        let handler = store.connect_items_changed(move |store, _, removed, _| {
            if removed > 0 && store.find(&id).is_none() {
                gone.input_sender().emit(Input::Removed);
            }
        });
        let watched = std::cell::RefCell::new(Some(handler));
        root.connect_destroy(move |_| {
            if let Some(handler) = watched.take() {
                store.disconnect(handler);
            }
        });
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: Input,
        sender: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        match input {
            Input::Changed => {
                self.overview.emit(overview::Input::Changed);
                self.logs.emit(logs::Input::Changed);
                self.terminal.emit(terminal::Input::Changed);
            }
            Input::Tab(name) => {
                self.logs.emit(logs::Input::Shown(name == "logs"));
                self.terminal.emit(terminal::Input::Shown(name == "terminal"));
            }
            Input::Search => {
                if let Some(stack) = widgets.switcher.stack() {
                    stack.set_visible_child_name("logs");
                }
                self.logs.emit(logs::Input::Search);
            }
            Input::Main => {
                let action = if self.item.running() { Action::Stop } else { Action::Start };
                act(&self.context, vec![self.item.clone()], action);
            }
            Input::Removed => {
                self.gone = true;
                let view = root.ancestor(adw::NavigationView::static_type()).and_downcast::<adw::NavigationView>();
                if let Some(view) = view.filter(|view| view.visible_page().as_ref() == Some(root)) {
                    view.pop();
                    // Who removed it here is told so by what did it.
                    if self.item.busy().is_empty() {
                        self.context.tell(&fill(&gettext("“{}” was removed"), &[&self.item.name()]));
                    }
                }
            }
        }
        self.update_view(widgets, sender);
    }

    fn shutdown(&mut self, _: &mut Self::Widgets, _: relm4::Sender<()>) {
        for handler in self.handlers.drain(..) {
            self.item.disconnect(handler);
        }
    }
}

impl Detail {
    /// Whether this is the page of `item`.
    pub fn is_of(&self, item: &ContainerItem) -> bool {
        &self.item == item
    }

    fn main_word(&self) -> String {
        if self.item.running() { gettext("Stop") } else { gettext("Start") }
    }
}

/// The actions of the container's menu, for this page.
fn install_actions(page: &adw::NavigationPage, detail: &Detail) {
    let group = relm4::gtk::gio::SimpleActionGroup::new();
    let add = |name: &str, act: Box<dyn Fn()>| {
        let action = relm4::gtk::gio::SimpleAction::new(name, Some(glib::VariantTy::STRING));
        action.connect_activate(move |_, _| act());
        group.add_action(&action);
    };
    for (name, deed) in Containers::DEEDS {
        if let Deed::Act(action) = *deed {
            let (context, item) = (detail.context.clone(), detail.item.clone());
            add(name, Box::new(move || act(&context, vec![item.clone()], action)));
        }
    }
    let (item, clipboard) = (detail.item.clone(), page.clipboard());
    add("copy", Box::new(move || clipboard.set_text(&item.id())));
    page.insert_action_group(Containers::NAME, Some(&group));
}
