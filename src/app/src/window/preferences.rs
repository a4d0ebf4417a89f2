// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog of preferences.

use gettextrs::gettext;
use relm4::adw;
use relm4::adw::prelude::*;

use crate::background::{self, Answer};
use crate::settings;
use crate::widgets::switch::Switch;

pub fn show(window: &adw::ApplicationWindow) {
    let group = adw::PreferencesGroup::builder().title(gettext("Updates")).build();
    group.add(&in_background());
    let page = adw::PreferencesPage::new();
    page.add(&group);
    let view = adw::ToolbarView::builder().content(&page).build();
    view.add_top_bar(&adw::HeaderBar::new());
    // No `PreferencesDialog`: that is wider than the narrowest window.
    let dialog = adw::Dialog::builder().title(gettext("Preferences")).content_width(480).child(&view).build();
    dialog.present(Some(window));
}

/// The switch; what the desktop says to it is told below its name.
fn in_background() -> adw::SwitchRow {
    let row = adw::SwitchRow::builder()
        .title(gettext("Keep Checking in the Background"))
        .subtitle(gettext("Once a day, also when the window is closed; you are told what is found"))
        .subtitle_lines(0)
        .active(settings::switch(settings::BACKGROUND))
        .build();
    let said = row.downgrade();
    let switch = Switch::new(row, move |on| {
        let said = said.clone();
        // It stays sensitive: the keyboard would leave the dialog with it.
        Box::pin(async move {
            let answer = background::request(on).await;
            let goes_on = on && answer != Answer::Denied;
            settings::set_switch(settings::BACKGROUND, goes_on);
            if let Some(row) = said.upgrade() {
                row.set_subtitle(&words(on, answer));
            }
            goes_on
        })
    });
    switch.row
}

fn words(on: bool, answer: Answer) -> String {
    match (on, answer) {
        (false, _) => gettext("Nothing is looked for once the window is closed"),
        (true, Answer::Granted) => gettext("It goes on when the window is closed, and starts with your session"),
        (true, Answer::NotAtLogin) => {
            gettext("It goes on when the window is closed; the desktop does not start it with your session")
        }
        (true, Answer::Denied) => {
            gettext("The desktop does not allow it. It can be allowed in the settings of your desktop, below Apps.")
        }
        (true, Answer::NoPortal) => gettext(
            "It goes on when the window is closed, until you log out: this desktop has no portal that would start it with your session",
        ),
    }
}
