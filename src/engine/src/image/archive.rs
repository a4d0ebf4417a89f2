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

use super::input::{self, At};
use super::install::{Incoming, IncomingLayer, Source};
use super::manifest::{DOCUMENT_MAX, Descriptor, ManifestError};
use super::reference::ReferenceError;
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
    /// Several images where one is meant; Podman's words.
    #[error("Unexpected tar manifest.json: expected 1 item, got {found}")]
    Several {
        /// How many.
        found: usize,
    },
    /// Several images where one is meant; Podman's words.
    #[error("more than one image in oci, choose an image")]
    Choose,
    /// Fewer images than that; Podman's words.
    #[error("Invalid source index @{index}, only {found} manifest items available")]
    NoIndex {
        /// Which was wanted, counted from 0.
        index: usize,
        /// How many there are.
        found: usize,
    },
    /// No image of that name; Podman's words.
    #[error("Tag {0:?} not found")]
    NoTag(String),
    /// No image of that name; Podman's words.
    #[error("no descriptor found for reference {0:?}")]
    NoReference(String),
    /// What an image was asked for by, and cannot be called.
    #[error(transparent)]
    Reference {
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// `containers-storage:` of what is not here; Podman's words.
    #[error("initializing source containers-storage:{0}: reference {0:?} does not resolve to an image ID")]
    NotHere(String),
    /// It could not be opened, or is something else; Podman's words.
    #[error("{0}")]
    Open(String),
    /// What was being done when it turned out.
    #[error("{doing}")]
    At {
        /// What was being done to what.
        doing: String,
        /// Why it could not be.
        source: Box<Self>,
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

    fn part(&self, layer: &IncomingLayer) -> Option<input::Part> {
        let place = self.places.get(&layer.blob).filter(|place| !place.checked)?;
        input::Part::open(&place.file, place.at, place.length).ok()
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

mod images;
#[cfg(test)]
mod tests;
