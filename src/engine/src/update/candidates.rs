// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers take part, and whether there is something new for them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::checks::{Check, Checks, Latest};
use super::record::{History, Hold};
use super::{
    AT_ONCE, AUTH_FILE, Context, Outcome, POLICY, Policy, Report, Run, RunProgress, UNIT, Version, checks, participant,
};
use crate::container::{ContainerId, Record, Status};
use crate::digest::Digest;
use crate::engine::{Error, chain};
use crate::event::now;
use crate::image::reference::{Name, Reference};
use crate::image::{Newest, PullOptions, labels_in};
use crate::state::images;

/// A container that takes part.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) record: Record,
    pub(super) unit: String,
    pub(super) policy: Policy,
    /// What it runs.
    pub(super) from: Version,
    /// All digests that its image came by.
    pub(super) digests: Vec<Digest>,
    /// The labels of its image.
    pub(super) labels: BTreeMap<String, String>,
    /// The name that is asked for and that is moved; nothing for one that was named by its id.
    pub(super) reference: Option<Reference>,
    auth_file: Option<PathBuf>,
}

/// A container that takes part, and what there is for it.
pub(super) struct Checked {
    target: Target,
    found: Result<Found, String>,
}

pub(super) enum Found {
    Same,
    /// With what it says of itself.
    Newer(Version, BTreeMap<String, String>),
}

/// What is to be done about one.
pub(super) enum Standing {
    /// Nothing more: this is what is said of it; with what went wrong.
    Decided(Box<Report>, Option<String>),
    /// It is to be brought up to date.
    ToDo(Box<(Target, Version)>),
}

/// Containers of one image name: they are brought up to date together.
pub(super) struct Group {
    pub(super) reference: Reference,
    pub(super) to: Version,
    pub(super) access: PullOptions,
    pub(super) members: Vec<Target>,
}

impl Group {
    pub(super) fn add(groups: &mut Vec<Self>, todo: Box<(Target, Version)>) {
        let (target, to) = *todo;
        let Some(reference) = target.reference.clone() else { return };
        match groups.iter_mut().find(|group| group.reference == reference) {
            Some(group) => group.members.push(target),
            None => groups.push(Self {
                reference,
                to,
                access: PullOptions { auth_file: target.auth_file.clone(), ..PullOptions::default() },
                members: vec![target],
            }),
        }
    }

    /// The units of its members.
    pub(super) fn units(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|target| target.unit.as_str())
    }
}

/// All that take part.
pub(super) struct Candidates {
    pub(super) targets: Vec<Target>,
    /// Those that say that they take part, and cannot.
    pub(super) refusals: Vec<Refusal>,
    /// The containers in the order in which they were made.
    pub(super) order: Vec<ContainerId>,
}

impl Candidates {
    /// Finds them; units in `done` were dealt with already.
    pub(super) async fn find(context: &Context, done: &[String], run: &mut Run) -> Result<Self, Error> {
        let listed = context.engine.containers().list().await?;
        let order = listed.iter().map(|summary| summary.record.id).collect();
        let (mut targets, mut refusals) = (Vec::new(), Vec::new());
        let mut images = ImagesHere::default();
        for summary in listed {
            if !matches!(summary.status, Status::Running(_) | Status::Paused(_)) {
                continue;
            }
            match target(context, summary.record.clone(), &mut images).await {
                Ok(Some(target)) if done.contains(&target.unit) => {}
                Ok(Some(target)) => targets.push(target),
                Ok(None) => {}
                Err(Refused::Words(words)) => refusals.push(Refusal { record: Box::new(summary.record), words }),
                Err(Refused::Engine(error)) => return Err(error),
            }
        }
        let mut all = Self { targets, refusals, order };
        if !context.options.units.is_empty() {
            all.keep_only(&context.options.units, done, run);
        }
        run.errors.extend(all.refusals.iter().map(|refusal| refusal.words.clone()));
        Ok(all)
    }

    /// Forgets all but the `wanted` units; what is wrong with others is not what was asked for. Of one that is not there it is said, unless
    /// it was dealt with already.
    fn keep_only(&mut self, wanted: &[String], done: &[String], run: &mut Run) {
        self.targets.retain(|target| wanted.contains(&target.unit));
        self.refusals.retain(|refusal| refusal.unit().is_some_and(|unit| wanted.contains(unit)));
        let is_there = |unit: &String| {
            self.targets.iter().any(|target| target.unit == *unit)
                || self.refusals.iter().any(|refusal| refusal.unit() == Some(unit))
        };
        for unit in wanted.iter().filter(|unit| !done.contains(unit) && !is_there(unit)) {
            run.errors.push(format!(
                "{unit} runs no container that takes part in auto-updates: it needs AutoUpdate= in its unit, or the label {POLICY}"
            ));
        }
    }

    /// The units that are held, by the names of their images. Those names stay what they are for other units too: a held unit whose image's
    /// name was moved would run another image from its next start on.
    pub(super) fn held(&self, history: &History) -> HashMap<Reference, String> {
        let held = self.targets.iter().filter(|target| history.hold(&target.unit).is_some());
        held.filter_map(|target| Some((target.reference.clone()?, target.unit.clone()))).collect()
    }

    /// Looks whether there is something new for each, and notes what is found. Every registry is asked for a name once.
    pub(super) async fn check(&self, context: &Context) -> Result<Vec<Checked>, Error> {
        let mut known: HashMap<(Reference, Option<PathBuf>), Vec<Digest>> = HashMap::new();
        for target in self.targets.iter().filter(|target| target.policy != Policy::Local) {
            if let Some(reference) = &target.reference {
                let key = (reference.clone(), target.auth_file.clone());
                known.entry(key).or_default().extend(&target.digests);
            }
        }
        // Settings that cannot be read are what is wrong with each of them.
        let inquiry = context.engine.images().inquiry().await.map_err(|error| chain(&error));
        let inquiry = inquiry.as_ref();
        let ask = |((reference, auth_file), known): ((Reference, Option<PathBuf>), Vec<Digest>)| async move {
            let access = PullOptions { auth_file: auth_file.clone(), ..context.options.access.clone() };
            let newest = match inquiry {
                Ok(inquiry) => inquiry.newest(&reference, &known, &access).await.map_err(|error| chain(&error)),
                Err(words) => Err(words.clone()),
            };
            ((reference, auth_file), known, newest)
        };
        let names = known.len();
        let mut asked = futures_util::stream::iter(known).map(ask).buffer_unordered(AT_ONCE);
        let mut answers: HashMap<_, Result<Newest, String>> = HashMap::new();
        let mut found = Checks::new();
        while let Some((key, of, answer)) = asked.next().await {
            let latest = answer.as_ref().map(Latest::from).map_err(Clone::clone);
            found.insert(key.0.to_string(), Check { at: now(), found: latest, of });
            answers.insert(key, answer);
            context.say(RunProgress::Checking { done: answers.len(), of: names });
        }
        drop(asked);
        checks::note(&context.engine, found).await?;
        let mut all = Vec::new();
        for target in &self.targets {
            let found = match (&target.reference, target.policy) {
                (None, _) => Ok(Found::Same),
                (Some(reference), Policy::Local) => local(context, target, reference).await?,
                (Some(reference), _) => match answers.get(&(reference.clone(), target.auth_file.clone())) {
                    Some(Ok(newest)) if newest.is_of(&target.digests) => Ok(Found::Same),
                    Some(Ok(newest)) => {
                        Ok(Found::Newer(Version { digest: newest.digest, image: None }, newest.labels.clone()))
                    }
                    Some(Err(error)) => Err(error.clone()),
                    None => Ok(Found::Same),
                },
            };
            all.push(Checked { target: target.clone(), found });
        }
        Ok(all)
    }
}

/// What the image's name stands for here.
pub(super) async fn local(
    context: &Context,
    target: &Target,
    reference: &Reference,
) -> Result<Result<Found, String>, Error> {
    let found = match context.engine.images().resolve(&reference.to_string()).await {
        Ok(found) => found,
        Err(error @ Error::NoSuchImage(_)) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    if Some(found) == target.from.image {
        return Ok(Ok(Found::Same));
    }
    let entry = context.engine.state(move |database| images::get(database.reader(), &found)).await?;
    let Some((entry, _)) = entry else { return Ok(Err(Error::NoSuchImage(reference.to_string()).to_string())) };
    let labels = participant::described(&labels_in(&entry.config));
    Ok(Ok(Found::Newer(Version { digest: entry.digest, image: Some(found) }, labels)))
}

/// A container that says that it takes part, and why it cannot.
pub(super) struct Refusal {
    pub(super) record: Box<Record>,
    pub(super) words: String,
}

impl Refusal {
    /// The unit that its container is of, where that says one.
    pub(super) fn unit(&self) -> Option<&String> {
        self.record.options.labels.get(UNIT)
    }
}

enum Refused {
    /// In Podman's words where it has some.
    Words(String),
    Engine(Error),
}

/// The images that containers are made from: many containers may have one, and an image many names, each of which is read.
#[derive(Default)]
struct ImagesHere(HashMap<Digest, Option<ImageHere>>);

struct ImageHere {
    digest: Digest,
    /// All that it came by.
    digests: Vec<Digest>,
    labels: BTreeMap<String, String>,
}

impl ImagesHere {
    async fn get(&mut self, context: &Context, image: Digest) -> Result<Option<&ImageHere>, Error> {
        let place = match self.0.entry(image) {
            Entry::Occupied(known) => return Ok(known.into_mut().as_ref()),
            Entry::Vacant(place) => place,
        };
        let entry = context.engine.state(move |database| images::get(database.reader(), &image)).await?;
        let here = entry.map(|(entry, _)| ImageHere {
            digest: entry.digest,
            digests: [entry.digests, vec![entry.digest]].concat(),
            labels: labels_in(&entry.config),
        });
        Ok(place.insert(here).as_ref())
    }
}

/// The container as one that takes part; nothing when it does not.
async fn target(context: &Context, record: Record, images: &mut ImagesHere) -> Result<Option<Target>, Refused> {
    let labels = &record.options.labels;
    let policy = Policy::parse(labels.get(POLICY).map_or("", String::as_str)).map_err(Refused::Words)?;
    let Some(policy) = policy else { return Ok(None) };
    let id = record.id;
    let refused = |why: &str| Refused::Words(format!("auto-updating container {:?}: {why}", id.to_string()));
    let unit = labels.get(UNIT).cloned().ok_or_else(|| refused(&format!("no {UNIT} label found")))?;
    let typed = record.options.image.strip_prefix("docker://").unwrap_or(&record.options.image);
    let name: Option<Name> = typed.parse().ok();
    let full = name.as_ref().and_then(Name::full);
    let reference = match (policy, full) {
        (_, Some(full)) => Some(full.stored()),
        // By the name that it had when the container was made: an id stands for one image for ever.
        (Policy::Local, None) => record.image_name.parse().ok().filter(|_| !is_id(typed)),
        (Policy::Registry | Policy::Notify, None) => {
            return Err(refused(&format!("auto updates require fully-qualified image reference: {typed:?}")));
        }
    };
    let auth_file = labels.get(AUTH_FILE).map(PathBuf::from).or_else(|| context.options.access.auth_file.clone());
    let Some(image) = record.image else {
        return Err(refused("it is made from a folder, not from an image"));
    };
    let Some(here) = images.get(context, image).await.map_err(Refused::Engine)? else {
        return Err(refused(&format!("{image}: image not known")));
    };
    let from = Version { digest: here.digest, image: Some(image) };
    let (digests, labels) = (here.digests.clone(), here.labels.clone());
    Ok(Some(Target { record, unit, policy, from, digests, labels, reference, auth_file }))
}

fn is_id(text: &str) -> bool {
    text.starts_with("sha256:") || crate::image::reference::is_hex_id(text)
}

impl Target {
    /// Whether its name never stands for anything else.
    pub(super) fn is_pinned(&self) -> bool {
        self.reference.as_ref().is_some_and(|reference| reference.digest().is_some())
    }

    pub(super) fn report(&self, outcome: Outcome, to: Option<Digest>, reason: Option<String>) -> Report {
        Report {
            container: self.record.id,
            name: self.record.name.clone(),
            image: self.record.options.image.clone(),
            unit: self.unit.clone(),
            policy: self.policy,
            outcome,
            from: Some(self.from.digest),
            to,
            reason,
        }
    }
}

impl Checked {
    /// What is to be done about it.
    pub(super) fn decide(self, context: &Context, history: &History, held: &HashMap<Reference, String>) -> Standing {
        let Self { target, found } = self;
        let to = match found {
            Err(words) => {
                let error = format!("checking image updates for container {}: {words}", target.record.id);
                return Standing::Decided(Box::new(target.report(Outcome::Failed, None, Some(words))), Some(error));
            }
            Ok(Found::Same) => {
                let reason = target.is_pinned().then(|| {
                    format!(
                        "{} is pinned by a digest, which never changes: without it, it is kept up to date",
                        target.record.options.image
                    )
                });
                let digest = Some(target.from.digest);
                return Standing::Decided(Box::new(target.report(Outcome::Current, digest, reason)), None);
            }
            Ok(Found::Newer(to, _)) => to,
        };
        let why = withheld(context, history, held, &target, to.digest);
        let outcome = match why {
            // Nobody wants to be told every day of what is held.
            Some(Withheld::Held(_)) if context.options.unattended => Outcome::Held,
            _ if context.options.dry_run => Outcome::Pending,
            None => return Standing::ToDo(Box::new((target, to))),
            Some(Withheld::Told(_)) => Outcome::Pending,
            Some(Withheld::Held(_)) => Outcome::Held,
        };
        let reason = why.map(|(Withheld::Told(words) | Withheld::Held(words))| words);
        Standing::Decided(Box::new(target.report(outcome, Some(to.digest), reason)), None)
    }
}

enum Withheld {
    /// It is only to be told.
    Told(String),
    /// It is not to be done.
    Held(String),
}

/// Why a unit is not to be brought up to date now. Whoever names it wants it.
fn withheld(
    context: &Context,
    history: &History,
    held: &HashMap<Reference, String>,
    target: &Target,
    to: Digest,
) -> Option<Withheld> {
    if !context.options.units.is_empty() {
        return None;
    }
    let unit = &target.unit;
    if let Some(Hold { until, .. }) = history.hold(unit) {
        let until = until.map_or_else(String::new, |until| format!(" until {}", day(until)));
        return Some(Withheld::Held(format!("it is held{until}")));
    }
    if let Some(other) = target.reference.as_ref().and_then(|reference| held.get(reference)) {
        return Some(Withheld::Held(format!("{other}, which has the same image, is held")));
    }
    if let Some(entry) = history.taken_back(unit, to) {
        let reason = entry.reason.as_deref().unwrap_or("it was no good");
        let when = day(entry.began);
        return Some(Withheld::Held(format!("this image was taken back on {when}: {reason}")));
    }
    if target.policy == Policy::Notify {
        return Some(Withheld::Told("its policy is to tell, not to do".to_owned()));
    }
    if context.is_outside_of_windows() {
        return Some(Withheld::Held("it is outside of the windows for updates".to_owned()));
    }
    None
}

/// A time as people read it.
fn day(at: i64) -> String {
    let at = Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
