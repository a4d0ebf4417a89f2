// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog that makes a unit of a container: its name, when it starts, what it says, and what becomes of the container.

use gettextrs::gettext;
use haulout_quadlet::install;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use crate::connection::{Action, Draft, Failure, Shared, UnitAction, UnitKind, UnitWrite};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::model::ContainerItem;
use crate::units::name::Name;
use crate::units::new_dialog::close_once_listed;
use crate::widgets::copy::CommandRow;
use crate::widgets::dialog_header::DialogHeader;
use crate::widgets::failure::FailureRow;
use crate::widgets::focus;
use crate::widgets::source_text::SourceText;
use crate::window::Context;

/// The dialog.
pub struct UnitDialog {
    context: Context,
    item: ContainerItem,
    failed: FailureRow,
    /// What it is made of, when that is known.
    draft: Option<Draft>,
    name: Name,
    at_login: bool,
    now: bool,
    text: SourceText,
    command: CommandRow,
    working: bool,
}

#[derive(Debug)]
pub enum UnitInput {
    Drafted(Result<Draft, Failure>),
    Name,
    AtLogin(bool),
    Now(bool),
    Make,
    /// The unit is written under this name, and if that was asked for, started; or what was not done.
    Made(Result<String, (Doing, Failure)>),
}

#[derive(Debug)]
pub enum UnitOutput {
    /// It was made, under this name.
    Made(String),
}

#[relm4::component(pub)]
impl Component for UnitDialog {
    type Init = (Context, ContainerItem);
    type Input = UnitInput;
    type Output = UnitOutput;
    type CommandOutput = ();

    view! {
        adw::Dialog {
            set_title: &gettext("Make a Unit"),
            set_content_width: 560,
            set_content_height: 680,
            #[wrap(Some)]
            set_child = &adw::ToolbarView {
                #[name = "header"]
                #[template]
                add_top_bar = &DialogHeader {
                    #[template_child]
                    main {
                        set_label: &gettext("C_reate"),
                        #[watch]
                        set_sensitive: model.is_complete() && !model.working,
                        connect_clicked => UnitInput::Make,
                    },
                },
                #[wrap(Some)]
                set_content = &adw::PreferencesPage {
                    add: &model.failed.group,
                    add = &adw::PreferencesGroup {
                        #[watch]
                        set_description: Some(&model.about()),
                        #[name = "name"]
                        adw::EntryRow {
                            set_title: &gettext("Name"),
                            connect_changed => UnitInput::Name,
                            connect_entry_activated => UnitInput::Make,
                        },
                        adw::SwitchRow {
                            set_title: &gettext("Start at Login"),
                            set_active: true,
                            connect_active_notify[sender] => move |row| sender.input_sender().emit(UnitInput::AtLogin(row.is_active())),
                        },
                        adw::SwitchRow {
                            set_title: &gettext("Start Now"),
                            #[watch]
                            set_subtitle: &model.about_now(),
                            connect_active_notify[sender] => move |row| sender.input_sender().emit(UnitInput::Now(row.is_active())),
                        },
                    },
                    #[name = "notes"]
                    add = &adw::PreferencesGroup {
                        set_title: &gettext("To Look At"),
                        set_visible: false,
                    },
                    add = &adw::PreferencesGroup {
                        set_title: &gettext("Unit"),
                        gtk::Frame {
                            set_child: Some(&model.text.scrolled),
                        },
                    },
                    add = &adw::PreferencesGroup {
                        set_title: &gettext("Equivalent Command"),
                        add: &model.command.row,
                    },
                },
            },
        }
    }

    fn init(
        (context, item): (Context, ContainerItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let text = SourceText::new(&gettext("Unit"));
        text.view.set_editable(false);
        text.scrolled.set_vexpand(false);
        text.scrolled.set_min_content_height(240);
        let asked = context.connection.draft_unit(&item.id());
        let drafted = sender.input_sender().clone();
        relm4::spawn_local(async move {
            let _ = drafted.send(UnitInput::Drafted(asked.await));
        });
        let model = Self {
            context,
            item,
            failed: FailureRow::new(),
            draft: None,
            name: Name::default(),
            at_login: true,
            now: false,
            text,
            command: CommandRow::new(&gettext("Equivalent Command")),
            working: false,
        };
        let widgets = view_output!();
        root.set_default_widget(Some(&widgets.header.main));
        focus::first(&root, &widgets.name);
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: UnitInput,
        sender: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        match input {
            UnitInput::Drafted(Ok(draft)) => {
                for note in &draft.notes {
                    widgets.notes.add(&note_row(note));
                }
                widgets.notes.set_visible(!draft.notes.is_empty());
                widgets.name.set_text(&draft.stem);
                self.draft = Some(draft);
            }
            UnitInput::Drafted(Err(failure)) => {
                self.failed.show(Some(&words(&Doing::DraftingUnit(self.item.name()), &failure)));
            }
            UnitInput::Name => self.name.take(&widgets.name),
            UnitInput::AtLogin(on) => self.at_login = on,
            UnitInput::Now(on) => self.now = on,
            UnitInput::Make => self.make(&sender),
            UnitInput::Made(made) => {
                self.working = false;
                match made {
                    Ok(name) => {
                        let sender = sender.clone();
                        close_once_listed(&self.context, root, move || {
                            let _ = sender.output(UnitOutput::Made(name));
                        });
                    }
                    Err((doing, failure)) => self.failed.show(Some(&words(&doing, &failure))),
                }
            }
        }
        self.text.change_to(&self.text());
        self.command.set_command(&self.command_line());
        self.update_view(widgets, sender);
    }
}

impl UnitDialog {
    fn is_complete(&self) -> bool {
        self.draft.is_some() && self.name.is_valid()
    }

    fn file(&self) -> String {
        self.name.file(UnitKind::Container)
    }

    /// What the unit is to say.
    fn text(&self) -> String {
        self.draft.as_ref().map(|draft| install::with_start(&draft.text, self.at_login)).unwrap_or_default()
    }

    /// Whether the unit's container has the name of this one, and so takes its place.
    fn replaces(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| draft.container == self.item.name())
    }

    fn about(&self) -> String {
        let name = self.item.name();
        let text = if self.replaces() {
            gettext(
                "systemd runs the unit’s container, made as “{}” was. When it starts it replaces “{}”: files written inside, outside of volumes and folders of yours, are lost then.",
            )
        } else {
            gettext("systemd runs the unit’s container, made as “{}” was. It has a name of its own; “{}” stays.")
        };
        glib::markup_escape_text(&fill(&text, &[&name, &name])).into()
    }

    fn about_now(&self) -> String {
        let text = match (self.item.running(), self.replaces()) {
            (true, true) => gettext("“{}” is stopped and replaced"),
            (true, false) => gettext("“{}” is stopped, so that its ports are free"),
            (false, true) => gettext("“{}” is replaced"),
            (false, false) => return String::new(),
        };
        glib::markup_escape_text(&fill(&text, &[&self.item.name()])).into()
    }

    /// The commands that do the same.
    fn command_line(&self) -> String {
        let file = format!("~/.config/containers/systemd/{}", self.file());
        let name = shell_words::quote(&self.item.name()).into_owned();
        let mut commands =
            vec![format!("haulout generate quadlet {name} > {file}"), "systemctl --user daemon-reload".to_owned()];
        if self.now {
            if self.item.running() {
                commands.push(format!("haulout stop {name}"));
            }
            commands.push(format!("systemctl --user start {}.service", self.name));
        }
        commands.join(" &&\n")
    }

    fn make(&mut self, sender: &ComponentSender<Self>) {
        if !self.is_complete() || self.working {
            return;
        }
        self.working = true;
        self.failed.show(None);
        let write = UnitWrite { name: self.file(), text: self.text(), before: None };
        let (connection, sender) = (self.context.connection.clone(), sender.input_sender().clone());
        let start = self.now.then(|| (self.item.clone(), format!("{}.service", self.name)));
        relm4::spawn_local(async move {
            let _ = sender.send(UnitInput::Made(make(&connection, write, start).await));
        });
    }
}

/// Writes the unit; stops the container and starts the unit's service, if there is one to start.
async fn make(
    connection: &Shared,
    write: UnitWrite,
    start: Option<(ContainerItem, String)>,
) -> Result<String, (Doing, Failure)> {
    let name = write.name.clone();
    connection.write_unit(write).await.map_err(|failure| (Doing::WritingUnit(name.clone()), failure))?;
    if let Some((item, service)) = start {
        if item.running() {
            let stopped = connection.act(&item.id(), Action::Stop).await;
            stopped.map_err(|failure| (Doing::Act(Action::Stop, item.name()), failure))?;
        }
        let started = connection.act_on_unit(&service, UnitAction::Start).await;
        started.map_err(|failure| (Doing::ActOnUnit(Action::Start, service), failure))?;
    }
    Ok(name)
}

/// Something that is not in the unit.
fn note_row(note: &str) -> adw::ActionRow {
    let row = adw::ActionRow::builder().title(glib::markup_escape_text(note)).title_lines(0).build();
    let icon = gtk::Image::builder().icon_name("dialog-warning-symbolic").css_classes(["warning"]).build();
    icon.update_property(&[gtk::accessible::Property::Label(&gettext("Warning"))]);
    row.add_prefix(&icon);
    row
}
