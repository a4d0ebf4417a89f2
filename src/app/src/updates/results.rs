// SPDX-License-Identifier: GPL-3.0-or-later
//! What a run did, unit by unit, in a dialog.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::past;
use crate::connection::PastUpdate;
use crate::errors::Words;
use crate::widgets::failure;

/// Shows it.
pub fn present(title: &str, results: &[PastUpdate], errors: &[String], parent: &impl IsA<gtk::Widget>) {
    let page = adw::PreferencesPage::new();
    if !results.is_empty() {
        let group = adw::PreferencesGroup::builder().title(gettext("Units")).build();
        for result in results {
            group.add(&past::row(result, true));
        }
        page.add(&group);
    }
    if !errors.is_empty() {
        let group = adw::PreferencesGroup::builder().title(gettext("What Went Wrong")).build();
        let said = Words { title: title.to_owned(), body: String::new(), details: errors.join("\n") };
        let details = failure::details(&said);
        details.set_expanded(true);
        group.add(&details);
        page.add(&group);
    }
    let view = adw::ToolbarView::builder().content(&page).build();
    view.add_top_bar(&adw::HeaderBar::new());
    let dialog = adw::Dialog::builder().title(title).content_width(520).content_height(420).child(&view).build();
    dialog.present(Some(parent));
}
