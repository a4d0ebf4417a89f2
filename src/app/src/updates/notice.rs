// SPDX-License-Identifier: GPL-3.0-or-later
//! What the desktop is told of updates: by the application's own notification, which goes through the portal in a sandbox.

use std::collections::BTreeSet;

use gettextrs::gettext;
use relm4::gtk::gio;
use relm4::gtk::prelude::*;

use crate::connection::{PastUpdate, UpdateOutcome};

/// The one there is: a newer one takes its place.
const ID: &str = "updates";

/// Tells of it, if there is something that somebody wants to know.
pub fn send(past: &[PastUpdate]) {
    let (Some(app), Some(notification)) = (gio::Application::default(), notification(past)) else { return };
    app.send_notification(Some(ID), &notification);
}

/// Somebody has seen it.
pub fn withdraw() {
    if let Some(app) = gio::Application::default() {
        app.withdraw_notification(ID);
    }
}

fn notification(past: &[PastUpdate]) -> Option<gio::Notification> {
    let (pending, updated) = (units(past, UpdateOutcome::Pending), units(past, UpdateOutcome::Updated));
    let (back, failed) = (units(past, UpdateOutcome::RolledBack), units(past, UpdateOutcome::Failed));
    let bad = !back.is_empty() || !failed.is_empty();
    let title = match (bad, pending.is_empty(), updated.is_empty()) {
        (true, ..) => gettext("Some containers could not be updated"),
        (false, false, _) => gettext("Updates for containers"),
        (false, true, false) => gettext("Containers were updated"),
        (false, true, true) => return None,
    };
    let notification = gio::Notification::new(&title);
    notification.set_body(Some(&body(&[
        (gettext("Updated:"), &updated),
        (gettext("An update is there:"), &pending),
        (gettext("Rolled back:"), &back),
        (gettext("Could not be updated:"), &failed),
    ])));
    if bad {
        notification.set_priority(gio::NotificationPriority::High);
    }
    notification.set_default_action("app.show-updates");
    notification.add_button(&gettext("Show"), "app.show-updates");
    if !pending.is_empty() {
        let units = pending.to_variant();
        notification.add_button_with_target_value(&gettext("Update now"), "app.update-units", Some(&units));
    }
    if !updated.is_empty() {
        let units = updated.to_variant();
        notification.add_button_with_target_value(&gettext("Roll back"), "app.roll-back-units", Some(&units));
    }
    Some(notification)
}

/// A line for each that has units.
fn body(lines: &[(String, &Vec<String>)]) -> String {
    let some = lines.iter().filter(|(_, units)| !units.is_empty());
    let line = |(word, units): &(String, &Vec<String>)| {
        let names: Vec<&str> = units.iter().map(|unit| unit.trim_end_matches(".service")).collect();
        format!("{word} {}", names.join(", "))
    };
    some.map(line).collect::<Vec<_>>().join("\n")
}

/// The units of which that is so, each once.
fn units(past: &[PastUpdate], outcome: UpdateOutcome) -> Vec<String> {
    let units: BTreeSet<_> = past.iter().filter(|past| past.outcome == outcome).map(|past| past.unit.clone()).collect();
    units.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{body, notification, units};
    use crate::connection::{PastUpdate, UpdateOutcome};

    fn past(unit: &str, outcome: UpdateOutcome) -> PastUpdate {
        let unit = unit.to_owned();
        PastUpdate {
            unit,
            image: String::new(),
            from: None,
            to: None,
            began: 0,
            outcome,
            reason: None,
            by_itself: true,
        }
    }

    #[test]
    fn each_unit_is_told_once_and_nothing_is_said_of_nothing() {
        let all = ["b.service", "a.service", "b.service"].map(|unit| past(unit, UpdateOutcome::Pending));
        let pending = units(&all, UpdateOutcome::Pending);
        assert_eq!(pending, ["a.service", "b.service"]);
        assert_eq!(body(&[("New:".to_owned(), &pending), ("Old:".to_owned(), &Vec::new())]), "New: a, b");
        assert!(notification(&[past("a.service", UpdateOutcome::Current)]).is_none());
    }
}
