// SPDX-License-Identifier: GPL-3.0-or-later
//! A container's state as an icon and a word; a spinner instead of the icon while something is being done.

use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use crate::model::ContainerItem;

/// The widget.
#[derive(Clone)]
pub struct Status {
    pub root: gtk::Box,
    stack: gtk::Stack,
    icon: gtk::Image,
    label: gtk::Label,
}

const CLASSES: [(&str, &str); 3] = [("running", "success"), ("failed", "error"), ("unknown", "warning")];

impl Status {
    /// Icon and word, or the icon alone.
    pub fn new(with_word: bool) -> Self {
        let icon = gtk::Image::builder().accessible_role(gtk::AccessibleRole::Presentation).build();
        let stack = gtk::Stack::builder().hhomogeneous(true).valign(gtk::Align::Center).build();
        stack.add_named(&icon, Some("icon"));
        stack.add_named(&adw::Spinner::builder().width_request(16).height_request(16).build(), Some("busy"));
        let label = gtk::Label::builder().xalign(0.0).ellipsize(gtk::pango::EllipsizeMode::End).build();
        let root = gtk::Box::builder().spacing(8).build();
        root.append(&stack);
        root.append(&label);
        label.set_visible(with_word);
        Self { root, stack, icon, label }
    }

    /// The widget as long as somebody else holds it: what hangs on a row must not hold what is in the row.
    pub fn weak(&self) -> impl Fn() -> Option<Self> + use<> {
        let (root, stack) = (self.root.downgrade(), self.stack.downgrade());
        let (icon, label) = (self.icon.downgrade(), self.label.downgrade());
        move || {
            Some(Self {
                root: root.upgrade()?,
                stack: stack.upgrade()?,
                icon: icon.upgrade()?,
                label: label.upgrade()?,
            })
        }
    }

    /// What of a container it shows.
    pub const PROPERTIES: &'static [&'static str] = &["state", "state-word", "busy"];

    /// Shows `item`'s state as it is now.
    pub fn show(&self, item: &ContainerItem) {
        let state = item.state();
        self.icon.set_icon_name(Some(&item.state_icon()));
        for (key, class) in CLASSES {
            if state == key && item.busy().is_empty() {
                self.icon.add_css_class(class);
            } else {
                self.icon.remove_css_class(class);
            }
        }
        self.stack.set_visible_child_name(if item.busy().is_empty() { "icon" } else { "busy" });
        self.label.set_text(&item.state_word());
        self.root.set_tooltip_text(Some(&item.state_word()));
    }
}
