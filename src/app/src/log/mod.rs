// SPDX-License-Identifier: GPL-3.0-or-later
//! A log: it follows while its end is in sight; search, wrapping, times.

mod period;
mod text;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::gtk::{gdk, glib};
use relm4::prelude::*;

use crate::connection::{Failure, Flow, LogLine, PastBoot, Period};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::settings;
use crate::widgets::failure::FailurePage;
use crate::widgets::icon_button::Wordless as _;
use crate::window::Context;
use period::Periods;
use text::{LogText, MOST};

/// So many of a log's last lines of a period, and then what comes.
pub type Lines = Box<dyn Fn(usize, &Period) -> Flow<Vec<LogLine>>>;

/// Whose log it is, and how one gets at it.
pub struct Source {
    pub name: Box<dyn Fn() -> String>,
    /// Whether more may come.
    pub running: Box<dyn Fn() -> bool>,
    /// So many of its last lines of a period, and then what comes.
    pub lines: Lines,
    /// Whether there are other periods than all of it.
    pub periods: bool,
    /// What the page says as long as there is nothing and something may come.
    pub nothing_yet: String,
    /// What it says when there is nothing.
    pub nothing: String,
}

/// The tab.
pub struct Logs {
    context: Context,
    source: Source,
    text: LogText,
    periods: Periods,
    failed: FailurePage,
    failure: bool,
    /// Whether the tab was ever shown: before, nothing is read.
    wanted: bool,
    running: bool,
    sought: String,
    count: usize,
    follower: Option<glib::JoinHandle<()>>,
    /// Whether its end stays in sight.
    following: Rc<Cell<bool>>,
}

#[derive(Debug)]
pub enum Input {
    /// The tab is in sight, or not any more.
    Shown(bool),
    /// Whose log it is changed.
    Changed,
    Lines(Vec<LogLine>),
    Ended(Option<Failure>),
    /// Another period was chosen.
    Period,
    /// The times that the computer was on.
    Boots(Vec<PastBoot>),
    Again,
    Search,
    Seek(String),
    Find {
        forward: bool,
    },
    Times(bool),
    ToEnd,
    Copy,
}

#[relm4::component(pub)]
impl Component for Logs {
    type Init = (Context, Source);
    type Input = Input;
    type Output = ();
    type CommandOutput = ();

    view! {
        adw::ToolbarView {
            add_top_bar = &gtk::Box {
                add_css_class: "toolbar",
                set_halign: gtk::Align::Center,
                append: &model.periods.button,
                #[name = "search_button"]
                gtk::ToggleButton {
                    set_icon_name: "system-search-symbolic",
                    set_meaning: &gettext("Search in the Log"),
                },
                #[name = "wrap_button"]
                gtk::ToggleButton {
                    set_icon_name: "haulout-wrap-symbolic",
                    set_meaning: &gettext("Wrap Long Lines"),
                },
                #[name = "time_button"]
                gtk::ToggleButton {
                    set_icon_name: "haulout-time-symbolic",
                    set_meaning: &gettext("Show Times"),
                    connect_toggled[sender] => move |button| sender.input_sender().emit(Input::Times(button.is_active())),
                },
                gtk::Button {
                    set_icon_name: "edit-copy-symbolic",
                    set_meaning: &gettext("Copy the Log"),
                    connect_clicked => Input::Copy,
                },
            },
            #[name = "search_bar"]
            add_top_bar = &gtk::SearchBar {
                #[wrap(Some)]
                set_child = &adw::Clamp {
                    set_maximum_size: 500,
                    set_hexpand: true,
                    gtk::Box {
                        add_css_class: "linked",
                        #[name = "search_entry"]
                        gtk::SearchEntry {
                            set_hexpand: true,
                            set_placeholder_text: Some(&gettext("Search in the log")),
                            update_property: &[gtk::accessible::Property::Label(&gettext("Search in the log"))],
                            connect_search_changed[sender] => move |entry| sender.input_sender().emit(Input::Seek(entry.text().into())),
                            connect_activate => Input::Find { forward: true },
                            connect_next_match => Input::Find { forward: true },
                            connect_previous_match => Input::Find { forward: false },
                        },
                        gtk::Button {
                            set_icon_name: "go-up-symbolic",
                            set_meaning: &gettext("Previous Match"),
                            #[watch]
                            set_sensitive: model.count > 0,
                            connect_clicked => Input::Find { forward: false },
                        },
                        gtk::Button {
                            set_icon_name: "go-down-symbolic",
                            set_meaning: &gettext("Next Match"),
                            #[watch]
                            set_sensitive: model.count > 0,
                            connect_clicked => Input::Find { forward: true },
                        },
                        gtk::Label {
                            set_margin_start: 12,
                            set_css_classes: &["dim-label", "numeric"],
                            #[watch]
                            set_visible: !model.sought.is_empty(),
                            #[watch]
                            set_label: &model.count_line(),
                        },
                    },
                },
            },
            #[wrap(Some)]
            set_content = &gtk::Stack {
                add_named[Some("text")] = &gtk::Overlay {
                    #[name = "scrolled"]
                    #[wrap(Some)]
                    set_child = &gtk::ScrolledWindow {
                        #[name = "view"]
                        gtk::TextView {
                            set_buffer: Some(&model.text.buffer),
                            set_editable: false,
                            set_cursor_visible: false,
                            set_monospace: true,
                            set_top_margin: 12,
                            set_bottom_margin: 12,
                            set_left_margin: 12,
                            set_right_margin: 12,
                            update_property: &[gtk::accessible::Property::Label(&gettext("Log"))],
                        },
                    },
                    #[name = "end_button"]
                    add_overlay = &gtk::Button {
                        set_icon_name: "go-bottom-symbolic",
                        set_meaning: &gettext("Follow the Log"),
                        set_css_classes: &["osd", "circular"],
                        set_halign: gtk::Align::End,
                        set_valign: gtk::Align::End,
                        set_margin_all: 18,
                        set_visible: false,
                        connect_clicked => Input::ToEnd,
                    },
                },
                add_named[Some("empty")] = &adw::StatusPage {
                    set_icon_name: Some("haulout-log-symbolic"),
                    set_title: &gettext("Nothing Logged Yet"),
                    #[watch]
                    set_description: Some(&model.about_nothing()),
                    add_css_class: "compact",
                },
                add_named[Some("failed")] = &model.failed.page.clone(),
                #[watch]
                set_visible_child_name: if model.failure {
                    "failed"
                } else if model.text.is_empty() {
                    "empty"
                } else {
                    "text"
                },
            },
        }
    }

    fn init(
        (context, source): (Context, Source),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let again = sender.clone();
        let failed = FailurePage::of_tab(move || again.input_sender().emit(Input::Again));
        let model = Self {
            context,
            running: (source.running)(),
            source,
            text: LogText::new(),
            periods: Periods::new({
                let chosen = sender.input_sender().clone();
                move || chosen.emit(Input::Period)
            }),
            failed,
            failure: false,
            wanted: false,
            sought: String::new(),
            count: 0,
            follower: None,
            following: Rc::new(Cell::new(true)),
        };
        model.periods.button.set_visible(model.source.periods);
        let widgets = view_output!();
        widgets.search_bar.connect_entry(&widgets.search_entry);
        widgets
            .search_button
            .bind_property("active", &widgets.search_bar, "search-mode-enabled")
            .bidirectional()
            .build();
        widgets
            .wrap_button
            .bind_property("active", &widgets.view, "wrap-mode")
            .transform_to(|_, on: bool| Some(if on { gtk::WrapMode::WordChar } else { gtk::WrapMode::None }))
            .sync_create()
            .build();
        settings::remember("wrap-logs", &widgets.wrap_button, "active");
        settings::remember("log-times", &widgets.time_button, "active");
        keep_end_in_sight(&widgets.scrolled, &widgets.end_button, &model.following);
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
            Input::Shown(shown) => {
                if shown && !self.wanted {
                    self.wanted = true;
                    self.follow(&sender);
                    self.ask_boots(&sender);
                }
            }
            Input::Changed => {
                let running = (self.source.running)();
                // The flow ends with whose log it is, and begins again with it.
                if running && !self.running && self.wanted && self.follower.is_none() {
                    self.follow(&sender);
                }
                self.running = running;
            }
            Input::Lines(lines) => {
                self.text.push(lines);
                if !self.sought.is_empty() {
                    self.count = self.text.mark(&self.sought.clone());
                }
            }
            Input::Ended(failure) => {
                self.follower = None;
                if let Some(failure) = failure {
                    self.failed.show(&words(&Doing::ReadingLog((self.source.name)()), &failure));
                    self.failure = true;
                } else if (self.source.running)() {
                    // It was started again before the end of its last run was told.
                    self.running = false;
                }
            }
            Input::Period => {
                if self.wanted {
                    self.follow(&sender);
                }
            }
            Input::Boots(boots) => self.periods.put_boots(boots),
            Input::Again => self.follow(&sender),
            Input::Search => {
                widgets.search_bar.set_search_mode(true);
                widgets.search_entry.grab_focus();
            }
            Input::Seek(text) => {
                self.count = self.text.mark(&text);
                self.sought = text;
                if self.count > 0 {
                    sender.input_sender().emit(Input::Find { forward: false });
                }
            }
            Input::Find { forward } => {
                if let Some(mut at) = self.text.find(&self.sought.clone(), forward) {
                    // There is where somebody looks now.
                    self.following.set(false);
                    widgets.view.scroll_to_iter(&mut at, 0.1, false, 0., 0.);
                }
            }
            Input::Times(on) => {
                self.text.show_times(on);
                self.count = self.text.mark(&self.sought.clone());
            }
            Input::ToEnd => {
                let end = widgets.scrolled.vadjustment();
                end.set_value(end.upper());
            }
            Input::Copy => {
                root.clipboard().set_text(&self.text.plain());
                self.context.tell(&gettext("Log copied"));
            }
        }
        self.update_view(widgets, sender);
    }

    fn shutdown(&mut self, _: &mut Self::Widgets, _: relm4::Sender<()>) {
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
    }
}

impl Logs {
    /// Reads the log from its last lines on, and goes on reading.
    fn follow(&mut self, sender: &ComponentSender<Self>) {
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
        self.failure = false;
        self.text.clear();
        let flow = (self.source.lines)(MOST, &self.periods.chosen());
        let sender = sender.input_sender().clone();
        self.follower = Some(relm4::spawn_local(async move {
            let mut failure = None;
            while let Some(lines) = flow.next().await {
                match lines {
                    Ok(lines) => {
                        if sender.send(Input::Lines(lines)).is_err() {
                            return;
                        }
                    }
                    Err(error) => failure = Some(error),
                }
            }
            let _ = sender.send(Input::Ended(failure));
        }));
    }

    /// Why there is nothing to see.
    fn about_nothing(&self) -> String {
        match self.periods.chosen() {
            Period::All if self.running => self.source.nothing_yet.clone(),
            Period::All => self.source.nothing.clone(),
            _ => gettext("There is nothing of this time. Choose another one above."),
        }
    }

    /// Asks when the computer was on, to choose from.
    fn ask_boots(&self, sender: &ComponentSender<Self>) {
        if !self.source.periods {
            return;
        }
        let (asked, sender) = (self.context.connection.boots(), sender.input_sender().clone());
        relm4::spawn_local(async move {
            // Without them the other periods are there all the same.
            let _ = sender.send(Input::Boots(asked.await.unwrap_or_default()));
        });
    }

    fn count_line(&self) -> String {
        let number = plural_number(i64::try_from(self.count).unwrap_or(i64::MAX));
        fill(&ngettext("{} match", "{} matches", number), &[&self.count.to_string()])
    }
}

/// How long after a person's last input the text may still be moving because of it.
const MOVING: Duration = Duration::from_secs(1);
/// How often the end of one text is sought.
const TRIES: u32 = 20;

/// Scrolls along while the end is in sight; shows `button` while it is not. Only a person's scrolling up ends it: the
/// text moves by itself, too, as it grows, is measured and is cut.
fn keep_end_in_sight(scrolled: &gtk::ScrolledWindow, button: &gtk::Button, following: &Rc<Cell<bool>>) {
    let touched = Rc::new(Cell::new(None::<Instant>));
    let events = gtk::EventControllerLegacy::builder().propagation_phase(gtk::PropagationPhase::Capture).build();
    let touching = touched.clone();
    events.connect_event(move |_, event| {
        let dragging = event.modifier_state().contains(gdk::ModifierType::BUTTON1_MASK);
        let moves = match event.event_type() {
            gdk::EventType::MotionNotify => dragging,
            gdk::EventType::EnterNotify | gdk::EventType::LeaveNotify | gdk::EventType::FocusChange => false,
            _ => true,
        };
        if moves {
            touching.set(Some(Instant::now()));
        }
        glib::Propagation::Proceed
    });
    scrolled.add_controller(events);
    let adjustment = scrolled.vadjustment();
    let catch_up = catch_up(&adjustment, following);
    let (known, shown, last, behind) = (following.clone(), button.clone(), Cell::new(0.), catch_up.clone());
    adjustment.connect_value_changed(move |adjustment| {
        let value = adjustment.value();
        let up = value < last.replace(value);
        if value >= end_of(adjustment) - 24. {
            known.set(true);
        } else if touched.get().is_none_or(|time| time.elapsed() >= MOVING) {
            behind(false);
        } else if up {
            known.set(false);
        }
        shown.set_visible(!known.get());
    });
    let (following, shown) = (following.clone(), button.clone());
    adjustment.connect_changed(move |adjustment| {
        if following.get() {
            adjustment.set_value(end_of(adjustment));
            catch_up(true);
        } else {
            shown.set_visible(true);
        }
    });
}

/// Where the end is in sight.
fn end_of(adjustment: &gtk::Adjustment) -> f64 {
    adjustment.upper() - adjustment.page_size()
}

/// What scrolls to the end once the text has come to rest: it measures its lines one after the other, and goes back to where it was as
/// it does. Its argument is whether the text is another one: what moves by itself all the time is let go some time.
fn catch_up(adjustment: &gtk::Adjustment, following: &Rc<Cell<bool>>) -> impl Fn(bool) + Clone + use<> {
    let (adjustment, following) = (adjustment.downgrade(), following.clone());
    let (waiting, tries) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    move |anew| {
        if anew {
            tries.set(0);
        }
        if tries.get() >= TRIES || waiting.replace(true) {
            return;
        }
        tries.set(tries.get() + 1);
        let (adjustment, following, waiting) = (adjustment.clone(), following.clone(), waiting.clone());
        glib::idle_add_local_once(move || {
            waiting.set(false);
            if let Some(adjustment) = adjustment.upgrade().filter(|_| following.get()) {
                adjustment.set_value(end_of(&adjustment));
            }
        });
    }
}
