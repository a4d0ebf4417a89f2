// SPDX-License-Identifier: GPL-3.0-or-later
//! A terminal in a running container: VTE, fed with what a session says; what it commits is sent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gdk, gio, glib};
use relm4::prelude::*;
use vte4::prelude::*;

use crate::ansi::PALETTE;
use crate::connection::{Action, Exec, Failure, Input as ToProcess, Output as FromProcess, Session};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::model::ContainerItem;
use crate::widgets::failure::FailurePage;
use crate::widgets::icon_button::Wordless as _;
use crate::window::Context;

/// Better a shell with a history and completion, where there is one.
const BEST_SHELL: &str = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";
const SHELLS: [&str; 5] = ["bash", "sh", "ash", "zsh", "fish"];

/// The way to the process of the session that is open.
type Way = Rc<RefCell<Option<async_channel::Sender<ToProcess>>>>;

/// The tab.
pub struct Terminal {
    context: Context,
    item: ContainerItem,
    screen: vte4::Terminal,
    way: Way,
    failed: FailurePage,
    stage: Stage,
    shown: bool,
    running: bool,
    follower: Option<glib::JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No session yet.
    Idle,
    Open,
    /// The process of the session ended, with this status if anybody saw it.
    Ended(Option<i32>),
    Failed,
}

#[derive(Debug)]
pub enum Input {
    /// The tab is in sight, or not any more.
    Shown(bool),
    /// The container changed.
    Changed,
    /// Open a session as the fields say.
    Connect,
    Ended(Option<i32>),
    Failed(Failure),
    /// Start the container.
    Start,
}

#[relm4::component(pub)]
impl Component for Terminal {
    type Init = (Context, ContainerItem);
    type Input = Input;
    type Output = ();
    type CommandOutput = ();

    view! {
        adw::ToolbarView {
            add_top_bar = &gtk::Box {
                add_css_class: "toolbar",
                set_halign: gtk::Align::Center,
                #[watch]
                set_visible: model.running,
                #[name = "shell"]
                gtk::DropDown {
                    set_meaning: &gettext("Shell"),
                },
                #[name = "user"]
                gtk::Entry {
                    set_placeholder_text: Some(&gettext("User")),
                    set_meaning: &gettext("User in the container; empty for its own"),
                    set_width_chars: 8,
                    set_max_width_chars: 12,
                    connect_activate => Input::Connect,
                },
                gtk::Button {
                    set_icon_name: "view-refresh-symbolic",
                    set_meaning: &gettext("New Session"),
                    connect_clicked => Input::Connect,
                },
            },
            add_top_bar = &adw::Banner {
                #[watch]
                set_title: &model.ended_line(),
                set_button_label: Some(&gettext("New Session")),
                #[watch]
                set_revealed: model.running && matches!(model.stage, Stage::Ended(_)),
                connect_button_clicked => Input::Connect,
            },
            #[wrap(Some)]
            set_content = &gtk::Stack {
                #[name = "overlay"]
                add_named[Some("screen")] = &gtk::Overlay {
                    #[wrap(Some)]
                    set_child = &gtk::ScrolledWindow {
                        set_hscrollbar_policy: gtk::PolicyType::Never,
                        set_child: Some(&model.screen),
                    },
                },
                add_named[Some("stopped")] = &adw::StatusPage {
                    set_icon_name: Some("utilities-terminal-symbolic"),
                    set_title: &gettext("Not Running"),
                    set_description: Some(&gettext("Start the container to open a terminal in it")),
                    add_css_class: "compact",
                    gtk::Button {
                        set_label: &gettext("_Start"),
                        set_use_underline: true,
                        set_halign: gtk::Align::Center,
                        set_css_classes: &["pill", "suggested-action"],
                        #[watch]
                        set_sensitive: model.item.busy().is_empty(),
                        connect_clicked => Input::Start,
                    },
                },
                add_named[Some("failed")] = &model.failed.page.clone(),
                #[watch]
                set_visible_child_name: match model.stage {
                    _ if !model.running => "stopped",
                    Stage::Failed => "failed",
                    _ => "screen",
                },
            },
        }
    }

    fn init(
        (context, item): (Context, ContainerItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let again = sender.clone();
        let failed = FailurePage::of_tab(move || again.input_sender().emit(Input::Connect));
        let way = Way::default();
        let model = Self {
            context,
            running: item.running(),
            item,
            screen: screen(&way),
            way,
            failed,
            stage: Stage::Idle,
            shown: false,
            follower: None,
        };
        let widgets = view_output!();
        widgets.overlay.add_overlay(&size_watch(&model.screen, &model.way));
        let mut choices = vec![gettext("Best Shell")];
        choices.extend(SHELLS.map(str::to_owned));
        if model.attachable() {
            choices.push(gettext("Main Process"));
        }
        let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
        widgets.shell.set_model(Some(&gtk::StringList::new(&choices)));
        let chosen = sender.clone();
        widgets.shell.connect_selected_notify(move |_| chosen.input_sender().emit(Input::Connect));
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
                self.shown = shown;
                if shown {
                    if self.running && self.stage == Stage::Idle {
                        self.connect(widgets, &sender);
                    }
                    self.screen.grab_focus();
                }
            }
            Input::Changed => {
                let running = self.item.running();
                if running != self.running {
                    self.running = running;
                    self.disconnect();
                    self.stage = Stage::Idle;
                    if running && self.shown {
                        self.connect(widgets, &sender);
                    }
                }
            }
            Input::Connect => {
                if self.running {
                    self.connect(widgets, &sender);
                    self.screen.grab_focus();
                }
            }
            Input::Ended(status) => {
                self.disconnect();
                self.stage = Stage::Ended(status);
            }
            Input::Failed(failure) => {
                self.disconnect();
                self.failed.show(&words(&Doing::OpeningTerminal(self.item.name()), &failure));
                self.stage = Stage::Failed;
            }
            Input::Start => crate::containers::act(&self.context, vec![self.item.clone()], Action::Start),
        }
        self.update_view(widgets, sender);
    }

    fn shutdown(&mut self, _: &mut Self::Widgets, _: relm4::Sender<()>) {
        self.disconnect();
    }
}

impl Terminal {
    /// Whether the container's own process has a terminal to connect to.
    fn attachable(&self) -> bool {
        self.item.data().is_some_and(|data| data.terminal)
    }

    fn ended_line(&self) -> String {
        match self.stage {
            Stage::Ended(Some(0)) => gettext("The session has ended"),
            Stage::Ended(Some(status)) => {
                fill(&gettext("The session has ended with status {}"), &[&status.to_string()])
            }
            _ => gettext("The session was interrupted"),
        }
    }

    fn disconnect(&mut self) {
        self.way.take();
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
    }

    /// Opens a session as the fields say, in place of the one that is open.
    fn connect(&mut self, widgets: &TerminalWidgets, sender: &ComponentSender<Self>) {
        self.disconnect();
        self.screen.reset(true, true);
        self.stage = Stage::Open;
        let chosen = usize::try_from(widgets.shell.selected()).unwrap_or_default();
        let id = self.item.id();
        let asked = if chosen > SHELLS.len() {
            self.context.connection.attach(&id)
        } else {
            let command = match chosen.checked_sub(1).and_then(|index| SHELLS.get(index)) {
                Some(shell) => vec![(*shell).to_owned()],
                None => ["sh", "-c", BEST_SHELL].map(str::to_owned).to_vec(),
            };
            let user = widgets.user.text().trim().to_owned();
            let exec = Exec { command, user: (!user.is_empty()).then_some(user), size: size_of(&self.screen) };
            self.context.connection.exec(&id, exec)
        };
        let (screen, way, sender) = (self.screen.clone(), self.way.clone(), sender.input_sender().clone());
        self.follower = Some(relm4::spawn_local(async move {
            let ended = match asked.await {
                Ok(session) => converse(session, &screen, &way).await,
                Err(failure) => Input::Failed(failure),
            };
            let _ = sender.send(ended);
        }));
    }
}

/// Shows what the process says until it ends.
async fn converse(session: Session, screen: &vte4::Terminal, way: &Way) -> Input {
    let (columns, rows) = size_of(screen);
    // The size may have changed while the session was made.
    let _ = session.input.try_send(ToProcess::Resize(columns, rows));
    way.replace(Some(session.input.clone()));
    loop {
        match session.output.next().await {
            Some(Ok(FromProcess::Bytes(bytes))) => screen.feed(&bytes),
            Some(Ok(FromProcess::Exited(status))) => return Input::Ended(status),
            Some(Err(failure)) => return Input::Failed(failure),
            None => return Input::Ended(None),
        }
    }
}

/// Columns and rows.
fn size_of(screen: &vte4::Terminal) -> (u16, u16) {
    let whole = |count: std::ffi::c_long| u16::try_from(count).unwrap_or(80).max(1);
    (whole(screen.column_count()), whole(screen.row_count()))
}

/// The screen: what is typed goes `way`.
fn screen(way: &Way) -> vte4::Terminal {
    let screen = vte4::Terminal::builder()
        .scrollback_lines(10_000)
        .scroll_on_keystroke(true)
        .scroll_on_output(false)
        .hexpand(true)
        .vexpand(true)
        .css_classes(["terminal"])
        .build();
    screen.set_mouse_autohide(true);
    screen.set_bold_is_bright(false);
    screen.update_property(&[gtk::accessible::Property::Label(&gettext("Terminal"))]);
    let way = way.clone();
    screen.connect_commit(move |_, text, _| {
        if let Some(way) = way.borrow().as_ref() {
            let _ = way.try_send(ToProcess::Bytes(text.as_bytes().to_vec()));
        }
    });
    let manager = adw::StyleManager::default();
    paint(&screen, manager.is_dark());
    let painted = screen.downgrade();
    manager.connect_dark_notify(move |manager| {
        if let Some(screen) = painted.upgrade() {
            paint(&screen, manager.is_dark());
        }
    });
    copy_and_paste(&screen);
    screen
}

/// Tells the process whenever the screen has another size. VTE has no signal for it; an empty area above it has.
fn size_watch(screen: &vte4::Terminal, way: &Way) -> gtk::DrawingArea {
    let area = gtk::DrawingArea::builder().can_target(false).can_focus(false).hexpand(true).vexpand(true).build();
    area.set_accessible_role(gtk::AccessibleRole::Presentation);
    let (screen, way, told) = (screen.clone(), way.clone(), Rc::new(Cell::new((0, 0))));
    area.connect_resize(move |_, _, _| {
        let (screen, way, told) = (screen.clone(), way.clone(), told.clone());
        // After everything has its size.
        glib::idle_add_local_once(move || {
            let size = size_of(&screen);
            if told.replace(size) != size
                && let Some(way) = way.borrow().as_ref()
            {
                let _ = way.try_send(ToProcess::Resize(size.0, size.1));
            }
        });
    });
    area
}

/// The colours of the light or the dark style.
fn paint(screen: &vte4::Terminal, dark: bool) {
    let colour = |text: &str| gdk::RGBA::parse(text).unwrap_or(gdk::RGBA::BLACK);
    let palette = PALETTE[usize::from(dark)].map(colour);
    let palette: Vec<&gdk::RGBA> = palette.iter().collect();
    let (fore, back) = if dark { ("#ffffff", "#1d1d20") } else { ("#333338", "#ffffff") };
    screen.set_colors(Some(&colour(fore)), Some(&colour(back)), &palette);
}

/// Ctrl+Shift+C, Ctrl+Shift+V and a menu.
fn copy_and_paste(screen: &vte4::Terminal) {
    let group = gio::SimpleActionGroup::new();
    let add = |name: &str, act: fn(&vte4::Terminal)| {
        let action = gio::SimpleAction::new(name, None);
        let screen = screen.downgrade();
        action.connect_activate(move |_, _| {
            if let Some(screen) = screen.upgrade() {
                act(&screen);
            }
        });
        group.add_action(&action);
    };
    add("copy", |screen| screen.copy_clipboard_format(vte4::Format::Text));
    add("paste", vte4::Terminal::paste_clipboard);
    add("select-all", vte4::Terminal::select_all);
    screen.insert_action_group("terminal", Some(&group));
    let keys = gtk::ShortcutController::new();
    for (trigger, action) in [("<Control><Shift>c", "terminal.copy"), ("<Control><Shift>v", "terminal.paste")] {
        let trigger = gtk::ShortcutTrigger::parse_string(trigger);
        keys.add_shortcut(gtk::Shortcut::new(trigger, Some(gtk::NamedAction::new(action))));
    }
    screen.add_controller(keys);
    let menu = gio::Menu::new();
    menu.append(Some(&gettext("_Copy")), Some("terminal.copy"));
    menu.append(Some(&gettext("_Paste")), Some("terminal.paste"));
    menu.append(Some(&gettext("Select _All")), Some("terminal.select-all"));
    screen.set_context_menu_model(Some(&menu));
}
