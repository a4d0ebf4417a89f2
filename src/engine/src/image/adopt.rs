// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bringing an image of an additional store into our own: whole, since whoever keeps that store may remove it there.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, TryStreamExt as _};

use super::install::{Incoming, IncomingLayer, Source, install};
use super::manifest::Config;
use super::packing::{self, Packing};
use super::progress;
use super::reference::Reference;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::images::Found;
use crate::store::Turn;

/// The layers where they are.
struct Elsewhere(Engine);

impl Source for Elsewhere {
    fn layer<'a>(
        &'a self,
        layer: &'a IncomingLayer,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, Error>>, Error>> {
        async { Ok(packing::outgoing(&self.0, layer.diff_id, Packing::NONE).await?.bytes) }.boxed()
    }
}

/// Makes the image `id` one of ours as well, under its names and `name`.
pub(super) async fn adopt(engine: &Engine, id: Digest, name: Reference) -> Result<(), Error> {
    let found = Found { id, name: None };
    let read = engine.state(move |database| Ok((database.image(&id)?, database.for_start(&found)?)));
    let gone = || Error::NoSuchImage(id.hex());
    let (Some((entry, manifest)), Some(start)) = read.await? else { return Err(gone()) };
    let _held = engine.blocking("locking a store", move || Ok(start.hold()?)).await?;
    let config = Config::parse_alone(&entry.config)
        .map_err(|error| Error::Invalid(format!("reading the configuration of image {id}: {error}")))?;
    let mut layers: Vec<IncomingLayer> = Vec::new();
    for &diff_id in &config.diff_ids {
        if layers.iter().all(|layer| layer.diff_id != diff_id) {
            let size = engine.state(move |database| database.tar_size(&diff_id)).await?.ok_or_else(gone)?;
            layers.push(IncomingLayer { blob: diff_id, known: false, size, diff_id });
        }
    }
    let image = Incoming {
        id,
        digest: entry.digest,
        index: None,
        config: entry.config.into(),
        manifest: manifest.into(),
        created: entry.created,
        diff_ids: config.diff_ids,
        layers,
        // The oldest first, as they are given.
        names: entry.names.into_iter().rev().chain([name]).collect(),
    };
    let engine = engine.clone();
    let mut progress = progress::stream(move |reporter| async move {
        let _turn = Turn::take(engine.paths(), &image.digest).await?;
        install(&engine, image, Arc::new(Elsewhere(engine.clone())), &reporter).await
    });
    while progress.try_next().await?.is_some() {}
    Ok(())
}
