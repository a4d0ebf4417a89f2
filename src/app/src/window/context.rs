// SPDX-License-Identifier: GPL-3.0-or-later
//! What every page is given: the way to the engine, the model, and where to tell people things.

use std::rc::Rc;

use relm4::adw;
use relm4::gtk::glib;

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
    /// A toast.
    pub fn tell(&self, text: &str) {
        self.toasts.add_toast(adw::Toast::new(&glib::markup_escape_text(text)));
    }
}
