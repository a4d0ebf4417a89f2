// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::engine::{Engine, Error, Progress};

/// The operations on images.
#[derive(Clone)]
pub struct Images {
    engine: Engine,
}

/// An image in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its names, `registry/repository:tag`; none for a dangling one.
    pub names: Vec<String>,
    /// When it was built, in seconds since 1970.
    pub created: i64,
    /// The bytes of its layers' files.
    pub size: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How many containers are made from it.
    pub containers: usize,
}

/// Everything about one image.
#[derive(Clone, Debug)]
pub struct Details {
    /// As in a list.
    pub summary: Summary,
    /// Its configuration (OCI image specification, config.md).
    pub config: oci_spec::image::ImageConfiguration,
    /// Its manifest, as it was received.
    pub manifest: oci_spec::image::ImageManifest,
}

/// What `pull` is to do.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// `os/arch[/variant]` other than this machine's.
    pub platform: Option<String>,
    /// Whether TLS certificates are checked; as registries.conf says when nothing.
    pub tls_verify: Option<bool>,
    /// User and password; as auth.json says when nothing.
    pub credentials: Option<(String, String)>,
}

/// How far a pull is. Every stream ends with one [`PullProgress::Done`] or an error.
#[derive(Clone, Debug)]
pub enum PullProgress {
    /// Which name is tried: a short name may stand for several.
    Trying(String),
    /// The manifest is here: the layers that are to be fetched (and those that are here already).
    Layers(Vec<PullLayer>),
    /// A layer's bytes received so far.
    Fetched {
        /// The digest of its blob.
        blob: Digest,
        /// Bytes.
        bytes: u64,
    },
    /// A layer is unpacked and safe.
    Unpacked {
        /// The digest of its blob.
        blob: Digest,
    },
    /// Writing the manifest: everything is here.
    Committing,
    /// It is here whole.
    Done {
        /// The image's id.
        id: Digest,
        /// The name it now has.
        name: String,
    },
}

/// A layer of an image that is being pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullLayer {
    /// The digest of its blob.
    pub blob: Digest,
    /// Its bytes as they travel.
    pub size: u64,
    /// Whether it was here before.
    pub present: bool,
}

/// What removing an image did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A name went.
    Untagged(String),
    /// The image itself went.
    Deleted(Digest),
}

impl Images {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// The image that `name` stands for: a name, an id, the beginning of just one id, or `name@digest`.
    pub async fn resolve(&self, name: &str) -> Result<Digest, Error> {
        let _ = (name, &self.engine);
        todo!()
    }

    /// All of them, the newest first.
    pub async fn list(&self) -> Result<Vec<Summary>, Error> {
        todo!()
    }

    /// Everything about `name`.
    pub async fn inspect(&self, name: &str) -> Result<Details, Error> {
        let _ = name;
        todo!()
    }

    /// Fetches `name` from its registry.
    pub fn pull(&self, name: &str, options: PullOptions) -> Progress<PullProgress> {
        let _ = (name, options);
        todo!()
    }

    /// Reads a docker or OCI archive; one `Done` an image.
    pub fn load(&self, archive: OwnedFd) -> Progress<PullProgress> {
        let _ = archive;
        todo!()
    }

    /// Makes an image of one layer from a tar, named `name` if any. Changes are Dockerfile lines (`CMD ["sh"]`).
    pub fn import(
        &self,
        tar: OwnedFd,
        name: Option<&str>,
        changes: &[String],
        message: &str,
    ) -> Progress<PullProgress> {
        let _ = (tar, name, changes, message);
        todo!()
    }

    /// Gives the image `source` one more name.
    pub async fn tag(&self, source: &str, target: &str) -> Result<(), Error> {
        let _ = (source, target);
        todo!()
    }

    /// Takes a name from an image, and the image with its last one. `force` removes every name, and containers made from it.
    pub async fn remove(&self, name: &str, force: bool) -> Result<Vec<Removed>, Error> {
        let _ = (name, force);
        todo!()
    }
}
