// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container is made from: an image's layers, or a folder of the host's (`--rootfs`).

use std::path::PathBuf;
use std::sync::Arc;

use oci_spec::image::ImageConfiguration;

use super::options::{Options, Rootfs};
use super::start::Root;
use super::{Record, create};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::image::names::for_start;
use crate::paths::Paths;
use crate::state::images::{ForStart, Found};
use crate::store::Stack;
use crate::store::driver::Driver;
use crate::store::mapped::Wanted;
use crate::store::podman::Held;

/// What a container is made from.
pub(super) struct Base {
    /// The image's name; empty when it is a folder.
    pub name: String,
    /// The image's configuration; of a folder, one that says nothing.
    pub config: Vec<u8>,
    /// The folders that are its root, the uppermost first.
    pub folders: Vec<PathBuf>,
    image: Option<(ForStart, Stack)>,
}

impl Base {
    /// What `options` ask for. Blocks.
    pub fn asked(engine: &Engine, options: &Options) -> Result<Self, Error> {
        if let Some(rootfs) = &options.rootfs {
            return Self::of_folder(rootfs);
        }
        let image = engine.with_database(|database| for_start(database, &options.image))?;
        let name = image.name.clone().unwrap_or_else(|| options.image.clone());
        Ok(Self::of_image(engine.paths(), image, name))
    }

    /// That of a container that there is. Blocks.
    pub fn of(engine: &Engine, record: &Record) -> Result<Self, Error> {
        match Self::found(engine, record)? {
            Some(base) => Ok(base),
            None => Err(without_image(engine, record)),
        }
    }

    /// The same; nothing when the image's store is not there any more.
    fn found(engine: &Engine, record: &Record) -> Result<Option<Self>, Error> {
        match (&record.options.rootfs, record.image) {
            (Some(rootfs), _) => Self::of_folder(rootfs).map(Some),
            (None, None) => Ok(None),
            (None, Some(id)) => {
                let found = Found { id, name: None };
                let image = engine.with_database(|database| Ok(database.for_start(&found)?))?;
                Ok(image.map(|image| Self::of_image(engine.paths(), image, record.image_name.clone())))
            }
        }
    }

    fn of_image(paths: &Paths, image: ForStart, name: String) -> Self {
        let stack = image.stack(paths);
        Self { name, config: image.config.clone(), folders: stack.folders(), image: Some((image, stack)) }
    }

    fn of_folder(rootfs: &Rootfs) -> Result<Self, Error> {
        let config = serde_json::to_vec(&ImageConfiguration::default())
            .map_err(|error| Error::Invalid(format!("the configuration of no image: {error}")))?;
        Ok(Self { name: String::new(), config, folders: vec![rootfs.path.clone()], image: None })
    }

    /// The image's id; nothing when it is a folder.
    pub fn id(&self) -> Option<Digest> {
        self.image.as_ref().map(|(image, _)| image.id)
    }

    /// Keeps the image's layers where they are as long as the answer is held. Blocks.
    pub fn hold(&self) -> Result<Option<Held>, Error> {
        match &self.image {
            Some((image, _)) => Ok(image.hold()?),
            None => Ok(None),
        }
    }

    /// Its configuration, read.
    pub fn configuration(&self) -> Result<ImageConfiguration, Error> {
        create::image_configuration(&self.name, &self.config)
    }

    /// Its files with the owners that the container's map of ids makes of them, if it has a map and is an image.
    pub fn mapped(&self, paths: &Paths, record: &Record) -> Option<Wanted> {
        let ((image, stack), mapping) = (self.image.as_ref()?, record.mapping.as_ref()?);
        Some(Wanted::new(paths, &image.id, stack, mapping))
    }

    /// The container's root filesystem.
    pub fn root(&self, paths: &Paths, record: &Record) -> Root {
        let folder = paths.container(&record.id);
        let driver = paths.driver();
        let mounting = paths.elsewhere.mounting.clone();
        let (lower, data) = match self.mapped(paths, record).and_then(|mapped| mapped.found()) {
            Some((tree, data)) => (vec![tree], data),
            None => (self.folders.clone(), None),
        };
        Root {
            lower,
            upper: folder.join(match driver {
                Driver::Overlay => "upper",
                Driver::Vfs => "files",
            }),
            work: folder.join("work"),
            target: folder.join("merged"),
            volatile: (record.options.remove || record.options.transient) && !mounting.synced,
            data,
            driver,
            mounting,
            bare: record.options.rootfs.as_ref().is_some_and(|rootfs| !rootfs.over),
        }
    }
}

/// The root filesystem of a container. Blocks.
pub(super) fn root_of(engine: &Engine, record: &Record) -> Result<Root, Error> {
    Ok(Base::of(engine, record)?.root(engine.paths(), record))
}

/// The configuration of a container's image, and where its layers are. Of an image whose store is not there any more nothing is
/// known: the container can still be looked at, stopped and removed.
pub(super) fn image_of(engine: &Engine, record: &Record) -> Result<(Arc<ImageConfiguration>, Vec<PathBuf>), Error> {
    match Base::found(engine, record)? {
        Some(base) => Ok((Arc::new(base.configuration()?), base.folders)),
        None => Ok((Arc::default(), Vec::new())),
    }
}

/// Why the image of a container is not there: as long as there is the container, nobody removes it. Blocks.
fn without_image(engine: &Engine, record: &Record) -> Error {
    match engine.with_database(|database| Ok(database.container(&record.id)?)) {
        Ok(Some(_)) => Error::NoSuchImage(record.image_name.clone()),
        Ok(None) => Error::NoSuchContainer(record.id.to_string()),
        Err(error) => error,
    }
}
