// SPDX-License-Identifier: GPL-3.0-or-later
//! The state of a container or unit as an icon and a word; a spinner instead of the icon while something is being done.

use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

/// The widget.
#[derive(Clone)]
pub struct Status {
    pub root: gtk::Box,
    stack: gtk::Stack,
    icon: gtk::Image,
    label: gtk::Label,
}

const CLASSES: [(&str, &str); 4] =
    [("running", "success"), ("failed", "error"), ("unknown", "warning"), ("available", "accent")];

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

    /// What of a thing it shows; it also has `state-icon`.
    pub const PROPERTIES: &'static [&'static str] = &["state", "state-word", "busy"];

    /// Shows `item`'s state as it is now.
    pub fn show(&self, item: &impl IsA<glib::Object>) {
        let of = |property: &str| item.property::<String>(property);
        let (state, word, idle) = (of("state"), of("state-word"), of("busy").is_empty());
        self.icon.set_icon_name(Some(&of("state-icon")));
        for (key, class) in CLASSES {
            if state == key && idle {
                self.icon.add_css_class(class);
            } else {
                self.icon.remove_css_class(class);
            }
        }
        self.stack.set_visible_child_name(if idle { "icon" } else { "busy" });
        self.label.set_text(&word);
        self.root.set_tooltip_text(Some(&word));
    }
}
