// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files as an artifact of a manifest list (OCI image specification, manifest.md, “Guidelines for Artifact Usage”).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::document::OCI_MANIFEST;
use super::super::manifest::DOCUMENT_MAX;
use super::{ManifestList, ManifestLists, Member, MemberChange, MemberPlatform, Source};
use crate::digest::Digest;
use crate::engine::{Error, os_words};

const UNKNOWN: &str = "application/vnd.unknown.artifact.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TITLE: &str = "org.opencontainers.image.title";

/// What is to be said of files that become an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactOptions {
    /// Which kind it is; `application/vnd.unknown.artifact.v1` when nothing, none when it is empty.
    pub artifact_type: Option<String>,
    /// A file that is its configuration.
    pub config: Option<PathBuf>,
    /// Of which type that is.
    pub config_type: Option<String>,
    /// Of which type the files are; each its own when nothing.
    pub layer_type: Option<String>,
    /// Whether the files' names are left out.
    pub exclude_titles: bool,
}

/// A manifest in the order in which Podman writes it: the same files have the same digest.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Part,
    layers: Vec<Part>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

/// A blob of an artifact.
pub(super) enum Blob {
    /// What the manifest itself holds.
    Bytes(Vec<u8>),
    /// A file.
    File(PathBuf),
}

impl ManifestLists {
    /// Adds one artifact, whose layers `files` are.
    pub async fn add_files(
        &self,
        list: &str,
        files: &[PathBuf],
        artifact: ArtifactOptions,
        change: MemberChange,
    ) -> Result<ManifestList, Error> {
        self.get(list).await?;
        let paths = files.to_vec();
        let member = self.engine.blocking("reading files", move || member(&paths, &artifact)).await?;
        self.change(list, move |list| {
            let mut member = member;
            change.apply(&mut member);
            list.members.retain(|other| other.digest != member.digest);
            list.members.push(member);
            Ok(())
        })
        .await
    }
}

fn member(files: &[PathBuf], options: &ArtifactOptions) -> Result<Member, Error> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let config = match &options.config {
        None => (b"{}".to_vec(), EMPTY),
        Some(path) => (small(path)?, CONFIG),
    };
    let artifact_type = options.artifact_type.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let artifact_type = Some(artifact_type).filter(|kind| !kind.is_empty());
    let mut layers = Vec::new();
    let mut whole = Vec::new();
    for path in files {
        layers.push(layer(path, said(&options.layer_type), options.exclude_titles)?);
        whole.push(std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    }
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        artifact_type: artifact_type.clone(),
        config: Part {
            media_type: said(&options.config_type).unwrap_or_else(|| config.1.to_owned()),
            digest: Digest::of(&config.0),
            size: config.0.len() as u64,
            annotations: BTreeMap::new(),
            data: Some(STANDARD.encode(&config.0)),
        },
        layers,
    };
    let manifest = serde_json::to_string(&manifest).unwrap_or_default();
    Ok(Member {
        digest: Digest::of(manifest.as_bytes()),
        size: manifest.len() as u64,
        media_type: OCI_MANIFEST.to_owned(),
        platform: MemberPlatform::default(),
        annotations: BTreeMap::new(),
        artifact_type,
        source: Source::Files { manifest, files: whole },
    })
}

fn layer(path: &Path, kind: Option<String>, untitled: bool) -> Result<Part, Error> {
    let failed = |error: io::Error| {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let doing = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
        Error::Invalid(format!(
            "reading {:?} to determine its digest: {doing} {}: {}",
            path.display().to_string(),
            whole.display(),
            os_words(&error)
        ))
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut beginning = Vec::new();
    (&mut file).take(512).read_to_end(&mut beginning).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 16];
    let mut whole = io::Cursor::new(&beginning).chain(file);
    loop {
        let read = whole.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = kind.unwrap_or_else(|| media_type(&name, &beginning).to_owned());
    let annotations = if untitled { BTreeMap::new() } else { BTreeMap::from([(TITLE.to_owned(), name)]) };
    Ok(Part { media_type: kind, digest: Digest::from_bytes(hash.finalize().into()), size, annotations, data: None })
}

/// A file that goes into the manifest.
fn small(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: io::Error| Error::Invalid(format!("open {}: {}", path.display(), os_words(&error)));
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(DOCUMENT_MAX / 2).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == DOCUMENT_MAX / 2 {
        return Err(Error::Invalid(format!(
            "{} is longer than {} bytes: too long for the configuration of an artifact",
            path.display(),
            DOCUMENT_MAX / 2
        )));
    }
    Ok(bytes)
}

/// What a file is, by the end of its name, or else by its beginning. Whoever wants another says it.
fn media_type(name: &str, beginning: &[u8]) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match end.as_deref() {
        Some("txt" | "text" | "log" | "conf") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("csv") => "text/csv",
        Some("md") => "text/markdown",
        Some("xml") => "text/xml",
        Some("js" | "mjs") => "text/javascript",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("pdf") => "application/pdf",
        Some("gz" | "tgz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("tar") => "application/x-tar",
        Some("zip") => "application/zip",
        Some("gif") => "image/gif",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("webp") => "image/webp",
        _ if beginning.starts_with(&[0x1f, 0x8b]) => "application/x-gzip",
        _ if beginning.iter().all(|byte| !matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31)) => "text/plain",
        _ => "application/octet-stream",
    }
}

/// The blobs of an artifact with their digests and lengths, its configuration last.
pub(super) fn blobs(manifest: &str, files: &[PathBuf]) -> Result<Vec<(Digest, u64, Blob)>, Error> {
    let broken = |error: &dyn std::fmt::Display| Error::Invalid(format!("an artifact in the database: {error}"));
    let manifest: Manifest = serde_json::from_str(manifest).map_err(|error| broken(&error))?;
    let layers = manifest.layers.iter().zip(files);
    let mut blobs: Vec<_> = layers.map(|(part, file)| (part.digest, part.size, Blob::File(file.clone()))).collect();
    let config = STANDARD.decode(manifest.config.data.unwrap_or_default()).map_err(|error| broken(&error))?;
    blobs.push((manifest.config.digest, manifest.config.size, Blob::Bytes(config)));
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `podman manifest add --artifact` wrote of a file `f1.txt` that holds `hello`, to the byte.
    #[test]
    fn an_artifact_s_manifest_is_podman_s() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f1.txt");
        std::fs::write(&file, "hello\n").unwrap();
        let member = member(&[file], &ArtifactOptions::default()).unwrap();
        assert_eq!(
            member.digest.to_string(),
            "sha256:5fb774142c90f00f5b37a2d1ebc4a9bc9eaf539ba668757511f1f9721c48560f"
        );
        assert_eq!(member.size, 482);
    }

    #[test]
    fn a_file_is_what_its_name_says_or_what_it_begins_with() {
        for (name, beginning, expected) in [
            ("a.html", &b"x"[..], "text/html"),
            ("b.tar.gz", b"x", "application/gzip"),
            ("c", b"", "text/plain"),
            ("d", b"some words", "text/plain"),
            ("e.bin", b"\0\x01", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name, beginning), expected, "{name}");
        }
    }
}
