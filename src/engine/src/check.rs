// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether what the database says is there is there, whole.

use std::collections::BTreeMap;
use std::path::Path;

use crate::digest::Digest;
use crate::engine::{Engine, Error, chain};
use crate::state::images as state;
use crate::step::Step;

/// What is wrong with things, by their ids or names.
pub type Damage = BTreeMap<String, Vec<String>>;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Layers whose files are not there, or not as they came.
    pub layers: Damage,
    /// Images of such layers, or whose configuration is not what their id says.
    pub images: Damage,
    /// Containers of such images, or without a volume of theirs.
    pub containers: Damage,
    /// Volumes whose folder is not there.
    pub volumes: Damage,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        [&self.layers, &self.images, &self.containers, &self.volumes].into_iter().all(BTreeMap::is_empty)
    }
}

/// Layers and images as the database has them.
struct Known {
    /// An image and a layer of it.
    layers: Vec<(String, Digest)>,
    /// An image and its configuration.
    images: Vec<(Digest, Vec<u8>)>,
    /// Images of additional stores: whether those are whole is for others to say.
    elsewhere: Vec<Digest>,
}

impl Engine {
    /// Looks for damage. `quick`, whether everything is there; else every layer is read too, and is to be what it was when it
    /// came.
    pub async fn check(&self, quick: bool) -> Result<Report, Error> {
        let known = self.state(|database| {
            let layers = state::layers_of_all(database.reader())?;
            let layers =
                layers.into_iter().filter_map(|(image, layer, _)| Some((image, layer.parse().ok()?))).collect();
            let images = state::list(database.reader())?;
            let elsewhere = database.images()?.into_iter().filter(|image| image.read_only).map(|image| image.id);
            let elsewhere = elsewhere.collect();
            Ok(Known { layers, images: images.into_iter().map(|image| (image.id, image.config)).collect(), elsewhere })
        });
        let known = known.await?;
        let mut report = Report::default();
        for (image, layer) in &known.layers {
            let name = layer.hex();
            if !report.layers.contains_key(&name)
                && let Some(wrong) = self.wrong_layer(*layer, quick).await?
            {
                report.layers.insert(name.clone(), vec![format!("layer {name}: {wrong}")]);
            }
            if let Some(wrong) = report.layers.get(&name) {
                let image = image.strip_prefix("sha256:").unwrap_or(image).to_owned();
                report.images.entry(image).or_default().extend(wrong.iter().cloned());
            }
        }
        for (image, config) in &known.images {
            if Digest::of(config) != *image {
                let wrong = format!("image {}: its configuration is not what its id says", image.hex());
                report.images.entry(image.hex()).or_default().push(wrong);
            }
        }
        self.check_volumes_and_containers(&known, &mut report).await?;
        Ok(report)
    }

    /// What is wrong with a layer.
    async fn wrong_layer(&self, layer: Digest, quick: bool) -> Result<Option<String>, Error> {
        let files = self.paths().layers().join(layer.hex()).join("diff");
        if !files.is_dir() {
            return Ok(Some(format!("stat {}: no such file or directory", files.display())));
        }
        if quick {
            return Ok(None);
        }
        match self.images().verify_layer(layer).await {
            Ok(()) => Ok(None),
            Err(Error::Packing { source, .. }) => Ok(Some(chain(&source))),
            Err(error) => Err(error),
        }
    }

    async fn check_volumes_and_containers(&self, known: &Known, report: &mut Report) -> Result<(), Error> {
        let unreadable = self.state(|database| database.unreadable_containers()).await?;
        for (id, why) in &unreadable {
            report.containers.insert(id.to_string(), vec![format!("container {id}: {why}")]);
        }
        let known_well = unreadable.is_empty();
        let (containers, volumes) = self
            .state(move |database| {
                let containers = if known_well { database.containers()? } else { Vec::new() };
                Ok((containers, database.volumes()?))
            })
            .await?;
        for volume in &volumes {
            let folder = self.paths().volume(&volume.name).join("_data");
            if volume.mounted().is_none() && !is_there(&folder) {
                let wrong = format!("volume {}: stat {}: no such file or directory", volume.name, folder.display());
                report.volumes.insert(volume.name.clone(), vec![wrong]);
            }
        }
        for container in &containers {
            let mut wrong = report.images.get(&container.image_id()).cloned().unwrap_or_default();
            let is_known = |made_from: &Digest| {
                known.images.iter().map(|(image, _)| image).chain(&known.elsewhere).any(|image| image == made_from)
            };
            if let Some(made_from) = &container.image
                && !is_known(made_from)
            {
                wrong.push(format!("image {}: image not known", made_from.hex()));
            }
            let missing = container.volume_names().filter(|name| !volumes.iter().any(|volume| volume.name == *name));
            wrong.extend(missing.map(|name| format!("volume {name}: no such volume")));
            if !wrong.is_empty() {
                report.containers.insert(container.id.to_string(), wrong);
            }
        }
        Ok(())
    }

    /// Removes a container of which nothing can be read but its id, with its files.
    pub async fn forget_container(&self, id: crate::container::ContainerId) -> Result<(), Error> {
        self.state(move |database| database.remove_container(&id)).await?;
        let path = self.paths().container(&id);
        self.steps().await?.run(&Step::Remove { path }, Vec::new()).await?;
        Ok(())
    }

    /// Makes the folders of volumes again that are not there; what was in them is lost.
    pub async fn repair_volumes(&self, damage: &Damage) -> Result<(), Error> {
        let (engine, names) = (self.clone(), damage.keys().cloned().collect::<Vec<_>>());
        let made = self.blocking("making volumes", move || {
            for name in names {
                crate::volume::make(engine.paths(), &name)
                    .map_err(|source| Error::Io { doing: format!("making volume {name}"), source })?;
            }
            Ok(())
        });
        made.await
    }

    /// Has all containers run by another OCI runtime from their next start on.
    pub async fn migrate(&self, runtime: String) -> Result<(), Error> {
        let settings = self.settings()?;
        if crate::runtime::Runtime::named(Some(&runtime), &settings).is_err() {
            let why = "requested but no such runtime is defined: invalid argument";
            return Err(Error::Invalid(format!("change to runtime {runtime:?} {why}")));
        }
        self.state(move |database| {
            for id in database.container_ids()? {
                database.change_container(&id, |record| record.options.runtime = Some(runtime.clone()))?;
            }
            Ok(())
        })
        .await
    }
}

/// Whether a folder is there, as far as its owner lets it be seen.
fn is_there(folder: &Path) -> bool {
    !matches!(std::fs::metadata(folder), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}
