// SPDX-License-Identifier: GPL-3.0-or-later
//! What a click does to containers that are kept up to date.

use std::collections::BTreeSet;

use gettextrs::{gettext, ngettext};

use super::{Deed, can_check, hold_dialog, run};
use crate::connection::{Standing, UpdateWork};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::UpdateItem;
use crate::widgets::{confirm, failure};
use crate::window::Context;

/// Does it to all of `items` for which it makes sense; `begun` is called when nothing more is asked.
pub fn act(context: &Context, items: &[UpdateItem], deed: Deed, begun: impl FnOnce() + 'static) {
    match deed {
        Deed::Check => {
            begun();
            run::begin(context, UpdateWork::Check(units(items, |item| item.busy().is_empty() && can_check(item))));
        }
        Deed::Update => {
            begun();
            update(context, items);
        }
        Deed::RollBack => {
            for item in items {
                ask_to_roll_back(context, item);
            }
            begun();
        }
        Deed::Hold => {
            let units = units(items, |_| true);
            if !units.is_empty() {
                hold_dialog::ask(context, units, begun);
            }
        }
        Deed::Release => {
            begun();
            release(
                context,
                units(items, |item| item.data().is_some_and(|data| matches!(data.standing, Standing::Held(_)))),
            );
        }
        Deed::Open | Deed::History => {}
    }
}

/// Brings those up to date for which there is something new. Whoever says so means it, though it is held.
fn update(context: &Context, items: &[UpdateItem]) {
    let something = |item: &UpdateItem| {
        let new = |data: crate::connection::Update| data.newest.is_some() || data.standing == Standing::Interrupted;
        item.busy().is_empty() && item.data().is_some_and(new)
    };
    let units = units(items, something);
    if units.is_empty() {
        return context.tell(&gettext("There is nothing new for what is selected"));
    }
    run::begin(context, UpdateWork::Update(units));
}

/// Brings all up to date for which an update is available, and not those that are held.
pub fn update_all(context: &Context) {
    let units = units(&context.model.updates.all(), |item| item.to_do() && item.busy().is_empty());
    if !units.is_empty() {
        run::begin(context, UpdateWork::Update(units));
    }
}

/// Looks for all.
pub fn check_all(context: &Context) {
    run::begin(context, UpdateWork::Check(Vec::new()));
}

/// What a newer version did to its data stays: so it is asked.
fn ask_to_roll_back(context: &Context, item: &UpdateItem) {
    let Some(unit) = item.unit() else { return };
    let title = fill(&gettext("Roll Back “{}”?"), &[&item.name()]);
    let lost = gettext(
        "It is restarted with the image that it ran before its last update, together with all units that have the same image. What the newer version has written stays as it is.",
    );
    let again = context.clone();
    confirm::ask(&context.toasts, &title, &lost, &gettext("_Roll Back"), move || {
        run::begin(&again, UpdateWork::RollBack(vec![unit]));
    });
}

/// Has units left as they are.
pub(super) fn hold(context: &Context, units: Vec<String>, until: Option<i64>) {
    let context = context.clone();
    relm4::spawn_local(async move {
        for unit in &units {
            if let Err(failure) = context.connection.hold(unit, until).await {
                failure::toast(&words(&Doing::Holding(unit.clone()), &failure), &context.toasts);
            }
        }
        context.model.refresh_updates().await;
    });
}

fn release(context: &Context, units: Vec<String>) {
    let context = context.clone();
    relm4::spawn_local(async move {
        let mut well = 0_u32;
        for unit in &units {
            match context.connection.release(unit).await {
                Ok(()) => well += 1,
                Err(failure) => failure::toast(&words(&Doing::Releasing(unit.clone()), &failure), &context.toasts),
            }
        }
        context.model.refresh_updates().await;
        match units.as_slice() {
            _ if well == 0 => {}
            [unit] => context.tell(&fill(&gettext("“{}” is updated again"), &[unit.trim_end_matches(".service")])),
            _ => context.tell(&fill(
                &ngettext("{} unit is updated again", "{} units are updated again", plural_number(well.into())),
                &[&well.to_string()],
            )),
        }
    });
}

/// The units of those of `items` for which that is so, each once.
fn units(items: &[UpdateItem], so: impl Fn(&UpdateItem) -> bool) -> Vec<String> {
    let units: BTreeSet<String> = items.iter().filter(|item| so(item)).filter_map(UpdateItem::unit).collect();
    units.into_iter().collect()
}
