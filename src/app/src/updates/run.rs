// SPDX-License-Identifier: GPL-3.0-or-later
//! Looking for updates and making them: one run at a time, shown while it goes on, told when it is over.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::{notice, results};
use crate::connection::{Failure, PastUpdate, Reason, UpdateOutcome, UpdateStep, UpdateWork};
use crate::errors::{Doing, Words, words};
use crate::images::progress::Tally;
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::{Model, UpdateRun, short_image};
use crate::widgets::failure;
use crate::window::Context;

/// Begins it, unless another one goes on.
pub fn begin(context: &Context, work: UpdateWork) {
    let model = context.model.clone();
    if model.update_run.get().is_some() {
        return context.tell(&gettext("Updates are looked for or made already"));
    }
    let (line, word) = match &work {
        UpdateWork::Check(_) | UpdateWork::CheckUnasked => (gettext("Looking for updates…"), gettext("Checking…")),
        UpdateWork::Update(_) => (gettext("Updating…"), gettext("Updating…")),
        UpdateWork::RollBack(_) => (gettext("Rolling back…"), gettext("Rolling Back…")),
    };
    let units: BTreeSet<String> = match &work {
        UpdateWork::Check(units) | UpdateWork::Update(units) | UpdateWork::RollBack(units) => {
            units.iter().cloned().collect()
        }
        UpdateWork::CheckUnasked => BTreeSet::new(),
    };
    for item in model.updates.all().into_iter().filter(super::can_check) {
        if units.is_empty() || item.unit().is_some_and(|unit| units.contains(&unit)) {
            item.put_busy(Some(&word));
        }
    }
    model.put_update_run(Some(UpdateRun { line, fraction: None, can_cancel: true }));
    let task = relm4::spawn_local(follow(context.clone(), work));
    context.model.put_update_task(task);
}

/// Ends it. What it had begun is finished by the next one.
pub fn cancel(context: &Context) {
    if context.model.end_update_task() {
        let context = context.clone();
        relm4::spawn_local(async move {
            over(&context.model).await;
            context.tell(&gettext("Cancelled"));
        });
    }
}

/// Nothing goes on any more.
async fn over(model: &Model) {
    model.refresh_updates().await;
    for item in model.updates.all() {
        item.put_busy(None);
    }
    model.put_update_run(None);
}

async fn follow(context: Context, work: UpdateWork) {
    // A window that is closed meanwhile leaves nothing half done.
    let _hold = gtk::gio::Application::default().map(|app| app.hold());
    let flow = context.connection.run_updates(work.clone());
    let mut shown = Shown::default();
    let mut end = Err(Failure { reason: Reason::Other, details: Vec::new() });
    while let Some(step) = flow.next().await {
        match step {
            Ok(UpdateStep::Done(results, errors)) => {
                end = Ok((results, errors));
                break;
            }
            Ok(step) => {
                let run = shown.take(&context.model, step);
                // What comes in crowds is drawn once.
                context.model.put_update_run(Some(run));
            }
            Err(failure) => {
                end = Err(failure);
                break;
            }
        }
    }
    // From here on there is nothing to cancel.
    context.model.forget_update_task();
    over(&context.model).await;
    match end {
        Ok((results, errors)) => tell(&context, &work, results, &errors),
        Err(failure) => failure::toast(&words(&doing(&work), &failure), &context.toasts),
    }
}

fn doing(work: &UpdateWork) -> Doing {
    match work {
        UpdateWork::Check(_) | UpdateWork::CheckUnasked => Doing::CheckingUpdates,
        UpdateWork::Update(_) => Doing::Updating,
        UpdateWork::RollBack(units) => Doing::RollingBack(short_units(units)),
    }
}

fn short_units(units: &[String]) -> String {
    units.iter().map(|unit| unit.trim_end_matches(".service")).collect::<Vec<_>>().join(", ")
}

/// How far it is.
#[derive(Default)]
struct Shown {
    pulls: HashMap<String, Tally>,
    /// Whether a unit was restarted: ended now, it would be left half done.
    restarted: bool,
}

impl Shown {
    fn take(&mut self, model: &Model, step: UpdateStep) -> UpdateRun {
        let mark = |unit: &str, word: &str| {
            for item in model.updates.all().iter().filter(|item| item.unit().as_deref() == Some(unit)) {
                item.put_busy(Some(word));
            }
        };
        let short = |unit: &str| unit.trim_end_matches(".service").to_owned();
        let (line, fraction) = match step {
            UpdateStep::Waiting => (gettext("Waiting for another run to end…"), None),
            UpdateStep::Checking(done, of) => (
                fill(&gettext("Asked for {} of {} images"), &[&done.to_string(), &of.to_string()]),
                Some(fraction(done, of)),
            ),
            UpdateStep::Pulling(image, pull) => {
                let tally = self.pulls.entry(image.clone()).or_default();
                tally.take(&pull, Instant::now());
                (format!("{}: {}", short_image(&image), tally.line()), tally.fraction())
            }
            UpdateStep::Restarting(unit) => {
                self.restarted = true;
                mark(&unit, &gettext("Restarting…"));
                (fill(&gettext("Restarting “{}”…"), &[&short(&unit)]), None)
            }
            UpdateStep::Judging(unit) => {
                mark(&unit, &gettext("Watching…"));
                (fill(&gettext("Seeing whether “{}” stays up…"), &[&short(&unit)]), None)
            }
            UpdateStep::RollingBack(unit) => {
                self.restarted = true;
                mark(&unit, &gettext("Rolling Back…"));
                (fill(&gettext("Rolling “{}” back…"), &[&short(&unit)]), None)
            }
            UpdateStep::Done(..) => (String::new(), None),
        };
        UpdateRun { line, fraction, can_cancel: !self.restarted }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a bar of some hundred pixels")]
fn fraction(done: usize, of: usize) -> f64 {
    done as f64 / of.max(1) as f64
}

/// Tells of it: here, and on the desktop when nobody is looking.
fn tell(context: &Context, work: &UpdateWork, mut results: Vec<PastUpdate>, errors: &[String]) {
    // What is held is nothing to do.
    let all = context.model.updates.all();
    let to_do = |unit: &str| all.iter().any(|item| item.to_do() && item.unit().as_deref() == Some(unit));
    results.retain(|result| result.outcome != UpdateOutcome::Pending || to_do(&result.unit));
    let with = |outcome| results.iter().filter(|result| result.outcome == outcome).collect::<Vec<_>>();
    if !context.looks_at_updates() {
        notice::send(&results);
    }
    if matches!(work, UpdateWork::Check(_) | UpdateWork::CheckUnasked) {
        let pending = i64::try_from(with(UpdateOutcome::Pending).len()).unwrap_or(i64::MAX);
        if !errors.is_empty() {
            return failure::toast(&of_errors(&doing(work), errors), &context.toasts);
        }
        return context.tell(&match pending {
            0 => gettext("No updates were found"),
            count => fill(
                &ngettext("{} update is available", "{} updates are available", plural_number(count)),
                &[&count.to_string()],
            ),
        });
    }
    let (updated, back) = (with(UpdateOutcome::Updated), with(UpdateOutcome::RolledBack));
    let asked_back = matches!(work, UpdateWork::RollBack(_));
    let bad = !errors.is_empty() || (!back.is_empty() && !asked_back) || !with(UpdateOutcome::Failed).is_empty();
    let good = if asked_back { &back } else { &updated };
    let title = match (bad, asked_back, good.as_slice()) {
        (true, false, _) => gettext("Some Units Could Not Be Updated"),
        (true, true, _) => gettext("Some Units Could Not Be Rolled Back"),
        (false, _, []) => gettext("Everything is up to date already"),
        (false, false, [one]) => fill(&gettext("Updated “{}”"), &[one.unit.trim_end_matches(".service")]),
        (false, true, [one]) => fill(&gettext("Rolled back “{}”"), &[one.unit.trim_end_matches(".service")]),
        (false, false, many) => units_done(&ngettext("Updated {} unit", "Updated {} units", number(many)), many),
        (false, true, many) => units_done(&ngettext("Rolled back {} unit", "Rolled back {} units", number(many)), many),
    };
    let toast = adw::Toast::builder().title(gtk::glib::markup_escape_text(&title)).timeout(8).build();
    if bad {
        toast.set_priority(adw::ToastPriority::High);
    }
    if !results.is_empty() || bad {
        toast.set_button_label(Some(&gettext("_Details")));
        let (parent, errors) = (context.toasts.downgrade(), errors.to_vec());
        toast.connect_button_clicked(move |_| {
            if let Some(parent) = parent.upgrade() {
                results::present(&title, &results, &errors, &parent);
            }
        });
    }
    context.toasts.add_toast(toast);
}

fn units_done(text: &str, units: &[&PastUpdate]) -> String {
    fill(text, &[&units.len().to_string()])
}

fn number(units: &[&PastUpdate]) -> u32 {
    plural_number(i64::try_from(units.len()).unwrap_or(i64::MAX))
}

/// Errors of a run that went on all the same.
fn of_errors(doing: &Doing, errors: &[String]) -> Words {
    words(doing, &Failure { reason: Reason::Other, details: errors.to_vec() })
}
