// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much of the disk images take: what each has for itself, and what it shares with others.

use std::collections::BTreeMap;

use super::{Images, Summary};
use crate::engine::Error;
use crate::state::Database;

/// The bytes of an image's layers unpacked.
#[derive(Clone, Debug)]
pub struct Space {
    /// The image.
    pub summary: Summary,
    /// Of layers that other images have as well.
    pub shared: u64,
    /// Of layers that no other image has.
    pub unique: u64,
    /// Of all layers that several images have, each counted once: the same for every image.
    pub all_shared: u64,
}

impl Images {
    pub(super) async fn measure(&self) -> Result<Vec<Space>, Error> {
        let summaries = self.all().await?;
        let layers = self.engine.state(Database::layers_of_all).await?;
        let mut users: BTreeMap<&str, u64> = BTreeMap::new();
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, layer, size) in &layers {
            *users.entry(layer).or_default() += 1;
            sizes.insert(layer, *size);
        }
        let is_shared = |layer: &str| users.get(layer).is_some_and(|count| *count > 1);
        let all_shared = sizes.iter().filter(|(layer, _)| is_shared(layer)).map(|(_, size)| size).sum();
        let measured = summaries.into_iter().map(|summary| {
            let id = summary.id.to_string();
            let own = layers.iter().filter(|(image, ..)| *image == id);
            let (mut shared, mut unique) = (0, 0);
            for (_, layer, size) in own {
                *if is_shared(layer) { &mut shared } else { &mut unique } += size;
            }
            Space { summary, shared, unique, all_shared }
        });
        Ok(measured.collect())
    }
}
