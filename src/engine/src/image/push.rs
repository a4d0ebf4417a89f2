// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sending an image to a registry.
//!
//! A layer that the registry has is not sent: it is looked for in the repository, then taken from another repository of the same
//! registry, under every name that is known of it (what it came as, what it was sent as before). When all of them have the blobs
//! that the manifest names, it is sent as it came, to the byte, and so has the same digest; else it is written anew.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::document::{self, Part};
use super::manifest::Document;
use super::names::unless_gone;
use super::packing::{self, Packing};
use super::progress::Reporter;
use super::reference::{Name, Reference};
use super::registry::{RegistryError, Repository};
use super::{Details, PullLayer, PullOptions, PushProgress, SignWith, announce, at_once, signature};
use crate::config::Folders;
use crate::config::registries::Registries;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::images::{self, Place};
use crate::step::Compression;

/// Every so many bytes a layer's progress is told.
const REPORT_EVERY: u64 = 256 << 10;

/// Why an image could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// A blob could not be looked for; Podman's words.
    #[error("trying to reuse blob {blob} at destination")]
    Reuse {
        /// The layer.
        blob: Digest,
        /// What the registry did.
        source: RegistryError,
    },
    /// Anything else that the registry did.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl PushError {
    /// What the registry did.
    pub(crate) fn registry(&self) -> &RegistryError {
        match self {
            Self::Reuse { source, .. } | Self::Registry(source) => source,
        }
    }
}

/// In whose dress a manifest is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFormat {
    /// OCI's.
    Oci,
    /// Docker's version 2, schema 2.
    Docker,
}

/// What `push` is to do.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// How the registry is spoken to; its platform is of no use.
    pub access: PullOptions,
    /// The manifest's dress; as the image has it when nothing.
    pub format: Option<ManifestFormat>,
    /// How layers are packed; when nothing, as the registry has them, or else by gzip.
    pub packing: Option<Packing>,
    /// Packed anew even if the registry has the layer packed otherwise.
    pub force_compression: bool,
    /// By whom it is signed.
    pub sign: SignWith,
}

/// A repository by its name, as registries.conf says that it is spoken to. Nothing is sent yet.
pub(super) async fn repository(engine: &Engine, name: &str, options: &PullOptions) -> Result<Repository, Error> {
    let reference: Reference = name.parse()?;
    open(engine, &reference, options).await
}

pub(super) async fn open(engine: &Engine, reference: &Reference, options: &PullOptions) -> Result<Repository, Error> {
    let wanted = reference.clone();
    let read = engine.blocking("reading registries.conf", move || {
        let registries = Registries::read(&Folders::from_environment())?;
        // Mirrors are for pulling: the registry itself is the last.
        Ok((registries.endpoints(&wanted)?.pop(), registries))
    });
    let (endpoint, registries) = read.await?;
    let mut endpoint = endpoint.ok_or_else(|| Error::NoSuchImage(reference.to_string()))?;
    if let Some(verify) = options.tls_verify {
        endpoint.insecure = !verify;
    }
    Ok(Repository::open(&endpoint, options.access(reference, &registries)?)?)
}

/// Sends the image `name` to `destination`.
pub(super) async fn push(
    engine: Engine,
    name: String,
    destination: String,
    options: PushOptions,
    reporter: Reporter<PushProgress>,
) -> Result<(), Error> {
    let images = engine.images();
    let found = images.find(&name).await?;
    let details = images.inspect(&found.id.to_string()).await?;
    let wanted: Name = destination.strip_prefix("docker://").unwrap_or(&destination).parse()?;
    let reference = wanted.full().map_or_else(|| destination.parse(), Ok)?;
    let repository = open(&engine, &reference, &options.access).await?;
    let signer = options.sign.open(&engine).await?;
    let push = Push::of(engine.clone(), details, (reference, repository), options, reporter);
    let pushed = push.run(false).await;
    let Published { digest } = unless_gone(&engine, found.id, &name, pushed).await?;
    push.say(PushProgress::Written);
    let say = |words| push.say(PushProgress::Signing(words));
    signer.sign(&engine, &push.repository, &push.reference, &digest, say).await?;
    announce(&engine, "push", &found.id, &push.reference.to_string());
    push.say(PushProgress::Done { digest });
    Ok(())
}

/// Signs what a registry has by that name.
pub(super) async fn sign(
    engine: &Engine,
    name: &str,
    user: &str,
    folder: Option<std::path::PathBuf>,
    all: bool,
    options: &PullOptions,
) -> Result<(), Error> {
    let name: Name = name.parse()?;
    let reference = name.full().unwrap_or_else(|| name.or_local());
    let repository = open(engine, &reference, options).await?;
    let answer = repository.wanted().await?;
    let mut digests = vec![answer.digest];
    if all && let Ok(Document::Index(members)) = Document::parse(&answer.bytes) {
        digests.extend(members.iter().map(|member| member.digest));
    }
    for digest in digests {
        signature::sign_there(engine, &reference, &digest, user, folder.clone()).await?;
    }
    Ok(())
}

/// What a registry has now.
pub(super) struct Published {
    /// The digest of the manifest.
    pub(super) digest: Digest,
}

/// One image on its way to one repository.
pub(super) struct Push {
    engine: Engine,
    details: Details,
    reference: Reference,
    repository: Repository,
    options: PushOptions,
    reporter: Reporter<PushProgress>,
}

impl Push {
    pub(super) fn of(
        engine: Engine,
        details: Details,
        (reference, repository): (Reference, Repository),
        options: PushOptions,
        reporter: Reporter<PushProgress>,
    ) -> Arc<Self> {
        Arc::new(Self { engine, details, reference, repository, options, reporter })
    }

    pub(super) fn say(&self, progress: PushProgress) {
        self.reporter.say(progress);
    }

    /// Sends everything, the manifest last: by the name that the reference has, or by its digest.
    pub(super) async fn run(self: &Arc<Self>, by_digest: bool) -> Result<Published, Error> {
        let diff_ids = super::diff_ids(&self.details)?;
        let described = self.described(&diff_ids);
        let mut layers: Vec<PullLayer> = Vec::new();
        for diff_id in &diff_ids {
            if !layers.iter().any(|layer| layer.blob == *diff_id) {
                let layer = *diff_id;
                let size = self.engine.state(move |database| database.tar_size(&layer)).await?;
                layers.push(PullLayer { blob: layer, size: size.unwrap_or_default(), present: false });
            }
        }
        self.reporter.say(PushProgress::Layers(layers.clone()));
        let mut tasks = JoinSet::new();
        let slots = Arc::new(Semaphore::new(at_once(&self.engine).await?));
        for layer in layers {
            let (push, slots) = (Arc::clone(self), Arc::clone(&slots));
            let described: Vec<Part> =
                described.iter().filter(|(diff_id, _)| *diff_id == layer.blob).map(|(_, part)| *part).collect();
            tasks.spawn(async move {
                let Ok(_slot) = slots.acquire().await else { return Err(Error::Cancelled("sending")) };
                push.layer(layer.blob, &described).await.map(|part| (layer.blob, part))
            });
        }
        let mut parts = Vec::new();
        while let Some(outcome) = tasks.join_next().await {
            match outcome.map_err(|_| Error::Cancelled("sending a layer")).flatten() {
                Ok(part) => parts.push(part),
                Err(error) => {
                    tasks.shutdown().await;
                    return Err(error);
                }
            }
        }
        let part = |diff_id: &Digest| parts.iter().find(|(of, _)| of == diff_id).map(|(_, part)| *part);
        let parts: Vec<Part> = diff_ids.iter().filter_map(part).collect();
        self.blob(self.details.config_bytes.clone().into(), &self.details.summary.id).await?;
        self.reporter.say(PushProgress::Config(self.details.summary.id));
        let (manifest, media_type) = self.manifest(&parts, &described);
        let digest = Digest::of(&manifest);
        let tag = if by_digest { digest.to_string() } else { self.reference.wanted() };
        self.repository.publish(&tag, media_type, manifest).await.map_err(PushError::from)?;
        Ok(Published { digest })
    }

    /// The blobs that the image's own manifest names, for each layer.
    fn described(&self, diff_ids: &[Digest]) -> Vec<(Digest, Part)> {
        let Ok(Document::Image(manifest)) = Document::parse(&self.details.manifest_bytes) else { return Vec::new() };
        let part = |(diff_id, layer): (&Digest, super::manifest::Descriptor)| {
            let compression = if layer.digest == *diff_id {
                Compression::None
            } else if layer.media_type.ends_with("zstd") {
                Compression::Zstd
            } else {
                Compression::Gzip
            };
            (*diff_id, Part { digest: layer.digest, size: layer.size, compression })
        };
        diff_ids.iter().zip(manifest.layers).map(part).collect()
    }

    /// The manifest as it came if it is true of the registry's blobs, or one that is.
    fn manifest(&self, parts: &[Part], described: &[(Digest, Part)]) -> (Bytes, &'static str) {
        let original = &self.details.manifest_bytes;
        let was_docker = document::is_docker(original);
        let zstd = parts.iter().any(|part| part.compression == Compression::Zstd);
        let docker = match self.options.format {
            Some(format) => format == ManifestFormat::Docker,
            // Docker's has no word for it.
            None => was_docker && !zstd,
        };
        let media_type = if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST };
        let unchanged = docker == was_docker && parts.iter().eq(described.iter().map(|(_, part)| part));
        if unchanged {
            return (original.clone().into(), media_type);
        }
        (document::manifest(original, &self.details.config_bytes, parts, docker), media_type)
    }

    /// Sees to it that the registry has a layer; as what.
    async fn layer(&self, diff_id: Digest, described: &[Part]) -> Result<Part, Error> {
        let known = self.engine.state(move |database| images::places(database.reader(), &diff_id)).await?;
        let mut candidates: Vec<Part> = described.to_vec();
        for place in &known {
            let part = Part { digest: place.blob, size: place.size, compression: place.compression };
            if !candidates.iter().any(|other| other.digest == part.digest) {
                candidates.push(part);
            }
        }
        candidates.retain(|part| self.will_do(part));
        // As it is usual, if there is a choice.
        let usual = self.options.packing.unwrap_or(Packing::GZIP).compression;
        candidates.sort_by_key(|part| part.compression != usual);
        for part in &candidates {
            if self.is_there(diff_id, part, &known).await? {
                self.reporter.say(PushProgress::Skipped { blob: diff_id });
                self.remember(diff_id, part).await?;
                return Ok(*part);
            }
        }
        let part = match self.send(diff_id).await {
            // The token's time was up when the bytes were under way: the next session is begun with a new one.
            Err(Error::Push(error)) if error.registry().is_of_a_stranger() => self.send(diff_id).await?,
            sent => sent?,
        };
        self.reporter.say(PushProgress::Copied { blob: diff_id });
        self.remember(diff_id, &part).await?;
        Ok(part)
    }

    /// Whether a layer may be packed like that.
    fn will_do(&self, part: &Part) -> bool {
        match self.options.packing {
            Some(packing) if self.options.force_compression => part.compression == packing.compression,
            Some(packing) if part.compression != Compression::None => part.compression == packing.compression,
            _ if self.options.format == Some(ManifestFormat::Docker) => part.compression == Compression::Gzip,
            _ => part.compression != Compression::None,
        }
    }

    /// Whether the repository has a blob, or gets it from another one.
    async fn is_there(&self, diff_id: Digest, part: &Part, known: &[Place]) -> Result<bool, Error> {
        let reusing = |source| PushError::Reuse { blob: diff_id, source };
        if let Some(length) = self.repository.length_of(&part.digest).await.map_err(reusing)? {
            return Ok(length == part.size);
        }
        let ours = self.repository.name();
        let elsewhere = known.iter().filter(|place| place.blob == part.digest).map(|place| place.repository.clone());
        let names = self.details.summary.names.iter().chain(&self.details.summary.repo_digests);
        let by_name = names.filter_map(|name| Some(name.parse::<Reference>().ok()?.repository_name()));
        let mut tried: Vec<String> = Vec::new();
        for repository in elsewhere.chain(by_name) {
            let Some(from) = repository.strip_prefix(&format!("{}/", self.reference.registry())) else { continue };
            if repository == ours || tried.contains(&repository) {
                continue;
            }
            if self.repository.mount(&part.digest, from).await.map_err(reusing)? {
                return Ok(true);
            }
            tried.push(repository);
        }
        Ok(false)
    }

    /// Notes that the repository has the layer.
    async fn remember(&self, diff_id: Digest, part: &Part) -> Result<(), Error> {
        let place = Place {
            blob: part.digest,
            repository: self.repository.name(),
            size: part.size,
            compression: part.compression,
        };
        self.engine
            .state(move |database| {
                database.write("noting where a layer is", |transaction| {
                    // Its image may have been removed meanwhile.
                    if images::has_layer(transaction, &diff_id)? {
                        images::add_place(transaction, &diff_id, &place)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Sends a layer, packed; as what.
    async fn send(&self, diff_id: Digest) -> Result<Part, Error> {
        let packing = self.options.packing.unwrap_or(Packing::GZIP);
        let outgoing = packing::outgoing(&self.engine, diff_id, packing).await?;
        let session = self.repository.begin().await.map_err(PushError::from)?;
        let (mut sent, mut told) = (0, 0);
        let reporter = self.reporter.clone();
        // What fails here ends the request, which knows only that its body broke off.
        let (failure, failed) = std::sync::mpsc::channel();
        let bytes = outgoing.bytes.map(move |bytes| match bytes {
            Ok(bytes) => {
                sent += bytes.len() as u64;
                if sent - told >= REPORT_EVERY {
                    told = sent;
                    reporter.say(PushProgress::Sent { blob: diff_id, bytes: sent });
                }
                Ok(bytes)
            }
            Err(error) => {
                let _ = failure.send(error);
                Err(io::Error::other("the layer broke off"))
            }
        });
        let appended = self.repository.append(&session, bytes).await;
        if let Ok(error) = failed.try_recv() {
            self.give_up(&session).await;
            return Err(error);
        }
        let next = match appended {
            Ok(next) => next,
            Err(error) => {
                self.give_up(&session).await;
                return Err(PushError::from(error).into());
            }
        };
        let packed = outgoing.packed.await.map_err(|_| Error::Cancelled("packing a layer"))?;
        let done = self.repository.complete(&next, &packed.digest, Bytes::new()).await;
        if let Err(error) = done {
            self.give_up(&next).await;
            return Err(PushError::from(error).into());
        }
        Ok(Part { digest: packed.digest, size: packed.size, compression: packing.compression })
    }

    /// Tells the registry that an upload is not going on, if it still listens.
    async fn give_up(&self, session: &super::registry::Session) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.repository.cancel(session)).await;
    }

    /// Sends a small blob, unless it is there.
    async fn blob(&self, bytes: Bytes, digest: &Digest) -> Result<(), Error> {
        let reusing = |source| PushError::Reuse { blob: *digest, source };
        if self.repository.length_of(digest).await.map_err(reusing)?.is_some() {
            return Ok(());
        }
        let session = self.repository.begin().await.map_err(PushError::from)?;
        self.repository.complete(&session, digest, bytes).await.map_err(PushError::from)?;
        Ok(())
    }
}
