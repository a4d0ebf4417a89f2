// SPDX-License-Identifier: GPL-3.0-or-later
//! The window: a sidebar of nouns, the page of the chosen one, and what concerns all pages (dialogs, toasts, search).

mod about;
mod context;
mod machine;
mod preferences;
mod search;
pub mod shortcuts;
mod sidebar;
mod unsaved;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::prelude::*;

pub use context::Context;
use machine::{Machine, MachineOutput};
use search::{SearchDialog, SearchOutput};
use sidebar::{Place, Sidebar};

use crate::connection::{Missing, Shared};
use crate::containers::detail::{self, Detail};
use crate::containers::run_dialog::{RunDialog, RunOutput};
use crate::containers::unit_dialog::{UnitDialog, UnitOutput};
use crate::containers::{self, Containers};
use crate::errors::{Doing, words};
use crate::images::pull_dialog::{PullDialog, PullOutput};
use crate::images::{self, Images};
use crate::listing::{self, Page};
use crate::model::{Model, Phase};
use crate::settings;
use crate::units::detail::{self as unit_detail, Detail as UnitDetail};
use crate::units::new_dialog::{NewDialog, NewOutput};
use crate::units::{self, UnitFiles};
use crate::updates::detail::{self as update_detail, Detail as UpdateDetail};
use crate::updates::{self, Updates, history, notice};

/// Ages are said anew this often, and only while somebody can see them.
const TICK_SECONDS: u32 = 60;

/// The window's component.
pub struct Shell {
    context: Context,
    sidebar: Sidebar,
    containers: Controller<Page<Containers>>,
    images: Controller<Page<Images>>,
    units: Controller<Page<UnitFiles>>,
    updates: Controller<Page<Updates>>,
    machine: Controller<Machine>,
    detail: Option<Controller<Detail>>,
    unit: Option<Controller<UnitDetail>>,
    update: Option<Controller<UpdateDetail>>,
    /// The same of updates.
    leaving_updates: Vec<Controller<UpdateDetail>>,
    /// Units' pages that were left and are still seen going.
    leaving_units: Vec<Controller<UnitDetail>>,
    /// Containers' pages that were left and are still seen going: they answer to clicks until then.
    leaving: Vec<Controller<Detail>>,
    /// Dialogs that are open, so that they live as long.
    run: Option<Controller<RunDialog>>,
    pull: Option<Controller<PullDialog>>,
    new_unit: Option<Controller<NewDialog>>,
    made_unit: Option<Controller<UnitDialog>>,
    search: Option<Controller<SearchDialog>>,
    missing: Vec<Missing>,
    /// Whether what is missing is what there is to see.
    looking: bool,
}

/// What the window takes.
#[derive(Debug)]
pub enum Input {
    Go(Place),
    Phase(Phase),
    Missing(Vec<Missing>),
    CheckMachine,
    GoOn,
    ShowMachine,
    /// Ctrl+F.
    Search,
    /// Ctrl+K.
    SearchEverything,
    /// The dialog that runs a container, from this image if any.
    Run(Option<String>),
    /// The dialog that pulls an image.
    Pull,
    /// The dialog that makes a unit.
    NewUnit,
    /// The dialog that makes a unit of this container.
    MakeUnit(String),
    /// Alt+Left: to the list, or to the sidebar.
    Back,
    /// A container's page.
    Open(String),
    /// A unit's page.
    OpenUnit(String),
    /// The page of a container that is kept up to date.
    OpenUpdate(String),
    /// What was done to a unit, or to all.
    History(Option<String>),
    /// The page of updates, because a notification leads there.
    ShowUpdates,
    /// Bring these units up to date.
    UpdateUnits(Vec<String>),
    /// Have them run what they ran before.
    RollBackUnits(Vec<String>),
    /// The timer has done something.
    TellUpdates,
    /// The window has the keyboard, or has it no more.
    Active,
    /// Something was chosen in the search.
    Chosen(Place, String),
    /// A container's or unit's page was left.
    Left(adw::NavigationPage),
    /// A page that was left is out of sight.
    OutOfSight(adw::NavigationPage),
    Pulled(String),
    /// A container was made and started in the dialog.
    Started(String),
    Tick,
}

#[relm4::component(pub)]
impl Component for Shell {
    type Init = Shared;
    type Input = Input;
    type Output = ();
    type CommandOutput = ();

    view! {
        adw::ApplicationWindow {
            set_title: Some(&gettext("Haulout")),
            set_default_size: (1000, 680),
            set_size_request: (360, 294),

            #[local_ref]
            toasts -> adw::ToastOverlay {
                #[name = "whole"]
                gtk::Stack {
                    #[name = "split"]
                    add_named[Some("split")] = &adw::NavigationSplitView {
                        set_min_sidebar_width: 180.,
                        set_max_sidebar_width: 240.,
                        set_sidebar_width_fraction: 0.2,
                        set_show_content: true,
                        set_sidebar: Some(&model.sidebar.page),
                        #[name = "content"]
                        #[wrap(Some)]
                        set_content = &adw::NavigationPage {
                            set_title: &gettext("Containers"),
                            gtk::Box {
                                set_orientation: gtk::Orientation::Vertical,
                                #[name = "machine_banner"]
                                adw::Banner {
                                    set_title: &gettext("This computer lacks something that containers need"),
                                    set_button_label: Some(&gettext("Show What")),
                                    #[watch]
                                    set_revealed: !model.missing.is_empty(),
                                    connect_button_clicked => Input::ShowMachine,
                                },
                                #[name = "stale_banner"]
                                adw::Banner {
                                    set_button_label: Some(&gettext("Try Again")),
                                },
                                #[name = "places"]
                                gtk::Stack {
                                    set_vexpand: true,
                                    // What nobody sees needs no room.
                                    set_hhomogeneous: false,
                                    #[name = "container_pages"]
                                    add_named[Some("containers")] = &adw::NavigationView {
                                        add: model.containers.widget(),
                                    },
                                    add_named[Some("images")] = &adw::NavigationView {
                                        add: model.images.widget(),
                                    },
                                    #[name = "unit_pages"]
                                    add_named[Some("units")] = &adw::NavigationView {
                                        add: model.units.widget(),
                                    },
                                    #[name = "update_pages"]
                                    add_named[Some("updates")] = &adw::NavigationView {
                                        add: model.updates.widget(),
                                    },
                                },
                            },
                        },
                    },
                    add_named[Some("machine")] = model.machine.widget(),
                    #[watch]
                    set_visible_child_name: if model.stopped() { "machine" } else { "split" },
                },
            },

            add_breakpoint = collapse.clone(),
        }
    }

    fn init(connection: Shared, root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let toasts = adw::ToastOverlay::new();
        let context = Context { model: Model::of(connection.clone()), connection, toasts: toasts.clone() };
        let sidebar = Sidebar::new(&context, {
            let sender = sender.clone();
            move |place| sender.input_sender().emit(Input::Go(place))
        });
        let containers = Page::<Containers>::builder().launch(context.clone()).forward(
            sender.input_sender(),
            |output| match output {
                containers::Output::Open(id) => Input::Open(id),
                containers::Output::Run => Input::Run(None),
                containers::Output::Pull => Input::Pull,
                containers::Output::MakeUnit(id) => Input::MakeUnit(id),
            },
        );
        let images =
            Page::<Images>::builder().launch(context.clone()).forward(sender.input_sender(), |output| match output {
                images::Output::Run(image) => Input::Run(Some(image)),
                images::Output::Pull => Input::Pull,
            });
        let units =
            Page::<UnitFiles>::builder().launch(context.clone()).forward(
                sender.input_sender(),
                |output| match output {
                    units::Output::Open(id) => Input::OpenUnit(id),
                    units::Output::New => Input::NewUnit,
                },
            );
        let updates =
            Page::<Updates>::builder().launch(context.clone()).forward(sender.input_sender(), |output| match output {
                updates::Output::Open(id) => Input::OpenUpdate(id),
                updates::Output::History(unit) => Input::History(unit),
                updates::Output::Units => Input::Go(Place::Units),
            });
        let machine = Machine::builder().launch(()).forward(sender.input_sender(), |output| match output {
            MachineOutput::CheckAgain => Input::CheckMachine,
            MachineOutput::GoOn => Input::GoOn,
        });
        let collapse = adw::Breakpoint::new(adw::BreakpointCondition::new_length(
            adw::BreakpointConditionLengthType::MaxWidth,
            720.,
            adw::LengthUnit::Sp,
        ));
        let model = Self {
            context,
            sidebar,
            containers,
            images,
            units,
            updates,
            machine,
            detail: None,
            unit: None,
            update: None,
            leaving_updates: Vec::new(),
            leaving_units: Vec::new(),
            leaving: Vec::new(),
            run: None,
            pull: None,
            new_unit: None,
            made_unit: None,
            search: None,
            missing: Vec::new(),
            looking: false,
        };
        let widgets = view_output!();
        collapse.add_setter(&widgets.split, "collapsed", Some(&true.to_value()));
        settings::remember_size(&root);
        unsaved::ask_before_closing(&root, &model.context);
        install_actions(&root, &sender);
        tell_time(&root, &sender);

        tell_left(&widgets.container_pages, &sender);
        tell_left(&widgets.unit_pages, &sender);
        tell_left(&widgets.update_pages, &sender);
        let active = sender.input_sender().clone();
        root.connect_is_active_notify(move |_| active.emit(Input::Active));
        let again = model.context.model.clone();
        widgets.stale_banner.connect_button_clicked(move |_| again.fill());
        let entered = sender.clone();
        model.context.model.stage.watch(move |phase| entered.input_sender().emit(Input::Phase(phase.clone())));
        sender.input_sender().emit(Input::CheckMachine);
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
            Input::Go(place) => self.go(widgets, place),
            Input::Active => self.see_updates(),
            Input::Phase(phase) => {
                if let Phase::Stale(failure) = &phase {
                    let words = words(&Doing::Following, failure);
                    widgets.stale_banner.set_title(&format!("{}: {}", words.title, words.body));
                }
                widgets.stale_banner.set_revealed(matches!(phase, Phase::Stale(_)));
            }
            Input::CheckMachine => {
                let (asked, sender) = (self.context.connection.missing(), sender.clone());
                relm4::spawn_local(async move {
                    if let Ok(missing) = asked.await {
                        sender.input_sender().emit(Input::Missing(missing));
                    }
                });
            }
            Input::Missing(missing) => {
                let _ = self.machine.sender().send(missing.clone());
                if missing.is_empty() && !self.missing.is_empty() {
                    self.context.tell(&gettext("Everything that containers need is here"));
                    self.context.model.fill();
                }
                // Only what stops everything is shown unasked, and only once.
                if missing.iter().any(|piece| piece.fatal && !self.missing.contains(piece)) {
                    self.looking = true;
                }
                self.missing = missing;
            }
            Input::GoOn => self.looking = false,
            Input::ShowMachine => self.looking = true,
            Input::Search => match self.sidebar.place() {
                Place::Containers => match &self.detail {
                    Some(detail) => detail.emit(detail::Input::Search),
                    None => self.containers.emit(listing::Input::Search),
                },
                Place::Images => self.images.emit(listing::Input::Search),
                Place::Units => match &self.unit {
                    Some(unit) => unit.emit(unit_detail::Input::Search),
                    None => self.units.emit(listing::Input::Search),
                },
                // Above the list there is nothing to search in.
                Place::Updates => {
                    let page = widgets.update_pages.visible_page().and_then(|page| page.tag());
                    if page.is_some_and(|tag| tag == <Updates as listing::Noun>::NAME) {
                        self.updates.emit(listing::Input::Search);
                    }
                }
            },
            Input::SearchEverything => {
                let dialog =
                    SearchDialog::builder().launch(self.context.clone()).forward(sender.input_sender(), |output| {
                        match output {
                            SearchOutput::Chosen(place, id) => Input::Chosen(place, id),
                        }
                    });
                dialog.widget().present(Some(root));
                self.search = Some(dialog);
            }
            Input::Run(image) => {
                let dialog = RunDialog::builder().launch((self.context.clone(), image)).forward(
                    sender.input_sender(),
                    |output| match output {
                        RunOutput::Started(id) => Input::Started(id),
                    },
                );
                dialog.widget().present(Some(root));
                self.run = Some(dialog);
            }
            Input::Pull => {
                let dialog =
                    PullDialog::builder().launch(self.context.clone()).forward(sender.input_sender(), |output| {
                        match output {
                            PullOutput::Pulled(name) => Input::Pulled(name),
                        }
                    });
                dialog.widget().present(Some(root));
                self.pull = Some(dialog);
            }
            Input::Pulled(name) => self.tell_pulled(&name, &sender),
            Input::Started(id) => self.show_started(id, &sender),
            Input::Open(id) | Input::Chosen(Place::Containers, id) => self.open(widgets, &id, &sender),
            Input::NewUnit => {
                let dialog =
                    NewDialog::builder().launch(self.context.clone()).forward(sender.input_sender(), |output| {
                        match output {
                            NewOutput::Made(name) => Input::OpenUnit(name),
                        }
                    });
                dialog.widget().present(Some(root));
                self.new_unit = Some(dialog);
            }
            Input::MakeUnit(id) => {
                let Some(item) = self.context.model.containers.get(&id) else { return };
                let dialog = UnitDialog::builder().launch((self.context.clone(), item)).forward(
                    sender.input_sender(),
                    |output| match output {
                        UnitOutput::Made(name) => Input::OpenUnit(name),
                    },
                );
                dialog.widget().present(Some(root));
                self.made_unit = Some(dialog);
            }
            Input::Back => self.back(widgets),
            Input::OpenUnit(name) | Input::Chosen(Place::Units, name) => self.open_unit(widgets, &name, &sender),
            Input::OpenUpdate(id) | Input::Chosen(Place::Updates, id) => self.open_update(widgets, &id, &sender),
            Input::History(unit) => {
                self.go(widgets, Place::Updates);
                widgets.update_pages.push(&history::page(&self.context, unit));
            }
            Input::ShowUpdates => {
                self.go(widgets, Place::Updates);
                widgets.update_pages.pop_to_tag(<Updates as listing::Noun>::NAME);
            }
            Input::UpdateUnits(units) => {
                self.go(widgets, Place::Updates);
                updates::update(&self.context, units);
            }
            Input::RollBackUnits(units) => {
                self.go(widgets, Place::Updates);
                updates::roll_back(&self.context, units);
            }
            Input::TellUpdates => {
                if self.context.looks_at_updates() {
                    self.see_updates();
                } else {
                    let connection = self.context.connection.clone();
                    relm4::spawn_local(async move { crate::background::tell(&connection).await });
                }
            }
            Input::Chosen(Place::Images, id) => {
                self.go(widgets, Place::Images);
                self.images.emit(listing::Input::Act(id, images::Deed::Show));
            }
            // Another page may have taken its place already.
            Input::Left(page) => {
                self.leaving.extend(self.detail.take_if(|detail| detail.widget() == &page));
                self.leaving_units.extend(self.unit.take_if(|unit| unit.widget() == &page));
                for unit in self.leaving_units.iter().filter(|unit| unit.widget() == &page) {
                    if unit.model().has_changes() {
                        unsaved::tell_left(&self.context, unit.model().name(), &sender);
                    }
                }
                self.leaving_updates.extend(self.update.take_if(|update| update.widget() == &page));
            }
            Input::OutOfSight(page) => {
                self.leaving.retain(|detail| detail.widget() != &page);
                self.leaving_units.retain(|unit| unit.widget() != &page);
                self.leaving_updates.retain(|update| update.widget() != &page);
            }
            Input::Tick => self.context.model.tick(),
        }
        self.update_view(widgets, sender);
    }

    fn shutdown(&mut self, _: &mut Self::Widgets, _: relm4::Sender<()>) {
        self.context.model.stop();
    }
}

impl Shell {
    /// Whether the page of what is missing is all there is to see.
    fn stopped(&self) -> bool {
        self.looking && !self.missing.is_empty()
    }

    fn go(&mut self, widgets: &mut ShellWidgets, place: Place) {
        self.sidebar.choose(place);
        widgets.places.set_visible_child_name(place.name());
        widgets.content.set_title(&place.title());
        widgets.split.set_show_content(true);
        self.context.model.shows_updates.set(place == Place::Updates);
        self.see_updates();
    }

    /// Whoever has the page of updates before their eyes need not be told any more.
    fn see_updates(&self) {
        if self.context.looks_at_updates() {
            notice::withdraw();
            let seen = self.context.connection.see_updates();
            relm4::spawn_local(async move {
                if let Err(failure) = seen.await {
                    glib::g_warning!("haulout", "noting what was seen: {}", failure.details.join(": "));
                }
            });
        }
    }

    /// From a thing's own page to the list, from there to the sidebar where that is a page of its own.
    fn back(&self, widgets: &ShellWidgets) {
        let popped = match self.sidebar.place() {
            Place::Containers => widgets.container_pages.pop(),
            Place::Units => widgets.unit_pages.pop(),
            Place::Updates => widgets.update_pages.pop(),
            Place::Images => false,
        };
        if !popped && widgets.split.is_collapsed() {
            widgets.split.set_show_content(false);
        }
    }

    /// Shows the page of the container `id` above the list.
    fn open(&mut self, widgets: &mut ShellWidgets, id: &str, sender: &ComponentSender<Self>) {
        self.go(widgets, Place::Containers);
        let Some(item) = self.context.model.containers.get(id) else { return };
        if self.detail.as_ref().is_some_and(|detail| detail.model().is_of(&item)) {
            return;
        }
        let detail =
            Detail::builder().launch((self.context.clone(), item)).forward(
                sender.input_sender(),
                |output| match output {
                    detail::Output::MakeUnit(id) => Input::MakeUnit(id),
                },
            );
        if self.detail.is_some() {
            // At once, without a slide: the former page may still be on its way in or out.
            widgets.container_pages.replace(&[self.containers.widget().clone(), detail.widget().clone()]);
        } else {
            widgets.container_pages.push(detail.widget());
        }
        self.detail = Some(detail);
    }

    /// Shows the page of the unit `name` above the list.
    fn open_unit(&mut self, widgets: &mut ShellWidgets, name: &str, sender: &ComponentSender<Self>) {
        self.go(widgets, Place::Units);
        let Some(item) = self.context.model.units.get(name) else { return };
        if self.unit.as_ref().is_some_and(|unit| unit.model().is_of(&item)) {
            return;
        }
        let unit = UnitDetail::builder().launch((self.context.clone(), item)).detach();
        if let Some(former) = &self.unit {
            if former.model().has_changes() {
                unsaved::tell_left(&self.context, former.model().name(), sender);
            }
            widgets.unit_pages.replace(&[self.units.widget().clone(), unit.widget().clone()]);
        } else {
            widgets.unit_pages.push(unit.widget());
        }
        self.unit = Some(unit);
    }

    /// Shows the page of the container `id` that is kept up to date above the list.
    fn open_update(&mut self, widgets: &mut ShellWidgets, id: &str, sender: &ComponentSender<Self>) {
        self.go(widgets, Place::Updates);
        let Some(item) = self.context.model.updates.get(id) else { return };
        if self.update.as_ref().is_some_and(|update| update.model().is_of(&item)) {
            return;
        }
        let update =
            UpdateDetail::builder().launch((self.context.clone(), item)).forward(sender.input_sender(), |output| {
                match output {
                    update_detail::Output::History(unit) => Input::History(Some(unit)),
                }
            });
        if self.update.is_some() {
            widgets.update_pages.replace(&[self.updates.widget().clone(), update.widget().clone()]);
        } else {
            widgets.update_pages.push(update.widget());
        }
        self.update = Some(update);
    }

    fn tell_pulled(&self, name: &str, sender: &ComponentSender<Self>) {
        let title = crate::language::fill(&gettext("Pulled “{}”"), &[name]);
        let toast =
            adw::Toast::builder().title(glib::markup_escape_text(&title)).button_label(gettext("_Run…")).build();
        let (sender, name) = (sender.clone(), name.to_owned());
        toast.connect_button_clicked(move |_| sender.input_sender().emit(Input::Run(Some(name.clone()))));
        self.context.toasts.add_toast(toast);
    }

    /// Shows what the dialog has started.
    fn show_started(&self, id: String, sender: &ComponentSender<Self>) {
        let (context, sender) = (self.context.clone(), sender.clone());
        relm4::spawn_local(async move {
            context.model.refresh(&id).await;
            let Some(item) = context.model.containers.get(&id) else {
                // With --rm, and already at its end.
                return context.tell(&gettext("The container has run and was removed"));
            };
            context.tell(&crate::language::fill(&gettext("Started “{}”"), &[&item.name()]));
            sender.input_sender().emit(Input::Open(id));
        });
    }
}

/// Tells when a page of `view` is left, and when it is out of sight.
fn tell_left(view: &adw::NavigationView, sender: &ComponentSender<Shell>) {
    let closed = sender.clone();
    view.connect_popped(move |_, page| {
        closed.input_sender().emit(Input::Left(page.clone()));
        let closed = closed.clone();
        let hidden = move |page: &adw::NavigationPage| closed.input_sender().emit(Input::OutOfSight(page.clone()));
        if page.is_mapped() {
            page.connect_unmap(hidden);
        } else {
            hidden(page);
        }
    });
}

/// An action's name, and what it tells the window.
type Entry = (&'static str, fn() -> Input);

/// The window's actions, for keys and menus.
fn install_actions(window: &adw::ApplicationWindow, sender: &ComponentSender<Shell>) {
    let add = |name: &str, act: Box<dyn Fn(&adw::ApplicationWindow)>| {
        let action = gio::SimpleAction::new(name, None);
        let window_of = window.downgrade();
        action.connect_activate(move |_, _| {
            // One thing at a time: keys reach the window below a dialog, too.
            if let Some(window) = window_of.upgrade().filter(|window| window.visible_dialog().is_none()) {
                act(&window);
            }
        });
        window.add_action(&action);
    };
    let entries: [Entry; 10] = [
        ("search", || Input::Search),
        ("search-everything", || Input::SearchEverything),
        ("pull", || Input::Pull),
        ("run", || Input::Run(None)),
        ("new-unit", || Input::NewUnit),
        ("back", || Input::Back),
        ("containers", || Input::Go(Place::Containers)),
        ("images", || Input::Go(Place::Images)),
        ("units", || Input::Go(Place::Units)),
        ("updates", || Input::Go(Place::Updates)),
    ];
    for (name, input) in entries {
        let sender = sender.clone();
        add(name, Box::new(move |_| sender.input_sender().emit(input())));
    }
    add("preferences", Box::new(preferences::show));
    add("shortcuts", Box::new(shortcuts::show));
    add("about", Box::new(about::show));
}

/// Ticks once a minute while the window can be seen; at once when it is seen again.
fn tell_time(window: &adw::ApplicationWindow, sender: &ComponentSender<Shell>) {
    let sender = sender.clone();
    let ticking = std::cell::RefCell::new(None::<glib::SourceId>);
    window.connect_suspended_notify(move |window| {
        if let Some(source) = ticking.take() {
            source.remove();
        }
        if !window.is_suspended() {
            sender.input_sender().emit(Input::Tick);
            let sender = sender.clone();
            let source = glib::timeout_add_seconds_local(TICK_SECONDS, move || {
                sender.input_sender().emit(Input::Tick);
                glib::ControlFlow::Continue
            });
            ticking.replace(Some(source));
        }
    });
    window.notify("suspended");
}
