// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sending a manifest list to a registry, and what it names before it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::super::archive::Archive;
use super::super::document;
use super::super::input;
use super::super::install::Source as _;
use super::super::manifest::Document;
use super::super::packing::Packing;
use super::super::progress::{self, Reporter};
use super::super::push::{self, Push, PushError};
use super::super::reference::{Name, Reference};
use super::super::registry::{Checked, Reason, Repository};
use super::super::transport::Location;
use super::super::{PullLayer, PullOptions, PushOptions, PushProgress, SignWith, announce, load};
use super::artifact::{self, Blob};
use super::document_of::OCI_INDEX;
use super::{ListProgress, ManifestLists, Member, Source, descriptor};
use crate::digest::Digest;
use crate::engine::{Engine, Error, Progress, os_words};
use crate::step::Compression;

/// What the annotation of a member whose layers are packed with zstd is called.
const ZSTD: &str = "io.github.containers.compression.zstd";

/// How a list is pushed.
#[derive(Clone, Debug)]
pub struct ListPush {
    /// How its images are.
    pub images: PushOptions,
    /// Whether they are at all; else the registry has to have them.
    pub all: bool,
    /// With what its images are packed in members that are added to those that there are.
    pub add: Vec<Packing>,
}

/// Where a list goes.
struct Target {
    engine: Engine,
    reference: Reference,
    repository: Repository,
    options: PushOptions,
    reporter: Reporter<ListProgress>,
}

impl ManifestLists {
    /// Sends the list to a registry, and what it names before it.
    pub fn push(&self, list: &str, destination: &str, options: ListPush) -> Progress<ListProgress> {
        let (lists, list, destination) = (self.clone(), list.to_owned(), destination.to_owned());
        progress::stream(move |reporter| async move { lists.push_all(list, destination, options, reporter).await })
    }

    async fn push_all(
        self,
        list: String,
        destination: String,
        options: ListPush,
        reporter: Reporter<ListProgress>,
    ) -> Result<(), Error> {
        let mut list = self.get(&list).await?;
        if let Ok(Some(location)) = Location::parse(&destination) {
            return Err(Error::Invalid(format!(
                "pushing a manifest list to {location}: Haulout pushes lists to registries only: push its images there one by one"
            )));
        }
        let wanted: Name = destination.strip_prefix("docker://").unwrap_or(&destination).parse()?;
        let reference = wanted.full().map_or_else(|| destination.parse(), Ok)?;
        let repository = push::open(&self.engine, &reference, &options.images.access).await?;
        let signer = options.images.sign.open(&self.engine).await?;
        let listed = list.members.len();
        let images = if options.all { listed * (1 + options.add.len()) } else { 0 };
        reporter.say(ListProgress::Begun { images, listed });
        let target = Target {
            engine: self.engine.clone(),
            reference,
            repository,
            options: PushOptions { sign: SignWith::default(), ..options.images },
            reporter,
        };
        if options.all {
            let mut added = Vec::new();
            for (index, member) in list.members.iter_mut().enumerate() {
                added.extend(target.more(member, &options.add));
                target.reporter.say(ListProgress::Member { digest: member.digest, number: index + 1, count: images });
                target.member(member).await?;
            }
            for (index, (member, packing)) in added.iter_mut().enumerate() {
                let number = listed + index + 1;
                target.reporter.say(ListProgress::Member { digest: member.digest, number, count: images });
                target.packed(member, *packing).await?;
            }
            list.members.extend(added.into_iter().map(|(member, _)| member));
        }
        let say = |words| target.reporter.say(ListProgress::Push(PushProgress::Signing(words)));
        for member in &list.members {
            signer.sign(&self.engine, &target.repository, &target.reference, &member.digest, say).await?;
        }
        let document = list.published();
        let kind = document["mediaType"].as_str().unwrap_or(OCI_INDEX).to_owned();
        let document = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
        let digest = Digest::of(&document);
        target.repository.publish(&target.reference.wanted(), &kind, document).await.map_err(PushError::from)?;
        signer.sign(&self.engine, &target.repository, &target.reference, &digest, say).await?;
        announce(&self.engine, "push", &digest, &target.reference.to_string());
        target.reporter.say(ListProgress::Done { digest });
        Ok(())
    }
}

impl Target {
    /// The members that are added beside one: an image here can be packed in another way, what is elsewhere stays as it is.
    fn more(&self, member: &Member, packings: &[Packing]) -> Vec<(Member, Packing)> {
        match &member.source {
            Source::Image(_) => packings.iter().map(|packing| (member.clone(), *packing)).collect(),
            _ if packings.is_empty() => Vec::new(),
            _ => {
                self.engine.warn(format!(
                    "{} is not an image here, so its layers are not packed anew: pull it before it is added",
                    member.digest
                ));
                Vec::new()
            }
        }
    }

    /// Sends what a member names; the member is then what the registry has.
    async fn member(&self, member: &mut Member) -> Result<(), Error> {
        match member.source.clone() {
            Source::Image(id) => self.image(member, id, self.options.clone()).await,
            Source::Registry(from) => {
                let source: Reference = from.parse()?;
                let source = push::open(&self.engine, &source, &self.options.access).await?;
                self.copy(&source, &from, member.digest).await
            }
            Source::Location(location) => self.location(&location, member).await,
            Source::Files { manifest, files } => self.files(&manifest, &files).await,
        }
    }

    /// Sends an image packed in one way, whatever the registry has.
    async fn packed(&self, member: &mut Member, packing: Packing) -> Result<(), Error> {
        let Source::Image(id) = member.source else { return Ok(()) };
        let options = PushOptions { packing: Some(packing), force_compression: true, ..self.options.clone() };
        self.image(member, id, options).await
    }

    /// Sends an image that is here.
    async fn image(&self, member: &mut Member, id: Digest, options: PushOptions) -> Result<(), Error> {
        let details = self.engine.images().inspect(&id.to_string()).await?;
        let zstd = options.packing.is_some_and(|packing| packing.compression == Compression::Zstd);
        let (engine, to) = (self.engine.clone(), (self.reference.clone(), self.repository.clone()));
        // Told on as it is: the same steps as those of one image.
        let mut pushing = progress::stream(move |reporter| async move {
            let push = Push::of(engine, details, to, options, reporter);
            let published = push.run(true).await?;
            push.say(PushProgress::Done { digest: published.digest });
            Ok(())
        });
        while let Some(step) = pushing.next().await {
            match step? {
                PushProgress::Done { digest } => {
                    let published = self.repository.member(&descriptor(digest)).await.map_err(PushError::from)?;
                    member.digest = digest;
                    member.size = published.bytes.len() as u64;
                    let docker = document::is_docker(&published.bytes);
                    let kind = if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST };
                    kind.clone_into(&mut member.media_type);
                }
                step => self.reporter.say(ListProgress::Push(step)),
            }
        }
        if zstd {
            member.annotations.insert(ZSTD.to_owned(), "true".to_owned());
        }
        Ok(())
    }

    /// Copies an image from one repository to another, as it is.
    async fn copy(&self, source: &Repository, from: &str, digest: Digest) -> Result<(), Error> {
        let fetched = source.member(&descriptor(digest)).await.map_err(PushError::from)?;
        let malformed = |error| Error::Invalid(format!("manifest {digest} in {from}: {error}"));
        let Document::Image(manifest) = Document::parse(&fetched.bytes).map_err(malformed)? else {
            return Err(Error::Invalid(format!("manifest {digest} in {from} is an index itself")));
        };
        self.tell(manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
        let mountable = from.strip_prefix(&format!("{}/", self.reference.registry()));
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            if self.has(&blob.digest).await? {
                continue;
            }
            if let Some(from) = mountable
                && self.repository.mount(&blob.digest, from).await.map_err(PushError::from)?
            {
                continue;
            }
            let bytes = source.blob(blob.digest, blob.size).await.map_err(PushError::from)?;
            self.send(&blob.digest, bytes.map(|bytes| bytes.map_err(|error| io::Error::other(error.to_string()))))
                .await?;
        }
        self.reporter.say(ListProgress::Push(PushProgress::Config(manifest.config.digest)));
        self.publish(&digest, fetched.bytes).await
    }

    /// Sends what lies in an archive or a folder, as it is.
    async fn location(&self, location: &str, member: &Member) -> Result<(), Error> {
        let place = Location::parse(location).map_err(|error| Error::Invalid(error.to_string()))?;
        let Some(place) = place else { return Err(Error::NoSuchImage(location.to_owned())) };
        let found = load::only(&self.engine, place, &PullOptions::default()).await?;
        if found.image.digest != member.digest {
            return Err(Error::Invalid(format!(
                "{location} is not what was added to the list any more: its manifest is {}, not {}: add it again",
                found.image.digest, member.digest
            )));
        }
        self.tell(found.image.layers.iter().map(|layer| (layer.blob, layer.size)));
        let source = Archive::source(found.places);
        for layer in &found.image.layers {
            if !self.has(&layer.blob).await? {
                let bytes = source.layer(layer).await?;
                let bytes = bytes.map(|bytes| bytes.map_err(|error| io::Error::other(error.to_string())));
                self.send(&layer.blob, bytes).await?;
            }
        }
        self.repository.put(&found.image.config).await.map_err(PushError::from)?;
        self.reporter.say(ListProgress::Push(PushProgress::Config(found.image.id)));
        self.publish(&member.digest, found.image.manifest).await
    }

    /// Sends an artifact.
    async fn files(&self, manifest: &str, files: &[PathBuf]) -> Result<(), Error> {
        let blobs = artifact::blobs(manifest, files)?;
        self.tell(
            blobs.iter().filter(|(.., blob)| matches!(blob, Blob::File(_))).map(|(blob, size, _)| (*blob, *size)),
        );
        for (digest, size, blob) in blobs {
            match blob {
                Blob::Bytes(bytes) => {
                    self.repository.put(&bytes.into()).await.map_err(PushError::from)?;
                    self.reporter.say(ListProgress::Push(PushProgress::Config(digest)));
                }
                Blob::File(path) if !self.has(&digest).await? => self.file(&path, digest, size).await?,
                Blob::File(_) => {}
            }
        }
        self.publish(&Digest::of(manifest.as_bytes()), manifest.to_owned().into()).await
    }

    /// Sends a file, which has to be what it was when it was added.
    async fn file(&self, path: &std::path::Path, digest: Digest, size: u64) -> Result<(), Error> {
        let failed = |error: io::Error| Error::Invalid(format!("open {}: {}", path.display(), os_words(&error)));
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let changed =
            Error::Invalid(format!("{} is not what was added to the list any more: add it again", path.display()));
        if length != size {
            return Err(changed);
        }
        let bytes = input::part(Arc::new(file), 0, length);
        let bytes =
            Checked::new(bytes.map(|bytes| bytes.map_err(|error| Reason::Connection(error.to_string()))), digest, size);
        let words = changed.to_string();
        let sent = self.send(&digest, bytes.map(move |bytes| bytes.map_err(|_| io::Error::other(words.clone())))).await;
        sent.map_err(|error| if error.to_string().contains("any more") { changed } else { error })
    }

    fn tell(&self, layers: impl Iterator<Item = (Digest, u64)>) {
        let layers = layers.map(|(blob, size)| PullLayer { blob, size, present: false }).collect();
        self.reporter.say(ListProgress::Push(PushProgress::Layers(layers)));
    }

    async fn has(&self, blob: &Digest) -> Result<bool, Error> {
        Ok(self.repository.length_of(blob).await.map_err(PushError::from)?.is_some())
    }

    async fn send(
        &self,
        blob: &Digest,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Error> {
        let session = self.repository.begin().await.map_err(PushError::from)?;
        let next = self.repository.append(&session, bytes).await.map_err(PushError::from)?;
        Ok(self.repository.complete(&next, blob, Bytes::new()).await.map_err(PushError::from)?)
    }

    async fn publish(&self, digest: &Digest, manifest: Bytes) -> Result<(), Error> {
        let kind = if document::is_docker(&manifest) { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST };
        Ok(self.repository.publish(&digest.to_string(), kind, manifest).await.map_err(PushError::from)?)
    }
}
