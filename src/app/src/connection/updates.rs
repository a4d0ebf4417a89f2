// SPDX-License-Identifier: GPL-3.0-or-later
//! Updates by the engine in this process.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use async_channel::Sender;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use haulout_engine::event::Kind;
use haulout_engine::systemd::SystemdError;
use haulout_engine::update::timer::{self, TimerError};
use haulout_engine::update::{self, Entry, Outcome, Participant, Policy, Report, RunOptions, RunProgress};
use haulout_engine::{Engine, Error};
use haulout_quadlet::{SearchPath, UnitName};

use super::convert::pull_progress;
use super::crowd::Crowd;
use super::units::{changes_of_systemd, said};
use super::{
    Failure, PastUpdate, Reason, Schedule, Standing, Update, UpdateOutcome, UpdatePolicy, UpdateStep, UpdateWork,
    Updates, Version, worker,
};

const SECOND: i64 = 1_000_000_000;
/// What changes within this time is one change.
const TOGETHER: Duration = Duration::from_millis(250);

/// All that takes part, and what was done.
pub async fn list(engine: Engine) -> Result<Updates, Failure> {
    let updates = engine.updates();
    let mut list: Vec<Update> = updates.participants().await?.into_iter().map(of_participant).collect();
    let known: HashSet<String> = list.iter().filter_map(|update| update.unit.clone()).collect();
    let asleep = tokio::task::spawn_blocking(asleep).await.map_err(|error| said(Reason::Other, &error))?;
    list.extend(asleep.into_iter().filter(|update| update.unit.as_ref().is_none_or(|unit| !known.contains(unit))));
    let past = updates.history(None).await?.into_iter().map(of_entry).collect();
    // Without a manager there are containers all the same.
    let schedule = timer::schedule().await.ok().map(|found| Schedule {
        on: found.on,
        next: found.next.map(|at| at / 1_000_000),
        runs: found.runs,
    });
    Ok(Updates { list, schedule, past })
}

/// Sends whenever something about updates changed: what was found or done, which containers run, what systemd does. Without systemd the
/// others are followed.
pub async fn changes(engine: Engine, since: i64, sender: Sender<Result<(), Failure>>) {
    let events = engine
        .events(Some(since))
        .try_filter_map(|event| async move { Ok(matches!(event.kind, Kind::Container | Kind::Image).then_some(())) });
    let crowd = Crowd::new(TOGETHER).with_needed(engine.updates().changes()).with_needed(events);
    crowd.with(changes_of_systemd()).tell(sender).await;
}

/// Does it, and sends how far it is.
pub async fn run(engine: Engine, work: UpdateWork, sender: Sender<Result<UpdateStep, Failure>>) {
    let updates = engine.updates();
    let mut progress = match work {
        UpdateWork::Check(units) => updates.run(RunOptions { dry_run: true, units, ..RunOptions::default() }),
        UpdateWork::CheckUnasked => {
            updates.run(RunOptions { dry_run: true, unattended: true, ..RunOptions::default() })
        }
        UpdateWork::Update(units) => updates.run(RunOptions { units, ..RunOptions::default() }),
        UpdateWork::RollBack(units) => roll_back(updates, units),
    };
    while let Some(step) = progress.next().await {
        if sender.send(step.map(of_step).map_err(Failure::from)).await.is_err() {
            break;
        }
    }
}

/// One after the other: units that have one image go back together.
fn roll_back(updates: update::Updates, units: Vec<String>) -> BoxStream<'static, Result<RunProgress, Error>> {
    let stream = async_stream::try_stream! {
        let mut all = update::Run::default();
        for unit in units {
            if all.reports.iter().any(|report| report.unit == unit) {
                continue;
            }
            let mut progress = updates.roll_back(&unit);
            while let Some(step) = progress.next().await {
                match step? {
                    RunProgress::Done(run) => {
                        all.reports.extend(run.reports);
                        all.errors.extend(run.errors);
                    }
                    step => yield step,
                }
            }
        }
        yield RunProgress::Done(all);
    };
    stream.boxed()
}

/// What the timer did and nobody saw.
pub async fn unseen(engine: Engine) -> Result<Vec<PastUpdate>, Error> {
    Ok(engine.updates().untold().await?.into_iter().map(of_entry).collect())
}

/// Somebody sees all that was done.
pub async fn seen(engine: Engine) -> Result<(), Error> {
    let untold = engine.updates().untold().await?;
    if untold.is_empty() { Ok(()) } else { engine.updates().told(untold).await }
}

/// Has a unit left as it is.
pub async fn hold(engine: Engine, unit: String, until: Option<i64>) -> Result<(), Error> {
    engine.updates().hold(&unit, until.map(|until| until.saturating_mul(SECOND))).await
}

/// Has updates made by themselves, or not.
pub async fn by_itself(on: bool) -> Result<(), Failure> {
    let done = if on { timer::enable(&folder_of_programs()).await } else { timer::disable().await };
    done.map_err(|error| {
        let reason = match &error {
            TimerError::Systemd(SystemdError::NoManager(_)) => Reason::NoManager,
            TimerError::Own(_) => Reason::System,
            _ => Reason::Other,
        };
        said(reason, &error)
    })
}

/// Where `haulout` is.
fn folder_of_programs() -> PathBuf {
    let program = worker::program();
    program.as_deref().and_then(std::path::Path::parent).map_or_else(|| "/usr/bin".into(), PathBuf::from)
}

fn of_participant(found: Participant) -> Update {
    let version = |digest: String, described: &std::collections::BTreeMap<String, String>| Version {
        digest,
        name: described.get("version").cloned(),
        source: described.get("source").cloned(),
    };
    Update {
        key: key(found.unit.as_deref(), &found.name.to_string()),
        container: Some(found.name.to_string()),
        standing: standing(&found),
        image: found.image,
        policy: policy(found.policy.unwrap_or(Policy::Registry)),
        current: found.current.map(|digest| version(digest.to_string(), &found.described)),
        newest: found.newest.map(|newer| version(newer.digest.to_string(), &newer.described)),
        checked: found.checked.map(|at| at / SECOND),
        pinned: found.pinned,
        can_roll_back: found.can_roll_back,
        unit: found.unit,
    }
}

/// A unit may have several containers (a pod's).
fn key(unit: Option<&str>, container: &str) -> String {
    match unit {
        Some(unit) if container == format!("systemd-{}", unit.trim_end_matches(".service")) => unit.to_owned(),
        Some(unit) => format!("{unit} {container}"),
        None => container.to_owned(),
    }
}

/// What matters most of how it stands.
fn standing(found: &Participant) -> Standing {
    let newest = found.newest.as_ref();
    if found.busy {
        return Standing::Updating;
    }
    // One that had not fetched its image has changed nothing.
    if found.interrupted && found.last.as_ref().is_some_and(|entry| entry.to.image.is_some()) {
        return Standing::Interrupted;
    }
    if let Some(words) = &found.fault {
        return Standing::Failed(words.clone());
    }
    if let Some(hold) = &found.hold {
        return Standing::Held(hold.until.map(|until| until / SECOND));
    }
    if let Some(entry) = &found.taken_back {
        return Standing::TakenBack(entry.began / SECOND, entry.reason.clone().unwrap_or_default());
    }
    let failed = found.last.as_ref().filter(|entry| {
        entry.outcome == Outcome::Failed && newest.is_some_and(|newest| newest.digest == entry.to.digest)
    });
    match (failed, newest, found.checked) {
        (Some(entry), ..) => Standing::Failed(entry.reason.clone().unwrap_or_default()),
        (None, Some(_), _) => Standing::Available,
        (None, None, None) if !found.pinned => Standing::Unknown,
        (None, None, _) => Standing::Current,
    }
}

/// Units that would take part if they ran. Blocks.
fn asleep() -> Vec<Update> {
    let found = SearchPath::of_environment(true).load();
    let containers = found.sources.iter().filter(|source| !source.name.is_template());
    let update = |source: &haulout_quadlet::Source| {
        let said = |key| source.unit.last("Container", key).map(|entry| entry.unquoted().to_owned());
        let policy = match said("AutoUpdate")?.to_ascii_lowercase().as_str() {
            "registry" | "image" => UpdatePolicy::Registry,
            "local" => UpdatePolicy::Local,
            "notify" => UpdatePolicy::Notify,
            _ => return None,
        };
        let unit = format!("{}.service", source.service());
        let container = said("ContainerName").unwrap_or_else(|| format!("systemd-{}", source.service()));
        Some(Update {
            key: key(Some(&unit), &container),
            unit: Some(unit),
            container: None,
            image: said("Image").unwrap_or_default(),
            policy,
            current: None,
            newest: None,
            checked: None,
            standing: Standing::Asleep,
            pinned: false,
            can_roll_back: false,
        })
    };
    containers.filter(|source| is_container(&source.name)).filter_map(update).collect()
}

fn is_container(name: &UnitName) -> bool {
    name.kind() == haulout_quadlet::Kind::Container
}

fn policy(policy: Policy) -> UpdatePolicy {
    match policy {
        Policy::Registry => UpdatePolicy::Registry,
        Policy::Local => UpdatePolicy::Local,
        Policy::Notify => UpdatePolicy::Notify,
    }
}

fn outcome(outcome: Outcome) -> UpdateOutcome {
    match outcome {
        Outcome::Current => UpdateOutcome::Current,
        Outcome::Pending => UpdateOutcome::Pending,
        Outcome::Held => UpdateOutcome::Held,
        Outcome::Begun => UpdateOutcome::Begun,
        Outcome::Updated => UpdateOutcome::Updated,
        Outcome::RolledBack => UpdateOutcome::RolledBack,
        Outcome::Failed => UpdateOutcome::Failed,
    }
}

fn of_entry(entry: Entry) -> PastUpdate {
    // One that somebody has taken back goes the other way.
    let (from, to) = if entry.backwards { (entry.to, entry.from) } else { (entry.from, entry.to) };
    PastUpdate {
        unit: entry.unit,
        image: entry.image,
        from: Some(from.digest.to_string()),
        to: Some(to.digest.to_string()),
        began: entry.began / SECOND,
        outcome: outcome(entry.outcome),
        reason: entry.reason,
        by_itself: entry.unattended,
    }
}

fn of_report(report: Report) -> PastUpdate {
    PastUpdate {
        unit: report.unit,
        image: report.image,
        from: report.from.map(|digest| digest.to_string()),
        to: report.to.map(|digest| digest.to_string()),
        began: crate::measure::now(),
        outcome: outcome(report.outcome),
        reason: report.reason,
        by_itself: false,
    }
}

fn of_step(step: RunProgress) -> UpdateStep {
    match step {
        RunProgress::Waiting => UpdateStep::Waiting,
        RunProgress::Checking { done, of } => UpdateStep::Checking(done, of),
        RunProgress::Pulling { image, progress } => UpdateStep::Pulling(image, pull_progress(progress)),
        RunProgress::Restarting(unit) => UpdateStep::Restarting(unit),
        RunProgress::Judging(unit) => UpdateStep::Judging(unit),
        RunProgress::RollingBack { unit, .. } => UpdateStep::RollingBack(unit),
        RunProgress::Done(update::Run { reports, errors, .. }) => {
            UpdateStep::Done(reports.into_iter().map(of_report).collect(), errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_unit_s_only_container_goes_by_the_unit() {
        assert_eq!(key(Some("web.service"), "systemd-web"), "web.service");
        assert_eq!(key(Some("pod.service"), "pod-app"), "pod.service pod-app");
        assert_eq!(key(None, "web"), "web");
    }
}
