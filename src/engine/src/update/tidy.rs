// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Old images that updates have left: the one before stays, to go back to; those before it go.

use std::collections::HashSet;

use super::Outcome;
use super::record::{self, Entry};
use crate::engine::{Engine, Error};

/// Removes images that updates brought and left nameless, that no container is made from and that nobody would go back to.
pub(super) async fn remove_superseded(engine: &Engine) -> Result<(), Error> {
    let entries = record::all(engine).await?;
    let images = |entry: &Entry| [entry.from.image, entry.to.image];
    let ours: HashSet<_> = entries.iter().flat_map(images).flatten().collect();
    let mut kept = HashSet::new();
    let mut seen = HashSet::new();
    for entry in entries.iter().rev() {
        let is_last = entry.outcome == Outcome::Updated && seen.insert(&entry.unit);
        if is_last || entry.outcome == Outcome::Begun {
            kept.extend(images(entry).into_iter().flatten());
        }
    }
    for image in engine.images().list().await? {
        let nameless = image.names.is_empty() && image.containers == 0;
        if nameless && ours.contains(&image.id) && !kept.contains(&image.id) {
            // Somebody else may be quicker, or may need it now.
            if let Err(error) = engine.images().remove_unused(&image.id).await {
                tracing::debug!("removing image {}: {error}", image.id);
            }
        }
    }
    Ok(())
}
