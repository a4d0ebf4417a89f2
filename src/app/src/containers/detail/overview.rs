// SPDX-License-Identifier: GPL-3.0-or-later
//! What a container is: state, ports as links, mounts, environment, and whose ids its users are on the host.

use gettextrs::{gettext, ngettext, pgettext};
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use super::uid_map;
use crate::connection::{Details, Failure, Mount, MountKind, Network, Port, Protocol, State};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::{self, plural_number};
use crate::model::{ContainerItem, shown_port, state_word};
use crate::widgets::fact;
use crate::widgets::failure::FailurePage;
use crate::window::Context;

/// The tab.
pub struct Overview {
    context: Context,
    item: ContainerItem,
    details: Option<Details>,
    failed: FailurePage,
    failure: bool,
    groups: Vec<adw::PreferencesGroup>,
}

#[derive(Debug)]
pub enum Input {
    /// The container changed: ask again.
    Changed,
    Details(Box<Result<Details, Failure>>),
}

#[relm4::component(pub)]
impl Component for Overview {
    type Init = (Context, ContainerItem);
    type Input = Input;
    type Output = ();
    type CommandOutput = ();

    view! {
        gtk::Stack {
            add_named[Some("loading")] = &adw::Bin {},
            add_named[Some("failed")] = &model.failed.page.clone(),
            #[name = "page"]
            add_named[Some("details")] = &adw::PreferencesPage {},
            #[watch]
            set_visible_child_name: match (model.failure, &model.details) {
                (true, _) => "failed",
                (false, None) => "loading",
                (false, Some(_)) => "details",
            },
        }
    }

    fn init(
        (context, item): (Context, ContainerItem),
        root: Self::Root,
        sender: ComponentSender<Self>,
    ) -> ComponentParts<Self> {
        let again = sender.clone();
        let failed = FailurePage::of_tab(move || again.input_sender().emit(Input::Changed));
        let model = Self { context, item, details: None, failed, failure: false, groups: Vec::new() };
        let widgets = view_output!();
        sender.input_sender().emit(Input::Changed);
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
            Input::Changed => {
                let asked = self.context.connection.details(&self.item.id());
                let sender = sender.input_sender().clone();
                relm4::spawn_local(async move {
                    let _ = sender.send(Input::Details(Box::new(asked.await)));
                });
            }
            Input::Details(answer) => match *answer {
                // Built anew only when something differs: the focus and what is unfolded stay otherwise.
                Ok(details) => {
                    self.failure = false;
                    if self.details.as_ref() != Some(&details) {
                        self.build(&widgets.page, &details);
                        self.details = Some(details);
                    }
                }
                Err(failure) => {
                    self.failed.show(&words(&Doing::Inspecting(self.item.name()), &failure));
                    self.failure = true;
                }
            },
        }
        self.update_view(widgets, sender);
    }
}

impl Overview {
    fn build(&mut self, page: &adw::PreferencesPage, details: &Details) {
        for group in self.groups.drain(..) {
            page.remove(&group);
        }
        self.groups.push(facts(details));
        self.groups.extend(ports(details));
        self.groups.extend(mounts(&details.mounts));
        self.groups.extend(environment(&details.env));
        self.groups.extend(uid_map::group(&details.uid_map, &details.gid_map));
        self.groups.push(process(details));
        for group in &self.groups {
            page.add(group);
        }
    }
}

fn facts(details: &Details) -> adw::PreferencesGroup {
    let container = &details.container;
    let group = adw::PreferencesGroup::new();
    group.add(&fact::row(&gettext("State"), &state_line(container.state)));
    group.add(&fact::copied(&gettext("Image"), &container.image));
    let command = shell_words::join(&container.command);
    if !command.is_empty() {
        let row = fact::copied(&gettext("Command"), &command);
        // A script may be pages long.
        row.set_subtitle_lines(4);
        group.add(&row);
    }
    group.add(&fact::row(&pgettext("time", "Created"), &measure::date(container.created)));
    group
}

/// `Running since …`, `Ended with status 0, …`
fn state_line(state: State) -> String {
    match state {
        State::Running { since: Some(since) } => fill(&gettext("Running since {}"), &[&measure::date(since)]),
        State::Exited { finished, .. } => format!("{} · {}", state_word(state), measure::date(finished)),
        _ => state_word(state),
    }
}

fn ports(details: &Details) -> Option<adw::PreferencesGroup> {
    if details.container.ports.is_empty() {
        return None;
    }
    let group = adw::PreferencesGroup::builder().title(gettext("Ports")).build();
    for port in &details.container.ports {
        group.add(&port_row(port, details.container.state.is_running()));
    }
    Some(group)
}

/// A port; that of a running container opens in the browser.
fn port_row(port: &Port, running: bool) -> adw::ActionRow {
    let row = adw::ActionRow::builder().title(shown_port(port)).build();
    let Some(host) = port.host.filter(|_| running && port.protocol == Protocol::Tcp) else { return row };
    let address = match port.address.as_deref() {
        None | Some("0.0.0.0" | "::" | "127.0.0.1") => "localhost".to_owned(),
        Some(address) if address.contains(':') => format!("[{address}]"),
        Some(address) => address.to_owned(),
    };
    let link = format!("http://{address}:{host}");
    row.set_subtitle(&link);
    row.set_activatable(true);
    row.set_tooltip_text(Some(&gettext("Open in the Browser")));
    let icon = gtk::Image::from_icon_name("adw-external-link-symbolic");
    icon.set_accessible_role(gtk::AccessibleRole::Presentation);
    row.add_suffix(&icon);
    row.connect_activated(move |row| {
        let window = row.root().and_downcast::<gtk::Window>();
        let launcher = gtk::UriLauncher::new(&link);
        relm4::spawn_local(async move {
            // Nobody opens links here: the address is in the row, to be read.
            let _ = launcher.launch_future(window.as_ref()).await;
        });
    });
    row
}

fn mounts(mounts: &[Mount]) -> Option<adw::PreferencesGroup> {
    if mounts.is_empty() {
        return None;
    }
    let group = adw::PreferencesGroup::builder().title(gettext("Volumes")).build();
    for mount in mounts {
        let from = match mount.kind {
            MountKind::Folder => mount.source.clone(),
            MountKind::Volume => fill(&gettext("Volume {}"), &[&mount.source]),
            MountKind::Memory => gettext("In memory, gone when it stops"),
        };
        let from = if mount.writable { from } else { format!("{from} · {}", gettext("read only")) };
        let row = adw::ActionRow::builder()
            .title(glib::markup_escape_text(&mount.destination))
            .subtitle(glib::markup_escape_text(&from))
            .title_selectable(true)
            .build();
        let icon = match mount.kind {
            MountKind::Folder => "folder-symbolic",
            MountKind::Volume => "drive-harddisk-symbolic",
            MountKind::Memory => "media-flash-symbolic",
        };
        row.add_prefix(
            &gtk::Image::builder().icon_name(icon).accessible_role(gtk::AccessibleRole::Presentation).build(),
        );
        group.add(&row);
    }
    Some(group)
}

fn environment(env: &[(String, String)]) -> Option<adw::PreferencesGroup> {
    if env.is_empty() {
        return None;
    }
    let number = plural_number(i64::try_from(env.len()).unwrap_or(i64::MAX));
    let fold = adw::ExpanderRow::builder()
        .title(gettext("Environment"))
        .subtitle(fill(&ngettext("{} variable", "{} variables", number), &[&env.len().to_string()]))
        .build();
    for (name, value) in env {
        fold.add_row(&fact::copied(&glib::markup_escape_text(name), value));
    }
    let group = adw::PreferencesGroup::new();
    group.add(&fold);
    Some(group)
}

/// What concerns the process, last: few people look for it.
fn process(details: &Details) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::builder().title(gettext("Process")).build();
    let network = match details.network {
        Network::Private => gettext("Private, connected through this computer"),
        Network::Host => gettext("Shared with this computer"),
        Network::None => gettext("None"),
    };
    group.add(&fact::row(&gettext("Network"), &network));
    let user = details.user.clone().filter(|user| !user.is_empty()).unwrap_or_else(|| "root".to_owned());
    group.add(&fact::row(&gettext("User"), &user));
    if let Some(workdir) = &details.workdir {
        group.add(&fact::row(&gettext("Working Folder"), workdir));
    }
    if let Some(hostname) = &details.hostname {
        group.add(&fact::row(&gettext("Host Name"), hostname));
    }
    if let Some(pid) = details.pid {
        group.add(&fact::row(&gettext("Process ID on the Host"), &pid.to_string()));
    }
    if details.remove {
        group.add(&fact::row(&gettext("When It Ends"), &gettext("It is removed")));
    }
    let id = &details.container.id;
    group.add(&fact::shortened(&gettext("ID"), id.get(..12).unwrap_or(id), id));
    group
}
