// SPDX-License-Identifier: GPL-3.0-or-later
//! What every page is given: the way to the engine, the model, and where to tell people things.

use std::rc::Rc;

use relm4::gtk::glib;
use relm4::gtk::prelude::*;
use relm4::{adw, gtk};

use crate::connection::Shared;
use crate::model::Model;

/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Context {
    pub connection: Shared,
    pub model: Rc<Model>,
    pub toasts: adw::ToastOverlay,
}

impl Context {
    /// Whether somebody has the page of updates before their eyes.
    pub fn looks_at_updates(&self) -> bool {
        let window = self.toasts.root().and_downcast::<gtk::Window>();
        self.model.shows_updates.get() && window.is_some_and(|window| window.is_active())
    }

    /// A toast.
    pub fn tell(&self, text: &str) {
        self.toasts.add_toast(adw::Toast::new(&glib::markup_escape_text(text)));
    }
}
