// SPDX-License-Identifier: GPL-3.0-or-later
//! A unit's own page: what it is and when it starts, its text beside its service, its journal.

mod completion;
mod editor;
mod form;
mod overview;
mod starts;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use super::{Deed, UnitFiles, actions, menu_on_page};
use crate::connection::{Problem, UnitAction};
use crate::language::fill;
use crate::listing::Noun;
use crate::log::{self, Logs};
use crate::model::UnitItem;
use crate::widgets::icon_button::Wordless as _;
use crate::widgets::own_page::{self, Does, Face, Happens, OwnPage, Thing};
use crate::window::Context;
use editor::Editor;
use overview::Overview;

/// The page.
pub struct Detail {
    context: Context,
    item: UnitItem,
    page: OwnPage<UnitItem>,
    overview: Controller<Overview>,
    editor: Controller<Editor>,
    journal: Controller<Logs>,
}

/// What the page takes.
#[derive(Debug)]
pub enum Input {
    /// Something happened on the page, or to the unit.
    Page(Happens),
    /// The units were listed anew.
    Listed,
    /// Search in what is shown.
    Search,
    /// Show what is wrong, at a line and a column.
    ShowProblem(usize, usize),
    /// It was saved while it ran.
    SavedRunning,
}

#[relm4::component(pub)]
impl Component for Detail {
    type Init = (Context, UnitItem);
    type Input = Input;
    type Output = ();
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_tag: Some("unit"),
            #[watch]
            set_title: &model.item.id(),
            set_child: Some(&model.page.content),
        }
    }

    fn init(
        (context, item): (Context, UnitItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let overview =
            Overview::builder().launch((context.clone(), item.clone())).forward(sender.input_sender(), |output| {
                match output {
                    overview::Output::ShowProblem(line, column) => Input::ShowProblem(line, column),
                }
            });
        let editor =
            Editor::builder().launch((context.clone(), item.clone())).forward(sender.input_sender(), |output| {
                match output {
                    editor::Output::SavedRunning => Input::SavedRunning,
                }
            });
        let journal = Logs::builder().launch((context.clone(), journal_of(&context, &item))).detach();
        let happens = sender.input_sender().clone();
        let page = OwnPage::new((&context.model.units, &item), &root, menu_on_page, move |what| {
            happens.emit(Input::Page(what));
        });
        page.add(overview.widget(), "overview", &gettext("Overview"));
        page.add(editor.widget(), "unit", &gettext("Unit"));
        page.add(journal.widget(), "journal", &gettext("Journal"));
        let listed = sender.input_sender().clone();
        context.model.units_listed.watch(&root, move |_, _| listed.emit(Input::Listed));
        if context.model.unsaved.get(&item.id()).is_some() {
            // Somebody has not finished there.
            page.tabs.set_visible_child_name("unit");
        }
        let model = Self { context, item, page, overview, editor, journal };
        let widgets = view_output!();
        install_actions(&root, &model);
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
            Input::Listed => {
                self.overview.emit(overview::Input::Changed);
                self.editor.emit(editor::Input::Changed);
            }
            Input::Page(Happens::Changed) => {
                self.overview.emit(overview::Input::Changed);
                self.editor.emit(editor::Input::Changed);
                self.journal.emit(log::Input::Changed);
            }
            Input::Page(Happens::Tab(name)) => {
                self.editor.emit(editor::Input::Shown(name == "unit"));
                self.journal.emit(log::Input::Shown(name == "journal"));
            }
            Input::Search => {
                if self.page.tabs.visible_child_name().is_some_and(|name| name == "unit") {
                    self.editor.emit(editor::Input::Search);
                } else {
                    self.page.tabs.set_visible_child_name("journal");
                    self.journal.emit(log::Input::Search);
                }
            }
            Input::Page(Happens::Main) => {
                let action = if self.item.running() { UnitAction::Stop } else { UnitAction::Start };
                actions::act(&self.context, vec![self.item.clone()], action);
            }
            Input::ShowProblem(line, column) => {
                self.page.tabs.set_visible_child_name("unit");
                self.editor.emit(editor::Input::Shown(true));
                self.editor.emit(editor::Input::GoTo(line, column));
            }
            Input::SavedRunning => self.offer_restart(),
            Input::Page(Happens::Removed) => {
                // Somebody's text does not go with a file that somebody else removed.
                if !self.has_changes() && own_page::leave(root) && self.item.busy().is_empty() {
                    self.context.tell(&fill(&gettext("“{}” was removed"), &[&self.item.id()]));
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Detail {
    /// Whether this is the page of `item`.
    pub fn is_of(&self, item: &UnitItem) -> bool {
        &self.item == item
    }

    /// The name of its unit.
    pub fn name(&self) -> String {
        self.item.id()
    }

    /// Whether there is something that is not saved.
    pub fn has_changes(&self) -> bool {
        self.editor.model().has_changes()
    }

    /// What runs goes on as it was until it is started anew.
    fn offer_restart(&self) {
        let title = fill(&gettext("Saved “{}”, which runs as it was"), &[&self.item.id()]);
        let toast =
            adw::Toast::builder().title(glib::markup_escape_text(&title)).button_label(gettext("_Restart")).build();
        let (context, item) = (self.context.clone(), self.item.clone());
        toast.connect_button_clicked(move |_| actions::act(&context, vec![item.clone()], UnitAction::Restart));
        self.context.toasts.add_toast(toast);
    }
}

impl Thing for UnitItem {
    const PROPERTIES: &'static [&'static str] = &["running", "summary", "busy", "starts", "startable"];

    fn face(&self) -> Face {
        Face {
            // As in the list: its state and its kind below.
            name: self.name(),
            state: self.summary(),
            running: self.running(),
            ready: self.busy().is_empty() && self.startable(),
        }
    }
}

/// The service's journal.
fn journal_of(context: &Context, item: &UnitItem) -> log::Source {
    let (connection, of, named) = (context.connection.clone(), item.clone(), item.clone());
    log::Source {
        name: Box::new(move || named.id()),
        // It is followed whether the service runs or not: systemd writes to it as well.
        running: Box::new(|| true),
        lines: Box::new(move |tail, period| {
            let service = of.data().map(|data| data.service).unwrap_or_default();
            connection.journal(&service, tail, period)
        }),
        periods: true,
        nothing_yet: gettext("What the service writes, and what systemd says of it, appears here"),
        nothing: gettext("The journal has nothing of this unit"),
    }
}

/// A row that says what is wrong and where; it leads there.
fn problem_row(problem: &Problem) -> adw::ActionRow {
    let place = match (problem.at, &problem.file) {
        (Some((line, column)), _) => {
            Some(fill(&gettext("Line {}, column {}"), &[&line.to_string(), &column.to_string()]))
        }
        (None, Some(file)) => Some(file.clone()),
        (None, None) => None,
    };
    let below: Vec<String> = [place, problem.hint.clone()].into_iter().flatten().collect();
    let row = adw::ActionRow::builder()
        .title(glib::markup_escape_text(&problem.text))
        .subtitle(glib::markup_escape_text(&below.join(" · ")))
        .title_lines(0)
        .subtitle_lines(0)
        .build();
    let (icon, class, word) = if problem.error {
        ("haulout-failed-symbolic", "error", gettext("Mistake"))
    } else {
        ("dialog-warning-symbolic", "warning", gettext("Warning"))
    };
    let image = gtk::Image::builder().icon_name(icon).css_classes([class]).build();
    image.set_meaning(&word);
    row.add_prefix(&image);
    if let Some((line, column)) = problem.at {
        row.set_activatable(true);
        row.set_widget_name(&format!("{line}:{column}"));
    }
    row
}

/// The actions of the unit's menu, for this page.
fn install_actions(page: &adw::NavigationPage, detail: &Detail) {
    let mut actions: Vec<(&str, Does)> = Vec::new();
    for (name, deed) in UnitFiles::DEEDS {
        let (context, item) = (detail.context.clone(), detail.item.clone());
        let act: Does = match *deed {
            Deed::Open => continue,
            Deed::Act(action) => Box::new(move |_| actions::act(&context, vec![item.clone()], action)),
            Deed::OpenFolder => Box::new(move |_| actions::open_folder(&context, &item)),
            Deed::Remove => Box::new(move |_| actions::remove(&context, vec![item.clone()], || {})),
        };
        actions.push((name, act));
    }
    own_page::install_actions(page, UnitFiles::NAME, actions);
}
