// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How each container that takes part stands, by what is known: nobody is asked.

use std::collections::BTreeMap;

use super::candidates::{Candidates, Found, Refusal, Target, local};
use super::checks::{self, Checks};
use super::lock::Lock;
use super::record::{self, Entry, History, Hold};
use super::{Context, Outcome, POLICY, Policy, Run, RunOptions, UNIT};
use crate::container::{ContainerId, ContainerName, Record};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::event::now;
use crate::image::progress::Reporter;

/// A container that takes part, or that says it does.
#[derive(Clone, Debug)]
pub struct Participant {
    /// The container.
    pub container: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// Its unit; nothing for one that does not say.
    pub unit: Option<String>,
    /// Its image, as it was asked for.
    pub image: String,
    /// How it takes part; nothing when what it says is no policy.
    pub policy: Option<Policy>,
    /// What it runs.
    pub current: Option<Digest>,
    /// What that image says of itself, by `version`, `source` and `revision` (org.opencontainers.image.*).
    pub described: BTreeMap<String, String>,
    /// What there is that it does not run; nothing when that is not known, or nothing is.
    pub newest: Option<Newer>,
    /// When somebody looked: nanoseconds since 1970.
    pub checked: Option<i64>,
    /// Why it cannot be kept up to date, or why it could not be known what there is.
    pub fault: Option<String>,
    /// Whether its image's name has a digest, which never changes.
    pub pinned: bool,
    /// How it is held.
    pub hold: Option<Hold>,
    /// When and why the newest was taken back.
    pub taken_back: Option<Entry>,
    /// What was done last.
    pub last: Option<Entry>,
    /// Whether that was an update that can be rolled back.
    pub can_roll_back: bool,
    /// Whether it is being brought up to date.
    pub busy: bool,
    /// Whether that was begun by a run that is no more.
    pub interrupted: bool,
}

/// Something new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    /// Of its manifest, or of the index that leads there.
    pub digest: Digest,
    /// What it says of itself, as of what runs.
    pub described: BTreeMap<String, String>,
}

/// What people want to know of what an image says of itself, by the last word of the label
/// (OCI image specification, annotations.md).
pub(super) fn described(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of = |word: &str| Some((word.to_owned(), labels.get(&format!("org.opencontainers.image.{word}"))?.clone()));
    ["version", "source", "revision"].into_iter().filter_map(of).collect()
}

/// Lists them, in the order in which the containers were made.
pub(super) async fn list(engine: Engine) -> Result<Vec<Participant>, Error> {
    let context = Context::new(engine, RunOptions::default(), Reporter::to_nobody()).await?;
    let candidates = Candidates::find(&context, &[], &mut Run::default()).await?;
    let history = History::read(&context.engine).await?;
    let checks = checks::read(&context.engine).await?;
    let named = Lock::units(&context.engine).await?;
    let mut all = Vec::new();
    for target in candidates.targets {
        all.push(of_target(&context, target, &history, &checks, &named).await?);
    }
    all.extend(candidates.refusals.into_iter().map(refused));
    all.sort_by_key(|one| candidates.order.iter().position(|id| *id == one.container));
    Ok(all)
}

async fn of_target(
    context: &Context,
    target: Target,
    history: &History,
    checks: &Checks,
    named: &[String],
) -> Result<Participant, Error> {
    let pinned = target.is_pinned();
    let (newest, checked, fault) = match (&target.reference, target.policy) {
        (None, _) => (None, None, None),
        (Some(reference), Policy::Local) => match local(context, &target, reference).await? {
            Ok(Found::Same) => (None, Some(now()), None),
            Ok(Found::Newer(version, labels)) => (Some((version.digest, labels)), Some(now()), None),
            Err(words) => (None, Some(now()), Some(words)),
        },
        (Some(reference), _) => match checks.get(&reference.to_string()) {
            None => (None, None, None),
            Some(check) => match check.says_of(&target.digests) {
                None => (None, None, None),
                Some(Ok(None)) => (None, Some(check.at), None),
                Some(Ok(Some(latest))) => (Some((latest.digest, latest.labels.clone())), Some(check.at), None),
                Some(Err(words)) => (None, Some(check.at), Some(words.to_owned())),
            },
        },
    };
    let newest = newest.map(|(digest, described)| Newer { digest, described });
    let last = history.last(&target.unit).cloned();
    let begun = last.as_ref().is_some_and(|entry| entry.outcome == Outcome::Begun);
    let taken_back = newest.as_ref().and_then(|newer| history.taken_back(&target.unit, newer.digest)).cloned();
    // What a run has named it is not done with until there is nothing new any more, or that was no good.
    let named = named.contains(&target.unit);
    let busy = named && (begun || newest.is_some() && taken_back.is_none());
    Ok(Participant {
        container: target.record.id,
        name: target.record.name.clone(),
        image: target.record.options.image.clone(),
        policy: Some(target.policy),
        current: Some(target.from.digest),
        described: described(&target.labels),
        taken_back,
        newest,
        checked,
        fault,
        pinned,
        hold: history.hold(&target.unit).cloned(),
        can_roll_back: record::update_that_runs(history.of_unit(&target.unit)).is_ok(),
        last,
        busy,
        interrupted: begun && !named,
        unit: Some(target.unit),
    })
}

/// One that says that it takes part, and cannot.
fn refused(Refusal { record, words }: Refusal) -> Participant {
    let Record { id, name, options, .. } = *record;
    let policy = options.labels.get(POLICY).and_then(|text| Policy::parse(text).ok().flatten());
    Participant {
        container: id,
        name,
        unit: options.labels.get(UNIT).cloned(),
        image: options.image,
        policy,
        current: None,
        described: BTreeMap::new(),
        newest: None,
        checked: None,
        fault: Some(words),
        pinned: false,
        hold: None,
        taken_back: None,
        last: None,
        can_roll_back: false,
        busy: false,
        interrupted: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_described_by_its_own_words_only() {
        let labels =
            [("org.opencontainers.image.version", "3.2"), ("version", "9"), ("org.opencontainers.image.title", "x")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(described(&labels), BTreeMap::from([("version".to_owned(), "3.2".to_owned())]));
    }
}
