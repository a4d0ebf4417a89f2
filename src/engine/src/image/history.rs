// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How an image was made, and what else is made on the same layers.

use jiff::Timestamp;
use serde::Deserialize;

use super::Images;
use crate::digest::Digest;
use crate::engine::Error;

/// One step in which an image was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image that was there after it: only the last step's is known.
    pub id: Option<Digest>,
    /// When.
    pub created: Option<Timestamp>,
    /// By which instruction.
    pub created_by: String,
    /// What was said of it.
    pub comment: String,
    /// The bytes of the tar of the layer that it made; 0 when it made none.
    pub size: u64,
    /// The names of the image that was there after it.
    pub names: Vec<String>,
}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The image.
    pub id: Digest,
    /// Its names.
    pub names: Vec<String>,
    /// Its bytes, as in a list.
    pub size: u64,
    /// Its layers, the lowest first.
    pub layers: Vec<TreeLayer>,
    /// Its uppermost layer and everything here that is built on it.
    pub children: Vec<TreeBranch>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeLayer {
    /// Its digest unpacked.
    pub diff_id: Digest,
    /// The bytes of its tar.
    pub size: u64,
    /// The names of the images that end with it.
    pub top_of: Vec<String>,
}

/// A layer and those that are stacked on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeBranch {
    /// The layer.
    pub layer: TreeLayer,
    /// What is on it.
    pub children: Vec<TreeBranch>,
}

#[derive(Deserialize)]
struct Documented {
    #[serde(default)]
    history: Option<Vec<Written>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    created: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    empty_layer: bool,
}

/// An image's layers and what it is called.
struct Stack {
    layers: Vec<Digest>,
    names: Vec<String>,
}

impl Images {
    pub(super) async fn steps_of(&self, name: &str) -> Result<Vec<HistoryEntry>, Error> {
        let details = self.inspect(name).await?;
        let diff_ids = super::diff_ids(&details)?;
        let sizes = self.sizes(&diff_ids).await?;
        let corrupt =
            |error| Error::Invalid(format!("reading the configuration of image {}: {error}", details.summary.id));
        let documented: Documented = serde_json::from_slice(&details.config_bytes).map_err(corrupt)?;
        let written = documented.history.unwrap_or_default();
        let mut left = sizes.into_iter();
        let mut entries: Vec<HistoryEntry> = written
            .into_iter()
            .map(|step| HistoryEntry {
                id: None,
                created: step.created.and_then(|text| text.parse().ok()),
                created_by: step.created_by.unwrap_or_default(),
                comment: step.comment.unwrap_or_default(),
                size: if step.empty_layer { 0 } else { left.next().unwrap_or_default() },
                names: Vec::new(),
            })
            .collect();
        // Layers that nobody wrote about.
        entries.extend(left.map(|size| HistoryEntry {
            id: None,
            created: Timestamp::from_second(details.summary.created).ok(),
            created_by: String::new(),
            comment: String::new(),
            size,
            names: Vec::new(),
        }));
        entries.reverse();
        if let Some(last) = entries.first_mut() {
            last.id = Some(details.summary.id);
            last.names.clone_from(&details.summary.names);
        }
        Ok(entries)
    }

    pub(super) async fn layers_of(&self, name: &str) -> Result<Tree, Error> {
        let details = self.inspect(name).await?;
        let mut stacks = Vec::new();
        for image in self.list().await? {
            let Ok(other) = self.inspect(&image.id.to_string()).await else { continue };
            stacks.push(Stack { layers: super::diff_ids(&other)?, names: image.names });
        }
        let own = super::diff_ids(&details)?;
        let mut layers = Vec::new();
        for end in 1..=own.len() {
            layers.push(self.layer(&own[..end], &stacks).await?);
        }
        let children = if own.is_empty() { Vec::new() } else { vec![self.branch(own.clone(), &stacks).await?] };
        let summary = details.summary;
        Ok(Tree { id: summary.id, names: summary.names, size: summary.size, layers, children })
    }

    /// What is stacked on `below`.
    async fn branch(&self, below: Vec<Digest>, stacks: &[Stack]) -> Result<TreeBranch, Error> {
        let mut next: Vec<Digest> = stacks
            .iter()
            .filter(|stack| stack.layers.starts_with(&below))
            .filter_map(|stack| stack.layers.get(below.len()).copied())
            .collect();
        next.sort_unstable();
        next.dedup();
        let mut children = Vec::new();
        for layer in next {
            let above = [below.as_slice(), &[layer]].concat();
            children.push(Box::pin(self.branch(above, stacks)).await?);
        }
        Ok(TreeBranch { layer: self.layer(&below, stacks).await?, children })
    }

    /// The uppermost layer of a stack.
    async fn layer(&self, stack: &[Digest], stacks: &[Stack]) -> Result<TreeLayer, Error> {
        let top = stack.last().copied().unwrap_or(Digest::from_bytes([0; 32]));
        let top_of =
            stacks.iter().filter(|other| other.layers == stack).flat_map(|other| other.names.clone()).collect();
        let size = self.sizes(&[top]).await?.first().copied().unwrap_or_default();
        Ok(TreeLayer { diff_id: top, size, top_of })
    }

    async fn sizes(&self, diff_ids: &[Digest]) -> Result<Vec<u64>, Error> {
        let diff_ids = diff_ids.to_vec();
        let sizes = self.engine.state(move |database| {
            diff_ids.iter().map(|layer| database.tar_size(layer)).collect::<Result<Vec<_>, _>>()
        });
        Ok(sizes.await?.into_iter().map(Option::unwrap_or_default).collect())
    }
}
