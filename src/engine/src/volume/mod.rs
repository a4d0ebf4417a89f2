// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Volumes: folders that outlive the containers that they are mounted in.
//!
//! What should be is in the database; the files are in `volumes/<name>/_data`. Beside them, the file `new` says that the volume
//! was never mounted: the first container that mounts it fills it with what its image has there.

mod archive;
mod folder;
mod image;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::container::{ContainerId, RemoveOptions};
use crate::engine::{Engine, Error};
use crate::event::{self, Event};
use crate::state::Removed;
use crate::step::Step;
use folder::NEW;
pub(crate) use folder::{Guard, Made, Mark, make};

/// The operations on volumes.
#[derive(Clone)]
pub struct Volumes {
    engine: Engine,
}

/// A volume as it is in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// When it was made: nanoseconds since 1970.
    pub created: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of the driver, as given: of `local` they are `type`, `device` and `o`; of `image` it is `image`, which `local` has not.
    pub options: BTreeMap<String, String>,
    /// Whether it was made for a container that did not name it.
    pub anonymous: bool,
    /// Whether it goes with the runtime folder, as the container does that it was made for (`transient_store`).
    pub transient: bool,
}

/// A volume, and what is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What should be.
    pub record: Record,
    /// Where its files are.
    pub mountpoint: PathBuf,
    /// Whether the next container that mounts it fills it.
    pub is_new: bool,
    /// The containers that have it.
    pub containers: Vec<ContainerId>,
    /// How many of them run.
    pub running: usize,
}

impl Record {
    /// A plain one that is made now.
    pub(crate) fn new(name: String, anonymous: bool) -> Self {
        Self { name, created: event::now(), anonymous, ..Self::default() }
    }

    /// The image that it began as a copy of, if it did.
    pub fn image(&self) -> Option<&str> {
        self.options.get(image::IMAGE).map(String::as_str)
    }

    /// How it comes by its files.
    pub fn driver(&self) -> &'static str {
        if self.image().is_some() { "image" } else { "local" }
    }

    /// The words of the option `o`: as mount(8) has them, and `uid=`, `gid=`.
    pub fn mount_options(&self) -> impl Iterator<Item = &str> {
        self.options.get("o").into_iter().flat_map(|words| words.split(',')).filter(|word| !word.is_empty())
    }

    fn number(&self, key: &str) -> Option<u32> {
        self.mount_options().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    }

    /// Whom it shall belong to, if anyone is named.
    pub fn uid(&self) -> Option<u32> {
        self.number("uid")
    }

    /// The same for the group.
    pub fn gid(&self) -> Option<u32> {
        self.number("gid")
    }

    fn has_owner(&self) -> bool {
        self.uid().is_some() || self.gid().is_some()
    }

    /// Whether it is filled from the image of the first container that mounts it.
    pub fn is_copied_into(&self) -> bool {
        !self.options.contains_key("nocopy") && !self.mount_options().any(|word| word == "nocopy")
    }

    /// The file system that is mounted in the place of its folder: `type`, `device` and the options of mount(8).
    pub(crate) fn mounted(&self) -> Option<(&str, &str, Vec<String>)> {
        let kind = self.options.get("type").map_or("", String::as_str);
        let words: Vec<String> = self
            .mount_options()
            .filter(|word| !["uid=", "gid=", "timeout="].iter().any(|key| word.starts_with(key)) && *word != "nocopy")
            .map(str::to_owned)
            .collect();
        let device = self.options.get("device").map(String::as_str);
        match (kind, device) {
            ("" | "none", None) => None,
            (kind, device) => Some((kind, device.unwrap_or(kind), words)),
        }
    }

    pub(crate) fn event(&self, action: &str) -> Event {
        Event { name: self.name.clone(), ..Event::of(event::Kind::Volume, action, event::now()) }
    }
}

/// Whether `name` can be a volume's: a letter or digit, then those and `_.-`.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl Volumes {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// Makes one: `name`, or a random one, with `labels` and `options` of the driver `local`. One that is there already is an error, unless
    /// it shall be left as it is (`ignore`).
    pub async fn create(
        &self,
        name: Option<String>,
        labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        ignore: bool,
    ) -> Result<Record, Error> {
        let name = name_or_random(name)?;
        check(&options)?;
        check_size(&options)?;
        let record = Record { labels, options, ..Record::new(name, false) };
        let steps = if record.has_owner() { Some(self.engine.steps().await?.clone()) } else { None };
        let (engine, runtime) = (self.engine.clone(), Handle::current());
        let made = self.engine.blocking("making a volume", move || {
            let paths = engine.paths();
            let failed = |source| Error::Io { doing: format!("making volume {}", record.name), source };
            let guard = Guard::take(paths).map_err(failed)?;
            if let Some(there) = engine.with_database(|database| Ok(database.volume(&record.name)?))? {
                return if ignore { Ok(there) } else { Err(Error::VolumeExists(record.name)) };
            }
            let mut made = Made::of(&guard);
            made.make(&record.name).map_err(failed)?;
            if let Some(steps) = steps {
                // Before it is a volume: what a killed command has left is never one with another owner.
                let path = paths.volume(&record.name).join("_data");
                let step = Step::Own { path, uid: record.uid(), gid: record.gid() };
                runtime.block_on(steps.run(&step, Vec::new()))?;
            }
            engine.with_database(|database| Ok(database.add_volume(&record)?))?;
            made.keep();
            event::append(paths, &record.event("create"));
            Ok(record)
        });
        made.await
    }

    /// All of them, the oldest first.
    pub async fn list(&self) -> Result<Vec<Details>, Error> {
        let engine = self.engine.clone();
        self.engine.blocking("listing the volumes", move || details(&engine)).await
    }

    /// The volume that `name` stands for: a name, or the beginning of just one.
    pub async fn inspect(&self, name: &str) -> Result<Details, Error> {
        if name.is_empty() {
            return Err(Error::NoName);
        }
        let all = self.list().await?;
        if let Some(found) = all.iter().find(|details| details.record.name == name) {
            return Ok(found.clone());
        }
        let mut begin = all.into_iter().filter(|details| details.record.name.starts_with(name));
        match (begin.next(), begin.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(Error::AmbiguousVolume(name.to_owned())),
            (None, _) => Err(Error::NoSuchVolume(name.to_owned())),
        }
    }

    /// Removes one and its files. Those that containers have stay, unless the containers shall go as well (`force`).
    pub async fn remove(&self, name: &str, force: bool, timeout: Option<u64>) -> Result<(), Error> {
        loop {
            match self.take_away(name).await? {
                Removed::Done => return Ok(()),
                Removed::None => return Err(Error::NoSuchVolume(name.to_owned())),
                Removed::InUse(containers) if force => {
                    for id in containers {
                        let options = RemoveOptions { force: true, volumes: false, timeout };
                        match self.engine.containers().remove(&id, options).await {
                            Ok(()) | Err(Error::NoSuchContainer(_)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Removed::InUse(containers) => {
                    let containers: Vec<String> = containers.iter().map(ToString::to_string).collect();
                    return Err(Error::VolumeInUse { name: name.to_owned(), containers: containers.join(", ") });
                }
            }
        }
    }

    /// Takes it out of the database, and its files away.
    pub(crate) async fn take_away(&self, name: &str) -> Result<Removed, Error> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let taken = self.engine.blocking("removing a volume", move || {
            let paths = engine.paths();
            let failed = |source| Error::Io { doing: format!("removing volume {name}"), source };
            let guard = Guard::take(paths).map_err(failed)?;
            let removed = engine.with_database(|database| Ok(database.remove_volume(&name)?))?;
            if removed != Removed::Done {
                return Ok((removed, Vec::new()));
            }
            event::append(paths, &Record { name: name.clone(), ..Record::default() }.event("remove"));
            Ok((removed, garbage(&engine, &guard)?))
        });
        let (removed, garbage) = taken.await?;
        self.clear(garbage).await?;
        Ok(removed)
    }

    /// Removes what killed commands have left, as every removal does: for who found nothing to remove.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub async fn tidy(&self) -> Result<(), Error> {
        let engine = self.engine.clone();
        let found = self.engine.blocking("looking for what killed commands left", move || {
            let paths = engine.paths();
            if !paths.volumes().exists() {
                return Ok(Vec::new());
            }
            let failed = |source| Error::Io { doing: "locking the volumes".to_owned(), source };
            garbage(&engine, &Guard::take(paths).map_err(failed)?)
        });
        self.clear(found.await?).await
    }

    async fn clear(&self, garbage: Vec<PathBuf>) -> Result<(), Error> {
        for path in garbage {
            self.engine.steps().await?.run(&Step::Remove { path }, Vec::new()).await?;
        }
        Ok(())
    }

    /// Notes that one was removed because nobody used it.
    pub fn note_pruned(&self, name: &str) {
        let record = Record { name: name.to_owned(), ..Record::default() };
        event::append(self.engine.paths(), &record.event("prune"));
    }
}

/// The name that was asked for, or a random one.
fn name_or_random(asked: Option<String>) -> Result<String, Error> {
    let name = match asked {
        Some(name) => name,
        None => ContainerId::random()
            .map_err(|source| Error::Io { doing: "choosing a name for a volume".into(), source })?
            .to_string(),
    };
    if is_name(&name) {
        return Ok(name);
    }
    let why = "running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument";
    Err(Error::Invalid(why.into()))
}

/// The folders of no volume.
fn garbage(engine: &Engine, guard: &Guard<'_>) -> Result<Vec<PathBuf>, Error> {
    let known = engine.with_database(|database| Ok(database.volumes()?))?;
    let failed = |source| Error::Io { doing: "looking for what removed volumes left".to_owned(), source };
    guard.garbage(|name| known.iter().any(|volume| volume.name == name)).map_err(failed)
}

/// Blocks.
fn details(engine: &Engine) -> Result<Vec<Details>, Error> {
    let (records, containers) = engine.with_database(|database| Ok((database.volumes()?, database.containers()?)))?;
    let running = event::running(engine.paths());
    let details = records.into_iter().map(|record| {
        let users = containers.iter().filter(|container| container.volume_names().any(|name| name == record.name));
        let containers: Vec<ContainerId> = users.map(|container| container.id).collect();
        let folder = engine.paths().volume(&record.name);
        Details {
            mountpoint: folder.join("_data"),
            is_new: folder.join(NEW).exists(),
            running: containers.iter().filter(|id| running.contains(id)).count(),
            containers,
            record,
        }
    });
    Ok(details.collect())
}

/// Refuses a limit for a new volume's files that nobody would keep: there are no quotas. Of a file system in memory it is the mount's own.
pub(crate) fn check_size(options: &BTreeMap<String, String>) -> Result<(), Error> {
    let mut words = options.get("o").into_iter().flat_map(|words| words.split(','));
    let sized = words.any(|word| word.starts_with("size=") || word.starts_with("inodes="));
    if sized && options.get("type").is_none_or(|kind| kind != "tmpfs") {
        let why = "volume options size and inodes not supported. Filesystem does not support Project Quota";
        return Err(Error::Invalid(why.to_owned()));
    }
    Ok(())
}

/// Whether the driver knows the options; in Podman's words.
pub(crate) fn check(options: &BTreeMap<String, String>) -> Result<(), Error> {
    for (key, value) in options {
        match key.as_str() {
            "type" | "device" | "copy" | "nocopy" => {}
            "o" => {
                for word in value.split(',') {
                    if let Some((key @ ("uid" | "gid"), number)) = word.split_once('=')
                        && number.parse::<u32>().is_err()
                    {
                        return Err(Error::Invalid(format!(
                            "cannot convert {} {number} to integer: strconv.Atoi: parsing {number:?}: invalid syntax",
                            key.to_uppercase()
                        )));
                    }
                }
            }
            _ => {
                return Err(Error::Invalid(format!("invalid mount option {key} for driver 'local': invalid argument")));
            }
        }
    }
    Ok(())
}
