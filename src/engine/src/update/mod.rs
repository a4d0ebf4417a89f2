// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Auto-update: units whose container's image has changed are brought up to date, and back where the new one is no good.
//!
//! A container takes part by its own label `io.containers.autoupdate` ([`Policy`]); which unit it is of says its own label
//! `PODMAN_SYSTEMD_UNIT`, which whoever made it put there. What an image says of either is nobody's order to restart a unit.
//!
//! All units that run an image of one name are brought up to date together: the name is moved, each unit is restarted and
//! judged ([`judge`]), and when one of them is no good the name is moved back and all of them are restarted. So a name always
//! stands for what runs, and what runs now is what runs after the next boot. What was begun is in the database before anything
//! is restarted: a run that was killed is finished by the next one.

mod apply;
mod candidates;
mod checks;
mod judge;
mod lock;
mod participant;
mod record;
mod resume;
mod rollback;
pub mod settings;
mod tidy;
pub mod timer;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};

use crate::container::{ContainerId, ContainerName, Options};
use crate::digest::Digest;
use crate::engine::{Engine, Error, Progress, chain};
use crate::image::progress::{self, Reporter};
use crate::image::reference::Name;
use crate::image::{PullOptions, PullProgress};
use crate::watch::Folders;

use candidates::{Candidates, Group, Standing};
use lock::Lock;
pub use participant::{Newer, Participant};
pub use record::{Entry, Hold, Version};
use settings::UpdateSettings;

/// The label that says how a container takes part.
pub const POLICY: &str = "io.containers.autoupdate";

/// The label that says where its credentials are.
pub const AUTH_FILE: &str = "io.containers.autoupdate.authfile";

/// The label that says which unit a container is of.
pub const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// How many names are asked for, or brought up to date, at once.
const AT_ONCE: usize = 8;

/// The operations on updates.
#[derive(Clone)]
pub struct Updates {
    engine: Engine,
}

/// How a container takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// What its registry has counts.
    Registry,
    /// What its image's name stands for here counts.
    Local,
    /// What its registry has counts, but it is only told.
    Notify,
}

impl Policy {
    /// Reads the label; nothing for a container that does not take part.
    fn parse(text: &str) -> Result<Option<Self>, String> {
        match text.to_ascii_lowercase().as_str() {
            "" | "disabled" => Ok(None),
            "registry" | "image" => Ok(Some(Self::Registry)),
            "local" => Ok(Some(Self::Local)),
            "notify" => Ok(Some(Self::Notify)),
            _ => {
                let valid = r#"["disabled" "image" "local" "notify" "registry"]"#;
                Err(format!("invalid auto-update policy {text:?}: valid policies are {valid}"))
            }
        }
    }

    /// As the label has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Local => "local",
            Self::Notify => "notify",
        }
    }
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There was nothing to do.
    Current,
    /// There is something to do, and it was not done.
    Pending,
    /// There is something to do, and it is not to be done now.
    Held,
    /// It was begun.
    Begun,
    /// It runs the new image.
    Updated,
    /// The new image was no good: it runs the old one.
    RolledBack,
    /// It could not be done.
    Failed,
}

impl Outcome {
    /// In Podman's words where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "false",
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Begun => "unfinished",
            Self::Updated => "true",
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
        }
    }
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Only say what there is to do.
    pub dry_run: bool,
    /// Go back to the old image where the new one is no good.
    pub roll_back: bool,
    /// How registries are spoken to.
    pub access: PullOptions,
    /// Whether nobody asked for this run: then it keeps to the windows, and what it does or finds is to be told ([`Updates::untold`]).
    pub unattended: bool,
    /// Only these units, and whatever holds them; all when empty.
    pub units: Vec<String>,
}

impl Default for RunOptions {
    fn default() -> Self {
        let access = PullOptions::default();
        Self { dry_run: false, roll_back: true, access, unattended: false, units: Vec::new() }
    }
}

/// What became of one container.
#[derive(Clone, Debug)]
pub struct Report {
    /// The container that ran before.
    pub container: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// Its image, as it was asked for.
    pub image: String,
    /// Its unit.
    pub unit: String,
    /// How it takes part.
    pub policy: Policy,
    /// What became of it.
    pub outcome: Outcome,
    /// What it ran before: the digest of the manifest.
    pub from: Option<Digest>,
    /// What there is now.
    pub to: Option<Digest>,
    /// Why, in words.
    pub reason: Option<String>,
}

/// How far a run is. Every stream ends with one [`RunProgress::Done`] or an error.
#[derive(Clone, Debug)]
pub enum RunProgress {
    /// Another run is not done: this one waits for it.
    Waiting,
    /// Registries are being asked what they have.
    Checking {
        /// How many names they were asked for.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// An image is being fetched.
    Pulling {
        /// Its name.
        image: String,
        /// How far that is.
        progress: PullProgress,
    },
    /// A unit is being restarted.
    Restarting(String),
    /// It runs; whether it stays up is being seen.
    Judging(String),
    /// It is no good, and goes back.
    RollingBack {
        /// The unit.
        unit: String,
        /// Why.
        reason: String,
    },
    /// It is over.
    Done(Run),
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// A report for every container that takes part.
    pub reports: Vec<Report>,
    /// What could not be done, each in words.
    pub errors: Vec<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

impl Updates {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// Looks for new images, and brings units up to date.
    pub fn run(&self, options: RunOptions) -> Progress<RunProgress> {
        let engine = self.engine.clone();
        progress::stream(move |reporter| run(engine, options, reporter))
    }

    /// Has `unit` run the image that it ran before its last update.
    pub fn roll_back(&self, unit: &str) -> Progress<RunProgress> {
        let (engine, unit) = (self.engine.clone(), unit_name(unit));
        progress::stream(move |reporter| rollback::by_hand(engine, unit, reporter))
    }

    /// The containers that take part and how they stand, by what is known: nobody is asked, see [`Self::run`] for that.
    pub async fn participants(&self) -> Result<Vec<Participant>, Error> {
        participant::list(self.engine.clone()).await
    }

    /// Tells, from the first poll on, when something about updates changes: what was found, what is done, what is held. Which containers
    /// run is told by the engine's events.
    pub fn changes(&self) -> BoxStream<'static, Result<(), Error>> {
        let folder = checks::folder(&self.engine);
        let doing = format!("watching {}", folder.display());
        let begin = async move {
            std::fs::create_dir_all(&folder)?;
            Ok::<_, std::io::Error>(Folders::watch(vec![folder])?.changes())
        };
        stream::once(begin).try_flatten().map_err(move |source| Error::Io { doing: doing.clone(), source }).boxed()
    }

    /// What was done, the newest first: to one unit, or to all.
    pub async fn history(&self, unit: Option<&str>) -> Result<Vec<Entry>, Error> {
        let unit = unit.map(unit_name);
        let mut entries = record::all(&self.engine).await?;
        entries.retain(|entry| unit.as_ref().is_none_or(|unit| entry.unit == *unit));
        entries.reverse();
        Ok(entries)
    }

    /// Has `unit` left as it is: until a time (nanoseconds since 1970), or until it is released.
    pub async fn hold(&self, unit: &str, until: Option<i64>) -> Result<(), Error> {
        record::hold(&self.engine, unit_name(unit), until).await
    }

    /// Ends that; whether it was held.
    pub async fn release(&self, unit: &str) -> Result<bool, Error> {
        record::release(&self.engine, unit_name(unit)).await
    }

    /// The units that are held now.
    pub async fn holds(&self) -> Result<Vec<Hold>, Error> {
        record::holds(&self.engine).await
    }

    /// What runs that nobody asked for did and nobody was told of, the oldest first.
    pub async fn untold(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = record::all(&self.engine).await?;
        entries.retain(|entry| entry.unattended && !entry.told && entry.outcome != Outcome::Begun);
        Ok(entries)
    }

    /// Notes that somebody was told of those.
    pub async fn told(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let entries = entries.into_iter().map(|entry| Entry { told: true, ..entry }).collect();
        record::put(&self.engine, entries).await
    }
}

/// Refuses to make a container that a registry is to be asked for, but by a name that does not say which; in Podman's words. What is
/// no policy is refused when it is to be followed, as there.
pub(crate) fn refuse_short_name(options: &Options) -> Result<(), Error> {
    let policy = Policy::parse(options.labels.get(POLICY).map_or("", String::as_str)).ok().flatten();
    let typed = options.image.as_str();
    let is_full = typed.parse::<Name>().is_ok_and(|name| name.full().is_some());
    if matches!(policy, Some(Policy::Registry | Policy::Notify)) && !is_full {
        let what = format!("short name: auto updates require fully-qualified image reference: {typed:?}");
        return Err(Error::Invalid(what));
    }
    Ok(())
}

/// What names of units end in (systemd.unit(5)).
const KINDS: [&str; 11] =
    ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];

/// A unit's name as systemd has it: a service, where no other kind is said.
pub fn unit_name(text: &str) -> String {
    let said = text.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind));
    if said { text.to_owned() } else { format!("{text}.service") }
}

/// What all parts of a run need.
struct Context {
    engine: Engine,
    options: RunOptions,
    settings: UpdateSettings,
    reporter: Reporter<RunProgress>,
}

impl Context {
    async fn new(engine: Engine, options: RunOptions, reporter: Reporter<RunProgress>) -> Result<Self, Error> {
        let settings = engine.blocking("reading config.toml", || Ok(UpdateSettings::load()?)).await?;
        Ok(Self { engine, options, settings, reporter })
    }

    fn say(&self, progress: RunProgress) {
        self.reporter.say(progress);
    }

    /// Whether nothing may be restarted now, because nobody asked for it and it is outside of the windows.
    fn is_outside_of_windows(&self) -> bool {
        self.options.unattended && !self.options.dry_run && !self.settings.is_open(&ZonedDateTime::now())
    }
}

async fn run(engine: Engine, options: RunOptions, reporter: Reporter<RunProgress>) -> Result<(), Error> {
    let context = Context::new(engine, options, reporter).await?;
    let mut run = Run::default();
    // A dry run changes nothing, and so waits for nobody.
    let lock = if context.options.dry_run { None } else { Some(Lock::take(&context.engine, &context.reporter).await?) };
    let resumed = resume::unfinished(&context, lock.as_ref(), &mut run).await?;
    let candidates = Candidates::find(&context, &resumed, &mut run).await?;
    let standings = candidates.check(&context).await?;
    let (mut groups, mut reports): (Vec<Group>, Vec<Report>) = (Vec::new(), Vec::new());
    let history = record::History::read(&context.engine).await?;
    let held = candidates.held(&history);
    for standing in standings {
        match standing.decide(&context, &history, &held) {
            Standing::Decided(report, error) => {
                run.errors.extend(error);
                reports.push(*report);
            }
            Standing::ToDo(target) => Group::add(&mut groups, target),
        }
    }
    if context.options.unattended {
        record::note_pending(&context.engine, &history, &reports).await?;
    }
    if let Some(lock) = &lock {
        lock.name_units(groups.iter().flat_map(Group::units)).await?;
    }
    let mut applied =
        futures_util::stream::iter(groups).map(|group| apply::apply(&context, group)).buffer_unordered(AT_ONCE);
    while let Some(done) = applied.next().await {
        match done {
            Ok((done, errors)) => {
                reports.extend(done);
                run.errors.extend(errors);
            }
            // What it had begun is in the database, and finished by the next run; the others go on.
            Err(error) => run.errors.push(chain(&error)),
        }
    }
    drop(applied);
    // In the order in which the containers were made, whatever was done first.
    let place = |report: &Report| candidates.order.iter().position(|id| *id == report.container);
    reports.sort_by_key(place);
    run.reports.extend(reports);
    if !context.options.dry_run {
        tidy::remove_superseded(&context.engine).await?;
    }
    context.say(RunProgress::Done(run));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::unit_name;

    #[test]
    fn a_dot_alone_does_not_say_which_kind_a_unit_is() {
        let names = ["web", "my.app", "web.service", "web@a.b", "data.mount"].map(unit_name);
        assert_eq!(names, ["web.service", "my.app.service", "web.service", "web@a.b.service", "data.mount"]);
    }
}
