// SPDX-License-Identifier: GPL-3.0-or-later
//! A unit as a form, for who does not write units: what it shows comes from Quadlet's table of fields, and is what the text says.

mod list;
mod names;

use std::cell::Cell;
use std::rc::Rc;

use gettextrs::gettext;
use haulout_quadlet::form::{self, Field, Flaw, Group, Item, Other, Reading, Shape, fields};
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

use super::completion;
use crate::connection::{Problem, UnitKind};
use crate::language::fill;
use crate::model::Model;
use crate::widgets::fields::WrongRow;
use crate::widgets::offer;
use list::List;

/// What a person does in the form.
#[derive(Clone)]
pub struct Told {
    /// A field, by its place in the table, has these values now.
    pub filled: Rc<dyn Fn(usize, Vec<String>)>,
    /// A line of the text is to be shown.
    pub go: Rc<dyn Fn(usize)>,
    /// The last change is to be undone, or done again.
    pub undo: Rc<dyn Fn(bool)>,
}

/// The form.
pub struct UnitForm {
    pub page: adw::PreferencesPage,
    kind: UnitKind,
    rows: Vec<Row>,
    others: adw::PreferencesGroup,
    other_rows: Vec<adw::ActionRow>,
    shown_others: Vec<Other>,
    told: Told,
    /// It is being filled with what the text says: that is nobody's change.
    showing: Rc<Cell<bool>>,
}

/// What shows a field.
enum Row {
    Text(adw::EntryRow, WrongRow),
    Choice(adw::ComboRow, &'static [&'static str]),
    Switch(adw::SwitchRow, bool),
    List(List),
}

impl UnitForm {
    /// Of a unit of `kind`, with nothing in it; `may_write` tells whether it can be changed.
    pub fn new(kind: UnitKind, may_write: bool, model: &Rc<Model>, told: Told) -> Self {
        let page = adw::PreferencesPage::new();
        let others = adw::PreferencesGroup::builder().title(gettext("Also Set in the Text")).visible(false).build();
        let mut form = Self {
            page,
            kind,
            rows: Vec::new(),
            others,
            other_rows: Vec::new(),
            shown_others: Vec::new(),
            told,
            showing: Rc::default(),
        };
        let mut current: Option<(Group, adw::PreferencesGroup)> = None;
        for (index, field) in fields(kind).iter().enumerate() {
            if matches!(field.shape, Shape::Lines(_) | Shape::Words(_)) {
                let list = List::new(field, form.changed(index), completion::offers_of(field, model));
                list.group.set_sensitive(may_write);
                form.page.add(&list.group);
                form.rows.push(Row::List(list));
                current = None;
                continue;
            }
            let group = match &current {
                Some((of, group)) if *of == field.group => group.clone(),
                _ => {
                    let group = adw::PreferencesGroup::new();
                    group.set_title(&names::group(field.group));
                    group.set_sensitive(may_write);
                    form.page.add(&group);
                    current = Some((field.group, group.clone()));
                    group
                }
            };
            let row = form.row(index, field, &group, model);
            form.rows.push(row);
        }
        form.page.add(&form.others);
        form.install_keys();
        form
    }

    fn row(&self, index: usize, field: &Field, group: &adw::PreferencesGroup, model: &Rc<Model>) -> Row {
        let (title, changed) = (names::field(field), self.changed(index));
        match field.shape {
            Shape::Choice(choices) => {
                let row = adw::ComboRow::builder().title(title).build();
                row.set_model(Some(&choice_model(field.key, choices, None)));
                row.connect_selected_notify(move |row| {
                    let chosen = usize::try_from(row.selected()).ok().and_then(|index| index.checked_sub(1));
                    // What stands after the known ones is what the text says anyway.
                    match chosen.map(|index| choices.get(index)) {
                        Some(Some(value)) => changed(vec![(*value).to_owned()]),
                        None => changed(Vec::new()),
                        Some(None) => {}
                    }
                });
                group.add(&row);
                Row::Choice(row, choices)
            }
            Shape::Switch(_) | Shape::Start => {
                let usual = field.shape == Shape::Switch(true);
                let row = adw::SwitchRow::builder().title(title).active(usual).build();
                row.connect_active_notify(move |row| {
                    let on = row.is_active();
                    changed(if on == usual { Vec::new() } else { vec![on.to_string()] });
                });
                group.add(&row);
                Row::Switch(row, usual)
            }
            _ => {
                let row = adw::EntryRow::builder().title(title).build();
                row.set_enable_undo(false);
                row.connect_changed(move |row| changed(vec![row.text().into()]));
                if let Some(offers) = completion::offers_of(field, model) {
                    row.add_suffix(&offer::button(&row, move || offers()));
                }
                group.add(&row);
                let wrong = WrongRow::new();
                group.add(&wrong.row);
                Row::Text(row, wrong)
            }
        }
    }

    /// What is called with the values that somebody gave a field.
    fn changed(&self, index: usize) -> Rc<dyn Fn(Vec<String>)> {
        let (showing, filled) = (self.showing.clone(), self.told.filled.clone());
        Rc::new(move |values| {
            if !showing.get() {
                filled(index, values);
            }
        })
    }

    /// Shows what `text` says, and what is wrong with it; answers the problems that stand at no row.
    pub fn show(&mut self, text: &str, problems: &[Problem]) -> Vec<Problem> {
        let reading = form::read(self.kind, text);
        self.showing.set(true);
        let mut unplaced: Vec<&Problem> = problems.iter().collect();
        for ((field, row), items) in fields(self.kind).iter().zip(&self.rows).zip(&reading.items) {
            let wrong: Vec<Option<String>> = items.iter().map(|item| wrong(field, item, problems)).collect();
            let lacking = problems.iter().find(|problem| lacks(problem, field)).map(words);
            unplaced.retain(|problem| !lacks(problem, field) && !items.iter().any(|item| concerns(problem, item)));
            row.show(field, items, &wrong, lacking);
        }
        self.show_others(reading);
        self.showing.set(false);
        unplaced.into_iter().cloned().collect()
    }

    fn show_others(&mut self, reading: Reading) {
        if self.shown_others == reading.others {
            return;
        }
        for row in self.other_rows.drain(..) {
            self.others.remove(&row);
        }
        for other in &reading.others {
            let row = adw::ActionRow::builder()
                .title(glib::markup_escape_text(&other.key))
                .subtitle(fill(&gettext("[{}], line {}"), &[&other.section, &other.line.to_string()]))
                .activatable(true)
                .build();
            row.set_subtitle(&glib::markup_escape_text(&row.subtitle().unwrap_or_default()));
            row.add_suffix(&gtk::Image::builder().icon_name("go-next-symbolic").build());
            let (go, line) = (self.told.go.clone(), other.line);
            row.connect_activated(move |_| go(line));
            self.others.add(&row);
            self.other_rows.push(row);
        }
        self.others.set_visible(!reading.others.is_empty());
        self.shown_others = reading.others;
    }

    /// Undoing is the text's own, wherever it was changed.
    fn install_keys(&self) {
        let keys = gtk::ShortcutController::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        for (trigger, back) in [("<Control>z", true), ("<Control><Shift>z", false)] {
            let undo = self.told.undo.clone();
            let action = gtk::CallbackAction::new(move |_, _| {
                undo(back);
                glib::Propagation::Stop
            });
            keys.add_shortcut(gtk::Shortcut::new(gtk::ShortcutTrigger::parse_string(trigger), Some(action)));
        }
        self.page.add_controller(keys);
    }
}

impl Row {
    fn show(&self, field: &Field, items: &[Item], wrong: &[Option<String>], lacking: Option<String>) {
        let last = items.last().map(|item| item.text.as_str());
        let first_wrong = wrong.iter().flatten().next().cloned().or(lacking);
        match self {
            Self::Text(row, says) => {
                // White space at its end is about to be followed by something.
                if row.text().trim() != last.unwrap_or_default() {
                    row.set_text(last.unwrap_or_default());
                }
                says.say(row, first_wrong.as_deref());
            }
            Self::Choice(row, choices) => {
                let known = last.map(|last| choices.iter().position(|choice| *choice == last));
                let other = last.filter(|_| known == Some(None));
                let model = choice_model(field.key, choices, other);
                if row.model().is_none_or(|now| texts(&now) != texts(model.upcast_ref())) {
                    row.set_model(Some(&model));
                }
                let chosen = match known {
                    None => 0,
                    Some(Some(index)) => index + 1,
                    Some(None) => choices.len() + 1,
                };
                row.set_selected(u32::try_from(chosen).unwrap_or_default());
                row.set_subtitle(&glib::markup_escape_text(&first_wrong.unwrap_or_default()));
            }
            Self::Switch(row, usual) => {
                let on = match last.map(str::to_ascii_lowercase).as_deref() {
                    None => *usual,
                    Some("1" | "yes" | "y" | "true" | "t" | "on") => true,
                    Some(_) => false,
                };
                row.set_active(on);
                row.set_subtitle(&glib::markup_escape_text(&first_wrong.unwrap_or_default()));
            }
            Self::List(list) => {
                let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
                list.show(&texts, wrong);
            }
        }
    }
}

/// What there is to choose: nothing, what is known, and what the text says beside that.
fn choice_model(key: &str, choices: &[&str], other: Option<&str>) -> gtk::StringList {
    let list = gtk::StringList::new(&[&gettext("Not Set")]);
    for choice in choices {
        list.append(&names::choice(key, choice));
    }
    if let Some(other) = other {
        list.append(other);
    }
    list
}

fn texts(list: &gtk::gio::ListModel) -> Vec<String> {
    let text = |index| Some(list.item(index)?.downcast::<gtk::StringObject>().ok()?.string().into());
    (0..list.n_items()).filter_map(text).collect()
}

/// What is wrong with a value, in words.
fn wrong(field: &Field, item: &Item, problems: &[Problem]) -> Option<String> {
    problems.iter().find(|problem| concerns(problem, item)).map(words).or_else(|| field.flaw(&item.text).map(flaw))
}

/// Whether a problem stands in the lines of a value.
fn concerns(problem: &Problem, item: &Item) -> bool {
    problem.at.is_some_and(|(line, _)| item.lines.contains(&line))
}

/// Whether a problem is that a field's key is missing.
fn lacks(problem: &Problem, field: &Field) -> bool {
    problem.at.is_none() && problem.file.is_none() && problem.key.as_deref() == Some(field.key)
}

fn words(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{} · {hint}", problem.text),
        None => problem.text.clone(),
    }
}

fn flaw(flaw: Flaw) -> String {
    match flaw {
        Flaw::Number => gettext("This is no number"),
        Flaw::Size => gettext("A size is a number of bytes, or one with k, m or g: 512m"),
        Flaw::Port => gettext("A port is a number between 1 and 65535, or a range: 8000-8010"),
        Flaw::Path => gettext("The path in the container begins with “/”"),
        Flaw::Name => gettext("A variable’s name is not empty and has neither “=” nor spaces"),
    }
}
