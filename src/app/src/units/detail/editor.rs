// SPDX-License-Identifier: GPL-3.0-or-later
//! A unit's text, or the form that says the same: checked as one types, beside the service that it makes, with what is wrong below.

mod saving;

use std::rc::Rc;
use std::time::Duration;

use gettextrs::{gettext, ngettext};
use haulout_quadlet::form;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;
use sourceview5::prelude::*;

use super::completion::Offers;
use super::form::{Told, UnitForm};
use crate::connection::{Checked, Failure, Problem, Reason, UnitKind, UnitText};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::UnitItem;
use crate::settings;
use crate::widgets::failure::{self, FailurePage};
use crate::widgets::icon_button::Wordless as _;
use crate::widgets::source_text::SourceText;
use crate::window::Context;

/// It is checked when nothing was typed for so long.
const PAUSE: Duration = Duration::from_millis(200);
/// Below this width, in scaled pixels, the service takes the unit's place instead of standing beside it.
const NARROW: f64 = 700.;

/// The tab.
pub struct Editor {
    context: Context,
    item: UnitItem,
    unit: SourceText,
    form: UnitForm,
    /// Form and text, one of which is seen.
    views: adw::ViewStack,
    service: SourceText,
    failed: FailurePage,
    failure: bool,
    /// What the file says, when it is known.
    saved: Option<UnitText>,
    problems: Vec<Problem>,
    /// Those below, and whether they are of the form: it shows most of them at its rows.
    listed: Vec<Problem>,
    changed: bool,
    /// Whether somebody else has changed the file since it was read.
    elsewhere: bool,
    saving: bool,
    /// Whether the service is shown, and whether it takes the unit's place.
    with_service: bool,
    narrow: bool,
    waiting: Option<glib::SourceId>,
}

#[derive(Debug)]
pub enum Input {
    /// The tab is in sight, or not any more.
    Shown(bool),
    /// The unit, or something that it is made with, changed.
    Changed,
    Text(Result<UnitText, Failure>),
    Typed,
    /// A field of the form, by its place among its kind's, has these values now.
    Filled(usize, Vec<String>),
    /// Form or text is seen now.
    View,
    /// The last change is to be undone, or done again.
    Undo(bool),
    Check,
    Checked(Result<Checked, Failure>),
    Save,
    /// This text was written, or not.
    Saved(String, Result<(), Failure>),
    /// Write it, whatever the file says by now.
    SaveAnyway,
    Revert,
    ShowService(bool),
    Narrow(bool),
    /// Go to a line and a column.
    GoTo(usize, usize),
    Search,
}

#[derive(Debug)]
pub enum Output {
    /// It was saved while its service ran.
    SavedRunning,
}

#[relm4::component(pub)]
impl Component for Editor {
    type Init = (Context, UnitItem);
    type Input = Input;
    type Output = Output;
    type CommandOutput = ();

    view! {
        adw::ToolbarView {
            add_top_bar = &adw::Banner {
                set_title: &gettext("Another program has changed this file"),
                set_button_label: Some(&gettext("_Discard My Changes")),
                #[watch]
                set_revealed: model.changed && model.elsewhere,
                connect_button_clicked => Input::Revert,
            },
            add_top_bar = &gtk::CenterBox {
                add_css_class: "toolbar",
                #[wrap(Some)]
                set_start_widget = &adw::InlineViewSwitcher {
                    set_stack: Some(&model.views),
                    set_display_mode: adw::InlineViewSwitcherDisplayMode::Labels,
                    set_css_classes: &["flat"],
                    #[watch]
                    set_margin_start: model.gap(),
                },
                #[wrap(Some)]
                set_center_widget = &gtk::Label {
                    set_css_classes: &["dim-label", "caption"],
                    set_ellipsize: gtk::pango::EllipsizeMode::Start,
                    set_margin_start: 6,
                    set_margin_end: 6,
                    #[watch]
                    set_visible: !model.narrow,
                    #[watch]
                    set_label: &model.place(),
                },
                #[wrap(Some)]
                set_end_widget = &gtk::Box {
                    #[watch]
                    set_spacing: model.gap(),
                    #[watch]
                    set_margin_end: model.gap(),
                    gtk::ToggleButton {
                        set_icon_name: "haulout-service-symbolic",
                        set_meaning: &gettext("Show the Service"),
                        connect_toggled[sender] => move |button| sender.input_sender().emit(Input::ShowService(button.is_active())),
                    },
                    gtk::Button {
                        set_icon_name: "edit-undo-symbolic",
                        set_meaning: &gettext("Discard Changes"),
                        #[watch]
                        set_visible: model.may_write(),
                        #[watch]
                        set_sensitive: model.changed && !model.saving,
                        connect_clicked => Input::Revert,
                    },
                    gtk::Button {
                        set_label: &gettext("_Save"),
                        set_use_underline: true,
                        add_css_class: "suggested-action",
                        #[watch]
                        set_visible: model.may_write(),
                        #[watch]
                        set_sensitive: model.changed && !model.saving,
                        connect_clicked => Input::Save,
                    },
                },
            },
            #[wrap(Some)]
            set_content = &adw::BreakpointBin {
                set_size_request: (300, 150),
                #[wrap(Some)]
                set_child = &gtk::Stack {
                    add_named[Some("texts")] = &gtk::Box {
                        set_homogeneous: true,
                        gtk::Box {
                            set_orientation: gtk::Orientation::Vertical,
                            #[watch]
                            set_visible: !(model.with_service && model.narrow),
                            append: &model.views,
                            #[name = "problems"]
                            gtk::ScrolledWindow {
                                set_hscrollbar_policy: gtk::PolicyType::Never,
                                set_propagate_natural_height: true,
                                set_max_content_height: 180,
                                #[watch]
                                set_visible: !model.listed.is_empty(),
                                #[name = "list"]
                                gtk::ListBox {
                                    set_selection_mode: gtk::SelectionMode::None,
                                    set_css_classes: &["boxed-list", "problems"],
                                    update_property: &[gtk::accessible::Property::Label(&gettext("Problems"))],
                                },
                            },
                        },
                        gtk::Box {
                            set_orientation: gtk::Orientation::Vertical,
                            #[watch]
                            set_class_active: ("service", !model.narrow),
                            #[watch]
                            set_visible: model.with_service,
                            gtk::Label {
                                set_css_classes: &["dim-label", "caption"],
                                set_margin_all: 6,
                                set_wrap: true,
                                set_xalign: 0.0,
                                #[watch]
                                set_label: &model.about_service(),
                            },
                            append: &model.service.scrolled,
                        },
                    },
                    add_named[Some("failed")] = &model.failed.page.clone(),
                    #[watch]
                    set_visible_child_name: if model.failure { "failed" } else { "texts" },
                },
                add_breakpoint: narrow.clone(),
            },
        }
    }

    fn init(
        (context, item): (Context, UnitItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let again = sender.clone();
        let failed = FailurePage::of_tab(move || again.input_sender().emit(Input::Revert));
        let unit = SourceText::new(&gettext("Unit"));
        if let Some(data) = item.data() {
            unit.view.set_editable(data.own);
            unit.view.completion().add_provider(&Offers::of(data.kind, context.model.clone()));
        }
        let service = SourceText::new(&gettext("Service"));
        service.view.set_editable(false);
        let narrow = crate::listing::below(NARROW);
        for (signal, on) in [("apply", true), ("unapply", false)] {
            let sender = sender.input_sender().clone();
            narrow.connect_local(signal, false, move |_| {
                sender.emit(Input::Narrow(on));
                None
            });
        }
        let typed = sender.input_sender().clone();
        unit.buffer.connect_changed(move |_| typed.emit(Input::Typed));
        install_keys(&root, &sender);
        let form = form_of(&context, &item, &sender);
        let views = adw::ViewStack::builder().vexpand(true).build();
        // Until it is known what the file says.
        form.page.set_sensitive(false);
        views.add_titled(&form.page, Some("form"), &gettext("Form"));
        views.add_titled(&unit.scrolled, Some("text"), &gettext("Text"));
        settings::remember("unit-view", &views, "visible-child-name");
        let seen = sender.input_sender().clone();
        views.connect_visible_child_notify(move |_| seen.emit(Input::View));
        let model = Self {
            context,
            item,
            unit,
            form,
            views,
            service,
            failed,
            failure: false,
            saved: None,
            problems: Vec::new(),
            listed: Vec::new(),
            changed: false,
            elsewhere: false,
            saving: false,
            with_service: false,
            narrow: false,
            waiting: None,
        };
        let widgets = view_output!();
        let go = sender.input_sender().clone();
        widgets.list.connect_row_activated(move |_, row| {
            if let Some((line, column)) = row.widget_name().split_once(':')
                && let (Ok(line), Ok(column)) = (line.parse(), column.parse())
            {
                go.emit(Input::GoTo(line, column));
            }
        });
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
            Input::Shown(shown) => {
                if shown && self.saved.is_none() {
                    self.read(&sender);
                }
            }
            Input::Changed => {
                if self.saved.is_some() && !self.saving {
                    self.read(&sender);
                }
            }
            Input::Revert => {
                self.put_changed(false);
                self.read(&sender);
            }
            Input::Text(Ok(read)) => {
                self.failure = false;
                self.take(read);
                self.form.page.set_sensitive(true);
                self.check(&sender);
            }
            // Its text stays with whoever is writing it.
            Input::Text(Err(_)) if self.changed => self.elsewhere = true,
            Input::Text(Err(failure)) => {
                self.failed.show(&words(&Doing::ReadingUnit(self.item.id()), &failure));
                self.failure = true;
            }
            Input::Typed => {
                self.put_changed(self.saved.as_ref().is_some_and(|saved| saved.text != self.unit.text()));
                self.show_form(&widgets.list);
                self.wait(&sender);
            }
            Input::Filled(index, values) => {
                if let Some(field) = self.item.data().and_then(|data| form::fields(data.kind).get(index)) {
                    let values: Vec<&str> = values.iter().map(String::as_str).collect();
                    self.unit.change_to(&field.set(&self.unit.text(), &values));
                }
            }
            Input::View => self.show_form(&widgets.list),
            Input::Undo(back) if self.may_write() => {
                if back {
                    self.unit.buffer.undo();
                } else {
                    self.unit.buffer.redo();
                }
            }
            Input::Check => {
                self.waiting = None;
                self.check(&sender);
            }
            Input::Checked(Ok(checked)) => {
                self.unit.underline(&checked.problems);
                let now = self.saved.as_ref().and_then(|saved| saved.service.as_deref());
                self.service.show_differences(checked.service.as_deref().unwrap_or_default(), now);
                self.service.scrolled.set_visible(checked.service.is_some());
                self.problems = checked.problems;
                self.show_form(&widgets.list);
            }
            Input::Undo(_) | Input::Checked(Err(_)) => {}
            Input::Save => self.save(&sender),
            Input::SaveAnyway => self.save_anyway(&sender),
            Input::Saved(text, Ok(())) => {
                self.saving = false;
                self.elsewhere = false;
                if let Some(saved) = &mut self.saved {
                    saved.text = text;
                    // Somebody may have gone on meanwhile.
                    let changed = saved.text != self.unit.text();
                    self.put_changed(changed);
                }
                if self.item.running() {
                    let _ = sender.output(Output::SavedRunning);
                } else {
                    self.context.tell(&fill(&gettext("Saved “{}”"), &[&self.item.id()]));
                }
                self.read(&sender);
            }
            Input::Saved(_, Err(failure)) => {
                self.saving = false;
                if failure.reason == Reason::Changed {
                    self.elsewhere = true;
                    self.ask_to_save_anyway(&sender);
                } else {
                    failure::present(&words(&Doing::WritingUnit(self.item.id()), &failure), &self.context.toasts);
                }
            }
            Input::ShowService(on) => self.with_service = on,
            Input::Narrow(on) => self.narrow = on,
            Input::GoTo(line, column) => {
                self.views.set_visible_child_name("text");
                self.unit.go_to(line, column);
            }
            Input::Search => {
                self.views.set_visible_child_name("text");
                self.unit.view.grab_focus();
            }
        }
        self.update_view(widgets, sender);
    }

    fn shutdown(&mut self, _: &mut Self::Widgets, _: relm4::Sender<Output>) {
        if let Some(waiting) = self.waiting.take() {
            waiting.remove();
        }
    }
}

impl Editor {
    /// Whether there is something that is not saved.
    pub fn has_changes(&self) -> bool {
        self.changed
    }

    fn may_write(&self) -> bool {
        self.item.data().is_some_and(|data| data.own)
    }

    /// Between what is at the top, of which in a narrow window there is just as much as fits.
    fn gap(&self) -> i32 {
        if self.narrow { 0 } else { 6 }
    }

    fn place(&self) -> String {
        let folder = self.item.folder();
        if self.may_write() { folder } else { fill(&gettext("{} (can only be read)"), &[&folder]) }
    }

    fn about_service(&self) -> String {
        let errors = self.problems.iter().any(|problem| problem.error);
        match (errors, self.saved.as_ref().and_then(|saved| saved.service.as_ref())) {
            (true, _) => gettext("There is no service as long as there are mistakes."),
            (_, None) => gettext("This is the service that systemd gets when the unit is saved."),
            (_, Some(_)) => match self.service.differences() {
                0 => gettext("This is the service that systemd has now."),
                count => {
                    let number = plural_number(i64::from(count));
                    let text = ngettext(
                        "{} line differs from the service that systemd has now.",
                        "{} lines differ from the service that systemd has now.",
                        number,
                    );
                    fill(&text, &[&count.to_string()])
                }
            },
        }
    }

    /// Makes the form say what the text says, and lists what is wrong and not shown at a row of it.
    fn show_form(&mut self, list: &gtk::ListBox) {
        let unplaced = self.form.show(&self.unit.text(), &self.problems);
        let in_form = self.views.visible_child_name().is_some_and(|name| name == "form");
        let listed = if in_form { unplaced } else { self.problems.clone() };
        if self.listed != listed {
            fill_problems(list, &listed);
            self.listed = listed;
        }
    }

    fn read(&self, sender: &ComponentSender<Self>) {
        let (asked, sender) = (self.context.connection.unit_text(&self.item.id()), sender.input_sender().clone());
        relm4::spawn_local(async move {
            let _ = sender.send(Input::Text(asked.await));
        });
    }

    /// Checks it when a while has gone by without typing.
    fn wait(&mut self, sender: &ComponentSender<Self>) {
        if let Some(waiting) = self.waiting.take() {
            waiting.remove();
        }
        let sender = sender.input_sender().clone();
        self.waiting = Some(glib::timeout_add_local_once(PAUSE, move || sender.emit(Input::Check)));
    }

    fn check(&self, sender: &ComponentSender<Self>) {
        let asked = self.context.connection.check_unit(&self.item.id(), &self.unit.text());
        let sender = sender.input_sender().clone();
        relm4::spawn_local(async move {
            let _ = sender.send(Input::Checked(asked.await));
        });
    }
}

/// The form, which tells what is done in it.
fn form_of(context: &Context, item: &UnitItem, sender: &ComponentSender<Editor>) -> UnitForm {
    let (filled, go, undo) =
        (sender.input_sender().clone(), sender.input_sender().clone(), sender.input_sender().clone());
    let told = Told {
        filled: Rc::new(move |index, values| filled.emit(Input::Filled(index, values))),
        go: Rc::new(move |line| go.emit(Input::GoTo(line, 1))),
        undo: Rc::new(move |back| undo.emit(Input::Undo(back))),
    };
    let (kind, own) = item.data().map_or((UnitKind::Container, false), |data| (data.kind, data.own));
    UnitForm::new(kind, own, &context.model, told)
}

/// Ctrl+S saves.
fn install_keys(root: &adw::ToolbarView, sender: &ComponentSender<Editor>) {
    let keys = gtk::ShortcutController::new();
    keys.set_propagation_phase(gtk::PropagationPhase::Capture);
    let input = sender.input_sender().clone();
    let action = gtk::CallbackAction::new(move |_, _| {
        input.emit(Input::Save);
        glib::Propagation::Stop
    });
    keys.add_shortcut(gtk::Shortcut::new(gtk::ShortcutTrigger::parse_string("<Control>s"), Some(action)));
    root.add_controller(keys);
}

/// A row for each thing that is wrong, which leads to its place.
fn fill_problems(list: &gtk::ListBox, problems: &[Problem]) {
    list.remove_all();
    for problem in problems {
        list.append(&super::problem_row(problem));
    }
}
