// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog that makes a unit: its kind, its name, for a container its image; the rest is written on its page.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::prelude::*;

use super::name::Name;
use crate::connection::{Failure, UnitKind, UnitWrite};
use crate::errors::{Doing, words};
use crate::model::kind_word;
use crate::widgets::dialog_header::DialogHeader;
use crate::widgets::failure::FailureRow;
use crate::widgets::focus;
use crate::window::Context;

/// The kinds that are offered, the usual ones first.
const KINDS: [UnitKind; 7] = [
    UnitKind::Container,
    UnitKind::Pod,
    UnitKind::Volume,
    UnitKind::Network,
    UnitKind::Image,
    UnitKind::Build,
    UnitKind::Kube,
];

/// The dialog.
pub struct NewDialog {
    context: Context,
    failed: FailureRow,
    kind: UnitKind,
    name: Name,
    image: String,
    at_login: bool,
    writing: bool,
}

#[derive(Debug)]
pub enum NewInput {
    Kind(u32),
    Name,
    Image(String),
    AtLogin(bool),
    Make,
    Made(String, Result<(), Failure>),
}

#[derive(Debug)]
pub enum NewOutput {
    /// It was made, under this name.
    Made(String),
}

#[relm4::component(pub)]
impl Component for NewDialog {
    type Init = Context;
    type Input = NewInput;
    type Output = NewOutput;
    type CommandOutput = ();

    view! {
        adw::Dialog {
            set_title: &gettext("New Unit"),
            set_content_width: 460,
            #[wrap(Some)]
            set_child = &adw::ToolbarView {
                #[name = "header"]
                #[template]
                add_top_bar = &DialogHeader {
                    #[template_child]
                    main {
                        set_label: &gettext("C_reate"),
                        #[watch]
                        set_sensitive: model.is_complete() && !model.writing,
                        connect_clicked => NewInput::Make,
                    },
                },
                #[wrap(Some)]
                set_content = &adw::PreferencesPage {
                    add: &model.failed.group,
                    add = &adw::PreferencesGroup {
                        set_description: Some(&gettext("A unit is a file that says what systemd is to run. Its text can be changed on its page.")),
                        adw::ComboRow {
                            set_title: &gettext("Kind"),
                            set_model: Some(&kinds),
                            connect_selected_notify[sender] => move |row| sender.input_sender().emit(NewInput::Kind(row.selected())),
                        },
                        #[name = "name"]
                        adw::EntryRow {
                            set_title: &gettext("Name"),
                            connect_changed => NewInput::Name,
                            connect_entry_activated => NewInput::Make,
                        },
                        #[name = "image"]
                        adw::EntryRow {
                            set_title: &gettext("Image"),
                            #[watch]
                            set_visible: model.needs_image(),
                            connect_changed[sender] => move |row| sender.input_sender().emit(NewInput::Image(row.text().into())),
                            connect_entry_activated => NewInput::Make,
                        },
                        adw::SwitchRow {
                            set_title: &gettext("Start at Login"),
                            #[watch]
                            set_visible: model.runs(),
                            connect_active_notify[sender] => move |row| sender.input_sender().emit(NewInput::AtLogin(row.is_active())),
                        },
                    },
                    add = &adw::PreferencesGroup {
                        adw::ActionRow {
                            set_title: &gettext("File"),
                            add_css_class: "property",
                            #[watch]
                            set_subtitle: &model.file(),
                        },
                    },
                },
            },
        }
    }

    fn init(context: Context, root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let words: Vec<String> = KINDS.iter().map(|kind| kind_word(*kind)).collect();
        let kinds = gtk::StringList::new(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let model = Self {
            context,
            failed: FailureRow::new(),
            kind: KINDS[0],
            name: Name::default(),
            image: String::new(),
            at_login: false,
            writing: false,
        };
        let widgets = view_output!();
        root.set_default_widget(Some(&widgets.header.main));
        focus::first(&root, &widgets.name);
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: NewInput,
        sender: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        match input {
            NewInput::Kind(index) => {
                let index = usize::try_from(index).unwrap_or_default();
                self.kind = KINDS.get(index).copied().unwrap_or(KINDS[0]);
            }
            NewInput::Name => self.name.take(&widgets.name),
            NewInput::Image(image) => image.trim().clone_into(&mut self.image),
            NewInput::AtLogin(on) => self.at_login = on,
            NewInput::Make => self.make(&sender),
            NewInput::Made(name, Ok(())) => {
                self.writing = false;
                let sender = sender.clone();
                close_once_listed(&self.context, root, move || {
                    let _ = sender.output(NewOutput::Made(name));
                });
            }
            NewInput::Made(name, Err(failure)) => {
                self.writing = false;
                self.failed.show(Some(&words(&Doing::WritingUnit(name), &failure)));
            }
        }
        self.update_view(widgets, sender);
    }
}

impl NewDialog {
    fn needs_image(&self) -> bool {
        matches!(self.kind, UnitKind::Container | UnitKind::Image)
    }

    /// Whether it is something that runs, rather than something that others use.
    fn runs(&self) -> bool {
        matches!(self.kind, UnitKind::Container | UnitKind::Pod | UnitKind::Kube)
    }

    fn is_complete(&self) -> bool {
        self.name.is_valid() && (!self.needs_image() || !self.image.is_empty())
    }

    fn file(&self) -> String {
        format!("~/.config/containers/systemd/{}", self.name.file(self.kind))
    }

    fn make(&mut self, sender: &ComponentSender<Self>) {
        if !self.is_complete() || self.writing {
            return;
        }
        self.writing = true;
        self.failed.show(None);
        let name = self.name.file(self.kind);
        let write = UnitWrite { name: name.clone(), text: self.text(), before: None };
        let (asked, sender) = (self.context.connection.write_unit(write), sender.input_sender().clone());
        relm4::spawn_local(async move {
            let _ = sender.send(NewInput::Made(name, asked.await));
        });
    }

    /// What it says at first.
    fn text(&self) -> String {
        let own = match self.kind {
            UnitKind::Container | UnitKind::Image => format!("Image={}\n", self.image),
            UnitKind::Build => format!("ImageTag=localhost/{}\nSetWorkingDirectory=unit\n", self.name),
            UnitKind::Kube => format!("Yaml={}.yaml\n", self.name),
            _ => String::new(),
        };
        let install = if self.runs() && self.at_login { "\n[Install]\nWantedBy=default.target\n" } else { "" };
        format!("[Unit]\nDescription={}\n\n[{}]\n{own}{install}", self.name, self.kind.section())
    }
}

/// Closes the dialog that made a unit when the list has it, and then calls `told`.
pub fn close_once_listed(context: &Context, dialog: &adw::Dialog, told: impl FnOnce() + 'static) {
    let (model, dialog) = (context.model.clone(), dialog.clone());
    relm4::spawn_local(async move {
        model.refresh_units().await;
        dialog.close();
        told();
    });
}
