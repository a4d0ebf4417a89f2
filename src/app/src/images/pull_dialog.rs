// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog that pulls an image: its name, then how far it is, with a way to cancel.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use super::progress::Progress;
use crate::connection::Failure;
use crate::errors::{Doing, words};
use crate::widgets::copy::CommandRow;
use crate::widgets::dialog_header::DialogHeader;
use crate::widgets::failure::FailureRow;
use crate::widgets::focus;
use crate::window::Context;

/// The dialog.
pub struct PullDialog {
    context: Context,
    progress: Progress,
    failed: FailureRow,
    command: CommandRow,
    name: String,
    stage: Stage,
    work: Option<glib::JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asking,
    Pulling,
    Failed,
}

#[derive(Debug)]
pub enum PullInput {
    Name(String),
    Pull,
    Ended(Result<String, Failure>),
    Closed,
}

#[derive(Debug)]
pub enum PullOutput {
    /// The image is here, under this name.
    Pulled(String),
}

#[relm4::component(pub)]
impl Component for PullDialog {
    type Init = Context;
    type Input = PullInput;
    type Output = PullOutput;
    type CommandOutput = ();

    view! {
        adw::Dialog {
            set_title: &gettext("Pull an Image"),
            set_content_width: 480,
            connect_closed => PullInput::Closed,
            #[wrap(Some)]
            set_child = &adw::ToolbarView {
                #[name = "header"]
                #[template]
                add_top_bar = &DialogHeader {
                    #[template_child]
                    main {
                        #[watch]
                        set_label: &if model.stage == Stage::Failed { gettext("_Try Again") } else { gettext("_Pull") },
                        #[watch]
                        set_visible: model.stage != Stage::Pulling,
                        #[watch]
                        set_sensitive: !model.name.is_empty(),
                        connect_clicked => PullInput::Pull,
                    },
                },
                #[wrap(Some)]
                set_content = &gtk::Stack {
                    set_vhomogeneous: false,
                    set_transition_type: gtk::StackTransitionType::Crossfade,
                    add_named[Some("asking")] = &adw::PreferencesPage {
                        add: &model.failed.group,
                        adw::PreferencesGroup {
                            set_description: Some(&gettext("Enter a full name, such as docker.io/library/nginx:latest. A short name is looked up in the registries of your settings.")),
                            #[name = "entry"]
                            adw::EntryRow {
                                set_title: &gettext("Image"),
                                set_input_purpose: gtk::InputPurpose::Url,
                                connect_changed[sender] => move |entry| sender.input_sender().emit(PullInput::Name(entry.text().trim().to_owned())),
                                connect_entry_activated => PullInput::Pull,
                            },
                        },
                        adw::PreferencesGroup {
                            set_title: &gettext("Equivalent Command"),
                            add: &model.command.row,
                        },
                    },
                    add_named[Some("pulling")] = &model.progress.root.clone(),
                    #[watch]
                    set_visible_child_name: match model.stage {
                        Stage::Asking | Stage::Failed => "asking",
                        Stage::Pulling => "pulling",
                    },
                },
            },
        }
    }

    fn init(context: Context, root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let command = CommandRow::new(&gettext("Equivalent Command"));
        command.set_command("haulout pull");
        let model = Self {
            context,
            progress: Progress::new(),
            failed: FailureRow::new(),
            command,
            name: String::new(),
            stage: Stage::Asking,
            work: None,
        };
        let widgets = view_output!();
        focus::first(&root, &widgets.entry);
        root.set_default_widget(Some(&widgets.header.main));
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        input: PullInput,
        sender: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        match input {
            PullInput::Name(name) => {
                self.command.set_command(&shell_words::join(["haulout", "pull", &name]));
                if self.stage == Stage::Failed && self.name != name {
                    self.failed.show(None);
                    self.stage = Stage::Asking;
                    fit(root);
                }
                self.name = name;
            }
            PullInput::Pull => {
                if self.name.is_empty() || self.stage == Stage::Pulling {
                    return;
                }
                self.stage = Stage::Pulling;
                self.failed.show(None);
                let flow = self.context.connection.pull(&self.name);
                let (progress, name, sender) = (self.progress.clone(), self.name.clone(), sender.clone());
                self.work = Some(relm4::spawn_local(async move {
                    let ended = progress.follow(&name, flow).await;
                    sender.input_sender().emit(PullInput::Ended(ended));
                }));
            }
            PullInput::Ended(Ok(name)) => {
                let _ = sender.output(PullOutput::Pulled(name));
                root.close();
            }
            PullInput::Ended(Err(failure)) => {
                self.failed.show(Some(&words(&Doing::Pulling(self.name.clone()), &failure)));
                self.stage = Stage::Failed;
                // Once it is in sight again.
                let entry = widgets.entry.clone();
                glib::idle_add_local_once(move || {
                    entry.grab_focus();
                    entry.set_position(-1);
                });
                fit(root);
            }
            // With the work its flow goes, and with that the pull.
            PullInput::Closed => {
                if let Some(work) = self.work.take() {
                    work.abort();
                }
            }
        }
        self.update_view(widgets, sender);
    }
}

/// Gives the dialog the height of what it shows: by itself it keeps that of what it showed first.
fn fit(dialog: &adw::Dialog) {
    let dialog = dialog.clone();
    glib::idle_add_local_once(move || {
        if let Some(child) = dialog.child() {
            let (_, natural, _, _) = child.measure(gtk::Orientation::Vertical, child.width());
            dialog.set_content_height(natural);
        }
    });
}
