// SPDX-License-Identifier: Apache-2.0 OR MIT
//! sigstore's signatures in a registry, as cosign attaches them: beside a manifest lies another one, by the tag `sha256-….sig`, whose
//! layers are what is signed and whose annotations are the signatures.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Found, SignatureError};
use crate::digest::Digest;
use crate::image::manifest::{Descriptor, ManifestError};
use crate::image::reference::Reference;
use crate::image::registry::{RegistryError, Repository};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// What is signed.
pub(super) const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that is its signature, in base64.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// More than any image has.
const ATTACHED_MAX: usize = 128;

/// The manifest of attachments, as far as it matters.
#[derive(Deserialize)]
struct Attachments {
    #[serde(default)]
    layers: Vec<Value>,
}

fn tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// The layers of what is attached to a manifest; none when nothing is.
async fn layers(repository: &Repository, image: &Reference, digest: &Digest) -> Result<Vec<Value>, SignatureError> {
    let fetched = repository.tagged(&tag(digest)).await.map_err(by(image))?;
    let Some(fetched) = fetched else { return Ok(Vec::new()) };
    let attachments: Attachments = serde_json::from_slice(&fetched.bytes).map_err(|error| malformed(image, &error))?;
    Ok(attachments.layers)
}

fn by(image: &Reference) -> impl Fn(RegistryError) -> SignatureError {
    let image = Box::new(image.clone());
    move |source| SignatureError::Registry { image: image.clone(), source: Box::new(source) }
}

fn malformed(image: &Reference, error: &dyn std::fmt::Display) -> SignatureError {
    let source = ManifestError::Malformed { what: "manifest", message: error.to_string() };
    SignatureError::Attachments { image: Box::new(image.clone()), source }
}

/// The signatures of a manifest.
pub(super) async fn attached(
    repository: &Repository,
    image: &Reference,
    digest: &Digest,
) -> Result<Vec<Found>, SignatureError> {
    let mut found = Vec::new();
    for layer in layers(repository, image, digest).await?.into_iter().take(ATTACHED_MAX) {
        // Attestations and the like are beside them.
        if layer["mediaType"] != PAYLOAD {
            continue;
        }
        let Some(signature) = layer["annotations"][SIGNATURE].as_str().map(str::to_owned) else { continue };
        let descriptor: Descriptor = serde_json::from_value(layer).map_err(|error| malformed(image, &error))?;
        let payload = repository.config(&descriptor).await.map_err(by(image))?.to_vec();
        found.push(Found::Sigstore { payload, signature });
    }
    Ok(found)
}

/// Attaches a signature to a manifest: to those that are there, or in their place.
pub(super) async fn attach(
    repository: &Repository,
    image: &Reference,
    digest: &Digest,
    words: Vec<u8>,
    signature: &str,
    replaces: bool,
) -> Result<(), SignatureError> {
    let mut layers = if replaces { Vec::new() } else { layers(repository, image, digest).await? };
    let payload = Bytes::from(words);
    repository.put(&payload).await.map_err(by(image))?;
    layers.push(json!({
        "mediaType": PAYLOAD,
        "digest": Digest::of(&payload),
        "size": payload.len(),
        "annotations": {SIGNATURE: signature},
    }));
    let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = Bytes::from(config.to_string());
    repository.put(&config).await.map_err(by(image))?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": Digest::of(&config), "size": config.len()},
        "layers": layers,
    });
    repository.publish(&tag(digest), MANIFEST, manifest.to_string().into()).await.map_err(by(image))
}
