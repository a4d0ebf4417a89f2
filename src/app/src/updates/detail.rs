// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of a container that is kept up to date: how it stands and why, what would happen, what it runs and what there is, what
//! was done.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::gio;
use relm4::prelude::*;

use super::past;
use super::{Deed, Updates, actions, menu_on_page};
use crate::connection::{Failure, Reason, Standing, Update, UpdatePolicy, Version};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::listing::Noun;
use crate::measure;
use crate::model::{Followed, UpdateItem, short_digest};
use crate::widgets::failure::FailureRow;
use crate::widgets::icon_button::Wordless as _;
use crate::widgets::{fact, focus, icon_button, own_page};
use crate::window::Context;

/// How much of what was done is shown.
const LAST: usize = 5;

/// The page.
pub struct Detail {
    context: Context,
    item: Followed<UpdateItem>,
    failed: FailureRow,
    /// What is shown, and whether updates are made by themselves.
    shown: Option<(Update, bool)>,
    groups: Vec<adw::PreferencesGroup>,
}

/// What the page takes.
#[derive(Debug)]
pub enum Input {
    /// It changed.
    Changed,
    /// What was done changed.
    Past,
    Act(Deed),
    /// It takes part no more.
    Removed,
}

/// What it cannot do by itself.
#[derive(Debug)]
pub enum Output {
    /// Show all that was done to this unit.
    History(String),
}

#[relm4::component(pub)]
impl Component for Detail {
    type Init = (Context, UpdateItem);
    type Input = Input;
    type Output = Output;
    type CommandOutput = ();

    view! {
        adw::NavigationPage {
            set_tag: Some("update"),
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
                        set_meaning: &gettext("More Actions"),
                    },
                },
                #[name = "page"]
                #[wrap(Some)]
                set_content = &adw::PreferencesPage {
                    add: &model.failed.group,
                },
            },
        }
    }

    fn init(
        (context, item): (Context, UpdateItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let changed = sender.input_sender().clone();
        let item = Followed::new(item, &["state-word", "version", "checked", "busy"], move |_| {
            changed.emit(Input::Changed);
        });
        let model = Self { context, item, failed: FailureRow::new(), shown: None, groups: Vec::new() };
        let widgets = view_output!();
        let item = UpdateItem::clone(&model.item);
        widgets.menu_button.set_create_popup_func(move |button| button.set_menu_model(Some(&menu_on_page(&item))));
        install_actions(&root, &sender);
        let changed = sender.input_sender().clone();
        model.context.model.past_updates.watch(&root, move |_, _| changed.emit(Input::Past));
        let changed = sender.input_sender().clone();
        model.context.model.schedule.watch(&root, move |_, _| changed.emit(Input::Changed));
        let gone = sender.input_sender().clone();
        model.context.model.updates.when_gone(&model.item, &root, move || gone.emit(Input::Removed));
        sender.input_sender().emit(Input::Changed);
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
            Input::Changed => self.show(&widgets.page, &sender),
            Input::Past => {
                self.shown = None;
                self.show(&widgets.page, &sender);
            }
            Input::Act(Deed::History) => {
                if let Some(unit) = self.item.unit() {
                    let _ = sender.output(Output::History(unit));
                }
            }
            Input::Act(deed) => actions::act(&self.context, std::slice::from_ref(&*self.item), deed, || {}),
            Input::Removed => {
                if own_page::leave(root) {
                    self.context.tell(&fill(&gettext("“{}” is not kept up to date any more"), &[&self.item.name()]));
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

impl Detail {
    /// Whether this is the page of `item`.
    pub fn is_of(&self, item: &UpdateItem) -> bool {
        &*self.item == item
    }

    /// Builds the page anew, when something differs.
    fn show(&mut self, page: &adw::PreferencesPage, sender: &ComponentSender<Self>) {
        let Some(update) = self.item.data() else { return };
        let shown = (update, self.context.model.schedule.get().is_none_or(|schedule| schedule.on));
        if self.shown.as_ref() == Some(&shown) {
            return;
        }
        let (update, by_itself) = &shown;
        let why = match &update.standing {
            Standing::Failed(said) => Some(words(
                &Doing::KeepingUpToDate(self.item.name()),
                &Failure { reason: Reason::NotUpdated, details: vec![said.clone()] },
            )),
            _ => None,
        };
        focus::keep(page, || {
            for group in self.groups.drain(..) {
                page.remove(&group);
            }
            self.failed.show(why.as_ref());
            self.groups.push(outlook(update, *by_itself));
            self.groups.extend(self.doing(update, sender));
            self.groups.push(versions(update));
            self.groups.push(facts(update));
            self.groups.extend(self.done(update, sender));
            for group in &self.groups {
                page.add(group);
            }
        });
        self.shown = Some(shown);
    }

    /// What can be done.
    fn doing(&self, update: &Update, sender: &ComponentSender<Self>) -> Option<adw::PreferencesGroup> {
        update.unit.as_ref()?;
        let group = adw::PreferencesGroup::new();
        let add = |label: String, deed: Deed, suggested: bool| {
            let row = adw::ButtonRow::builder().title(label).use_underline(true).build();
            if suggested {
                row.add_css_class("suggested-action");
            }
            let sender = sender.input_sender().clone();
            row.connect_activated(move |_| sender.emit(Input::Act(deed)));
            self.item
                .bind_property("busy", &row, "sensitive")
                .transform_to(|_, busy: String| Some(busy.is_empty()))
                .sync_create()
                .build();
            group.add(&row);
        };
        if update.newest.is_some() || update.standing == Standing::Interrupted {
            add(gettext("_Update Now"), Deed::Update, update.standing == Standing::Available);
        }
        if update.standing != Standing::Asleep {
            add(gettext("Chec_k for Updates"), Deed::Check, false);
        }
        if update.can_roll_back {
            add(gettext("Roll _Back…"), Deed::RollBack, false);
        }
        match update.standing {
            Standing::Held(_) => add(gettext("Relea_se"), Deed::Release, false),
            _ => add(gettext("_Hold…"), Deed::Hold, false),
        }
        Some(group)
    }

    /// The last of what was done.
    fn done(&self, update: &Update, sender: &ComponentSender<Self>) -> Option<adw::PreferencesGroup> {
        let all = self.context.model.past_updates.get();
        let of_unit: Vec<_> = all.iter().filter(|past| Some(&past.unit) == update.unit.as_ref()).collect();
        if of_unit.is_empty() {
            return None;
        }
        let group = adw::PreferencesGroup::builder().title(gettext("History")).build();
        for past in of_unit.iter().take(LAST) {
            group.add(&past::row(past, false));
        }
        if of_unit.len() > LAST {
            let more = adw::ButtonRow::builder().title(gettext("Show _All")).use_underline(true).build();
            let sender = sender.input_sender().clone();
            more.connect_activated(move |_| sender.emit(Input::Act(Deed::History)));
            group.add(&more);
        }
        Some(group)
    }
}

/// What would happen.
fn outlook(update: &Update, by_itself: bool) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::new();
    group.add(&fact::row(&gettext("What Happens"), &what_happens(update, by_itself)));
    group
}

/// The same in a sentence; whether updates are made by themselves makes a difference.
fn what_happens(update: &Update, by_itself: bool) -> String {
    match &update.standing {
        Standing::Asleep => gettext("It does not run. Once it does, it is kept up to date."),
        Standing::Failed(_) => gettext("It goes on as it is, and is tried again with the next run."),
        Standing::Updating => gettext("It is being brought up to date."),
        Standing::Interrupted => gettext("An update was interrupted. The next run finishes it."),
        Standing::Held(None) => gettext("It is left as it is until you release it."),
        Standing::Held(Some(until)) => fill(&gettext("It is left as it is until {}."), &[&measure::day(*until)]),
        Standing::TakenBack(when, reason) => fill(
            &gettext("This image was tried and taken back on {}: {}. It is not tried again by itself; a newer one is."),
            &[&measure::date(*when), reason],
        ),
        Standing::Unknown => gettext("Nobody has looked yet whether there is something new."),
        Standing::Current if update.pinned => gettext(
            "Its image’s name has a digest, which never changes. Without the digest it would be kept up to date.",
        ),
        Standing::Current => gettext("Nothing: it runs what there is."),
        Standing::Available if update.policy == UpdatePolicy::Notify => gettext(
            "You are told, and nothing more. If you update it, it is restarted, and goes back if the new image is no good.",
        ),
        Standing::Available if !by_itself => gettext(
            "Nothing by itself: automatic updates are off. If you update it, it is restarted, and goes back if the new image is no good.",
        ),
        Standing::Available => gettext(
            "With the next run the new image is fetched and it is restarted. It goes back if the new image is no good.",
        ),
    }
}

fn versions(update: &Update) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::builder().title(gettext("Image")).build();
    group.add(&fact::copied(&gettext("Name"), &update.image));
    let add = |title: &str, version: &Version| {
        let said = version.name.as_ref().map(|name| format!("{name} · ")).unwrap_or_default();
        let row = fact::shortened(title, &format!("{said}{}", short_digest(&version.digest)), &version.digest);
        row.set_tooltip_text(Some(&version.digest));
        group.add(&row);
    };
    if let Some(current) = &update.current {
        add(&gettext("Current"), current);
    }
    if let Some(newest) = &update.newest {
        add(&gettext("Newest"), newest);
    }
    let newest = update.newest.as_ref().and_then(|version| version.source.as_ref());
    if let Some(source) = newest.or_else(|| update.current.as_ref()?.source.as_ref()) {
        let row = fact::row(&gettext("Source"), source);
        // What an image says is nobody's order to open anything else.
        if source.starts_with("https://") || source.starts_with("http://") {
            let link = icon_button::in_row("web-browser-symbolic", &gettext("Open in the Browser"));
            let address = source.clone();
            link.connect_clicked(move |link| {
                let window = link.root().and_downcast::<gtk::Window>();
                gtk::UriLauncher::new(&address).launch(window.as_ref(), gio::Cancellable::NONE, |_| {});
            });
            row.add_suffix(&link);
        }
        group.add(&row);
    }
    group
}

fn facts(update: &Update) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::new();
    if let Some(unit) = &update.unit {
        group.add(&fact::copied(&gettext("Unit"), unit));
    }
    if let Some(container) = &update.container {
        group.add(&fact::row(&gettext("Container"), container));
    }
    let policy = match update.policy {
        UpdatePolicy::Registry => gettext("Updated when its registry has something new"),
        UpdatePolicy::Local => gettext("Updated when the name stands for another image on this computer"),
        UpdatePolicy::Notify => gettext("You are told when its registry has something new"),
    };
    group.add(&fact::row(&gettext("Policy"), &policy));
    let checked = update.checked.map_or_else(|| gettext("Never"), measure::date);
    group.add(&fact::row(&gettext("Last Checked"), &checked));
    group
}

/// The actions of the menu, for this page.
fn install_actions(page: &adw::NavigationPage, sender: &ComponentSender<Detail>) {
    let act = |(name, deed): &(&'static str, Deed)| {
        let (input, deed) = (sender.input_sender().clone(), *deed);
        let act: Box<dyn Fn(String)> = Box::new(move |_| input.emit(Input::Act(deed)));
        (*name, act)
    };
    own_page::install_actions(page, Updates::NAME, Updates::DEEDS.iter().map(act).collect());
}
