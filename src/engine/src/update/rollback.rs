// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Going back to what a unit ran before its last update, because somebody asks for it.

use super::apply::{failures, take_back, with_dependents};
use super::judge;
use super::lock::Lock;
use super::record::{self, Entry, NoUpdate};
use super::{Context, Outcome, Report, Run, RunOptions, RunProgress, resume};
use crate::container::Summary;
use crate::engine::{Engine, Error};
use crate::event::now;
use crate::image::progress::Reporter;
use crate::image::reference::Reference;

pub(super) async fn by_hand(engine: Engine, unit: String, reporter: Reporter<RunProgress>) -> Result<(), Error> {
    let context = Context::new(engine, RunOptions::default(), reporter).await?;
    let lock = Lock::take(&context.engine, &context.reporter).await?;
    let mut run = Run::default();
    // What a run that was killed had begun has a last update only when it is finished.
    resume::unfinished(&context, Some(&lock), &mut run).await?;
    let last = last_update(&context, &unit).await?;
    let reference: Reference = last.image.parse()?;
    // All that were updated with it: a name stands for one image.
    let mut together = Vec::new();
    for entry in record::all(&context.engine).await? {
        let same = entry.image == last.image && entry.to == last.to && entry.outcome == Outcome::Updated;
        let is_last = same && last_update(&context, &entry.unit).await.is_ok_and(|last| last.number == entry.number);
        if is_last && (entry.unit == unit || runs_it(&context, &entry).await?) {
            together.push(entry);
        }
    }
    let reason = |entry: &Entry| {
        if entry.unit == unit {
            "somebody asked for it".to_owned()
        } else {
            format!("somebody asked for it for {unit}, which has the same image")
        }
    };
    let begun = together.iter().map(|entry| Entry {
        number: 0,
        began: now(),
        ended: None,
        outcome: Outcome::Begun,
        reason: Some(reason(entry)),
        backwards: true,
        unattended: false,
        told: false,
        ..entry.clone()
    });
    let begun = record::add(&context.engine, with_dependents(begun.collect()).await).await?;
    lock.name_units(begun.iter().map(|entry| entry.unit.as_str())).await?;
    let mut containers = Vec::new();
    for entry in &begun {
        containers.push((entry.unit.clone(), judge::running(&context, &entry.unit).await?.into_iter().next()));
    }
    let ended = take_back(&context, &reference, begun).await?;
    run.errors.extend(failures(&ended));
    for entry in &ended {
        let before = containers.iter_mut().find(|(unit, _)| *unit == entry.unit).and_then(|(_, found)| found.take());
        let shown = match before {
            Some(before) => Some(before),
            // One that did not run has a container only now.
            None => judge::running(&context, &entry.unit).await?.into_iter().next(),
        };
        let Some(Summary { record, .. }) = shown else { continue };
        run.reports.push(Report {
            container: record.id,
            name: record.name,
            image: record.options.image,
            unit: entry.unit.clone(),
            policy: entry.policy,
            outcome: entry.outcome,
            from: Some(entry.to.digest),
            to: Some(entry.from.digest),
            reason: entry.reason.clone(),
        });
    }
    context.say(RunProgress::Done(run));
    Ok(())
}

/// The update that a unit runs now.
async fn last_update(context: &Context, unit: &str) -> Result<Entry, Error> {
    let entries = record::all(&context.engine).await?;
    match record::update_that_runs(entries.iter().rev().filter(|entry| entry.unit == unit)) {
        Ok(entry) => Ok(entry.clone()),
        Err(NoUpdate::TakenBack) => Err(Error::WrongState(format!(
            "{unit} was rolled back already: it runs what it ran before its last update"
        ))),
        Err(NoUpdate::Never) => Err(Error::WrongState(format!("{unit} has had no update that could be rolled back"))),
    }
}

async fn runs_it(context: &Context, entry: &Entry) -> Result<bool, Error> {
    let running = judge::running(context, &entry.unit).await?;
    Ok(running.iter().any(|summary| entry.to.image.is_some() && summary.record.image == entry.to.image))
}
