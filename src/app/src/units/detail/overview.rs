// SPDX-License-Identifier: GPL-3.0-or-later
//! What a unit is, when it starts, and what is wrong with it.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::prelude::*;

use super::starts::Starts;
use crate::connection::{Maker, Unit};
use crate::language::fill;
use crate::model::{AllUnits, UnitItem, kind_word};
use crate::units::actions;
use crate::widgets::{fact, focus, icon_button};
use crate::window::Context;

/// The tab.
pub struct Overview {
    context: Context,
    item: UnitItem,
    /// What is shown.
    shown: Option<(Unit, AllUnits, String)>,
    problems: Group,
    facts: Group,
    starts: Starts,
    file: Group,
}

/// A group whose rows are made anew while it stays where it is, and its neighbours with it: whoever is pressing a switch there does not lose
/// it. Without rows it is not seen.
#[derive(Default)]
struct Group {
    group: adw::PreferencesGroup,
    rows: Vec<adw::ActionRow>,
}

impl Group {
    fn put(&mut self, rows: Vec<adw::ActionRow>) {
        for row in &self.rows {
            self.group.remove(row);
        }
        self.group.set_visible(!rows.is_empty());
        for row in &rows {
            self.group.add(row);
        }
        self.rows = rows;
    }
}

#[derive(Debug)]
pub enum Input {
    /// The unit changed.
    Changed,
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
        adw::PreferencesPage {
            add: &model.problems.group,
            add: &model.facts.group,
            add: &model.starts.group,
            add: &model.file.group,
        }
    }

    fn init(
        (context, item): (Context, UnitItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let problems = Group::default();
        problems.group.set_title(&gettext("Problems"));
        let starts = Starts::of(&context, &item);
        let (facts, file) = Default::default();
        let model = Self { context, item, shown: None, problems, facts, starts, file };
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
            Input::OpenFolder => actions::open_folder(&self.context, &self.item),
            Input::Problem(line, column) => {
                let _ = sender.output(Output::ShowProblem(line, column));
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Overview {
    /// Tells anew what differs.
    fn show(&mut self, page: &adw::PreferencesPage, sender: &ComponentSender<Self>) {
        let Some(unit) = self.item.data() else { return };
        let all = self.context.model.all_units.borrow().clone();
        self.starts.show(&unit, all.boot);
        let shown = (unit, all, self.item.state_word());
        if self.shown.as_ref() == Some(&shown) {
            return;
        }
        let (unit, all, state) = &shown;
        let why_not = gettext("systemd has no service of this unit as long as there are mistakes");
        self.problems.group.set_description(unit.is_broken().then_some(why_not.as_str()));
        focus::keep(page, || {
            self.problems.put(problems(unit, sender));
            self.facts.put(facts(unit, state));
            self.file.put(file(unit, all, sender));
        });
        self.shown = Some(shown);
    }
}

fn problems(unit: &Unit, sender: &ComponentSender<Overview>) -> Vec<adw::ActionRow> {
    let row = |problem| {
        let row = super::problem_row(problem);
        if let Some((line, column)) = problem.at {
            row.add_suffix(&gtk::Image::builder().icon_name("go-next-symbolic").build());
            let sender = sender.input_sender().clone();
            row.connect_activated(move |_| sender.emit(Input::Problem(line, column)));
        }
        row
    };
    unit.problems.iter().map(row).collect()
}

fn facts(unit: &Unit, state: &str) -> Vec<adw::ActionRow> {
    let description = unit.description.as_ref().filter(|text| !text.is_empty());
    let rows = [
        Some(fact::row(&gettext("State"), state)),
        description.map(|text| fact::row(&gettext("Description"), text)),
        Some(fact::row(&gettext("Kind"), &kind_word(unit.kind))),
        Some(fact::copied(&gettext("Service"), &unit.service)),
    ];
    rows.into_iter().flatten().collect()
}

fn file(unit: &Unit, all: &AllUnits, sender: &ComponentSender<Overview>) -> Vec<adw::ActionRow> {
    let file = fact::copied(&gettext("File"), &unit.path);
    let open = icon_button::in_row("folder-open-symbolic", &gettext("Open Folder"));
    let input = sender.input_sender().clone();
    open.connect_clicked(move |_| input.emit(Input::OpenFolder));
    file.add_suffix(&open);
    let maker = match &all.maker {
        Maker::Haulout => gettext("Haulout"),
        Maker::Podman(path) => fill(&gettext("Podman, by {}"), &[path]),
    };
    vec![file, fact::row(&gettext("Service Made By"), &maker)]
}
