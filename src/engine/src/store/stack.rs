// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the files of an image's layers lie: in our own store, or in another one that is read in place.

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::paths::Paths;

/// The layers of one image, all in one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    /// The folder of all layers of that store.
    pub(crate) root: PathBuf,
    /// The path of each layer's files from there, the uppermost first.
    pub(crate) layers: Vec<PathBuf>,
}

impl Stack {
    /// Layers of a store of our own kind, whose folder of layers is `root`.
    pub(crate) fn of(root: PathBuf, layers: &[Digest]) -> Self {
        Self { root, layers: layers.iter().map(|layer| Path::new(&layer.hex()).join("diff")).collect() }
    }

    /// Layers of our own store.
    pub(crate) fn own(paths: &Paths, layers: &[Digest]) -> Self {
        Self::of(paths.layers(), layers)
    }

    /// The layers' folders, the uppermost first.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.layers.iter().map(|layer| self.root.join(layer)).collect()
    }
}

/// What a layer's tar is put together from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The layer's folder; its files are in `diff` below it.
    pub(crate) layer: PathBuf,
    /// What was kept of the tar beside the files: our own [`super::parts`], or what Podman keeps ([`super::tar_split`]).
    pub(crate) parts: PathBuf,
}

impl Kept {
    /// A layer of a store of our own kind.
    pub(crate) fn of(root: &Path, layer: &Digest) -> Self {
        let layer = root.join(layer.hex());
        let parts = layer.join(super::parts::PARTS);
        Self { layer, parts }
    }
}
