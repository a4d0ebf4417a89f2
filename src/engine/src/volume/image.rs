// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver `image`: a volume that begins with the files of an image, and is its own from then on.
//!
//! The files are copied when the volume is made, with shared contents where the file system can (reflinks): the image may go then, and
//! what reads or packs the volume need not mount anything. Podman stacks the volume on the image instead, which stays as long.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::folder::{Guard, Making};
use super::{Record, Volumes, garbage, name_or_random};
use crate::engine::{Engine, Error};
use crate::event;
use crate::image::names::for_start;
use crate::step::Step;
use crate::store::Lease;
use crate::store::podman::Held;

/// The option that says which image.
pub(super) const IMAGE: &str = "image";

/// An image's files, which can be read as long as this lives.
struct Files {
    /// The layers' folders, the uppermost first.
    folders: Vec<PathBuf>,
    /// Of our own store, the layers: their names may go meanwhile.
    leases: Vec<Lease>,
    _held: Option<Held>,
}

impl Volumes {
    /// Makes one with the driver `image`: `name`, or a random one, with `labels` and a copy of the files of `image`, which has to be
    /// here. One that is there already is an error, unless it shall be left as it is (`ignore`).
    ///
    /// # Errors
    /// No such image; files that cannot be copied. Then there is no volume.
    pub async fn create_from_image(
        &self,
        name: Option<String>,
        labels: BTreeMap<String, String>,
        image: &str,
        ignore: bool,
    ) -> Result<Record, Error> {
        let name = name_or_random(name)?;
        let options = BTreeMap::from([(IMAGE.to_owned(), image.to_owned())]);
        let record = Record { labels, options, ..Record::new(name, false) };
        if let Some(there) = self.there(&record.name, ignore).await? {
            return Ok(there);
        }
        let files = self.files(image).await?;
        let made = self.copy_of(&files, record, ignore).await;
        for lease in files.leases {
            lease.close(&self.engine).await;
        }
        made
    }

    /// The volume that has the name, if that is no error.
    async fn there(&self, name: &str, ignore: bool) -> Result<Option<Record>, Error> {
        let wanted = name.to_owned();
        let there = self.engine.state(move |database| database.volume(&wanted)).await?;
        match there {
            Some(_) if !ignore => Err(Error::VolumeExists(name.to_owned())),
            there => Ok(there),
        }
    }

    async fn files(&self, image: &str) -> Result<Files, Error> {
        let (engine, image) = (self.engine.clone(), image.to_owned());
        let found = self.engine.blocking("looking for the image of a volume", move || {
            let found = engine.with_database(|database| for_start(database, &image));
            let found = found.map_err(|error| Error::ImageOfVolume { image: image.clone(), source: error.into() })?;
            let held = found.hold()?;
            let folders = found.stack(engine.paths()).folders();
            let mut leases = Vec::new();
            if found.elsewhere.is_none() {
                for layer in folders.iter().filter_map(|files| files.parent()) {
                    let failed = |source| Error::Io { doing: format!("reading image {image}"), source };
                    let gone = || Error::ImageOfVolume {
                        image: image.clone(),
                        source: Error::NoSuchImage(image.clone()).into(),
                    };
                    leases.push(Lease::take(layer).map_err(failed)?.ok_or_else(gone)?);
                }
            }
            Ok(Files { folders, leases, _held: held })
        });
        found.await
    }

    async fn copy_of(&self, files: &Files, record: Record, ignore: bool) -> Result<Record, Error> {
        let engine = self.engine.clone();
        let (making, left) = self.engine.blocking("making a volume", move || begin(&engine)).await?;
        self.clear_away(left).await;
        let step = Step::Flatten { lower: files.folders.clone(), into: making.files() };
        let layers = files.leases.iter().map(Lease::folder);
        let held: io::Result<_> = [making.lock()].into_iter().chain(layers).collect();
        if let Err(error) = self.engine.steps().await?.run(&step, held.map_err(failed)?).await {
            self.clear_away(vec![making.give_up()]).await;
            return Err(error.into());
        }
        let engine = self.engine.clone();
        let settled = self.engine.blocking("making a volume", move || settle(&engine, making, record, ignore));
        let (answer, left) = settled.await?;
        self.clear_away(left).await;
        answer
    }

    /// Removes what is left, if that can be: else the next command that removes a volume tries again.
    async fn clear_away(&self, left: Vec<PathBuf>) {
        if let Err(error) = self.clear(left).await {
            tracing::warn!("removing what is left of volumes: {error}");
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::Io { doing: "making a volume of an image".into(), source }
}

/// The place of the copy, and what killed commands have left. Blocks.
fn begin(engine: &Engine) -> Result<(Making, Vec<PathBuf>), Error> {
    let guard = Guard::take(engine.paths()).map_err(failed)?;
    let left = garbage(engine, &guard)?;
    Ok((Making::begin(&guard).map_err(failed)?, left))
}

/// Makes the copy the volume, unless somebody else has made it meanwhile; and what is to be removed. Blocks.
fn settle(
    engine: &Engine,
    making: Making,
    record: Record,
    ignore: bool,
) -> Result<(Result<Record, Error>, Vec<PathBuf>), Error> {
    let guard = Guard::take(engine.paths()).map_err(failed)?;
    let mut left = garbage(engine, &guard)?;
    if let Some(there) = engine.with_database(|database| Ok(database.volume(&record.name)?))? {
        left.push(making.give_up());
        return Ok((if ignore { Ok(there) } else { Err(Error::VolumeExists(record.name)) }, left));
    }
    making.become_volume(&guard, &record.name).map_err(failed)?;
    engine.with_database(|database| Ok(database.add_volume(&record)?))?;
    event::append(engine.paths(), &record.event("create"));
    Ok((Ok(record), left))
}
