// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Listing images and looking at one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Details, Images, Summary};
use crate::engine::Error;
use crate::state::Database;
use crate::state::images::Entry;

/// The part of a configuration that a list needs.
#[derive(Default, Deserialize)]
struct Labelled {
    #[serde(default)]
    config: Option<Labels>,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl Images {
    pub(super) async fn all(&self) -> Result<Vec<Summary>, Error> {
        let entries = self.engine.state(Database::images).await?;
        Ok(entries.iter().map(summary).collect())
    }

    pub(super) async fn details(&self, name: &str) -> Result<Details, Error> {
        let found = self.find(name).await?;
        let read = self.engine.state(move |database| Ok((database.image(&found.id)?, database.for_start(&found)?)));
        let (Some((entry, manifest_bytes)), Some(start)) = read.await? else {
            return Err(Error::NoSuchImage(name.to_owned()));
        };
        let corrupt = |what: &str, error: &dyn std::fmt::Display| {
            Error::Invalid(format!("reading the {what} of image {}: {error}", entry.id))
        };
        Ok(Details {
            config: serde_json::from_slice(&entry.config).map_err(|error| corrupt("configuration", &error))?,
            manifest: serde_json::from_slice(&manifest_bytes).map_err(|error| corrupt("manifest", &error))?,
            config_bytes: entry.config.clone(),
            manifest_bytes,
            layers: start.stack(self.engine.paths()).folders(),
            summary: summary(&entry),
        })
    }
}

/// The labels that an image's configuration has.
pub(crate) fn labels_in(config: &[u8]) -> BTreeMap<String, String> {
    let labelled: Labelled = serde_json::from_slice(config).unwrap_or_default();
    labelled.config.and_then(|config| config.labels).unwrap_or_default()
}

fn summary(entry: &Entry) -> Summary {
    let mut repositories: Vec<_> = entry.names.iter().map(super::reference::Reference::repository_name).collect();
    repositories.sort();
    repositories.dedup();
    let by_digest = |repository: String| entry.digests.iter().map(move |digest| format!("{repository}@{digest}"));
    Summary {
        id: entry.id,
        digest: entry.digest,
        names: entry.names.iter().filter(|name| name.tag().is_some()).map(ToString::to_string).collect(),
        repo_digests: repositories.into_iter().flat_map(by_digest).collect(),
        created: entry.created,
        size: entry.size,
        labels: labels_in(&entry.config),
        containers: entry.containers,
        read_only: entry.read_only,
    }
}
