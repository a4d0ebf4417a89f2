// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which image a name stands for; giving names and taking them away.

use super::reference::{Name, Reference, is_hex_id};
use super::{Images, Removed, announce};
use crate::config::Folders;
use crate::config::registries::Registries;
use crate::digest::Digest;
use crate::engine::Error;
use crate::state::images::{self, Answer, ForStart, Found, Wanted};
use crate::state::{Database, StateError};
use crate::step::StepError;
use crate::store;

/// What someone typed, parsed.
fn wanted(text: &str) -> Result<Wanted, Error> {
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
        Answer::None => Err(Error::NoSuchImage(text.to_owned())),
        Answer::Ambiguous => Err(Error::AmbiguousImage(text.to_owned())),
    })
}

/// What a container's start needs of the image that `text` stands for. Blocks.
pub(crate) fn for_start(connection: &rusqlite::Connection, text: &str) -> Result<ForStart, Error> {
    let found = find(connection, text, &wanted(text)?)??;
    let mut image = images::for_start(connection, &found)?.ok_or_else(|| Error::NoSuchImage(text.to_owned()))?;
    // An image without a name is called what it was asked for by.
    image.name.get_or_insert_with(|| text.to_owned());
    Ok(image)
}

impl Images {
    pub(super) async fn find(&self, text: &str) -> Result<Found, Error> {
        let wanted = wanted(text)?;
        let text = text.to_owned();
        self.engine.state(move |database| find(database.reader(), &text, &wanted)).await?
    }

    pub(super) async fn give_name(&self, source: &str, target: &str) -> Result<(), Error> {
        let name = new_name(target)?;
        let found = self.find(source).await?;
        let moved = name.clone();
        self.engine
            .state(move |database| {
                database.write("naming an image", |transaction| images::give_name(transaction, &found.id, &moved))
            })
            .await?;
        announce(&self.engine, "tag", &found.id, &name.to_string());
        Ok(())
    }

    pub(super) async fn take_names(&self, source: &str, names: &[String]) -> Result<(), Error> {
        let found = self.find(source).await?;
        let wanted =
            names.iter().map(|name| Ok((name.clone(), name.parse::<Name>()?))).collect::<Result<Vec<_>, Error>>();
        let wanted = wanted?;
        let taken = self.engine.state(move |database| {
            database.write("taking names from an image", |transaction| {
                let Some((image, _)) = images::get(transaction, &found.id)? else { return Ok(Ok(Vec::new())) };
                let mut taken = Vec::new();
                for (text, name) in &wanted {
                    let full = name.full().map_or_else(|| preferred(name), |full| vec![full]);
                    match full.into_iter().find(|full| image.names.contains(full)) {
                        Some(name) => taken.push(name),
                        None => return Ok(Err(Error::Invalid(format!("{text}: tag not known")))),
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

    /// `all`: with all its names when it is named by its id. `containers`: with those made from it.
    async fn take_away_found(&self, text: &str, all: bool, containers_too: bool) -> Result<Vec<Removed>, Error> {
        let steps = self.engine.steps().await?;
        loop {
            let found = match self.find(text).await {
                Err(Error::NoSuchImage(_)) if all => return Ok(Vec::new()),
                found => found?,
            };
            let (asked, paths) = (text.to_owned(), self.engine.paths().clone());
            let removal = self.engine.state(move |database| Ok(remove(database, &paths, &asked, &found, all)));
            match removal.await?? {
                Removal::Done { id, removed, garbage } => {
                    for one in &removed {
                        match one {
                            Removed::Untagged(name) => announce(&self.engine, "untag", &id, name),
                            Removed::Deleted(id) => announce(&self.engine, "remove", id, text),
                        }
                    }
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
                        self.engine.containers().remove(&id, options).await?;
                    }
                }
                Removal::InUse { image, containers } => {
                    return Err(Error::ImageInUse { image: image.to_string(), containers: containers.join(" ") });
                }
            }
        }
    }
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
            Digest::from_hex(image)
                .is_ok_and(|image| images::get(database.reader(), &image).is_ok_and(|found| found.is_some()))
        });
        garbage.extend(left);
    }
    Ok(Removal::Done { id, removed, garbage })
}
