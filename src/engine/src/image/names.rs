// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which image a name stands for; giving names and taking them away.

use super::adopt::adopt;
use super::reference::{Name, Reference, is_hex_id};
use super::{Images, Removed, announce, index};
use crate::config::Folders;
use crate::config::registries::Registries;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::images::{self, Answer, ForStart, Found, Wanted};
use crate::state::{Database, StateError};
use crate::step::StepError;
use crate::store::{self, LayerError};

/// What someone typed, parsed.
fn wanted(text: &str) -> Result<Wanted, Error> {
    if text.starts_with("docker://") {
        return Err(Error::Invalid("unsupported transport \"docker\" for looking up local images".to_owned()));
    }
    if let Some(digits) = text.strip_prefix("sha256:") {
        return match Digest::from_hex(digits) {
            Ok(id) => Ok(Wanted::Id(id)),
            Err(_) => Err(Error::Invalid(format!("{text}: invalid format: no 64-byte hexadecimal value"))),
        };
    }
    if is_hex_id(text)
        && let Ok(id) = Digest::from_hex(text)
    {
        return Ok(Wanted::Id(id));
    }
    Ok(Wanted::Name(text.parse()?))
}

/// What a short name stands for, as registries.conf says. A broken file is no reason not to find what is here.
pub(super) fn preferred(name: &Name) -> Vec<Reference> {
    match Registries::read(&Folders::from_environment()) {
        Ok(registries) => registries.local_candidates(name),
        Err(error) => {
            tracing::warn!("{error}");
            vec![name.or_local()]
        }
    }
}

/// Finds the image that `text` stands for. Blocks.
fn find(connection: &rusqlite::Connection, text: &str, wanted: &Wanted) -> Result<Result<Found, Error>, StateError> {
    Ok(match images::find(connection, wanted, preferred)? {
        Answer::Found(found) => Ok(found),
        Answer::None => match index::here(connection, text) {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(Error::NoSuchImage(text.to_owned())),
            Err(error) => Err(error),
        },
        Answer::Ambiguous => Err(Error::AmbiguousImage(text.to_owned())),
    })
}

/// The same among our own and those of additional stores. Blocks.
fn find_anywhere(database: &mut Database, text: &str, wanted: &Wanted) -> Result<Result<Found, Error>, StateError> {
    match find(database.reader(), text, wanted)? {
        Err(Error::NoSuchImage(_)) => {}
        found => return Ok(found),
    }
    Ok(match database.find_image(wanted, preferred)? {
        Answer::Found(found) => Ok(found),
        Answer::None => Err(Error::NoSuchImage(text.to_owned())),
        Answer::Ambiguous => Err(Error::AmbiguousImage(text.to_owned())),
    })
}

/// What a container's start needs of the image that `text` stands for. Blocks.
pub(crate) fn for_start(database: &mut Database, text: &str) -> Result<ForStart, Error> {
    let found = find_anywhere(database, text, &wanted(text)?)??;
    let mut image = database.for_start(&found)?.ok_or_else(|| Error::NoSuchImage(text.to_owned()))?;
    // An image without a name is called what it was asked for by.
    image.name.get_or_insert_with(|| text.to_owned());
    Ok(image)
}

impl Images {
    pub(super) async fn find(&self, text: &str) -> Result<Found, Error> {
        let wanted = wanted(text)?;
        let text = text.to_owned();
        self.engine.state(move |database| find_anywhere(database, &text, &wanted)).await?
    }

    /// One that is ours to change.
    async fn find_own(&self, text: &str) -> Result<Found, Error> {
        let wanted = wanted(text)?;
        let asked = text.to_owned();
        let found = self.engine.state(move |database| {
            Ok(match find(database.reader(), &asked, &wanted)? {
                Err(Error::NoSuchImage(text)) => match find_anywhere(database, &asked, &wanted)? {
                    Ok(found) => Err(Error::ReadOnlyImage(found.id.hex())),
                    Err(_) => Err(Error::NoSuchImage(text)),
                },
                found => found,
            })
        });
        found.await?
    }

    pub(super) async fn give_name(&self, source: &str, target: &str) -> Result<(), Error> {
        let name = new_name(target)?;
        let (text, moved) = (source.to_owned(), name.clone());
        let renamed = self.engine.state(move |database| {
            Ok(match index::find(database.reader(), &text) {
                Ok(Some(list)) => {
                    database
                        .write("naming a manifest list", |transaction| index::rename(transaction, &list, &moved))?;
                    Ok(true)
                }
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            })
        });
        if renamed.await?? {
            return Ok(());
        }
        let (text, source, moved) = (source.to_owned(), wanted(source)?, name.clone());
        let named = self.engine.state(move |database| {
            database.write("naming an image", |transaction| {
                let found = find(transaction, &text, &source)?;
                if let Ok(found) = &found {
                    images::give_name(transaction, &found.id, &moved)?;
                }
                Ok(found)
            })
        });
        let found = match named.await? {
            Err(Error::NoSuchImage(text)) => {
                let found = self.find(&text).await?;
                adopt(&self.engine, found.id, name.clone()).await?;
                found
            }
            found => found?,
        };
        announce(&self.engine, "tag", &found.id, &name.to_string());
        Ok(())
    }

    pub(super) async fn take_names(&self, source: &str, names: &[String]) -> Result<(), Error> {
        let found = self.find(source).await?;
        let wanted = names.iter().map(|name| Ok(name.parse::<Name>()?)).collect::<Result<Vec<_>, Error>>();
        let wanted = wanted?;
        let taken = self.engine.state(move |database| {
            database.write("taking names from an image", |transaction| {
                let Some((image, _)) = images::get(transaction, &found.id)? else { return Ok(Ok(Vec::new())) };
                let mut taken = Vec::new();
                for name in &wanted {
                    let full = name.full().map_or_else(|| preferred(name), |full| vec![full]);
                    match full.into_iter().find(|full| image.names.contains(full) && !taken.contains(full)) {
                        Some(name) => taken.push(name),
                        None => return Ok(Err(Error::Invalid(format!("{}: tag not known", name.or_local())))),
                    }
                }
                if wanted.is_empty() {
                    taken.clone_from(&image.names);
                }
                for name in &taken {
                    images::take_name(transaction, name)?;
                }
                Ok(Ok(taken))
            })
        });
        for name in taken.await?? {
            announce(&self.engine, "untag", &found.id, &name.to_string());
        }
        Ok(())
    }

    pub(super) async fn take_away_unused(&self, id: &Digest) -> Result<Vec<Removed>, Error> {
        self.take_away_found(&id.to_string(), true, false).await
    }

    pub(super) async fn take_away(&self, text: &str, force: bool) -> Result<Vec<Removed>, Error> {
        self.take_away_found(text, force, force).await
    }

    pub(super) fn tell_removed(&self, id: &Digest, removed: &[Removed], text: &str) {
        // What has no name any longer was named by its id.
        let name = if text.starts_with("sha256:") { "" } else { text };
        for one in removed {
            match one {
                Removed::Untagged(name) => announce(&self.engine, "untag", id, name),
                Removed::Deleted(id) => announce(&self.engine, "remove", id, name),
            }
        }
    }

    /// `all`: with all its names when it is named by its id. `containers`: with those made from it.
    async fn take_away_found(&self, text: &str, all: bool, containers_too: bool) -> Result<Vec<Removed>, Error> {
        let asked = text.to_owned();
        let list = self.engine.state(move |database| {
            Ok(match index::find(database.reader(), &asked) {
                Ok(Some(list)) => database.write("removing a manifest list", |transaction| {
                    Ok(index::delete(transaction, &list, &asked).map(|removed| Some((list.id.clone(), removed))))
                })?,
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            })
        });
        if let Some((id, removed)) = list.await?? {
            if let Ok(id) = Digest::from_hex(&id) {
                self.tell_removed(&id, &removed, text);
            }
            return Ok(removed);
        }
        let steps = self.engine.steps().await?;
        loop {
            let found = match self.find_own(text).await {
                Err(Error::NoSuchImage(_)) if all => return Ok(Vec::new()),
                found => found?,
            };
            let (asked, paths) = (text.to_owned(), self.engine.paths().clone());
            let removal = self.engine.state(move |database| Ok(remove(database, &paths, &asked, &found, all)));
            match removal.await?? {
                Removal::Done { id, removed, garbage } => {
                    self.tell_removed(&id, &removed, text);
                    // The image is gone whatever becomes of its files: the next writer finds what is left.
                    match store::remove(steps, garbage).await {
                        Err(store::StoreError::Remove { path, source: StepError::Failed(words) }) => {
                            self.engine.warn(format!("removing {}: {words}", path.display()));
                        }
                        outcome => outcome?,
                    }
                    return Ok(removed);
                }
                Removal::InUse { image, containers } if containers_too => {
                    for container in containers {
                        let id = container.parse().map_err(|_| Error::ImageInUse {
                            image: image.to_string(),
                            containers: container.clone(),
                        })?;
                        let options = crate::container::RemoveOptions { force: true, ..Default::default() };
                        match self.engine.containers().remove(&id, options).await {
                            // Somebody else was quicker.
                            Ok(()) | Err(Error::NoSuchContainer(_)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Removal::InUse { image, containers } => {
                    return Err(Error::ImageInUse { image: image.to_string(), containers: containers.join(" ") });
                }
            }
        }
    }
}

/// The outcome of reading the layers of image `id`, asked for as `text`; where that failed because the image has been removed
/// meanwhile, it says so.
pub(super) async fn unless_gone<T>(
    engine: &Engine,
    id: Digest,
    text: &str,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    if let Err(Error::Packing { source: LayerError::Gone, .. }) = outcome {
        return Err(Error::NoSuchImage(text.to_owned()));
    }
    if matches!(outcome, Err(Error::Packing { .. }))
        && engine.state(move |database| images::get(database.reader(), &id)).await?.is_none()
    {
        return Err(Error::NoSuchImage(text.to_owned()));
    }
    outcome
}

/// The name that something is to get.
pub(crate) fn new_name(text: &str) -> Result<Reference, Error> {
    let name: Name = text.parse()?;
    if name.digest().is_some() {
        return Err(Error::Invalid(format!("{text}: tag by digest not supported")));
    }
    Ok(name.or_local())
}

enum Removal {
    Done { id: Digest, removed: Vec<Removed>, garbage: Vec<std::path::PathBuf> },
    InUse { image: Digest, containers: Vec<String> },
}

/// One name goes, or the image with its last one. Blocks.
fn remove(
    database: &mut Database,
    paths: &crate::paths::Paths,
    text: &str,
    found: &Found,
    force: bool,
) -> Result<Removal, Error> {
    let guard = store::Guard::take(paths)?;
    let mut orphans = Vec::new();
    let removal = database.remove("removing an image", |transaction| {
        let gone = || Error::NoSuchImage(text.to_owned());
        let (image, _) = images::get(transaction, &found.id)?.ok_or_else(gone)?;
        if let Some(name) = &found.name {
            if !image.names.contains(name) {
                return Err(Error::NoSuchImage(text.to_owned()));
            }
            if image.names.len() > 1 {
                images::take_name(transaction, name)?;
                let removed = vec![Removed::Untagged(name.to_string())];
                return Ok(Removal::Done { id: image.id, removed, garbage: Vec::new() });
            }
        } else if image.names.len() > 1 && !force {
            let names: Vec<_> = image.names.iter().map(ToString::to_string).collect();
            return Err(Error::Invalid(format!(
                "unable to delete image {:?} by ID with more than one tag ([{}]): please force removal",
                image.id.hex(),
                names.join(" ")
            )));
        }
        let containers = images::containers(transaction, &image.id)?;
        if !containers.is_empty() {
            return Ok(Removal::InUse { image: image.id, containers });
        }
        orphans = images::remove(transaction, &image.id)?;
        let names = image.names.iter().map(|name| Removed::Untagged(name.to_string()));
        let removed = names.chain([Removed::Deleted(image.id)]).collect();
        Ok(Removal::Done { id: image.id, removed, garbage: Vec::new() })
    })?;
    let Removal::Done { id, removed, .. } = removal else { return Ok(removal) };
    // After the commit: a crash in between leaves folders that are not recorded, which are garbage too.
    for orphan in &orphans {
        guard.discard(orphan)?;
    }
    let mut garbage = guard.collect(database.reader())?;
    if removed.iter().any(|one| matches!(one, Removed::Deleted(_))) {
        // Their files with other owners go with them; one that is being made has a container, and so an image.
        let left = store::mapped::garbage(paths, |image| {
            let is_used = |image| images::containers(database.reader(), &image).is_ok_and(|found| !found.is_empty());
            let is_here = |image| images::get(database.reader(), &image).is_ok_and(|found| found.is_some());
            Digest::from_hex(image).is_ok_and(|image| is_here(image) || is_used(image))
        });
        garbage.extend(left);
    }
    Ok(Removal::Done { id, removed, garbage })
}
