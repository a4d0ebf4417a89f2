// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Additional stores (`additionalimagestores` of containers-storage.conf(5)): images that are used where they lie.
//!
//! Each is a database like ours that is only read: of a store of our own kind its own, of Podman's one in memory. What changes
//! something asks our own database alone, so it does not know these images; what reads asks them after our own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::images::{self, Answer, Entry, ForStart, Found, Wanted};
use super::{Database, Doing as _, StateError, VERSIONS, upgrade, version};
use crate::digest::Digest;
use crate::image::reference::{Name, Reference};
use crate::store::podman::{Image, Layer, Podman, Stamp};
use crate::store::{Kept, Stack};

/// A store that is only read.
#[derive(Debug)]
pub(crate) struct Additional {
    connection: Connection,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The folder of its layers.
    Own(PathBuf),
    /// With the layers of each image, and which state of it was read.
    Podman(Podman, HashMap<Digest, Vec<Layer>>, Stamp),
}

impl Additional {
    /// What stores there are at `path`: a folder may have one of either kind.
    fn open(path: &Path) -> Result<Vec<Self>, StateError> {
        let mut found = Vec::new();
        for folder in [path.join("haulout"), path.to_owned()] {
            let database = folder.join("state.db");
            if database.is_file() {
                let connection = read_only(&database)?;
                found.push(Self { connection, kind: Kind::Own(folder.join("layers")) });
            }
        }
        if let Some(podman) = Podman::at(path) {
            found.push(Self::read(podman)?);
        }
        Ok(found)
    }

    fn read(podman: Podman) -> Result<Self, StateError> {
        const DOING: &str = "reading an additional store";
        // Before, so that what changes meanwhile is read again.
        let stamp = podman.stamp();
        let images = podman.images().map_err(|error| StateError::Additional(Box::new(error)))?;
        let mut connection = Connection::open_in_memory().doing(DOING)?;
        let transaction = connection.transaction().doing(DOING)?;
        upgrade(&transaction, 0)?;
        images.iter().try_for_each(|image| record(&transaction, image))?;
        transaction.commit().doing(DOING)?;
        let layers = images.into_iter().map(|image| (image.id, image.layers)).collect();
        Ok(Self { connection, kind: Kind::Podman(podman, layers, stamp) })
    }

    /// Whether it is as it was read.
    fn is_fresh(&self) -> bool {
        match &self.kind {
            Kind::Own(_) => true,
            Kind::Podman(podman, _, stamp) => podman.stamp() == *stamp,
        }
    }

    /// Its images, as ours are read.
    pub(crate) fn reader(&self) -> &Connection {
        &self.connection
    }

    /// Where the files of an image's `layers`, the uppermost first, are.
    fn stack(&self, id: &Digest, layers: &[Digest]) -> Stack {
        match &self.kind {
            Kind::Own(root) => Stack::of(root.clone(), layers),
            Kind::Podman(podman, known, _) => podman.stack(known.get(id).map_or(&[], Vec::as_slice)),
        }
    }

    fn kept(&self, diff_id: &Digest) -> Option<Kept> {
        match &self.kind {
            Kind::Own(root) => Some(Kept::of(root, diff_id)),
            Kind::Podman(podman, known, _) => {
                known.values().flatten().find(|layer| layer.diff_id == *diff_id).map(|layer| podman.kept(layer))
            }
        }
    }

    /// Whether somebody may remove its images meanwhile who has to be locked out.
    fn is_podmans(&self) -> bool {
        matches!(self.kind, Kind::Podman(..))
    }
}

/// An image of Podman's, among those in memory.
fn record(connection: &Connection, image: &Image) -> Result<(), StateError> {
    for layer in &image.layers {
        let (diff_id, tar_size) = (layer.diff_id, layer.tar_size);
        images::add_layer(connection, &images::Layer { diff_id, size: tar_size, tar_size, entries: 0 })?;
    }
    let layers: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id).collect();
    let names: Vec<Reference> = image.names.iter().rev().cloned().collect();
    let new = |index| images::New {
        id: image.id,
        digest: image.digest,
        index,
        config: &image.config,
        manifest: &image.manifest,
        created: image.created,
        layers: &layers,
        names: &names,
    };
    images::add(connection, &new(None))?;
    image.digests.iter().try_for_each(|digest| images::add(connection, &new(Some(*digest))))
}

/// A database of our own kind, which may be where nobody can write.
fn read_only(path: &Path) -> Result<Connection, StateError> {
    let failed = |source| StateError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let open = |how: &str| {
        let name: String = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let connection = Connection::open_with_flags(format!("file:{name}?{how}"), flags)?;
        let found = version(&connection)?;
        Ok((connection, found))
    };
    // Beside a log, somebody has to be able to write; where nobody can, nobody does.
    let (connection, found) = open("mode=ro").or_else(|_| open("immutable=1")).map_err(failed)?;
    match found {
        found if found == VERSIONS.len() => Ok(connection),
        found if found > VERSIONS.len() => {
            Err(StateError::Newer { path: path.to_owned(), found, known: VERSIONS.len() })
        }
        _ => Err(StateError::Corrupt {
            what: format!("the store of {} is of an older Haulout: use it once as a store of its own", path.display()),
        }),
    }
}

impl Database {
    /// Says which additional stores there are, and where our own layers are.
    pub(crate) fn with_stores(mut self, layers: PathBuf, stores: &[PathBuf]) -> Self {
        self.layers = layers;
        self.stores = stores.to_vec();
        self
    }

    /// The additional stores, as they are now.
    pub(crate) fn additional(&mut self) -> Result<&[Additional], StateError> {
        if self.stores.is_empty() {
            return Ok(&[]);
        }
        if self.additional.as_ref().is_none_or(|open| !open.iter().all(Additional::is_fresh)) {
            let mut open = Vec::new();
            for store in &self.stores {
                open.extend(Additional::open(store)?);
            }
            self.additional = Some(open);
        }
        Ok(self.additional.as_deref().unwrap_or_default())
    }

    /// Finds an image, ours before others, as [`images::find`] does.
    pub(crate) fn find_image(
        &mut self,
        wanted: &Wanted,
        preferred: impl Fn(&Name) -> Vec<Reference>,
    ) -> Result<Answer, StateError> {
        let answer = images::find(self.reader(), wanted, &preferred)?;
        if answer != Answer::None {
            return Ok(answer);
        }
        for store in self.additional()? {
            let answer = images::find(store.reader(), wanted, &preferred)?;
            if answer != Answer::None {
                return Ok(answer);
            }
        }
        Ok(Answer::None)
    }

    /// One image, with its manifest.
    pub(crate) fn image(&mut self, id: &Digest) -> Result<Option<(Entry, Vec<u8>)>, StateError> {
        if let Some(found) = images::get(self.reader(), id)? {
            return Ok(Some(found));
        }
        let mut found = None;
        for store in self.additional()? {
            found = images::get(store.reader(), id)?;
            if found.is_some() {
                break;
            }
        }
        let Some((entry, manifest)) = found else { return Ok(None) };
        Ok(Some((self.foreign(entry)?, manifest)))
    }

    /// All images; one that is here and elsewhere comes twice.
    pub(crate) fn images(&mut self) -> Result<Vec<Entry>, StateError> {
        let mut all = images::list(self.reader())?;
        let mut others: Vec<Entry> = Vec::new();
        for store in self.additional()? {
            others.extend(images::list(store.reader())?);
        }
        for entry in others {
            all.push(self.foreign(entry)?);
        }
        all.sort_by_key(|entry| std::cmp::Reverse(entry.created));
        Ok(all)
    }

    /// An image of another store's: the containers are ours.
    fn foreign(&self, entry: Entry) -> Result<Entry, StateError> {
        let containers = images::containers(self.reader(), &entry.id)?.len();
        Ok(Entry { read_only: true, containers, ..entry })
    }

    /// Whether an image is one of another store's alone.
    pub(crate) fn is_read_only(&mut self, id: &Digest) -> Result<bool, StateError> {
        Ok(self.image(id)?.is_some_and(|(entry, _)| entry.read_only))
    }

    /// What a container's start needs of an image that was found; nothing when it has gone since.
    pub(crate) fn for_start(&mut self, found: &Found) -> Result<Option<ForStart>, StateError> {
        if let Some(image) = images::for_start(self.reader(), found)? {
            return Ok(Some(image));
        }
        for store in self.additional()? {
            if let Some(image) = images::for_start(store.reader(), found)? {
                let stack = store.stack(&image.id, &image.layers);
                return Ok(Some(ForStart { elsewhere: Some((stack, store.is_podmans())), ..image }));
            }
        }
        Ok(None)
    }

    /// What the tar of a layer is put together from; as if it were ours when nobody has it.
    pub(crate) fn kept(&mut self, diff_id: &Digest) -> Result<Kept, StateError> {
        let own = Kept::of(&self.layers, diff_id);
        if images::has_layer(self.reader(), diff_id)? {
            return Ok(own);
        }
        for store in self.additional()? {
            if images::has_layer(store.reader(), diff_id)?
                && let Some(kept) = store.kept(diff_id)
            {
                return Ok(kept);
            }
        }
        Ok(own)
    }

    /// The bytes of a layer's tar.
    pub(crate) fn tar_size(&mut self, diff_id: &Digest) -> Result<Option<u64>, StateError> {
        if let Some(size) = images::tar_size(self.reader(), diff_id)? {
            return Ok(Some(size));
        }
        for store in self.additional()? {
            if let Some(size) = images::tar_size(store.reader(), diff_id)? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    /// Every image's layers, as [`images::layers_of_all`] has them.
    pub(crate) fn layers_of_all(&mut self) -> Result<Vec<(String, String, u64)>, StateError> {
        let mut all = images::layers_of_all(self.reader())?;
        for store in self.additional()? {
            for layer in images::layers_of_all(store.reader())? {
                if !all.contains(&layer) {
                    all.push(layer);
                }
            }
        }
        Ok(all)
    }
}
