// SPDX-License-Identifier: GPL-3.0-or-later
//! When a unit starts by itself: a switch for this one, and one that holds for all.

use gettextrs::gettext;
use haulout_quadlet::install;
use relm4::adw;
use relm4::adw::prelude::*;

use crate::connection::{Boot, Failure, Reason, Unit, UnitWrite};
use crate::errors::{Doing, words};
use crate::model::UnitItem;
use crate::widgets::failure;
use crate::widgets::switch::Switch;
use crate::window::Context;

/// The group of both switches. It stays as long as the page does.
pub struct Starts {
    pub group: adw::PreferencesGroup,
    login: Switch,
    boot: Switch,
}

impl Starts {
    pub fn of(context: &Context, item: &UnitItem) -> Self {
        // Not to be seen, and not to get the keyboard of a page that is opened, before it is known how it is.
        let group = adw::PreferencesGroup::builder().title(gettext("Starts")).visible(false).build();
        let (login, boot) = (at_login(context, item), at_boot(context));
        group.add(&login.row);
        group.add(&boot.row);
        Self { group, login, boot }
    }

    /// Has them say how it is.
    pub fn show(&self, unit: &Unit, boot: Boot) {
        self.login.show(unit.at_login);
        self.login.row.set_sensitive(unit.own && !unit.template);
        self.boot.show(boot == Boot::Yes);
        self.boot.row.set_sensitive(boot != Boot::Unknown);
        let why_not = if unit.template {
            gettext("This is a template: its instances start, not the template itself")
        } else if !unit.own {
            gettext(
                "It belongs to the system, or shares its file with others: whether it starts at login is not changed here",
            )
        } else {
            String::new()
        };
        self.group.set_description(Some(&why_not));
        self.group.set_visible(true);
    }
}

fn at_login(context: &Context, item: &UnitItem) -> Switch {
    let row = adw::SwitchRow::builder()
        .title(gettext("At Login"))
        .subtitle(gettext("When you log in, after what it needs"))
        .build();
    let (context, item) = (context.clone(), item.clone());
    Switch::new(row, move |on| {
        let (context, item) = (context.clone(), item.clone());
        Box::pin(async move {
            if let Err(failure) = start_at_login(&context, item.id(), on).await {
                failure::toast(&words(&Doing::WritingUnit(item.id()), &failure), &context.toasts);
            }
            context.model.refresh_units().await;
            item.data().is_some_and(|unit| unit.at_login)
        })
    })
}

async fn start_at_login(context: &Context, name: String, on: bool) -> Result<(), Failure> {
    let before = context.connection.unit_text(&name).await?.text;
    let text = install::with_start(&before, on);
    context.connection.write_unit(UnitWrite { name, text, before: Some(before) }).await
}

fn at_boot(context: &Context) -> Switch {
    let row = adw::SwitchRow::builder()
        .title(gettext("At Boot"))
        .subtitle(gettext(
            "With the computer, before anybody logs in. This holds for all of your services that start at login.",
        ))
        .build();
    let context = context.clone();
    Switch::new(row, move |on| {
        let context = context.clone();
        Box::pin(async move {
            match context.connection.start_at_boot(on).await {
                // Whoever closes the question for a password knows that nothing was changed.
                Ok(()) | Err(Failure { reason: Reason::NotAnswered, .. }) => {}
                Err(failure) => failure::toast(&words(&Doing::ChangingBoot, &failure), &context.toasts),
            }
            context.model.refresh_units().await;
            context.model.all_units.borrow().boot == Boot::Yes
        })
    })
}
