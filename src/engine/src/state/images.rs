// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The images' tables.
//!
//! Everything here is synchronous and takes a connection (or a transaction, which is one), so that it can be part of a larger
//! change and of a container's start.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Doing as _, StateError};
use crate::digest::Digest;
use crate::image::reference::{Name, Reference};
use crate::paths::Paths;
use crate::step::Compression;
use crate::store::Stack;
use crate::store::podman::{Held, PodmanError};

/// An image as a list needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: Digest,
    /// Of its manifest.
    pub(crate) digest: Digest,
    /// Names with a tag and names with a digest, the newest first.
    pub(crate) names: Vec<Reference>,
    /// All that may stand after `@`.
    pub(crate) digests: Vec<Digest>,
    pub(crate) config: Vec<u8>,
    pub(crate) created: i64,
    pub(crate) size: u64,
    pub(crate) containers: usize,
    /// Of an additional store.
    pub(crate) read_only: bool,
}

/// What a container's start needs to know of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForStart {
    pub(crate) id: Digest,
    /// The name that was meant, or the image's newest when it was asked for by id.
    pub(crate) name: Option<String>,
    /// Its configuration's bytes.
    pub(crate) config: Vec<u8>,
    /// Its layers, the uppermost first, each once: the kernel refuses to stack a folder on itself, and what a lower
    /// occurrence would add, the upper one already has.
    pub(crate) layers: Vec<Digest>,
    /// Where those of an additional store are, and whether that is one of Podman's.
    pub(crate) elsewhere: Option<(Stack, bool)>,
}

impl ForStart {
    /// Where its layers are.
    pub(crate) fn stack(&self, paths: &Paths) -> Stack {
        match &self.elsewhere {
            Some((stack, _)) => stack.clone(),
            None => Stack::own(paths, &self.layers),
        }
    }

    /// Keeps its layers where they are as long as the answer is held: of an additional store of Podman's they may be removed by others.
    /// Blocks.
    pub(crate) fn hold(&self) -> Result<Option<Held>, PodmanError> {
        match &self.elsewhere {
            Some((stack, true)) => Held::take(stack).map(Some),
            _ => Ok(None),
        }
    }
}

/// How an image was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// By its whole id.
    Id(Digest),
    /// By a name, which may also be the beginning of an id.
    Name(Name),
}

/// An image that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: Digest,
    /// The name that was meant; nothing when it was asked for by id.
    pub(crate) name: Option<Reference>,
}

/// What a search comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Found(Found),
    None,
    /// The beginning of several ids.
    Ambiguous,
}

/// A whole image to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct New<'a> {
    pub(crate) id: Digest,
    pub(crate) digest: Digest,
    /// Of an index through which it came.
    pub(crate) index: Option<Digest>,
    pub(crate) config: &'a [u8],
    pub(crate) manifest: &'a [u8],
    pub(crate) created: i64,
    /// The lowest first.
    pub(crate) layers: &'a [Digest],
    pub(crate) names: &'a [Reference],
}

/// A layer to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) diff_id: Digest,
    pub(crate) size: u64,
    pub(crate) tar_size: u64,
    pub(crate) entries: u64,
}

/// A blob that is a layer of ours, and a repository that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) blob: Digest,
    /// `registry/repository`.
    pub(crate) repository: String,
    pub(crate) size: u64,
    pub(crate) compression: Compression,
}

const SELECT_ENTRY: &str = "SELECT id, digest, config, created, size, \
    (SELECT group_concat(name, char(10) ORDER BY rowid DESC) FROM image_names WHERE image = id), \
    (SELECT group_concat(d.digest, char(10)) FROM image_digests d WHERE d.image = id), \
    (SELECT count(*) FROM containers WHERE containers.image = images.id) \
    FROM images";

/// All of them, the newest first.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Entry>, StateError> {
    const DOING: &str = "listing the images";
    let sql = format!("{SELECT_ENTRY} ORDER BY created DESC, rowid");
    let mut statement = connection.prepare_cached(&sql).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

/// One, with its manifest.
pub(crate) fn get(connection: &Connection, id: &Digest) -> Result<Option<(Entry, Vec<u8>)>, StateError> {
    const DOING: &str = "reading an image";
    let sql = format!("{} WHERE id = ?1", SELECT_ENTRY.replace(" FROM images", ", manifest FROM images"));
    let mut statement = connection.prepare_cached(&sql).doing(DOING)?;
    let mut rows = statement.query([id.to_string()]).doing(DOING)?;
    let Some(row) = rows.next().doing(DOING)? else { return Ok(None) };
    Ok(Some((entry(row)?, row.get(8).doing(DOING)?)))
}

fn entry(row: &Row<'_>) -> Result<Entry, StateError> {
    const DOING: &str = "reading an image";
    let list = |index| row.get::<_, Option<String>>(index).map(Option::unwrap_or_default).doing(DOING);
    let names = list(5)?;
    let digests = list(6)?;
    Ok(Entry {
        id: digest(row, 0)?,
        digest: digest(row, 1)?,
        names: names.lines().map(reference).collect::<Result<_, _>>()?,
        digests: digests.lines().map(parse_digest).collect::<Result<_, _>>()?,
        config: row.get(2).doing(DOING)?,
        created: row.get(3).doing(DOING)?,
        size: row.get::<_, i64>(4).doing(DOING)?.max(0).unsigned_abs(),
        containers: usize::try_from(row.get::<_, i64>(7).doing(DOING)?).unwrap_or(0),
        read_only: false,
    })
}

/// Finds what is wanted: by name, then by the beginning of an id. `preferred` says which full names a short one stands for, the
/// first of them that is here counts; after those, whatever is here and ends with the short name, the newest first.
pub(crate) fn find(
    connection: &Connection,
    wanted: &Wanted,
    preferred: impl FnOnce(&Name) -> Vec<Reference>,
) -> Result<Answer, StateError> {
    let name = match wanted {
        Wanted::Id(id) => return by_id(connection, id),
        Wanted::Name(name) => name,
    };
    let full = name.full().map_or_else(|| preferred(name), |full| vec![full]);
    for full in &full {
        let found = match full.digest() {
            Some(digest) => by_digest(connection, digest, |repository| repository == full.repository_name())?,
            None => by_full_name(connection, full)?,
        };
        if let Some(found) = found {
            return Ok(Answer::Found(found));
        }
    }
    if name.registry().is_some() {
        return Ok(Answer::None);
    }
    let found = match name.digest() {
        Some(digest) => {
            let end = format!("/{}", name.repository());
            by_digest(connection, digest, |repository| repository.ends_with(&end))?
        }
        None => by_short_name(connection, name)?,
    };
    match found {
        Some(found) => Ok(Answer::Found(found)),
        None => by_id_prefix(connection, &name.to_string()),
    }
}

fn by_id(connection: &Connection, id: &Digest) -> Result<Answer, StateError> {
    const DOING: &str = "looking for an image by its id";
    let mut statement = connection.prepare_cached("SELECT 1 FROM images WHERE id = ?1").doing(DOING)?;
    let exists = statement.exists([id.to_string()]).doing(DOING)?;
    Ok(if exists { Answer::Found(Found { id: *id, name: None }) } else { Answer::None })
}

fn by_id_prefix(connection: &Connection, prefix: &str) -> Result<Answer, StateError> {
    const DOING: &str = "looking for an image by the beginning of its id";
    if !prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(Answer::None);
    }
    // `g` is the first letter after the hexadecimal digits.
    let (from, to) = (format!("sha256:{prefix}"), format!("sha256:{prefix}g"));
    let mut statement =
        connection.prepare_cached("SELECT id FROM images WHERE id >= ?1 AND id < ?2 LIMIT 2").doing(DOING)?;
    let mut rows = statement.query([from, to]).doing(DOING)?;
    let Some(row) = rows.next().doing(DOING)? else { return Ok(Answer::None) };
    let id = digest(row, 0)?;
    let ambiguous = rows.next().doing(DOING)?.is_some();
    Ok(if ambiguous { Answer::Ambiguous } else { Answer::Found(Found { id, name: None }) })
}

fn by_full_name(connection: &Connection, name: &Reference) -> Result<Option<Found>, StateError> {
    const DOING: &str = "looking for an image by its name";
    let mut statement = connection.prepare_cached("SELECT image FROM image_names WHERE name = ?1").doing(DOING)?;
    let mut rows = statement.query([name.to_string()]).doing(DOING)?;
    let Some(row) = rows.next().doing(DOING)? else { return Ok(None) };
    Ok(Some(Found { id: digest(row, 0)?, name: Some(name.clone()) }))
}

/// The newest name that ends with the short one, wherever it is from.
fn by_short_name(connection: &Connection, name: &Name) -> Result<Option<Found>, StateError> {
    const DOING: &str = "looking for an image by a short name";
    let latest = crate::image::reference::Tag::latest();
    let end = format!("/{}:{}", name.repository(), name.tag().unwrap_or(&latest));
    let mut statement = connection
        .prepare_cached(
            "SELECT name, image FROM image_names WHERE substr(name, -length(?1)) = ?1 ORDER BY rowid DESC LIMIT 1",
        )
        .doing(DOING)?;
    let mut rows = statement.query([end]).doing(DOING)?;
    let Some(row) = rows.next().doing(DOING)? else { return Ok(None) };
    let text: String = row.get(0).doing(DOING)?;
    Ok(Some(Found { id: digest(row, 1)?, name: Some(reference(&text)?) }))
}

/// The image that came through a digest and has a name, under any tag, in a repository that fits: the newest.
fn by_digest(
    connection: &Connection,
    wanted: &Digest,
    fits: impl Fn(&str) -> bool,
) -> Result<Option<Found>, StateError> {
    const DOING: &str = "looking for an image by a digest";
    let mut statement = connection
        .prepare_cached(
            "SELECT n.name, n.image FROM image_digests d JOIN image_names n ON n.image = d.image \
             WHERE d.digest = ?1 ORDER BY n.rowid DESC",
        )
        .doing(DOING)?;
    let mut rows = statement.query([wanted.to_string()]).doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        let text: String = row.get(0).doing(DOING)?;
        let stored = reference(&text)?;
        if fits(&stored.repository_name()) {
            return Ok(Some(Found { id: digest(row, 1)?, name: Some(stored.with_digest(*wanted)) }));
        }
    }
    Ok(None)
}

/// What a container's start needs of an image that was found; nothing when it has gone since.
pub(crate) fn for_start(connection: &Connection, found: &Found) -> Result<Option<ForStart>, StateError> {
    const DOING: &str = "reading an image to start from";
    let id = found.id.to_string();
    let mut statement = connection
        .prepare_cached(
            "SELECT config, (SELECT name FROM image_names WHERE image = id ORDER BY rowid DESC LIMIT 1), \
             (SELECT group_concat(layer, char(10) ORDER BY position DESC) FROM image_layers WHERE image = id) \
             FROM images WHERE id = ?1",
        )
        .doing(DOING)?;
    let row = statement
        .query_row([&id], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()
        .doing(DOING)?;
    let Some((config, newest, stack)) = row else { return Ok(None) };
    let mut layers = Vec::new();
    for line in stack.unwrap_or_default().lines() {
        let layer = parse_digest(line)?;
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    let name = found.name.as_ref().map(ToString::to_string).or(newest);
    Ok(Some(ForStart { id: found.id, name, config, layers, elsewhere: None }))
}

/// Which of `diff_ids` are not here.
pub(crate) fn missing_layers(connection: &Connection, diff_ids: &[Digest]) -> Result<Vec<Digest>, StateError> {
    const DOING: &str = "looking for layers";
    let mut statement = connection.prepare_cached("SELECT 1 FROM layers WHERE diff_id = ?1").doing(DOING)?;
    let mut missing = Vec::new();
    for diff_id in diff_ids {
        if !statement.exists([diff_id.to_string()]).doing(DOING)? {
            missing.push(*diff_id);
        }
    }
    Ok(missing)
}

/// Every image's layers: the image, the layer, the length of its tar. A layer that an image has twice comes once.
pub(crate) fn layers_of_all(connection: &Connection) -> Result<Vec<(String, String, u64)>, StateError> {
    const DOING: &str = "listing the layers";
    let sql = "SELECT DISTINCT image, layer, tar_size FROM image_layers JOIN layers ON layers.diff_id = layer";
    let mut statement = connection.prepare_cached(sql).doing(DOING)?;
    let row = |row: &Row<'_>| {
        let size: i64 = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, u64::try_from(size).unwrap_or_default()))
    };
    statement.query_map([], row).and_then(Iterator::collect).doing(DOING)
}

/// Records a layer; one that is recorded already stays as it is.
pub(crate) fn add_layer(connection: &Connection, layer: &Layer) -> Result<(), StateError> {
    const DOING: &str = "recording a layer";
    connection
        .execute(
            "INSERT OR IGNORE INTO layers (diff_id, size, tar_size, entries) VALUES (?1, ?2, ?3, ?4)",
            params![layer.diff_id.to_string(), signed(layer.size), signed(layer.tar_size), signed(layer.entries)],
        )
        .doing(DOING)?;
    Ok(())
}

/// The bytes of a layer's tar.
pub(crate) fn tar_size(connection: &Connection, diff_id: &Digest) -> Result<Option<u64>, StateError> {
    const DOING: &str = "looking for a layer";
    let mut statement = connection.prepare_cached("SELECT tar_size FROM layers WHERE diff_id = ?1").doing(DOING)?;
    let size: Option<i64> = statement.query_row([diff_id.to_string()], |row| row.get(0)).optional().doing(DOING)?;
    Ok(size.map(|size| size.max(0).unsigned_abs()))
}

/// Notes that a repository has a blob which is a layer of ours.
pub(crate) fn add_place(connection: &Connection, diff_id: &Digest, place: &Place) -> Result<(), StateError> {
    const DOING: &str = "noting where a layer is";
    let compression = match place.compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    connection
        .execute(
            "INSERT OR REPLACE INTO blob_places (blob, repository, diff_id, size, compression) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                place.blob.to_string(),
                place.repository,
                diff_id.to_string(),
                signed(place.size),
                compression
            ],
        )
        .doing(DOING)
        .map(drop)
}

/// Where blobs of a layer are known to be.
pub(crate) fn places(connection: &Connection, diff_id: &Digest) -> Result<Vec<Place>, StateError> {
    const DOING: &str = "looking for where a layer is";
    let mut statement = connection
        .prepare_cached("SELECT blob, repository, size, compression FROM blob_places WHERE diff_id = ?1")
        .doing(DOING)?;
    let mut rows = statement.query([diff_id.to_string()]).doing(DOING)?;
    let mut places = Vec::new();
    while let Some(row) = rows.next().doing(DOING)? {
        let compression: String = row.get(3).doing(DOING)?;
        places.push(Place {
            blob: digest(row, 0)?,
            repository: row.get(1).doing(DOING)?,
            size: row.get::<_, i64>(2).doing(DOING)?.max(0).unsigned_abs(),
            compression: match compression.as_str() {
                "gzip" => Compression::Gzip,
                "zstd" => Compression::Zstd,
                _ => Compression::None,
            },
        });
    }
    Ok(places)
}

/// Records an image whose layers are recorded, and moves `names` to it.
pub(crate) fn add(connection: &Connection, image: &New<'_>) -> Result<(), StateError> {
    const DOING: &str = "recording an image";
    let id = image.id.to_string();
    // What it takes, as Podman counts it: its layers' archives, its configuration, and its manifest, which Podman has twice.
    let documents = signed((image.config.len() + 2 * image.manifest.len()) as u64);
    connection
        .execute(
            "INSERT INTO images (id, digest, config, manifest, created, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET digest = ?2, manifest = ?4",
            params![id, image.digest.to_string(), image.config, image.manifest, image.created, documents],
        )
        .doing(DOING)?;
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO image_layers (image, position, layer) VALUES (?1, ?2, ?3)")
        .doing(DOING)?;
    for (position, layer) in image.layers.iter().enumerate() {
        insert.execute(params![id, signed(position as u64), layer.to_string()]).doing(DOING)?;
    }
    connection
        .execute(
            "UPDATE images SET size = ?2 + (SELECT coalesce(sum(tar_size), 0) FROM image_layers \
             JOIN layers ON layers.diff_id = image_layers.layer WHERE image = ?1) WHERE id = ?1",
            params![id, documents],
        )
        .doing(DOING)?;
    for digest in [Some(image.digest), image.index].into_iter().flatten() {
        connection
            .execute(
                "INSERT OR IGNORE INTO image_digests (digest, image) VALUES (?1, ?2)",
                [digest.to_string(), id.clone()],
            )
            .doing(DOING)?;
    }
    for name in image.names {
        give_name(connection, &image.id, name)?;
    }
    Ok(())
}

/// The image of that full name.
pub(crate) fn named(connection: &Connection, name: &str) -> Result<Option<Digest>, StateError> {
    const DOING: &str = "looking for an image by its name";
    let mut statement = connection.prepare_cached("SELECT image FROM image_names WHERE name = ?1").doing(DOING)?;
    let found: Option<String> = statement.query_row([name], |row| row.get(0)).optional().doing(DOING)?;
    found.map(|text| parse_digest(&text)).transpose()
}

/// The image whose manifest has that digest, named or not.
pub(crate) fn with_digest(connection: &Connection, digest: &Digest) -> Result<Option<Digest>, StateError> {
    const DOING: &str = "looking for an image by a digest";
    let mut statement = connection.prepare_cached("SELECT image FROM image_digests WHERE digest = ?1").doing(DOING)?;
    let found: Option<String> = statement.query_row([digest.to_string()], |row| row.get(0)).optional().doing(DOING)?;
    found.map(|text| parse_digest(&text)).transpose()
}

/// Gives an image one more name, its newest. The image, or the manifest list, that had it loses it.
pub(crate) fn give_name(connection: &Connection, id: &Digest, name: &Reference) -> Result<(), StateError> {
    super::lists::remove(connection, &name.to_string())?;
    // A row of its own and not the old one changed: its number says that it is the newest.
    connection
        .execute("INSERT OR REPLACE INTO image_names (name, image) VALUES (?1, ?2)", [name.to_string(), id.to_string()])
        .doing("naming an image")
        .map(drop)
}

/// Takes a name away; whether it was there.
pub(crate) fn take_name(connection: &Connection, name: &Reference) -> Result<bool, StateError> {
    let taken = connection.execute("DELETE FROM image_names WHERE name = ?1", [name.to_string()]);
    Ok(taken.doing("taking a name from an image")? > 0)
}

/// The containers that are made from it.
pub(crate) fn containers(connection: &Connection, id: &Digest) -> Result<Vec<String>, StateError> {
    const DOING: &str = "looking for an image's containers";
    let mut statement =
        connection.prepare_cached("SELECT id FROM containers WHERE image = ?1 ORDER BY created").doing(DOING)?;
    let rows = statement.query_map([id.to_string()], |row| row.get(0)).doing(DOING)?;
    rows.collect::<Result<_, _>>().doing(DOING)
}

/// Removes an image and everything that is only about it; returns the layers that no image needs any more, which are not
/// recorded any more either.
pub(crate) fn remove(connection: &Connection, id: &Digest) -> Result<Vec<Digest>, StateError> {
    const DOING: &str = "removing an image";
    let id = id.to_string();
    let mut statement = connection
        .prepare_cached(
            "SELECT DISTINCT layer FROM image_layers WHERE image = ?1 AND NOT EXISTS \
             (SELECT 1 FROM image_layers other WHERE other.layer = image_layers.layer AND other.image != ?1)",
        )
        .doing(DOING)?;
    let rows = statement.query_map([&id], |row| row.get::<_, String>(0)).doing(DOING)?;
    let orphans: Vec<String> = rows.collect::<Result<_, _>>().doing(DOING)?;
    connection.execute("DELETE FROM images WHERE id = ?1", [&id]).doing(DOING)?;
    for orphan in &orphans {
        connection.execute("DELETE FROM layers WHERE diff_id = ?1", [orphan]).doing(DOING)?;
    }
    orphans.iter().map(|orphan| parse_digest(orphan)).collect()
}

/// Whether a layer is recorded.
pub(crate) fn has_layer(connection: &Connection, diff_id: &Digest) -> Result<bool, StateError> {
    Ok(missing_layers(connection, std::slice::from_ref(diff_id))?.is_empty())
}

fn digest(row: &Row<'_>, index: usize) -> Result<Digest, StateError> {
    let text: String = row.get(index).doing("reading a digest")?;
    parse_digest(&text)
}

fn parse_digest(text: &str) -> Result<Digest, StateError> {
    text.parse().map_err(|error: crate::digest::DigestError| StateError::Corrupt { what: error.to_string() })
}

fn reference(text: &str) -> Result<Reference, StateError> {
    text.parse()
        .map_err(|error: crate::image::reference::ReferenceError| StateError::Corrupt { what: error.to_string() })
}

/// `SQLite`'s integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
