// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The commit of an image: all of its new layers and its record, or nothing.
//!
//! The order is what makes it safe: everything unpacked is synced; the layers are renamed to their places; the names are synced;
//! then one database transaction, itself durable, says that they are there. A crash before the last leaves only garbage.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::staging::{self, Unpacked};
use super::{Guard, StoreError, failed, sync_folder};
use crate::digest::Digest;
use crate::paths::Paths;
use crate::state::{Database, images};

/// An image that is complete once `unpacked` is moved to its place.
pub(crate) struct Commit<'a> {
    pub(crate) image: images::New<'a>,
    /// The layers that were not here.
    pub(crate) unpacked: &'a [Unpacked],
}

/// What a commit came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The image is here.
    Done,
    /// Layers that were here when the work began are gone: someone removed the image that they belonged to. Nothing was
    /// changed.
    Missing(Vec<Digest>),
}

/// Waits until everything in the staging folder is on disk. Blocks for as long as that takes.
pub(crate) fn sync(staging: &Path) -> Result<(), StoreError> {
    let folder = File::open(staging).map_err(failed("opening", staging))?;
    rustix::fs::syncfs(&folder).map_err(io::Error::from).map_err(failed("syncing the file system of", staging))
}

/// Commits, after [`sync`]. Blocks, but not for long.
pub(crate) fn commit(database: &mut Database, paths: &Paths, commit: &Commit<'_>) -> Result<Committed, StoreError> {
    let guard = Guard::take(paths)?;
    database.change("recording an image", |transaction| {
        let committed = move_in(transaction, &guard, commit)?;
        if committed == Committed::Done {
            images::add(transaction, &commit.image)?;
        }
        Ok(committed)
    })
}

fn move_in(
    transaction: &rusqlite::Transaction<'_>,
    guard: &Guard,
    commit: &Commit<'_>,
) -> Result<Committed, StoreError> {
    let missing = images::missing_layers(transaction, commit.image.layers)?;
    let here = |diff_id: &Digest| commit.unpacked.iter().any(|layer| layer.layer.diff_id == *diff_id);
    let gone: Vec<Digest> = missing.iter().filter(|diff_id| !here(diff_id)).copied().collect();
    if !gone.is_empty() {
        return Ok(Committed::Missing(gone));
    }
    let mut moved = false;
    for unpacked in commit.unpacked {
        let diff_id = &unpacked.layer.diff_id;
        // Another process may have been quicker: then ours stays in the staging folder and goes with it.
        if missing.contains(diff_id) {
            // A folder that is not recorded was left by a crash; nobody knows what is in it.
            guard.discard(diff_id)?;
            let target = guard.layer(diff_id);
            fs::rename(&unpacked.folder, &target).map_err(failed("moving a layer to", &target))?;
            moved = true;
        }
        images::add_layer(transaction, &unpacked.layer)?;
        if let (Some(blob), Some((repository, size))) = (unpacked.blob, unpacked.place.clone()) {
            let place = images::Place { blob, repository, size, compression: unpacked.compression };
            images::add_place(transaction, diff_id, &place)?;
        }
    }
    if moved {
        // Now, not when the image is recorded: whoever is killed after that has nothing left to remove.
        if let Some(emptied) = commit.unpacked.first().and_then(|layer| layer.folder.parent()) {
            staging::remove_empty(emptied);
        }
        sync_folder(guard.folder())?;
    }
    Ok(Committed::Done)
}
