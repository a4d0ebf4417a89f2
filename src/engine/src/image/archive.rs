// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives of images: what `docker save` and `podman save` write, and OCI image layouts in a tar (image-layout.md); and the folders
//! that those would be unpacked, and containers-transports(5)' `dir`.
//!
//! An archive is read where it is: a first pass notes where each member begins. One that cannot be read twice, because it comes
//! through a pipe or is compressed, is first written to a nameless file in the store.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{BoxStream, StreamExt as _};
use serde::Deserialize;
use tar::EntryType;

use super::document;
use super::input::{self, At};
use super::install::{Incoming, IncomingLayer, Source};
use super::manifest::{self, Config, DOCUMENT_MAX, Descriptor, Document, Manifest, ManifestError};
use super::platform::Platform;
use super::reference::{Name, Reference, ReferenceError};
use super::registry::{Checked, Reason};
use crate::digest::Digest;
use crate::engine::Error;

/// More members than any archive of images has.
const MEMBERS_MAX: usize = 100_000;

/// How many links may lead to a member.
const LINKS_MAX: usize = 8;

/// Why an archive holds no images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Podman's words, and why.
    #[error("payload does not match any of the supported image formats: {0}")]
    Unknown(String),
    /// It could not be read.
    #[error("reading the archive")]
    Read(#[source] io::Error),
    /// A member that another one names.
    #[error("the archive has no {0:?}")]
    Missing(String),
    /// A member that is not just bytes.
    #[error("{0:?} in the archive is no plain file")]
    NotPlain(String),
    /// A document that an attacker could make us read.
    #[error("{name:?} in the archive is {size} bytes long; at most {DOCUMENT_MAX} are read")]
    TooLong {
        /// The member.
        name: String,
        /// Its length.
        size: u64,
    },
    /// A document that is not what it should be.
    #[error("{name:?} in the archive: {message}")]
    Malformed {
        /// The member.
        name: String,
        /// Where and why.
        message: String,
    },
    /// An image's documents.
    #[error("{name:?} in the archive")]
    Manifest {
        /// The member.
        name: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// What an image is to be called.
    #[error("{name:?} in the archive")]
    Name {
        /// The member.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// What a member is, is not what another one says it is.
    #[error("{name:?} in the archive")]
    Content {
        /// The member.
        name: String,
        /// How it differs.
        source: Reason,
    },
}

/// An archive whose members are known.
pub(super) struct Archive {
    /// The tar; of a folder, the folder.
    file: Arc<File>,
    members: HashMap<String, Member>,
    folder: bool,
}

#[derive(Clone, Debug)]
enum Member {
    /// Bytes of the tar.
    Bytes {
        at: u64,
        length: u64,
    },
    /// A file of the folder.
    File(PathBuf),
    Link(String),
    Other,
}

/// An image of an archive, ready to be installed.
pub(super) struct Found {
    pub(super) image: Incoming,
    /// Which member each layer is, by its blob.
    pub(super) places: HashMap<Digest, Place>,
}

/// Where a layer is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: String,
    file: Arc<File>,
    at: u64,
    length: u64,
    /// Whether its digest is known beforehand; else only what it unpacks to is.
    checked: bool,
}

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
    /// Reads where everything is. Blocks.
    pub(super) fn open(file: File) -> Result<Self, ArchiveError> {
        let file = Arc::new(file);
        let reader = At::beginning(Arc::clone(&file)).map_err(ArchiveError::Read)?;
        let mut members = HashMap::new();
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries_with_seek().map_err(ArchiveError::Read)? {
            let entry = entry.map_err(|error| match error.raw_os_error() {
                Some(_) => ArchiveError::Read(error),
                // Its own words repeat what it read, which may be anything.
                None if members.is_empty() => ArchiveError::Unknown("it is no tar".to_owned()),
                None => ArchiveError::Unknown(format!("it is a broken tar, after {} members", members.len())),
            })?;
            if members.len() >= MEMBERS_MAX {
                return Err(ArchiveError::Unknown(format!("it has more than {MEMBERS_MAX} members")));
            }
            let Ok(name) = String::from_utf8(entry.path_bytes().into_owned()) else { continue };
            let member = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    Member::Bytes { at: entry.raw_file_position(), length: entry.size() }
                }
                kind @ (EntryType::Symlink | EntryType::Link) => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let target = if kind == EntryType::Link { target } else { format!("{folder}/{target}") };
                    normal(&target).map_or(Member::Other, Member::Link)
                }
                _ => Member::Other,
            };
            if let Some(name) = normal(&name) {
                members.insert(name, member);
            }
        }
        Ok(Self { file, members, folder: false })
    }

    /// Looks at what is in a folder, two folders deep: deeper no image lies. Blocks.
    pub(super) fn open_folder(folder: File) -> Result<Self, ArchiveError> {
        let root = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        let mut members = HashMap::new();
        let mut left = vec![(root, String::new(), 0)];
        while let Some((path, prefix, depth)) = left.pop() {
            for entry in std::fs::read_dir(&path).map_err(ArchiveError::Read)? {
                let entry = entry.map_err(ArchiveError::Read)?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                if members.len() >= MEMBERS_MAX {
                    return Err(ArchiveError::Unknown(format!("it has more than {MEMBERS_MAX} members")));
                }
                let kind = entry.file_type().map_err(ArchiveError::Read)?;
                if kind.is_dir() && depth < 2 {
                    left.push((entry.path(), format!("{prefix}{name}/"), depth + 1));
                } else if kind.is_file() {
                    members.insert(format!("{prefix}{name}"), Member::File(entry.path()));
                }
            }
        }
        Ok(Self { file: Arc::new(folder), members, folder: true })
    }

    /// What containers-transports(5) calls it.
    pub(super) fn transport(&self) -> &'static str {
        match (self.folder, self.members.contains_key("manifest.json"), self.members.contains_key("index.json")) {
            (true, _, true) => "oci",
            (true, _, false) => "dir",
            (false, true, _) => "docker-archive",
            (false, false, _) => "oci-archive",
        }
    }

    /// The images in it. `wanted` chooses among those for several platforms. Blocks.
    pub(super) fn images(&self, wanted: &Platform) -> Result<Vec<Found>, ArchiveError> {
        if self.folder && self.members.contains_key("index.json") {
            // As Podman has it: a folder says nothing of names.
            let mut images = self.oci_images(wanted)?;
            for found in &mut images {
                found.image.names.clear();
            }
            Ok(images)
        } else if self.folder && self.members.contains_key("version") && self.members.contains_key("manifest.json") {
            Ok(vec![self.folder_image()?])
        } else if self.members.contains_key("manifest.json") {
            self.docker_images()
        } else if self.members.contains_key("index.json") {
            self.oci_images(wanted)
        } else if self.members.contains_key("repositories") {
            Err(ArchiveError::Unknown("it was made by a Docker before 1.10, which knew no digests".to_owned()))
        } else {
            Err(ArchiveError::Unknown("it has neither manifest.json nor index.json".to_owned()))
        }
    }

    fn docker_images(&self) -> Result<Vec<Found>, ArchiveError> {
        let name = "manifest.json";
        let images: Vec<DockerImage> = parse(name, &self.document(name)?)?;
        images.iter().map(|image| self.docker_image(image)).collect()
    }

    fn docker_image(&self, image: &DockerImage) -> Result<Found, ArchiveError> {
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
        let names = image.repo_tags.as_deref().unwrap_or_default().iter();
        let names: Result<Vec<Reference>, _> = names.map(|name| name.parse()).collect();
        let manifest = document::docker_manifest(&config, &sizes);
        let known = |(diff_id, size): &(Digest, u64)| IncomingLayer {
            blob: *diff_id,
            known: false,
            size: *size,
            diff_id: *diff_id,
        };
        let mut seen = std::collections::HashSet::new();
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

    fn oci_images(&self, wanted: &Platform) -> Result<Vec<Found>, ArchiveError> {
        let name = "index.json";
        let layout: Layout = parse(name, &self.document(name)?)?;
        let mut named = Vec::new();
        for one in &layout.manifests {
            let reference = one.reference().map_err(|source| ArchiveError::Name { name: name.to_owned(), source })?;
            named.push((&one.descriptor, reference));
        }
        // Several nameless ones that say what they are for are one image for several platforms.
        let platforms =
            named.len() > 1 && named.iter().all(|(descriptor, name)| name.is_none() && descriptor.platform.is_some());
        if platforms {
            let descriptors: Vec<_> = layout.manifests.iter().map(|one| one.descriptor.clone()).collect();
            let chosen = manifest::choose(&descriptors, wanted)
                .map_err(|source| ArchiveError::Manifest { name: name.to_owned(), source })?;
            return Ok(vec![self.oci_image(chosen, None, wanted)?]);
        }
        named.into_iter().map(|(descriptor, name)| self.oci_image(descriptor, name, wanted)).collect()
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

    /// A document, checked against its descriptor.
    fn blob(&self, descriptor: &Descriptor) -> Result<Bytes, ArchiveError> {
        self.checked(&blob_name(&descriptor.digest), descriptor)
    }

    fn checked(&self, name: &str, descriptor: &Descriptor) -> Result<Bytes, ArchiveError> {
        let bytes = self.document(name)?;
        let found = Digest::of(&bytes);
        let source = if bytes.len() as u64 != descriptor.size {
            Reason::Size { expected: descriptor.size, found: bytes.len() as u64 }
        } else if found != descriptor.digest {
            Reason::Digest { expected: descriptor.digest, found }
        } else {
            return Ok(bytes);
        };
        Err(ArchiveError::Content { name: name.to_owned(), source })
    }

    fn document(&self, name: &str) -> Result<Bytes, ArchiveError> {
        let (file, at, length) = self.bytes(name)?;
        if length > DOCUMENT_MAX {
            return Err(ArchiveError::TooLong { name: name.to_owned(), size: length });
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut bytes, at).map_err(ArchiveError::Read)?;
        Ok(bytes.into())
    }

    /// Where a member is, or the one that it links to.
    fn bytes(&self, name: &str) -> Result<(Arc<File>, u64, u64), ArchiveError> {
        let mut at = normal(name).ok_or_else(|| ArchiveError::Missing(name.to_owned()))?;
        for _ in 0..LINKS_MAX {
            match self.members.get(&at) {
                Some(Member::Bytes { at, length }) => return Ok((Arc::clone(&self.file), *at, *length)),
                Some(Member::File(path)) => {
                    let file = File::open(path).map_err(ArchiveError::Read)?;
                    let length = file.metadata().map_err(ArchiveError::Read)?.len();
                    return Ok((Arc::new(file), 0, length));
                }
                Some(Member::Link(target)) => at.clone_from(target),
                Some(Member::Other) => return Err(ArchiveError::NotPlain(name.to_owned())),
                None => return Err(ArchiveError::Missing(name.to_owned())),
            }
        }
        Err(ArchiveError::NotPlain(name.to_owned()))
    }

    /// The layers of an image of it.
    pub(super) fn source(places: HashMap<Digest, Place>) -> Members {
        Members { places }
    }
}

impl Annotated {
    /// What the image is to be called.
    fn reference(&self) -> Result<Option<Reference>, ReferenceError> {
        let Some(annotations) = &self.annotations else { return Ok(None) };
        let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
        let Some(text) = keys.iter().find_map(|key| annotations.get(*key)) else { return Ok(None) };
        text.parse::<Name>().map(|name| Some(name.or_local()))
    }
}

/// Layers that are members of an archive.
pub(super) struct Members {
    places: HashMap<Digest, Place>,
}

impl Source for Members {
    fn layer<'a>(
        &'a self,
        layer: &'a IncomingLayer,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, Error>>, Error>> {
        async move {
            let Some(place) = self.places.get(&layer.blob).cloned() else {
                return Err(ArchiveError::Missing(layer.blob.to_string()).into());
            };
            let bytes = input::part(Arc::clone(&place.file), place.at, place.length);
            if !place.checked {
                return Ok(bytes.map(|bytes| bytes.map_err(|error| ArchiveError::Read(error).into())).boxed());
            }
            let bytes = bytes.map(|bytes| bytes.map_err(|error| Reason::Connection(error.to_string())));
            let checked = Checked::new(bytes, layer.blob, place.length);
            let failed = move |source| Error::from(ArchiveError::Content { name: place.name.clone(), source });
            Ok(checked.map(move |bytes| bytes.map_err(&failed)).boxed())
        }
        .boxed()
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn parse<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ArchiveError::Malformed { name: name.to_owned(), message: error.to_string() })
}

/// A member's name without what says nothing; nothing when it leads out of the archive.
fn normal(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
