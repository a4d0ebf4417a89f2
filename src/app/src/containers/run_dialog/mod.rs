// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog that runs a container: image, name, command, ports, volumes, environment; and the command that does the
//! same. An image that is not here is pulled first.

mod form;
mod rows;

use std::rc::Rc;
use std::time::Duration;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use form::{EnvField, Form, PortField, VolumeField};
use rows::{EnvRow, PortRow, VolumeRow};

use crate::connection::{Action, Defaults, Failure, Protocol, Request, Shared};
use crate::errors::{Doing, words};
use crate::images::progress::Progress;
use crate::language::fill;
use crate::model::ContainerItem;
use crate::widgets::copy::CommandRow;
use crate::widgets::dialog_header::DialogHeader;
use crate::widgets::failure::{self, FailureRow};
use crate::widgets::fields::{Told, WrongRow};
use crate::widgets::icon_button::Wordless as _;
use crate::widgets::{focus, offer};
use crate::window::Context;

/// The dialog.
pub struct RunDialog {
    context: Context,
    form: Form,
    ports: Vec<PortRow>,
    volumes: Vec<VolumeRow>,
    env: Vec<EnvRow>,
    told: Told,
    command: CommandRow,
    progress: Progress,
    failed: FailureRow,
    wrong_name: WrongRow,
    wrong_words: WrongRow,
    /// What the image says, when it is here.
    defaults: Option<Defaults>,
    /// Whether that is still being asked.
    asking: bool,
    stage: Stage,
    work: Option<glib::JoinHandle<()>>,
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asking,
    /// The image is coming.
    Pulling,
    /// The container is being made and started.
    Creating,
}

#[derive(Debug)]
pub enum RunInput {
    Changed,
    Image(String),
    Defaults(String, Option<Defaults>),
    AddPort,
    AddVolume,
    AddVariable,
    RemoveRow(adw::PreferencesRow),
    Run,
    Pulled(Result<String, Failure>),
    Started(Result<String, (Doing, Failure)>),
    Closed,
}

#[derive(Debug)]
pub enum RunOutput {
    /// The container with this id was made and started.
    Started(String),
}

#[relm4::component(pub)]
impl Component for RunDialog {
    type Init = (Context, Option<String>);
    type Input = RunInput;
    type Output = RunOutput;
    type CommandOutput = ();

    view! {
        adw::Dialog {
            set_title: &gettext("Run a Container"),
            set_content_width: 520,
            set_content_height: 640,
            connect_closed => RunInput::Closed,
            #[wrap(Some)]
            set_child = &adw::ToolbarView {
                #[name = "header"]
                #[template]
                add_top_bar = &DialogHeader {
                    #[template_child]
                    main {
                        set_label: &gettext("_Run"),
                        #[watch]
                        set_sensitive: model.stage == Stage::Asking && !model.form.image.is_empty(),
                        connect_clicked => RunInput::Run,
                    },
                },
                #[wrap(Some)]
                set_content = &gtk::Stack {
                    set_transition_type: gtk::StackTransitionType::Crossfade,
                    #[name = "page"]
                    add_named[Some("asking")] = &adw::PreferencesPage {
                        add: &model.failed.group,
                        adw::PreferencesGroup {
                            #[name = "image"]
                            adw::EntryRow {
                                set_title: &gettext("Image"),
                                set_input_purpose: gtk::InputPurpose::Url,
                                #[name = "images"]
                                add_suffix = &gtk::MenuButton {
                                    set_icon_name: "pan-down-symbolic",
                                    set_valign: gtk::Align::Center,
                                    set_css_classes: &["flat"],
                                    set_meaning: &gettext("Choose an Image"),
                                },
                                connect_changed[sender] => move |entry| sender.input_sender().emit(RunInput::Image(entry.text().trim().to_owned())),
                                connect_entry_activated => RunInput::Run,
                            },
                            #[name = "name"]
                            adw::EntryRow {
                                set_title: &gettext("Name (optional)"),
                                connect_changed => RunInput::Changed,
                                connect_entry_activated => RunInput::Run,
                            },
                            #[local_ref]
                            wrong_name -> adw::PreferencesRow {},
                            #[name = "words"]
                            adw::EntryRow {
                                set_title: &gettext("Command (optional)"),
                                connect_changed => RunInput::Changed,
                                connect_entry_activated => RunInput::Run,
                            },
                            #[local_ref]
                            wrong_words -> adw::PreferencesRow {},
                        },
                        #[name = "hint_group"]
                        adw::PreferencesGroup {
                            #[watch]
                            set_visible: model.hint().is_some(),
                            #[watch]
                            set_description: model.hint().as_deref(),
                        },
                        adw::PreferencesGroup {
                            #[name = "terminal"]
                            adw::SwitchRow {
                                set_title: &gettext("_Terminal"),
                                set_use_underline: true,
                                set_subtitle: &gettext("For shells and programs that talk with a person"),
                                connect_active_notify => RunInput::Changed,
                            },
                            #[name = "remove"]
                            adw::SwitchRow {
                                set_title: &gettext("_Remove When It Ends"),
                                set_use_underline: true,
                                connect_active_notify => RunInput::Changed,
                            },
                        },
                        #[name = "port_group"]
                        adw::PreferencesGroup {
                            set_title: &gettext("Ports"),
                            #[name = "add_port"]
                            add = &adw::ButtonRow {
                                set_title: &gettext("Add _Port"),
                                set_use_underline: true,
                                set_start_icon_name: Some("list-add-symbolic"),
                                connect_activated => RunInput::AddPort,
                            },
                        },
                        #[name = "volume_group"]
                        adw::PreferencesGroup {
                            set_title: &gettext("Volumes"),
                            #[name = "add_volume"]
                            add = &adw::ButtonRow {
                                set_title: &gettext("Add _Volume"),
                                set_use_underline: true,
                                set_start_icon_name: Some("list-add-symbolic"),
                                connect_activated => RunInput::AddVolume,
                            },
                        },
                        #[name = "env_group"]
                        adw::PreferencesGroup {
                            set_title: &gettext("Environment"),
                            #[name = "add_variable"]
                            add = &adw::ButtonRow {
                                set_title: &gettext("Add V_ariable"),
                                set_use_underline: true,
                                set_start_icon_name: Some("list-add-symbolic"),
                                connect_activated => RunInput::AddVariable,
                            },
                        },
                        adw::PreferencesGroup {
                            set_title: &gettext("Equivalent Command"),
                            add: &model.command.row,
                        },
                    },
                    add_named[Some("pulling")] = &model.progress.root.clone(),
                    #[watch]
                    set_visible_child_name: if model.stage == Stage::Pulling { "pulling" } else { "asking" },
                },
            },
        }
    }

    fn init(
        (context, image): (Context, Option<String>),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let (changed, removed) = (sender.clone(), sender.clone());
        let model = Self {
            context,
            form: Form::default(),
            ports: Vec::new(),
            volumes: Vec::new(),
            env: Vec::new(),
            told: Told {
                changed: Rc::new(move || changed.input_sender().emit(RunInput::Changed)),
                removed: Rc::new(move |row| removed.input_sender().emit(RunInput::RemoveRow(row.clone()))),
            },
            command: CommandRow::new(&gettext("Equivalent Command")),
            progress: Progress::new(),
            failed: FailureRow::new(),
            wrong_name: WrongRow::new(),
            wrong_words: WrongRow::new(),
            defaults: None,
            asking: false,
            stage: Stage::Asking,
            work: None,
            closed: false,
        };
        let chosen = image;
        let (wrong_name, wrong_words) = (&model.wrong_name.row, &model.wrong_words.row);
        let widgets = view_output!();
        let names = model.context.model.image_names();
        offer::fill(&widgets.images, &widgets.image, names);
        root.set_default_widget(Some(&widgets.header.main));
        match chosen {
            Some(image) => {
                widgets.image.set_text(&image);
                focus::first(&root, &widgets.name);
            }
            None => focus::first(&root, &widgets.image),
        }
        sender.input_sender().emit(RunInput::Changed);
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: RunInput,
        sender: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        match input {
            RunInput::Changed => self.read(widgets),
            RunInput::Image(image) => {
                self.ask_defaults(&image, &sender);
                self.read(widgets);
            }
            RunInput::Defaults(image, defaults) => {
                if image == self.form.image {
                    self.defaults = defaults;
                    self.asking = false;
                }
            }
            RunInput::AddPort => {
                let row = PortRow::new(&self.next_port(), &self.told);
                insert(&widgets.port_group, &widgets.add_port, row.row());
                self.ports.push(row);
                self.read(widgets);
            }
            RunInput::AddVolume => {
                let row = VolumeRow::new(&self.next_volume(), &self.told);
                insert(&widgets.volume_group, &widgets.add_volume, row.row());
                self.volumes.push(row);
                self.read(widgets);
            }
            RunInput::AddVariable => {
                let row = EnvRow::new(&EnvField::default(), &self.told);
                insert(&widgets.env_group, &widgets.add_variable, row.row());
                self.env.push(row);
                self.read(widgets);
            }
            RunInput::RemoveRow(row) => {
                self.remove_row(widgets, &row);
                self.read(widgets);
            }
            RunInput::Run => {
                if self.stage == Stage::Asking && !self.form.image.is_empty() && self.check(widgets, true) {
                    self.begin(&sender);
                }
            }
            RunInput::Pulled(Ok(_)) => self.create(&sender),
            RunInput::Pulled(Err(failure)) => {
                self.stage = Stage::Asking;
                self.failed.show(Some(&words(&Doing::Pulling(self.form.image.clone()), &failure)));
                widgets.page.scroll_to_top();
            }
            RunInput::Started(Ok(id)) => {
                let _ = sender.output(RunOutput::Started(id));
                root.close();
            }
            RunInput::Started(Err((doing, failure))) => {
                self.stage = Stage::Asking;
                let words = words(&doing, &failure);
                if self.closed {
                    failure::toast(&words, &self.context.toasts);
                } else {
                    self.failed.show(Some(&words));
                    widgets.page.scroll_to_top();
                }
            }
            // A pull is cancelled; what is being made comes to its end.
            RunInput::Closed => {
                self.closed = true;
                if let Some(work) = self.work.take_if(|_| self.stage == Stage::Pulling) {
                    work.abort();
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

impl RunDialog {
    /// What the image says of itself, or that it is not here.
    fn hint(&self) -> Option<String> {
        if self.form.image.is_empty() || self.asking {
            return None;
        }
        let Some(defaults) = &self.defaults else {
            return Some(gettext("Not on this computer yet: it is pulled first"));
        };
        let mut lines = Vec::new();
        let command = shell_words::join(defaults.entrypoint.iter().chain(&defaults.command));
        if self.form.command.is_empty() && !command.is_empty() {
            lines.push(fill(&gettext("Runs the image’s own command: {}"), &[&command]));
        }
        let open: Vec<String> = self.open_ports().map(|(port, _)| port.to_string()).collect();
        if !open.is_empty() {
            lines.push(fill(&gettext("Listens on {}, not published yet"), &[&open.join(", ")]));
        }
        (!lines.is_empty()).then(|| glib::markup_escape_text(&lines.join("\n")).into())
    }

    /// Ports of the image that no row publishes, and one could.
    fn open_ports(&self) -> impl Iterator<Item = (u16, Protocol)> + '_ {
        self.defaults.iter().flat_map(|defaults| &defaults.ports).copied().filter(|(number, protocol)| {
            *protocol != Protocol::Sctp
                && !self
                    .form
                    .ports
                    .iter()
                    .any(|port| port.container == number.to_string() && port.protocol == *protocol)
        })
    }

    /// What a new row of ports says at first: what the image listens on, under a number that a user may have.
    fn next_port(&self) -> PortField {
        match self.open_ports().next() {
            Some((number, protocol)) => {
                PortField { host: self.free_port(number).to_string(), container: number.to_string(), protocol }
            }
            None => PortField::default(),
        }
    }

    /// A port of the host for `number` that a user may have, and that no container and no row has.
    fn free_port(&self, number: u16) -> u16 {
        let containers = self.context.model.containers.all();
        let theirs = containers.iter().filter_map(ContainerItem::data).flat_map(|container| container.ports);
        let own = self.form.ports.iter().filter_map(|port| port.host.parse().ok());
        let taken: Vec<u16> = theirs.filter_map(|port| port.host).chain(own).collect();
        let first = if number < 1024 { number + 8000 } else { number };
        (first..=u16::MAX).find(|port| !taken.contains(port)).unwrap_or(first)
    }

    /// What a new row of volumes says at first: what the image keeps files in.
    fn next_volume(&self) -> VolumeField {
        let kept = self.defaults.iter().flat_map(|defaults| &defaults.volumes);
        let mut open = kept.filter(|path| !self.form.volumes.iter().any(|volume| volume.destination == **path));
        VolumeField { destination: open.next().cloned().unwrap_or_default(), ..VolumeField::default() }
    }

    /// What stands against a port of the host: a container that has it now, or another row.
    fn taken(&self, port: &PortField) -> Option<String> {
        let number = port.host.parse::<u16>().ok()?;
        let same = |other: &&PortField| other.protocol == port.protocol && other.host.parse() == Ok(number);
        if self.form.ports.iter().filter(same).count() > 1 {
            return Some(fill(&gettext("Port {} is given twice"), &[&port.host]));
        }
        let containers = self.context.model.containers.all();
        let running =
            containers.iter().filter_map(ContainerItem::data).filter(|container| container.state.is_running());
        let mut theirs = running.flat_map(|container| {
            let name = container.name;
            container.ports.into_iter().map(move |port| (name.clone(), port))
        });
        let (name, _) = theirs.find(|(_, other)| {
            let first = other.host.unwrap_or_default();
            other.protocol == port.protocol
                && (u32::from(first)..u32::from(first) + u32::from(other.count.max(1))).contains(&number.into())
        })?;
        Some(fill(&gettext("The running container “{}” has port {} already"), &[&name, &port.host]))
    }

    /// Takes over what is typed, says what is wrong with it, and shows the command.
    fn read(&mut self, widgets: &RunDialogWidgets) {
        self.form = Form {
            image: widgets.image.text().trim().to_owned(),
            name: widgets.name.text().trim().to_owned(),
            command: widgets.words.text().into(),
            terminal: widgets.terminal.is_active(),
            remove: widgets.remove.is_active(),
            ports: self.ports.iter().map(PortRow::field).collect(),
            volumes: self.volumes.iter().map(VolumeRow::field).collect(),
            env: self.env.iter().map(EnvRow::field).collect(),
        };
        self.check(widgets, false);
        self.command.set_command(&self.form.command_line());
    }

    /// Whether nothing is wrong; says what is.
    fn check(&self, widgets: &RunDialogWidgets, insist: bool) -> bool {
        let containers = self.context.model.containers.all();
        let name = self.form.wrong_name(|name| containers.iter().any(|container| container.name() == name));
        let command = self.form.wrong_command();
        let mut right = self.wrong_name.say(&widgets.name, name.as_deref());
        right &= self.wrong_words.say(&widgets.words, command.as_deref());
        for fine in self.ports.iter().map(|row| row.check(insist, |port| self.taken(port))) {
            right &= fine;
        }
        for fine in self.volumes.iter().map(|row| row.check(insist)) {
            right &= fine;
        }
        for fine in self.env.iter().map(|row| row.check(insist)) {
            right &= fine;
        }
        right
    }

    fn remove_row(&mut self, widgets: &RunDialogWidgets, row: &adw::PreferencesRow) {
        if self.ports.iter().any(|port| port.row() == row) {
            widgets.port_group.remove(row);
        } else if self.volumes.iter().any(|volume| volume.row() == row) {
            widgets.volume_group.remove(row);
        } else {
            widgets.env_group.remove(row);
        }
        self.ports.retain(|port| port.row() != row);
        self.volumes.retain(|volume| volume.row() != row);
        self.env.retain(|variable| variable.row() != row);
    }

    /// Asks what `image` says of its containers.
    fn ask_defaults(&mut self, image: &str, sender: &ComponentSender<Self>) {
        self.defaults = None;
        self.asking = !image.is_empty();
        if image.is_empty() {
            return;
        }
        let asked = self.context.connection.defaults(image);
        let (image, sender) = (image.to_owned(), sender.clone());
        relm4::spawn_local(async move {
            let defaults = asked.await.unwrap_or_default();
            sender.input_sender().emit(RunInput::Defaults(image, defaults));
        });
    }

    /// Pulls the image if it is not here, then makes the container.
    fn begin(&mut self, sender: &ComponentSender<Self>) {
        self.failed.show(None);
        if self.defaults.is_some() {
            self.create(sender);
            return;
        }
        self.stage = Stage::Pulling;
        let flow = self.context.connection.pull(&self.form.image);
        let (progress, name, sender) = (self.progress.clone(), self.form.image.clone(), sender.clone());
        self.work = Some(relm4::spawn_local(async move {
            let pulled = progress.follow(&name, flow).await;
            sender.input_sender().emit(RunInput::Pulled(pulled));
        }));
    }

    fn create(&mut self, sender: &ComponentSender<Self>) {
        self.stage = Stage::Creating;
        let (connection, request, sender) = (self.context.connection.clone(), self.form.request(), sender.clone());
        self.work = Some(relm4::spawn_local(async move {
            let started = run(&connection, request).await;
            sender.input_sender().emit(RunInput::Started(started));
        }));
    }
}

/// Makes a container and starts it. One that does not start is taken away again: what was wrong with it can be mended in
/// the dialog and tried under the same name.
async fn run(connection: &Shared, request: Request) -> Result<String, (Doing, Failure)> {
    let name = request.name.clone();
    let id = connection.create(request).await.map_err(|failure| (Doing::Creating, failure))?;
    let Err(failure) = connection.act(&id, Action::Start).await else { return Ok(id) };
    // With --rm it is gone already.
    let _ = connection.act(&id, Action::Remove).await;
    Err((name.map_or(Doing::StartingNew, Doing::Starting), failure))
}

/// Puts `row` before the group's button, which stays last.
fn insert(group: &adw::PreferencesGroup, button: &adw::ButtonRow, row: &adw::PreferencesRow) {
    group.remove(button);
    group.add(row);
    group.add(button);
    // Once it has its place, three frames from now: then it is scrolled to.
    let row = row.clone();
    glib::timeout_add_local_once(Duration::from_millis(50), move || {
        row.child_focus(gtk::DirectionType::TabForward);
    });
}
