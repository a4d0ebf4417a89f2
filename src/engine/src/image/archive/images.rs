// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The images of an archive or a folder, and the one of them that is meant.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;

use super::{Archive, ArchiveError, Found, Place, blob_name, parse};
use crate::digest::Digest;
use crate::image::document;
use crate::image::install::{Incoming, IncomingLayer};
use crate::image::manifest::{self, Config, Descriptor, Document, Manifest, ManifestError};
use crate::image::platform::Platform;
use crate::image::reference::{Name, Reference, ReferenceError};
use crate::image::registry::Reason;
use crate::image::transport::{Transport, Which};

/// `manifest.json`: one image.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// `index.json`, of which a [`Document`] does not keep the annotations.
#[derive(Deserialize)]
struct Layout {
    #[serde(default)]
    manifests: Vec<Annotated>,
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    annotations: Option<HashMap<String, String>>,
}

impl Archive {
    /// What it is, by what is in it.
    pub(in super::super) fn transport(&self) -> Transport {
        match (self.folder, self.members.contains_key("manifest.json"), self.members.contains_key("index.json")) {
            (true, _, true) => Transport::Oci,
            (true, _, false) => Transport::Dir,
            (false, true, _) => Transport::DockerArchive,
            (false, false, _) => Transport::OciArchive,
        }
    }

    /// Whether it can be read as that: an archive of a later Docker is both of those.
    pub(in super::super) fn is(&self, transport: Transport) -> bool {
        let has = |name| self.members.contains_key(name);
        self.folder == transport.is_folder()
            && match transport {
                Transport::DockerArchive => has("manifest.json"),
                Transport::Oci | Transport::OciArchive => has("index.json"),
                Transport::Dir => has("version") && has("manifest.json"),
            }
    }

    /// The images in it that are meant. `wanted` chooses among those for several platforms. Blocks.
    pub(in super::super) fn images(
        &self,
        transport: Transport,
        wanted: &Platform,
        which: &Which,
    ) -> Result<Vec<Found>, ArchiveError> {
        if self.is(transport) {
            return match transport {
                Transport::DockerArchive => self.docker_images(which),
                Transport::Oci | Transport::OciArchive => self.oci_images(wanted, which),
                Transport::Dir => Ok(vec![self.folder_image()?]),
            };
        }
        Err(ArchiveError::Unknown(if self.members.contains_key("repositories") {
            "it was made by a Docker before 1.10, which knew no digests".to_owned()
        } else {
            "it has neither manifest.json nor index.json".to_owned()
        }))
    }

    fn docker_images(&self, which: &Which) -> Result<Vec<Found>, ArchiveError> {
        let name = "manifest.json";
        let images: Vec<DockerImage> = parse(name, &self.document(name)?)?;
        let found = match which {
            Which::All => return images.iter().map(|image| self.docker_image(image, None)).collect(),
            Which::Only => match images.as_slice() {
                [image] => self.docker_image(image, None),
                images => Err(ArchiveError::Several { found: images.len() }),
            },
            Which::At(index) => match images.get(*index) {
                Some(image) => self.docker_image(image, None),
                None => Err(ArchiveError::NoIndex { index: *index, found: images.len() }),
            },
            Which::Named(name) => {
                let called = |tag: &String| tag.parse::<Reference>().is_ok_and(|tag| tag.to_string() == *name);
                let tagged = |image: &&DockerImage| image.repo_tags.iter().flatten().any(called);
                match images.iter().find(tagged) {
                    Some(image) => self.docker_image(image, Some(name)),
                    None => Err(ArchiveError::NoTag(name.clone())),
                }
            }
        };
        Ok(vec![found?])
    }

    /// An image of a docker archive with all its names, or just one.
    fn docker_image(&self, image: &DockerImage, only: Option<&String>) -> Result<Found, ArchiveError> {
        let config = self.document(&image.config)?;
        let failed = |source| ArchiveError::Manifest { name: image.config.clone(), source };
        let parsed = Config::parse_alone(&config).map_err(failed)?;
        let layers = image.layers.as_deref().unwrap_or_default();
        if layers.len() != parsed.diff_ids.len() {
            return Err(failed(ManifestError::LayerCount { manifest: layers.len(), config: parsed.diff_ids.len() }));
        }
        let mut places = HashMap::new();
        let mut sizes = Vec::new();
        for (layer, diff_id) in layers.iter().zip(&parsed.diff_ids) {
            let (file, at, length) = self.bytes(layer)?;
            sizes.push((*diff_id, length));
            places.insert(*diff_id, Place { name: layer.clone(), file, at, length, checked: false });
        }
        let names: Vec<&String> = match only {
            Some(name) => vec![name],
            None => image.repo_tags.iter().flatten().collect(),
        };
        let names: Result<Vec<Reference>, _> = names.into_iter().map(|name| name.parse()).collect();
        let manifest = document::docker_manifest(&config, &sizes);
        let known = |(diff_id, size): &(Digest, u64)| IncomingLayer {
            blob: *diff_id,
            known: false,
            size: *size,
            diff_id: *diff_id,
        };
        let mut seen = HashSet::new();
        let image = Incoming {
            id: Digest::of(&config),
            digest: Digest::of(&manifest),
            index: None,
            created: parsed.created,
            layers: sizes.iter().filter(|(diff_id, _)| seen.insert(*diff_id)).map(known).collect(),
            diff_ids: parsed.diff_ids,
            config,
            manifest,
            names: names.map_err(|source| ArchiveError::Name { name: "manifest.json".to_owned(), source })?,
        };
        Ok(Found { image, places })
    }

    /// The image of a `dir`: its blobs are called by their digests, its manifest `manifest.json`.
    fn folder_image(&self) -> Result<Found, ArchiveError> {
        let name = "manifest.json";
        let bytes = self.document(name)?;
        let failed = |source| ArchiveError::Manifest { name: name.to_owned(), source };
        let Document::Image(manifest) = Document::parse(&bytes).map_err(failed)? else {
            return Err(failed(ManifestError::NestedIndex));
        };
        self.image(bytes, &manifest, None, None, &|digest| digest.hex())
    }

    fn oci_images(&self, wanted: &Platform, which: &Which) -> Result<Vec<Found>, ArchiveError> {
        let name = "index.json";
        let layout: Layout = parse(name, &self.document(name)?)?;
        let members = &layout.manifests;
        // Several nameless ones that say what they are for are one image for several platforms.
        let platforms =
            members.len() > 1 && members.iter().all(|one| one.name().is_none() && one.descriptor.platform.is_some());
        let one = match which {
            Which::All | Which::Only if platforms => {
                let descriptors: Vec<_> = members.iter().map(|one| one.descriptor.clone()).collect();
                let chosen = manifest::choose(&descriptors, wanted)
                    .map_err(|source| ArchiveError::Manifest { name: name.to_owned(), source })?;
                return Ok(vec![self.oci_image(chosen, None, wanted)?]);
            }
            // A folder says nothing of names, so what is in it could not be told apart.
            Which::All if !self.folder => {
                return members.iter().map(|one| self.oci_image(&one.descriptor, self.named(one)?, wanted)).collect();
            }
            Which::All | Which::Only => match members.as_slice() {
                [one] => return Ok(vec![self.oci_image(&one.descriptor, self.named(one)?, wanted)?]),
                _ => return Err(ArchiveError::Choose),
            },
            Which::At(index) => {
                members.get(*index).ok_or(ArchiveError::NoIndex { index: *index, found: members.len() })?
            }
            Which::Named(name) => {
                let one = members.iter().find(|one| one.reference() == Some(name));
                let one = one.ok_or_else(|| ArchiveError::NoReference(name.clone()))?;
                let named = self.called(name).map_err(|source| ArchiveError::Reference { source })?;
                return Ok(vec![self.oci_image(&one.descriptor, Some(named), wanted)?]);
            }
        };
        Ok(vec![self.oci_image(&one.descriptor, None, wanted)?])
    }

    /// What an image of a layout is called here, when nobody says: as Podman has it, a folder says nothing of that.
    fn named(&self, one: &Annotated) -> Result<Option<Reference>, ArchiveError> {
        let failed = |source| ArchiveError::Name { name: "index.json".to_owned(), source };
        if self.folder {
            return Ok(None);
        }
        one.name().map(|name| self.called(name)).transpose().map_err(failed)
    }

    /// The full name of what a layout calls so: a short one is made here when it comes from an archive, Docker's from a folder.
    fn called(&self, text: &str) -> Result<Reference, ReferenceError> {
        let name: Name = text.parse()?;
        match name.full() {
            Some(full) => Ok(full),
            None if self.folder => text.parse(),
            None => Ok(name.or_local()),
        }
    }

    fn oci_image(
        &self,
        descriptor: &Descriptor,
        name: Option<Reference>,
        wanted: &Platform,
    ) -> Result<Found, ArchiveError> {
        let (bytes, manifest, index) = self.oci_manifest(descriptor, wanted)?;
        self.image(bytes, &manifest, index, name, &blob_name)
    }

    /// The image of a manifest, whose blobs are called as `called` says.
    fn image(
        &self,
        bytes: Bytes,
        manifest: &Manifest,
        index: Option<Digest>,
        name: Option<Reference>,
        called: &dyn Fn(&Digest) -> String,
    ) -> Result<Found, ArchiveError> {
        let place = called(&manifest.config.digest);
        let config = self.checked(&place, &manifest.config)?;
        let parsed =
            Config::parse(&config, manifest).map_err(|source| ArchiveError::Manifest { name: place, source })?;
        let mut places = HashMap::new();
        let mut layers = Vec::new();
        for (layer, diff_id) in manifest::layers(manifest, &parsed) {
            let name = called(&layer.digest);
            let (file, at, length) = self.bytes(&name)?;
            if length != layer.size {
                let source = Reason::Size { expected: layer.size, found: length };
                return Err(ArchiveError::Content { name, source });
            }
            layers.push(IncomingLayer { blob: layer.digest, known: true, size: length, diff_id });
            places.insert(layer.digest, Place { name, file, at, length, checked: true });
        }
        let image = Incoming {
            id: manifest.config.digest,
            digest: Digest::of(&bytes),
            index,
            config,
            manifest: bytes,
            created: parsed.created,
            diff_ids: parsed.diff_ids,
            layers,
            names: name.into_iter().collect(),
        };
        Ok(Found { image, places })
    }

    /// What a descriptor leads to, through an index if need be.
    fn oci_manifest(
        &self,
        descriptor: &Descriptor,
        wanted: &Platform,
    ) -> Result<(Bytes, Manifest, Option<Digest>), ArchiveError> {
        let failed = |digest: Digest| move |source| ArchiveError::Manifest { name: blob_name(&digest), source };
        let bytes = self.blob(descriptor)?;
        match Document::parse(&bytes).map_err(failed(descriptor.digest))? {
            Document::Image(manifest) => Ok((bytes, manifest, None)),
            Document::Index(members) => {
                let member = manifest::choose(&members, wanted).map_err(failed(descriptor.digest))?;
                let bytes = self.blob(member)?;
                match Document::parse(&bytes).map_err(failed(member.digest))? {
                    Document::Image(manifest) => Ok((bytes, manifest, Some(descriptor.digest))),
                    Document::Index(_) => Err(failed(member.digest)(ManifestError::NestedIndex)),
                }
            }
        }
    }
}

impl Annotated {
    /// What an image layout calls it.
    fn reference(&self) -> Option<&String> {
        self.annotations.as_ref()?.get("org.opencontainers.image.ref.name")
    }

    /// What it is to be called, by containerd or by the layout.
    fn name(&self) -> Option<&String> {
        self.annotations.as_ref()?.get("io.containerd.image.name").or_else(|| self.reference())
    }
}
