// SPDX-License-Identifier: GPL-3.0-or-later
//! A row that tells what was done to a unit: when, from what to what, what became of it, and why.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::{adw, gtk};

use crate::connection::{PastUpdate, UpdateOutcome};
use crate::language::left_to_right;
use crate::measure;
use crate::model::short_digest;
use crate::widgets::fact;

/// The row; `by_unit` where units differ.
pub fn row(past: &PastUpdate, by_unit: bool) -> adw::ExpanderRow {
    let (icon, class) = look(past.outcome);
    let word = outcome_word(past.outcome);
    let when = measure::date(past.began);
    let title = if by_unit { past.unit.trim_end_matches(".service").to_owned() } else { word.clone() };
    let mut line = if by_unit { vec![word, when.clone()] } else { vec![when.clone()] };
    if let (Some(from), Some(to)) = (&past.from, &past.to)
        && from != to
    {
        line.push(left_to_right(format!("{} → {}", short_digest(from), short_digest(to))));
    }
    let mut subtitle = line.join(" · ");
    if let Some(reason) = &past.reason {
        subtitle = format!("{subtitle}\n{reason}");
    }
    let row = adw::ExpanderRow::builder()
        .title(glib::markup_escape_text(&title))
        .subtitle(glib::markup_escape_text(&subtitle))
        .subtitle_lines(4)
        .build();
    let image = gtk::Image::builder().icon_name(icon).accessible_role(gtk::AccessibleRole::Presentation).build();
    if let Some(class) = class {
        image.add_css_class(class);
    }
    row.add_prefix(&image);
    row.add_row(&fact::row(&gettext("Unit"), &past.unit));
    row.add_row(&fact::copied(&gettext("Image"), &past.image));
    if let Some(from) = &past.from {
        row.add_row(&fact::copied(&gettext("From"), from));
    }
    if let Some(to) = &past.to {
        row.add_row(&fact::copied(&gettext("To"), to));
    }
    let when = if past.by_itself { format!("{when} · {}", gettext("by itself")) } else { when };
    row.add_row(&fact::row(&gettext("Time"), &when));
    if let Some(reason) = &past.reason {
        row.add_row(&fact::copied(&gettext("Reason"), reason));
    }
    row
}

fn look(outcome: UpdateOutcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        UpdateOutcome::Updated => ("object-select-symbolic", Some("success")),
        UpdateOutcome::Current => ("object-select-symbolic", None),
        UpdateOutcome::Pending => ("software-update-available-symbolic", Some("accent")),
        UpdateOutcome::Held => ("haulout-paused-symbolic", None),
        UpdateOutcome::Begun => ("haulout-unknown-symbolic", Some("warning")),
        UpdateOutcome::RolledBack => ("edit-undo-symbolic", Some("warning")),
        UpdateOutcome::Failed => ("haulout-failed-symbolic", Some("error")),
    }
}

/// What became of it, in a word or two.
fn outcome_word(outcome: UpdateOutcome) -> String {
    match outcome {
        UpdateOutcome::Current => gettext("Up to Date"),
        UpdateOutcome::Pending => gettext("Update Available"),
        UpdateOutcome::Held => gettext("Held"),
        UpdateOutcome::Begun => gettext("Unfinished"),
        UpdateOutcome::Updated => gettext("Updated"),
        UpdateOutcome::RolledBack => gettext("Rolled Back"),
        UpdateOutcome::Failed => gettext("Failed"),
    }
}
