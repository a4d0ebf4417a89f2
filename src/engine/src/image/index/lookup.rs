// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifest lists among the images: a name may stand for one, and then for what this machine runs of it.

use rusqlite::Connection;

use super::super::names::preferred;
use super::super::platform::Platform;
use super::super::reference::{Name, Reference};
use super::super::{Removed, manifest};
use super::{ManifestList, Source, parse, written};
use crate::engine::Error;
use crate::state::images::Found;
use crate::state::{StateError, images, lists};

/// All of them, a list with several names several times. Blocks.
pub(super) fn all(connection: &Connection) -> Result<Vec<ManifestList>, Error> {
    lists::all(connection)?.iter().map(|document| parse(document)).collect()
}

/// The list that `text` stands for: by its name, or the beginning of its id. Blocks.
pub(in super::super) fn find(connection: &Connection, text: &str) -> Result<Option<ManifestList>, Error> {
    let all = all(connection)?;
    if all.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = match text.parse::<Name>() {
        Ok(name) => {
            let full = name.full().map_or_else(|| preferred(&name), |full| vec![full]);
            full.iter().map(ToString::to_string).collect()
        }
        Err(_) => Vec::new(),
    };
    let by_name = names.iter().find_map(|name| all.iter().find(|list| list.name == *name));
    let id = text.strip_prefix("sha256:").unwrap_or(text);
    Ok(by_name.or_else(|| all.iter().find(|list| id.len() > 2 && list.id.starts_with(id))).cloned())
}

/// The image here that this machine runs of the list `text`; nothing when there is no such list. Blocks.
pub(in super::super) fn here(connection: &Connection, text: &str) -> Result<Option<Found>, Error> {
    let Some(list) = find(connection, text)? else { return Ok(None) };
    let platform = |member: &super::Member| Platform {
        os: member.platform.os.clone(),
        arch: member.platform.architecture.clone(),
        variant: Some(member.platform.variant.clone()).filter(|variant| !variant.is_empty()),
    };
    let descriptors: Vec<manifest::Descriptor> = list
        .members
        .iter()
        .map(|member| manifest::Descriptor { platform: Some(platform(member)), ..super::descriptor(member.digest) })
        .collect();
    let failed = |error| Error::Invalid(format!("choosing an image of the manifest list {}: {error}", list.name));
    let chosen = manifest::choose(&descriptors, &Platform::of_this_machine()).map_err(failed)?.digest;
    let id = list.members.iter().find(|member| member.digest == chosen).and_then(|member| match member.source {
        Source::Image(id) => Some(id),
        _ => None,
    });
    // One that was added from its registry may be here all the same.
    let id = match id {
        Some(id) => images::get(connection, &id)?.map(|_| id),
        None => images::with_digest(connection, &chosen)?,
    };
    match id {
        Some(id) => Ok(Some(Found { id, name: name_of(&list) })),
        None => Err(Error::NoSuchImage(text.to_owned())),
    }
}

/// A list's name, parsed.
fn name_of(list: &ManifestList) -> Option<Reference> {
    list.name.parse().ok()
}

/// Writes a list under all of its names. Blocks.
pub(super) fn put_everywhere(connection: &Connection, list: &ManifestList) -> Result<(), StateError> {
    let same = |document: &String| parse(document).ok().filter(|other| other.id == list.id);
    for other in lists::all(connection)?.iter().filter_map(same) {
        lists::put(connection, &other.name, &written(&ManifestList { name: other.name.clone(), ..list.clone() }))?;
    }
    Ok(())
}

/// Gives the list one more name. Blocks.
pub(in super::super) fn rename(
    connection: &Connection,
    list: &ManifestList,
    name: &Reference,
) -> Result<(), StateError> {
    images::take_name(connection, name)?;
    let name = name.to_string();
    lists::put(connection, &name, &written(&ManifestList { name: name.clone(), ..list.clone() }))
}

/// Takes the name from the list, or all when it is not named by one; and the list with its last. Blocks.
pub(in super::super) fn delete(
    connection: &Connection,
    list: &ManifestList,
    text: &str,
) -> Result<Vec<Removed>, Error> {
    let names: Vec<String> =
        all(connection)?.into_iter().filter(|other| other.id == list.id).map(|other| other.name).collect();
    let by_id = list.id.starts_with(text.strip_prefix("sha256:").unwrap_or(text));
    let taken: Vec<&String> = names.iter().filter(|name| by_id || **name == list.name).collect();
    let mut removed = Vec::new();
    for name in &taken {
        lists::remove(connection, name)?;
        removed.push(Removed::Untagged((*name).clone()));
    }
    if taken.len() == names.len()
        && let Ok(id) = crate::digest::Digest::from_hex(&list.id)
    {
        removed.push(Removed::Deleted(id));
    }
    Ok(removed)
}
