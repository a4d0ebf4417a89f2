// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finishing what a run began that was killed.

use super::apply::{failures, finish, settle, take_back};
use super::lock::Lock;
use super::record::{self, Entry};
use super::{Context, Outcome, Report, Run, judge};
use crate::container::ContainerId;
use crate::digest::Digest;
use crate::engine::Error;
use crate::image::reference::Reference;

/// Finishes it; the units that were dealt with. A dry run, which holds no lock, only says what there is.
pub(super) async fn unfinished(context: &Context, lock: Option<&Lock>, run: &mut Run) -> Result<Vec<String>, Error> {
    let mut entries = record::all(&context.engine).await?;
    entries.retain(|entry| entry.outcome == Outcome::Begun);
    let Some(lock) = lock else {
        let words = |entry: &Entry| format!("an update of {} was interrupted: the next run finishes it", entry.unit);
        run.notes.extend(entries.iter().map(words));
        return Ok(Vec::new());
    };
    lock.name_units(entries.iter().map(|entry| entry.unit.as_str())).await?;
    let mut done = Vec::new();
    while let Some(first) = entries.first().cloned() {
        let (group, rest) =
            entries.into_iter().partition(|entry| entry.image == first.image && entry.backwards == first.backwards);
        entries = rest;
        done.extend(finish_group(context, group, run).await?);
    }
    Ok(done)
}

async fn finish_group(context: &Context, group: Vec<Entry>, run: &mut Run) -> Result<Vec<String>, Error> {
    let Ok(reference) = group[0].image.parse::<Reference>() else { return Ok(Vec::new()) };
    if group[0].backwards {
        let ended = take_back(context, &reference, group).await?;
        return Ok(report(run, &ended, &[]));
    }
    if group.iter().any(|entry| entry.to.image.is_none()) {
        // From when updates were noted before their image was here: nothing was restarted.
        record::forget(&context.engine, group).await?;
        return Ok(Vec::new());
    }
    let (mut waiting, mut containers) = (Vec::new(), Vec::new());
    for entry in &group {
        let running = judge::running(context, &entry.unit).await?;
        if running.iter().all(|summary| summary.record.image != entry.to.image) {
            waiting.push(entry.unit.clone());
        }
        containers.push(running.first().map(|summary| summary.record.id));
        run.notes.push(format!("finishing the update of {} that was interrupted", entry.unit));
    }
    // Somebody may have moved the name meanwhile: what was begun is what is tried.
    if let Some(image) = group[0].to.image
        && !stands_for(context, &reference, image).await
    {
        let words = format!("it was interrupted, and {reference} was given to another image since");
        finish(context, group, Outcome::Failed, Some(&words)).await?;
        return Ok(Vec::new());
    }
    let ended = settle(context, &reference, group, |entry| waiting.contains(&entry.unit)).await?;
    Ok(report(run, &ended, &containers))
}

async fn stands_for(context: &Context, reference: &Reference, image: Digest) -> bool {
    context.engine.images().resolve(&reference.to_string()).await.is_ok_and(|found| found == image)
}

fn report(run: &mut Run, ended: &[Entry], containers: &[Option<ContainerId>]) -> Vec<String> {
    run.errors.extend(failures(ended));
    for (index, entry) in ended.iter().enumerate() {
        let (Some(Some(container)), Ok(name)) = (containers.get(index), entry.container.parse()) else { continue };
        run.reports.push(Report {
            container: *container,
            name,
            image: entry.image.clone(),
            unit: entry.unit.clone(),
            policy: entry.policy,
            outcome: entry.outcome,
            from: Some(entry.from.digest),
            to: Some(entry.to.digest),
            reason: entry.reason.clone(),
        });
    }
    ended.iter().map(|entry| entry.unit.clone()).collect()
}
