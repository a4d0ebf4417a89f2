// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bringing all units that run one image name up to date, and back.

use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::candidates::{Group, Target};
use super::judge::{self, Fault};
use super::record::{self, Entry, Version};
use super::{Context, Outcome, Policy, Report, RunProgress};
use crate::digest::Digest;
use crate::engine::{Error, chain};
use crate::event::now;
use crate::image::reference::Reference;
use crate::image::{PullOptions, PullProgress};
use crate::state::images;

/// What became of a group: its reports, and what could not be done.
type Applied = (Vec<Report>, Vec<String>);

/// Brings a group up to date.
pub(super) async fn apply(context: &Context, group: Group) -> Result<Applied, Error> {
    let (group, mut reports, mut errors) = without_unknown_units(group).await;
    if group.members.is_empty() {
        return Ok((reports, errors));
    }
    let mut entries = begun(context, &group);
    let fetched = group.to.image.is_none();
    let image = match group.to.image {
        Some(image) => Ok(image),
        None => pull(context, &group.reference, &group.access).await,
    };
    let image = match image {
        Ok(image) => image,
        Err(error) => {
            let words = chain(&error);
            for entry in &mut entries {
                entry.end(Outcome::Failed, Some(words.clone()));
            }
            record::add(&context.engine, entries).await?;
            for target in &group.members {
                errors.push(format!("updating image for container {}: {words}", target.record.id));
                reports.push(target.report(Outcome::Failed, Some(group.to.digest), Some(words.clone())));
            }
            return Ok((reports, errors));
        }
    };
    let to = version(context, image, group.to.digest).await?;
    if group.members.iter().all(|target| target.from.image == Some(image)) {
        // Another manifest of what runs already.
        reports.extend(group.members.iter().map(|target| target.report(Outcome::Current, Some(to.digest), None)));
        return Ok((reports, errors));
    }
    if fetched && context.is_outside_of_windows() {
        // The window closed meanwhile. A name stands for what runs.
        restore(context, &group.reference, &entries).await?;
        let why = "the window for updates ended while the image was fetched".to_owned();
        let held = |target: &Target| target.report(Outcome::Held, Some(to.digest), Some(why.clone()));
        reports.extend(group.members.iter().map(held));
        return Ok((reports, errors));
    }
    // Not before the image is here: a run that is broken off until then has done nothing that anybody would look for, and the next one
    // finds the image as this one did.
    let entries = with_dependents(entries.into_iter().map(|entry| Entry { to, ..entry }).collect()).await;
    let entries = record::add(&context.engine, entries).await?;
    let settled = settle(context, &group.reference, entries, |_| true).await?;
    for target in &group.members {
        // Containers of one unit (a pod's) share what became of it.
        let Some(entry) = settled.iter().find(|entry| entry.unit == target.unit) else { continue };
        reports.push(target.report(entry.outcome, Some(to.digest), entry.reason.clone()));
    }
    errors.extend(failures(&settled));
    Ok((reports, errors))
}

/// What failed, one text each.
pub(super) fn failures(entries: &[Entry]) -> Vec<String> {
    let failed = entries.iter().filter(|entry| entry.outcome == Outcome::Failed);
    failed.filter_map(|entry| entry.reason.clone()).collect()
}

/// The group without those whose unit systemd does not know: no image is moved for them.
async fn without_unknown_units(mut group: Group) -> (Group, Vec<Report>, Vec<String>) {
    let (mut reports, mut errors, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for target in std::mem::take(&mut group.members) {
        let words = match judge::is_known(&target.unit).await {
            Ok(true) => {
                known.push(target);
                continue;
            }
            Ok(false) => format!("Unit {} not found.", target.unit),
            Err(error) => error.to_string(),
        };
        let words = format!("restarting unit {} during update: {words}", target.unit);
        reports.push(target.report(Outcome::Failed, Some(group.to.digest), Some(words.clone())));
        errors.push(words);
    }
    group.members = known;
    (group, reports, errors)
}

/// An entry for each unit.
fn begun(context: &Context, group: &Group) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for target in &group.members {
        if entries.iter().all(|entry| entry.unit != target.unit) {
            entries.push(entry(context, target, &group.reference, group.to));
        }
    }
    entries
}

pub(super) fn entry(context: &Context, target: &Target, reference: &Reference, to: Version) -> Entry {
    Entry {
        number: 0,
        unit: target.unit.clone(),
        container: target.record.name.to_string(),
        image: reference.to_string(),
        policy: target.policy,
        from: target.from,
        to,
        began: now(),
        ended: None,
        outcome: Outcome::Begun,
        reason: None,
        backwards: false,
        roll_back: context.options.roll_back,
        unattended: context.options.unattended,
        told: false,
        dependents: Vec::new(),
    }
}

/// Fetches the image; its id.
pub(super) async fn pull(context: &Context, reference: &Reference, access: &PullOptions) -> Result<Digest, Error> {
    let access = PullOptions { auth_file: access.auth_file.clone(), ..context.options.access.clone() };
    let mut pull = context.engine.images().pull(&reference.to_string(), access);
    let mut image = None;
    while let Some(progress) = pull.next().await {
        let progress = progress?;
        if let PullProgress::Done { id, .. } = &progress {
            image = Some(*id);
        }
        context.say(RunProgress::Pulling { image: reference.to_string(), progress });
    }
    image.ok_or(Error::Cancelled("fetching an image"))
}

/// The image as it is here: `asked` is a digest that led to it.
async fn version(context: &Context, image: Digest, asked: Digest) -> Result<Version, Error> {
    let entry = context.engine.state(move |database| images::get(database.reader(), &image)).await?;
    let Some((entry, _)) = entry else { return Err(Error::NoSuchImage(image.to_string())) };
    // The tag may have been moved between the look and the pull.
    let digest = if entry.digests.contains(&asked) { asked } else { entry.digest };
    Ok(Version { digest, image: Some(image) })
}

/// Ends all of them alike.
pub(super) async fn finish(
    context: &Context,
    mut entries: Vec<Entry>,
    outcome: Outcome,
    reason: Option<&str>,
) -> Result<Vec<Entry>, Error> {
    for entry in &mut entries {
        entry.end(outcome, reason.map(str::to_owned));
    }
    record::put(&context.engine, entries.clone()).await?;
    Ok(entries)
}

/// Restarts the units for which `restarts` says so, judges all of them, and takes all of them back when one is no good. The image's
/// name stands for the new one already.
pub(super) async fn settle(
    context: &Context,
    reference: &Reference,
    mut entries: Vec<Entry>,
    restarts: impl Fn(&Entry) -> bool,
) -> Result<Vec<Entry>, Error> {
    let tried = entries.iter().map(|entry| try_new(context, entry, restarts(entry)));
    let mut faults = Vec::new();
    for result in join_all(tried).await {
        match result {
            Ok(()) => faults.push(None),
            Err(Fault::Unit(words)) => faults.push(Some(words)),
            Err(Fault::Engine(error)) => return Err(error),
        }
    }
    let first = entries.iter().zip(&faults).find(|(_, fault)| fault.is_some()).map(|(entry, _)| entry.unit.clone());
    let Some(first) = first else {
        // Those that systemd did not take along.
        start_dependents(context, &entries).await;
        return finish(context, entries, Outcome::Updated, None).await;
    };
    for (entry, fault) in entries.iter_mut().zip(&mut faults) {
        match fault.take() {
            Some(words) if entry.roll_back => entry.reason = Some(words),
            Some(words) => {
                entry.end(Outcome::Failed, Some(format!("restarting unit {} during update: {words}", entry.unit)));
            }
            None if entry.roll_back => entry.reason = Some(format!("{first}, which has the same image, was no good")),
            None => entry.end(Outcome::Updated, None),
        }
    }
    let (mut back, done): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.roll_back);
    record::put(&context.engine, done.clone()).await?;
    if !back.is_empty() {
        back = take_back(context, reference, back).await?;
    }
    back.extend(done);
    Ok(back)
}

/// The same with the units that depend on each, and run.
pub(super) async fn with_dependents(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        // Not to know them is no reason not to update.
        entry.dependents = judge::running_dependents(&entry.unit).await.unwrap_or_default();
    }
    entries
}

/// Starts those that did not go on by themselves.
async fn start_dependents(context: &Context, entries: &[Entry]) {
    let of_others = |unit: &&String| entries.iter().all(|entry| entry.unit != **unit);
    let mut all: Vec<&String> = entries.iter().flat_map(|entry| &entry.dependents).filter(of_others).collect();
    all.sort();
    all.dedup();
    if let Err(error) = judge::start_again(context, &all).await {
        context.engine.warn(error.to_string());
    }
}

async fn try_new(context: &Context, entry: &Entry, restarts: bool) -> Result<(), Fault> {
    let Some(image) = entry.to.image else { return Ok(()) };
    if restarts {
        context.say(RunProgress::Restarting(entry.unit.clone()));
        judge::restart(context, &entry.unit).await?;
    }
    context.say(RunProgress::Judging(entry.unit.clone()));
    judge::judge(context, &entry.unit, image).await
}

/// Has the name stand for the old image again, and starts the units and those that depend on them. The entries' reasons are why.
pub(super) async fn take_back(
    context: &Context,
    reference: &Reference,
    mut entries: Vec<Entry>,
) -> Result<Vec<Entry>, Error> {
    for entry in &entries {
        let reason = entry.reason.clone().unwrap_or_default();
        context.say(RunProgress::RollingBack { unit: entry.unit.clone(), reason });
    }
    if let Err(error) = restore(context, reference, &entries).await {
        let words = chain(&error);
        for entry in &mut entries {
            let why = entry.reason.take().unwrap_or_default();
            let unit = &entry.unit;
            entry.end(
                Outcome::Failed,
                Some(format!("going back to the old image of {unit}: {words}; it was to go back because {why}")),
            );
        }
        record::put(&context.engine, entries.clone()).await?;
        return Ok(entries);
    }
    let restarted = join_all(entries.iter().map(|entry| judge::restart(context, &entry.unit))).await;
    for (entry, result) in entries.iter_mut().zip(restarted) {
        let why = entry.reason.take();
        match result {
            Ok(()) => entry.end(Outcome::RolledBack, why),
            Err(Fault::Unit(words)) => {
                let why = why.map(|why| format!("; it was to go back because {why}")).unwrap_or_default();
                let text = format!("restarting unit {} during rollback: {words}{why}", entry.unit);
                entry.end(Outcome::Failed, Some(text));
            }
            Err(Fault::Engine(error)) => return Err(error),
        }
    }
    start_dependents(context, &entries).await;
    record::put(&context.engine, entries.clone()).await?;
    Ok(entries)
}

/// Has the name stand for what the first of these ran before; fetched again where somebody has removed it.
async fn restore(context: &Context, reference: &Reference, entries: &[Entry]) -> Result<(), Error> {
    let Some(Entry { from: Version { digest, image: Some(image) }, policy, .. }) = entries.first() else {
        return Err(Error::Invalid("what ran before is not known".to_owned()));
    };
    let name = reference.to_string();
    match context.engine.images().tag(&image.to_string(), &name).await {
        Err(Error::NoSuchImage(_)) if *policy != Policy::Local => {
            let old = pull(context, &reference.with_digest(*digest), &PullOptions::default()).await?;
            context.engine.images().tag(&old.to_string(), &name).await
        }
        tagged => tagged,
    }
}
