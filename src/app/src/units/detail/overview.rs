// SPDX-License-Identifier: GPL-3.0-or-later
//! What a unit is, when it starts, and what is wrong with it.

use gettextrs::gettext;
use haulout_quadlet::install;
use relm4::adw::prelude::*;
use relm4::prelude::*;

use crate::connection::{Boot, Failure, Maker, Unit, UnitWrite};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::model::{AllUnits, UnitItem, kind_word};
use crate::units::actions;
use crate::widgets::{fact, failure, focus, icon_button};
use crate::window::Context;

/// The tab.
pub struct Overview {
    context: Context,
    item: UnitItem,
    /// What is shown.
    shown: Option<(Unit, AllUnits, String)>,
    groups: Vec<adw::PreferencesGroup>,
}

#[derive(Debug)]
pub enum Input {
    /// The unit changed.
    Changed,
    /// Start it at login, or not.
    AtLogin(bool),
    /// Start at boot what starts at login, or not.
    AtBoot(bool),
    /// That is done.
    Done(Doing, Result<(), Failure>),
    /// Its folder is to be shown.
    OpenFolder,
    /// A problem was chosen, at a line and a column.
    Problem(usize, usize),
}

#[derive(Debug)]
pub enum Output {
    /// Show what is wrong at a line and a column.
    ShowProblem(usize, usize),
}

#[relm4::component(pub)]
impl Component for Overview {
    type Init = (Context, UnitItem);
    type Input = Input;
    type Output = Output;
    type CommandOutput = ();

    view! {
        #[name = "page"]
        adw::PreferencesPage {}
    }

    fn init(
        (context, item): (Context, UnitItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let model = Self { context, item, shown: None, groups: Vec::new() };
        let widgets = view_output!();
        sender.input_sender().emit(Input::Changed);
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
            Input::Changed => self.show(&widgets.page, &sender),
            Input::AtLogin(on) => self.start_at_login(on, &sender),
            Input::AtBoot(on) => {
                let (asked, sender) = (self.context.connection.start_at_boot(on), sender.input_sender().clone());
                relm4::spawn_local(async move {
                    let _ = sender.send(Input::Done(Doing::ChangingBoot, asked.await));
                });
            }
            Input::Done(doing, done) => {
                if let Err(failure) = done {
                    failure::toast(&words(&doing, &failure), &self.context.toasts);
                }
                // The switches say what is, whatever somebody wanted.
                self.shown = None;
                let (model, sender) = (self.context.model.clone(), sender.input_sender().clone());
                relm4::spawn_local(async move {
                    model.refresh_units().await;
                    let _ = sender.send(Input::Changed);
                });
            }
            Input::OpenFolder => actions::open_folder(&self.context, &self.item),
            Input::Problem(line, column) => {
                let _ = sender.output(Output::ShowProblem(line, column));
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Overview {
    /// Builds the page anew, when something differs.
    fn show(&mut self, page: &adw::PreferencesPage, sender: &ComponentSender<Self>) {
        let Some(unit) = self.item.data() else { return };
        let all = self.context.model.all_units.borrow().clone();
        let shown = (unit, all, self.item.state_word());
        if self.shown.as_ref() == Some(&shown) {
            return;
        }
        let (unit, all, state) = &shown;
        focus::keep(page, || {
            for group in self.groups.drain(..) {
                page.remove(&group);
            }
            self.groups.extend(problems(unit, sender));
            self.groups.push(facts(unit, state));
            self.groups.push(starts(unit, all, sender));
            self.groups.push(file(unit, all, sender));
            for group in &self.groups {
                page.add(group);
            }
        });
        self.shown = Some(shown);
    }

    fn start_at_login(&self, on: bool, sender: &ComponentSender<Self>) {
        let (connection, name, sender) =
            (self.context.connection.clone(), self.item.id(), sender.input_sender().clone());
        relm4::spawn_local(async move {
            let written = async {
                let before = connection.unit_text(&name).await?.text;
                let text = install::with_start(&before, on);
                connection.write_unit(UnitWrite { name: name.clone(), text, before: Some(before) }).await
            };
            let written = written.await;
            let _ = sender.send(Input::Done(Doing::WritingUnit(name), written));
        });
    }
}

fn problems(unit: &Unit, sender: &ComponentSender<Overview>) -> Option<adw::PreferencesGroup> {
    if unit.problems.is_empty() {
        return None;
    }
    let group = adw::PreferencesGroup::builder().title(gettext("Problems")).build();
    if unit.is_broken() {
        group.set_description(Some(&gettext("systemd has no service of this unit as long as there are mistakes")));
    }
    for problem in &unit.problems {
        let row = super::problem_row(problem);
        if let Some((line, column)) = problem.at {
            row.add_suffix(&gtk::Image::builder().icon_name("go-next-symbolic").build());
            let sender = sender.input_sender().clone();
            row.connect_activated(move |_| sender.emit(Input::Problem(line, column)));
        }
        group.add(&row);
    }
    Some(group)
}

fn facts(unit: &Unit, state: &str) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::new();
    group.add(&fact::row(&gettext("State"), state));
    if let Some(description) = unit.description.as_ref().filter(|text| !text.is_empty()) {
        group.add(&fact::row(&gettext("Description"), description));
    }
    group.add(&fact::row(&gettext("Kind"), &kind_word(unit.kind)));
    group.add(&fact::copied(&gettext("Service"), &unit.service));
    group
}

fn starts(unit: &Unit, all: &AllUnits, sender: &ComponentSender<Overview>) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::builder().title(gettext("Starts")).build();
    let login = adw::SwitchRow::builder()
        .title(gettext("At Login"))
        .subtitle(gettext("When you log in, after what it needs"))
        .active(unit.at_login)
        .sensitive(unit.own && !unit.template)
        .build();
    let input = sender.input_sender().clone();
    login.connect_active_notify(move |row| input.emit(Input::AtLogin(row.is_active())));
    group.add(&login);
    let boot = adw::SwitchRow::builder()
        .title(gettext("At Boot"))
        .subtitle(gettext(
            "With the computer, before anybody logs in. This holds for all of your services that start at login.",
        ))
        .active(all.boot == Boot::Yes)
        .sensitive(all.boot != Boot::Unknown)
        .build();
    let input = sender.input_sender().clone();
    boot.connect_active_notify(move |row| input.emit(Input::AtBoot(row.is_active())));
    group.add(&boot);
    if unit.template {
        group.set_description(Some(&gettext("This is a template: its instances start, not the template itself")));
    } else if !unit.own {
        group.set_description(Some(&gettext(
            "It belongs to the system, or shares its file with others: whether it starts at login is not changed here",
        )));
    }
    group
}

fn file(unit: &Unit, all: &AllUnits, sender: &ComponentSender<Overview>) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::new();
    let row = fact::copied(&gettext("File"), &unit.path);
    let open = icon_button::in_row("folder-open-symbolic", &gettext("Open Folder"));
    let input = sender.input_sender().clone();
    open.connect_clicked(move |_| input.emit(Input::OpenFolder));
    row.add_suffix(&open);
    group.add(&row);
    let maker = match &all.maker {
        Maker::Haulout => gettext("Haulout"),
        Maker::Podman(path) => fill(&gettext("Podman, by {}"), &[path]),
    };
    group.add(&fact::row(&gettext("Service Made By"), &maker));
    group
}
