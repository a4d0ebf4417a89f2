// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lookaside storage of simple signatures (containers-registries.d(5)): `PLACE/REPOSITORY@ALGORITHM=DIGEST/signature-N`, N from 1.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{Found, SignatureError};
use crate::config::lookaside::Section;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::image::reference::Reference;
use crate::image::registry;

/// The longest signature that is read.
const SIGNATURE_MAX: u64 = 4 << 20;

/// More than any image has.
const SIGNATURES_MAX: usize = 128;

/// Where signatures lie.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Folder(PathBuf),
    /// Its URL, without a slash at the end.
    Web(String),
}

impl Storage {
    /// Where they are read from: as it is said, or where Podman puts them when nothing is.
    pub(super) fn to_read(url: Option<&str>) -> Result<Self, SignatureError> {
        let Some(url) = url else { return Ok(Self::usual()) };
        if url.starts_with("http://") || url.starts_with("https://") {
            return Ok(Self::Web(url.trim_end_matches('/').to_owned()));
        }
        let reason = "its URL has to begin with file:///, http:// or https://";
        folder_of(url).ok_or_else(|| SignatureError::Place { doing: "read from", place: url.to_owned(), reason })
    }

    /// Where they are written to.
    pub(super) fn to_write(section: &Section) -> Result<Self, SignatureError> {
        let Some(url) = section.lookaside_staging.as_ref().or(section.lookaside.as_ref()) else {
            return Ok(Self::usual());
        };
        let reason = "only what begins with file:/// can be: see lookaside-staging in registries.d";
        folder_of(url).ok_or_else(|| SignatureError::Place { doing: "written to", place: url.clone(), reason })
    }

    /// In a folder.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }

    fn usual() -> Self {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        match data {
            Some(data) if !rustix::process::geteuid().is_root() => Self::Folder(data.join("containers/sigstore")),
            _ => Self::Folder("/var/lib/containers/sigstore".into()),
        }
    }

    /// The signatures of a manifest.
    pub(super) async fn signatures(
        &self,
        engine: &Engine,
        image: &Reference,
        digest: &Digest,
    ) -> Result<Vec<Found>, Error> {
        let below = below(image, digest);
        let place = match self {
            Self::Folder(folder) => {
                let folder = folder.join(below);
                let read = engine.blocking("reading signatures", move || Ok(read(&folder)?));
                return Ok(read.await?.into_iter().map(Found::Simple).collect());
            }
            Self::Web(place) => place,
        };
        let mut found = Vec::new();
        for number in 1..=SIGNATURES_MAX {
            let url = format!("{place}/{below}/signature-{number}");
            match registry::fetch(&url, SIGNATURE_MAX).await? {
                Some(bytes) => found.push(Found::Simple(bytes.to_vec())),
                None => break,
            }
        }
        Ok(found)
    }

    /// Adds a signature to those that are there.
    pub(super) async fn add(
        &self,
        engine: &Engine,
        image: &Reference,
        digest: &Digest,
        message: Vec<u8>,
    ) -> Result<(), Error> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let folder = folder.join(below(image, digest));
        engine.blocking("writing a signature", move || Ok(write(&folder, &message)?)).await
    }

    /// Removes the signatures that are there.
    pub(super) async fn clear(&self, engine: &Engine, image: &Reference, digest: &Digest) -> Result<(), Error> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let folder = folder.join(below(image, digest));
        engine.blocking("removing signatures", move || Ok(clear(&folder)?)).await
    }
}

/// The folder that a URL names.
fn folder_of(url: &str) -> Option<Storage> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| Storage::Folder(PathBuf::from(path)))
}

/// The registry's name is not part of it: each has a storage of its own.
fn below(image: &Reference, digest: &Digest) -> String {
    format!("{}@sha256={}", image.repository(), digest.hex())
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> SignatureError {
    let place = path.display().to_string();
    move |source| SignatureError::Storage { doing, place: place.clone(), source }
}

fn numbered(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("signature-{number}"))
}

fn read(folder: &Path) -> Result<Vec<Vec<u8>>, SignatureError> {
    let mut all = Vec::new();
    for number in 1..=SIGNATURES_MAX {
        let path = numbered(folder, number);
        let failed = failed("reading", &path);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            file => file.map_err(&failed)?,
        };
        let mut bytes = Vec::new();
        file.take(SIGNATURE_MAX).read_to_end(&mut bytes).map_err(&failed)?;
        all.push(bytes);
    }
    Ok(all)
}

/// Writes it under the first number that is free; whole, or not at all.
fn write(folder: &Path, message: &[u8]) -> Result<(), SignatureError> {
    fs::create_dir_all(folder).map_err(failed("making", folder))?;
    let failed = failed("writing a signature in", folder);
    let mut file = tempfile::Builder::new().prefix(".signature-").tempfile_in(folder).map_err(&failed)?;
    file.write_all(message).and_then(|()| file.as_file().sync_all()).map_err(&failed)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(&failed)?;
    for number in 1..=SIGNATURES_MAX {
        // Two who sign at once get a number each.
        match file.persist_noclobber(numbered(folder, number)) {
            Ok(_) => return Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(failed(error.error)),
        }
    }
    Err(failed(io::Error::other(format!("there are {SIGNATURES_MAX} already"))))
}

fn clear(folder: &Path) -> Result<(), SignatureError> {
    for number in 1..=SIGNATURES_MAX {
        let path = numbered(folder, number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            removed => removed.map_err(failed("removing", &path))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_added_to_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/b@sha256=1");
        assert!(read(&place).unwrap().is_empty());
        write(&place, b"one").unwrap();
        write(&place, b"two").unwrap();
        assert_eq!(read(&place).unwrap(), [b"one".to_vec(), b"two".to_vec()]);
        clear(&place).unwrap();
        assert!(read(&place).unwrap().is_empty());
        write(&place, b"three").unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_place_is_said() {
        let section = |url: &str| Section { lookaside: Some(url.to_owned()), ..Section::default() };
        assert_eq!(Storage::to_write(&section("file:///x")).unwrap(), Storage::Folder("/x".into()));
        assert_eq!(Storage::to_read(Some("https://q.io/s/")).unwrap(), Storage::Web("https://q.io/s".into()));
        assert!(Storage::to_write(&section("https://q.io/s")).unwrap_err().to_string().contains("lookaside-staging"));
        assert!(Storage::to_read(Some("ftp://x")).is_err() && Storage::to_read(Some("x")).is_err());
    }
}
