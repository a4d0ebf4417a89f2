// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What brings an image into the store, wherever it comes from: the layers that are not here are unpacked side by side, then all is
//! committed at once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::archive::ArchiveError;
use super::input::Part;
use super::progress::Reporter;
use super::reference::Reference;
use super::{PullLayer, PullProgress, at_once};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::images;
use crate::store::{self, Commit, Committed, LayerError, MAGIC_LENGTH, Staging, UnpackFailure, Unpacked};

/// How often layers that were here may go while others are fetched, before we give up.
const ATTEMPTS: usize = 5;

/// Every so many bytes a layer's progress is told.
const REPORT_EVERY: u64 = 256 << 10;

/// How often is looked how far a layer is that another process reads.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An image on its way in.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) id: Digest,
    pub(super) digest: Digest,
    pub(super) index: Option<Digest>,
    pub(super) config: Bytes,
    pub(super) manifest: Bytes,
    pub(super) created: i64,
    /// Every layer's digest unpacked, the lowest first.
    pub(super) diff_ids: Vec<Digest>,
    /// What can be fetched, each diffID once.
    pub(super) layers: Vec<IncomingLayer>,
    pub(super) names: Vec<Reference>,
}

/// A layer on its way in.
#[derive(Clone, Debug)]
pub(super) struct IncomingLayer {
    pub(super) blob: Digest,
    /// Whether `blob` is what a registry calls it, and worth remembering.
    pub(super) known: bool,
    pub(super) size: u64,
    pub(super) diff_id: Digest,
}

/// Where layers come from.
pub(super) trait Source: Send + Sync + 'static {
    /// The bytes of one, packed or not. They are checked: the stream ends with an error unless they are what was promised.
    fn layer<'a>(
        &'a self,
        layer: &'a IncomingLayer,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, Error>>, Error>>;

    /// The same where it lies in a file, if nothing of it is to be looked at but what it unpacks to.
    fn part(&self, _layer: &IncomingLayer) -> Option<Part> {
        None
    }

    /// The repository that they come from, if it is one: `registry/repository`.
    fn repository(&self) -> Option<String> {
        None
    }
}

/// Brings it in. Dropped, it leaves nothing behind.
pub(super) async fn install(
    engine: &Engine,
    image: Incoming,
    source: Arc<dyn Source>,
    reporter: &Reporter,
) -> Result<(), Error> {
    let image = Arc::new(image);
    let mut installation =
        Installation { engine, image: &image, source, reporter, staging: None, unpacked: Vec::new() };
    let outcome = installation.run().await;
    if installation.staging.is_none() {
        sweep_litter(engine).await;
    }
    installation.finish().await;
    outcome
}

/// Which of an image's layers are not here.
async fn missing(engine: &Engine, image: &Arc<Incoming>) -> Result<Vec<Digest>, Error> {
    let image = Arc::clone(image);
    engine.state(move |database| images::missing_layers(database.reader(), &image.diff_ids)).await
}

struct Installation<'a> {
    engine: &'a Engine,
    image: &'a Arc<Incoming>,
    source: Arc<dyn Source>,
    reporter: &'a Reporter,
    staging: Option<Arc<Staging>>,
    unpacked: Vec<Unpacked>,
}

impl Installation<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let mut missing = missing(self.engine, self.image).await?;
        let layers = self.image.layers.iter().map(|layer| PullLayer {
            blob: layer.blob,
            size: layer.size,
            present: !missing.contains(&layer.diff_id),
        });
        self.reporter.say(PullProgress::Layers(layers.collect()));
        for _ in 0..ATTEMPTS {
            self.unpack(&missing).await?;
            self.reporter.say(PullProgress::Committing);
            match self.commit().await? {
                Committed::Done => return Ok(()),
                // Somebody removed the image that they belonged to in the meantime.
                Committed::Missing(gone) => missing = gone,
            }
        }
        Err(Error::Invalid("layers were removed again and again while the image came in".to_owned()))
    }

    async fn unpack(&mut self, missing: &[Digest]) -> Result<(), Error> {
        let wanted: HashMap<Digest, usize> =
            self.image.layers.iter().enumerate().map(|(index, layer)| (layer.diff_id, index)).collect();
        let mut tasks = JoinSet::new();
        let slots = Arc::new(Semaphore::new(at_once(self.engine).await?));
        for diff_id in missing {
            if self.unpacked.iter().any(|unpacked| unpacked.layer.diff_id == *diff_id) {
                continue;
            }
            let Some(index) = wanted.get(diff_id).copied() else { continue };
            let staging = self.staging().await?;
            let (image, source) = (Arc::clone(self.image), Arc::clone(&self.source));
            let (reporter, slots) = (self.reporter.clone(), Arc::clone(&slots));
            tasks.spawn(async move {
                let Ok(_slot) = slots.acquire().await else { return Err(Error::Cancelled("unpacking")) };
                unpack_one(&staging, &image.layers[index], source.as_ref(), &reporter).await
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            match outcome.map_err(|_| Error::Cancelled("unpacking a layer")).flatten() {
                Ok(unpacked) => self.unpacked.push(unpacked),
                Err(error) => {
                    // The others are of no use, and their steps go with them.
                    tasks.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn staging(&mut self) -> Result<Arc<Staging>, Error> {
        if let Some(staging) = &self.staging {
            return Ok(Arc::clone(staging));
        }
        let (staging, garbage) = Staging::make(self.engine).await?;
        sweep(self.engine, garbage);
        let staging = Arc::new(staging);
        self.staging = Some(Arc::clone(&staging));
        Ok(staging)
    }

    async fn commit(&mut self) -> Result<Committed, Error> {
        if let Some(staging) = &self.staging {
            let folder = staging.path().to_owned();
            self.engine.blocking("syncing an image", move || Ok(store::sync(&folder)?)).await?;
        }
        let (image, unpacked) = (Arc::clone(self.image), self.unpacked.clone());
        let paths = self.engine.paths().clone();
        let committed = self.engine.state(move |database| {
            let new = images::New {
                id: image.id,
                digest: image.digest,
                index: image.index,
                config: &image.config,
                manifest: &image.manifest,
                created: image.created,
                layers: &image.diff_ids,
                names: &image.names,
            };
            Ok(store::commit(database, &paths, &Commit { image: new, unpacked: &unpacked }))
        });
        Ok(committed.await??)
    }

    /// The image is here, or it failed: what is left over is nobody's.
    async fn finish(self) {
        if let Some(staging) = self.staging.and_then(Arc::into_inner)
            && let Err(error) = staging.close().await
        {
            tracing::warn!("{error}");
        }
    }
}

async fn unpack_one(
    staging: &Staging,
    layer: &IncomingLayer,
    source: &dyn Source,
    reporter: &Reporter,
) -> Result<Unpacked, Error> {
    let blob = layer.blob;
    let failed = |source| Error::Layer { blob, source };
    let unpacked = if let Some(part) = source.part(layer) {
        unpack_part(staging, layer, &part, reporter).await
    } else {
        let bytes = counted(source.layer(layer).await?, blob, layer.size, reporter.clone());
        staging.unpack(&layer.diff_id.hex(), bytes).await
    };
    let mut unpacked = unpacked.map_err(|failure| failure.of(&blob))?;
    if unpacked.layer.diff_id != layer.diff_id {
        return Err(failed(LayerError::DiffId { expected: layer.diff_id, found: unpacked.layer.diff_id }));
    }
    unpacked.blob = layer.known.then_some(blob);
    unpacked.place = source.repository().map(|repository| (repository, layer.size));
    reporter.say(PullProgress::Unpacked { blob });
    Ok(unpacked)
}

/// Unpacks what lies in a file, and tells how far that is.
async fn unpack_part(
    staging: &Staging,
    layer: &IncomingLayer,
    part: &Part,
    reporter: &Reporter,
) -> Result<Unpacked, UnpackFailure> {
    let blob = layer.blob;
    let failed = |source| Error::Archive(ArchiveError::Read(source));
    let compression = store::compression(&part.beginning(MAGIC_LENGTH).map_err(failed)?)?;
    let (name, reader) = (layer.diff_id.hex(), part.reader().map_err(failed)?);
    let mut unpacking = std::pin::pin!(staging.unpack_from(&name, reader, compression, Some(part.length)));
    let mut often = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            unpacked = &mut unpacking => return unpacked,
            _ = often.tick() => reporter.say(PullProgress::Fetched { blob, bytes: part.passed() }),
        }
    }
}

/// Tells how far a layer is while it passes.
fn counted(
    bytes: BoxStream<'static, Result<Bytes, Error>>,
    blob: Digest,
    size: u64,
    reporter: Reporter,
) -> impl Stream<Item = Result<Bytes, Error>> {
    let (mut received, mut told) = (0, 0);
    bytes.inspect(move |bytes| {
        let Ok(bytes) = bytes else { return };
        received += bytes.len() as u64;
        if received - told >= REPORT_EVERY || received == size {
            told = received;
            reporter.say(PullProgress::Fetched { blob, bytes: received });
        }
    })
}

/// Removes what killed processes left, beside whatever else is done. What is not done when the program ends is left to the next.
pub(super) fn sweep(engine: &Engine, garbage: Vec<PathBuf>) -> Option<AbortHandle> {
    if garbage.is_empty() {
        return None;
    }
    let engine = engine.clone();
    let task = tokio::spawn(async move {
        let Ok(steps) = engine.steps().await else { return };
        if let Err(error) = store::remove(steps, garbage).await {
            tracing::warn!("{error}");
        }
    });
    Some(task.abort_handle())
}

/// Looks for what killed processes left, and begins to remove it.
pub(crate) async fn sweep_litter(engine: &Engine) {
    let paths = engine.paths().clone();
    let found = engine.state(move |database| Ok(store::litter(database, &paths))).await;
    match found.and_then(|found| Ok(found?)) {
        Ok(garbage) => drop(sweep(engine, garbage)),
        Err(error) => tracing::warn!("looking for what killed processes left: {error}"),
    }
}
