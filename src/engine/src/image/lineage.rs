// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which image was built upon which: one whose layers and history begin with all of another's.

use serde::Deserialize;

use super::Images;
use crate::digest::Digest;
use crate::engine::Error;
use crate::state::images::{self, Entry};

/// The images that are here, and what each was built upon.
#[derive(Clone, Debug, Default)]
pub struct Lineage(Vec<Known>);

#[derive(Clone, Debug)]
struct Known {
    id: Digest,
    nameless: bool,
    used: bool,
    layers: Vec<String>,
    history: Vec<serde_json::Value>,
}

/// What of a configuration tells it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Built {
    rootfs: Rootfs,
    history: Vec<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rootfs {
    diff_ids: Vec<String>,
}

impl Lineage {
    fn of(entries: &[Entry]) -> Self {
        let known = |entry: &Entry| {
            let built: Built = serde_json::from_slice(&entry.config).unwrap_or_default();
            Known {
                id: entry.id,
                nameless: entry.names.is_empty(),
                used: entry.containers > 0,
                layers: built.rootfs.diff_ids,
                history: built.history,
            }
        };
        Self(entries.iter().map(known).collect())
    }

    fn get(&self, id: &Digest) -> Option<&Known> {
        self.0.iter().find(|image| image.id == *id)
    }

    /// What `id` was built upon, the nearest first.
    pub fn parents(&self, id: &Digest) -> Vec<Digest> {
        let Some(child) = self.get(id) else { return Vec::new() };
        let mut parents: Vec<&Known> = self.0.iter().filter(|image| child.is_upon(image)).collect();
        parents.sort_by_key(|image| std::cmp::Reverse(image.history.len()));
        parents.into_iter().map(|image| image.id).collect()
    }

    /// Whether anything is built upon `id`.
    pub fn has_children(&self, id: &Digest) -> bool {
        self.get(id).is_some_and(|parent| self.0.iter().any(|image| image.is_upon(parent)))
    }

    /// Whether `id` is here only for what is built upon it.
    pub fn is_intermediate(&self, id: &Digest) -> bool {
        self.get(id).is_some_and(|image| image.nameless) && self.has_children(id)
    }

    /// Whether nobody needs `id`: neither a name, nor an image, nor a container.
    fn is_unneeded(&self, id: &Digest) -> bool {
        self.get(id).is_some_and(|image| image.nameless && !image.used) && !self.has_children(id)
    }
}

impl Known {
    fn is_upon(&self, other: &Self) -> bool {
        other.history.len() < self.history.len()
            && !other.layers.is_empty()
            && self.layers.starts_with(&other.layers)
            && self.history.starts_with(&other.history)
    }
}

impl Images {
    /// Which image was built upon which.
    pub async fn lineage(&self) -> Result<Lineage, Error> {
        let entries = self.engine.state(|database| images::list(database.reader())).await?;
        Ok(Lineage::of(&entries))
    }

    /// Removes those of `parents`, the nearest first, that nobody needs any more; answers which.
    pub async fn remove_unneeded(&self, parents: &[Digest]) -> Result<Vec<Digest>, Error> {
        let mut removed = Vec::new();
        for parent in parents {
            if !self.lineage().await?.is_unneeded(parent) {
                break;
            }
            match self.remove_unused(parent).await {
                Ok(_) => removed.push(*parent),
                // Somebody made a container of it just now, or was quicker.
                Err(Error::ImageInUse { .. } | Error::NoSuchImage(_)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: u8, names: bool, layers: &[&str], history: &[&str]) -> Known {
        Known {
            id: Digest::from_bytes([id; 32]),
            nameless: !names,
            used: false,
            layers: layers.iter().map(ToString::to_string).collect(),
            history: history.iter().map(|step| (*step).into()).collect(),
        }
    }

    #[test]
    fn what_is_built_upon_another_has_its_layers_and_its_history_and_more() {
        let lineage = Lineage(vec![
            image(1, true, &["a"], &["x"]),
            image(2, false, &["a", "b"], &["x", "y"]),
            image(3, true, &["a", "b", "c"], &["x", "y", "z"]),
            image(4, false, &["a"], &["w"]),
        ]);
        let id = |number| Digest::from_bytes([number; 32]);
        assert_eq!(lineage.parents(&id(3)), [id(2), id(1)]);
        assert!(lineage.parents(&id(1)).is_empty() && lineage.parents(&id(4)).is_empty());
        assert!(
            lineage.is_intermediate(&id(2)) && !lineage.is_intermediate(&id(1)) && !lineage.is_intermediate(&id(4))
        );
        assert!(lineage.is_unneeded(&id(4)) && !lineage.is_unneeded(&id(2)) && !lineage.is_unneeded(&id(3)));
    }
}
