// SPDX-License-Identifier: GPL-3.0-or-later
//! A container's own page: what it is, its log, a terminal in it.

mod overview;
mod terminal;
mod uid_map;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::prelude::*;

use super::{Containers, Deed, act, menu};
use crate::connection::Action;
use crate::language::fill;
use crate::listing::Noun;
use crate::log::{self, Logs};
use crate::model::ContainerItem;
use crate::widgets::own_page::{self, Does, Face, Happens, OwnPage, Thing};
use crate::window::Context;
use overview::Overview;
use terminal::Terminal;

/// The page.
pub struct Detail {
    context: Context,
    item: ContainerItem,
    page: OwnPage<ContainerItem>,
    overview: Controller<Overview>,
    logs: Controller<Logs>,
    terminal: Controller<Terminal>,
}

/// What the page takes.
#[derive(Debug)]
pub enum Input {
    /// Something happened on the page, or to the container.
    Page(Happens),
    /// Search in what is shown.
    Search,
}

/// What the page cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show the dialog that makes a unit of this container.
    MakeUnit(String),
}

#[relm4::component(pub)]
impl Component for Detail {
    type Init = (Context, ContainerItem);
    type Input = Input;
    type Output = Output;
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_tag: Some("container"),
            #[watch]
            set_title: &model.item.name(),
            set_child: Some(&model.page.content),
        }
    }

    fn init(
        (context, item): (Context, ContainerItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let overview = Overview::builder().launch((context.clone(), item.clone())).detach();
        let logs = Logs::builder().launch((context.clone(), log_of(&context, &item))).detach();
        let terminal = Terminal::builder().launch((context.clone(), item.clone())).detach();
        let happens = sender.input_sender().clone();
        let page = OwnPage::new((&context.model.containers, &item), &root, menu::on_page, move |what| {
            // The page may be on its way out.
            happens.emit(Input::Page(what));
        });
        page.add(overview.widget(), "overview", &gettext("Overview"));
        page.add(logs.widget(), "logs", &gettext("Logs"));
        page.add(terminal.widget(), "terminal", &gettext("Terminal"));
        let model = Self { context, item, page, overview, logs, terminal };
        let widgets = view_output!();
        install_actions(&root, &model, &sender);
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
            Input::Page(Happens::Changed) => {
                self.overview.emit(overview::Input::Changed);
                self.logs.emit(log::Input::Changed);
                self.terminal.emit(terminal::Input::Changed);
            }
            Input::Page(Happens::Tab(name)) => {
                self.logs.emit(log::Input::Shown(name == "logs"));
                self.terminal.emit(terminal::Input::Shown(name == "terminal"));
            }
            Input::Search => {
                self.page.tabs.set_visible_child_name("logs");
                self.logs.emit(log::Input::Search);
            }
            Input::Page(Happens::Main) => {
                let action = if self.item.running() { Action::Stop } else { Action::Start };
                act(&self.context, vec![self.item.clone()], action);
            }
            Input::Page(Happens::Removed) => {
                // Who removed it here is told so by what did it.
                if own_page::leave(root) && self.item.busy().is_empty() {
                    self.context.tell(&fill(&gettext("“{}” was removed"), &[&self.item.name()]));
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Detail {
    /// Whether this is the page of `item`.
    pub fn is_of(&self, item: &ContainerItem) -> bool {
        &self.item == item
    }
}

impl Thing for ContainerItem {
    const PROPERTIES: &'static [&'static str] = &["running", "state-word", "busy", "name"];

    fn face(&self) -> Face {
        Face { name: self.name(), state: self.state_word(), running: self.running(), ready: self.busy().is_empty() }
    }
}

/// The container's log.
fn log_of(context: &Context, item: &ContainerItem) -> log::Source {
    let (connection, of, named, runs) = (context.connection.clone(), item.clone(), item.clone(), item.clone());
    log::Source {
        name: Box::new(move || named.name()),
        running: Box::new(move || runs.running()),
        lines: Box::new(move |tail, _| connection.logs(&of.id(), tail)),
        periods: false,
        nothing_yet: gettext("What the container’s program writes appears here"),
        nothing: gettext("The container’s program has written nothing"),
    }
}

/// The actions of the container's menu, for this page.
fn install_actions(page: &adw::NavigationPage, detail: &Detail, sender: &ComponentSender<Detail>) {
    let mut actions: Vec<(&str, Does)> = Vec::new();
    for (name, deed) in Containers::DEEDS {
        let (context, item, output) = (detail.context.clone(), detail.item.clone(), sender.output_sender().clone());
        match *deed {
            Deed::Open => {}
            Deed::Act(action) => actions.push((name, Box::new(move |_| act(&context, vec![item.clone()], action)))),
            Deed::MakeUnit => actions.push((name, Box::new(move |_| output.emit(Output::MakeUnit(item.id()))))),
        }
    }
    own_page::install_actions(page, Containers::NAME, actions);
}
