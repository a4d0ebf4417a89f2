// SPDX-License-Identifier: GPL-3.0-or-later
//! The object behind a container's row and page; its properties are what they bind to.

use std::cell::{Cell, RefCell};

use gettextrs::gettext;
use relm4::gtk::glib;
use relm4::gtk::prelude::*;
use relm4::gtk::subclass::prelude::*;

use super::keyed::Item;
use super::{put, put_state};
use crate::connection::{Container, Port, State};
use crate::language::{fill, left_to_right};
use crate::measure;

mod imp {
    use super::{Cell, Container, ObjectExt, RefCell, glib};

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::ContainerItem)]
    pub struct ContainerItem {
        #[property(get, set)]
        pub id: RefCell<String>,
        #[property(get, set)]
        pub name: RefCell<String>,
        /// The image's name without what everybody leaves out.
        #[property(get, set)]
        pub image: RefCell<String>,
        /// `running`, `created`, `done`, `failed` or `unknown`: what icon and colour follow.
        #[property(get, set)]
        pub state: RefCell<String>,
        /// The state in a word, or what is being done now.
        #[property(get, set)]
        pub state_word: RefCell<String>,
        #[property(get, set)]
        pub state_icon: RefCell<String>,
        #[property(get, set)]
        pub ports: RefCell<String>,
        #[property(get, set)]
        pub age: RefCell<String>,
        #[property(get, set)]
        pub running: Cell<bool>,
        /// What is being done to it, in a word; empty when nothing is.
        #[property(get, set)]
        pub busy: RefCell<String>,
        /// Chosen in selection mode.
        #[property(get, set)]
        pub selected: Cell<bool>,
        /// Second line of a narrow row: state and image.
        #[property(get, set)]
        pub summary: RefCell<String>,
        pub data: RefCell<Option<Container>>,
    }
}

item_class! {
    /// A container.
    ContainerItem of Container, named "HauloutContainerItem"
}

impl Item for ContainerItem {
    type Data = Container;

    fn key(data: &Container) -> &str {
        &data.id
    }

    fn update(&self, data: Container) {
        put(self, "id", &data.id);
        put(self, "name", &data.name);
        put(self, "image", short_image(&data.image));
        put(self, "ports", &data.ports.iter().map(shown_port).collect::<Vec<_>>().join(", "));
        put(self, "state", state_key(data.state));
        put(self, "state-icon", state_icon(data.state));
        if self.running() != data.state.is_running() {
            self.set_running(data.state.is_running());
        }
        self.imp().data.replace(Some(data));
        self.say_state();
        self.grow_old(measure::now());
    }
}

impl ContainerItem {
    /// When it was made.
    pub fn created(&self) -> i64 {
        self.imp().data.borrow().as_ref().map_or(0, |data| data.created)
    }

    /// Shows that something is being done to it (`word`), or no more (nothing).
    pub fn put_busy(&self, word: Option<&str>) {
        put(self, "busy", word.unwrap_or_default());
        self.say_state();
    }

    pub fn grow_old(&self, now: i64) {
        put(self, "age", &measure::age(self.created(), now));
    }

    fn say_state(&self) {
        let word = || self.imp().data.borrow().as_ref().map_or_else(String::new, |data| state_word(data.state));
        put_state(self, &self.busy(), word, &self.image());
    }
}

/// Exit statuses of what was stopped by somebody, with SIGINT, SIGTERM or SIGKILL: no failures.
const INTERRUPTED: i32 = 128 + 2;
const TERMINATED: i32 = 128 + 15;
const KILLED: i32 = 128 + 9;

fn state_key(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running { .. } => "running",
        State::Paused => "paused",
        State::Exited { out_of_memory: true, .. } => "failed",
        State::Exited { status: Some(0 | INTERRUPTED | TERMINATED | KILLED), .. } => "done",
        State::Exited { status: Some(_), .. } => "failed",
        State::Exited { status: None, .. } => "unknown",
    }
}

fn state_icon(state: State) -> &'static str {
    match state {
        State::Created => "haulout-created-symbolic",
        State::Running { .. } => "haulout-running-symbolic",
        State::Paused => "haulout-paused-symbolic",
        State::Exited { out_of_memory: true, .. } => "haulout-failed-symbolic",
        State::Exited { status: Some(0 | INTERRUPTED | TERMINATED | KILLED), .. } => "haulout-ended-symbolic",
        State::Exited { status: Some(_), .. } => "haulout-failed-symbolic",
        State::Exited { status: None, .. } => "haulout-unknown-symbolic",
    }
}

/// The state in a word or three.
pub fn state_word(state: State) -> String {
    match state {
        State::Created => gettext("Created"),
        State::Running { .. } => gettext("Running"),
        State::Paused => gettext("Paused"),
        State::Exited { out_of_memory: true, .. } => gettext("Out of Memory"),
        State::Exited { status: Some(0), .. } => gettext("Ended"),
        State::Exited { status: Some(INTERRUPTED | TERMINATED), .. } => gettext("Stopped"),
        State::Exited { status: Some(KILLED), .. } => gettext("Killed"),
        State::Exited { status: Some(status), .. } => fill(&gettext("Failed ({})"), &[&status.to_string()]),
        State::Exited { status: None, .. } => gettext("Status Unknown"),
    }
}

/// `docker.io/library/nginx:latest` is `nginx` to everybody.
pub fn short_image(name: &str) -> &str {
    let name = name.strip_suffix(":latest").unwrap_or(name);
    name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("docker.io/")).unwrap_or(name)
}

/// `8080 → 80`, `53 → 53/udp`, `127.0.0.1:8000-8009 → 8000-8009`.
pub fn port_text(port: &Port) -> String {
    let range = |first: u16| match port.count {
        0 | 1 => first.to_string(),
        count => format!("{first}–{}", u32::from(first) + u32::from(count) - 1),
    };
    let address = port.address.as_ref().map(|address| format!("{address}:")).unwrap_or_default();
    let host = port.host.map_or_else(|| "?".to_owned(), range);
    format!("{address}{host} → {}{}", range(port.container), port.protocol.suffix())
}

/// The same for a label.
pub fn shown_port(port: &Port) -> String {
    left_to_right(port_text(port))
}

#[cfg(test)]
mod tests {
    use super::{port_text, short_image};
    use crate::connection::{Port, Protocol};

    #[test]
    fn an_image_of_docker_hub_goes_by_its_short_name() {
        assert_eq!(short_image("docker.io/library/nginx:latest"), "nginx");
        assert_eq!(short_image("docker.io/grafana/grafana:11"), "grafana/grafana:11");
        assert_eq!(short_image("localhost:5000/a:latest"), "localhost:5000/a");
    }

    #[test]
    fn the_last_port_of_a_range_up_to_65535_is_told() {
        let port = Port { address: None, host: Some(65534), container: 65534, count: 2, protocol: Protocol::Sctp };
        assert_eq!(port_text(&port), "65534–65535 → 65534–65535/sctp");
    }
}
