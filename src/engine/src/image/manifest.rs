// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifests, indexes and configurations, in OCI's dress and in Docker's (OCI image specification, manifest.md, image-index.md,
//! config.md; Docker's image manifest version 2, schema 2).
//!
//! All of it is from outside: it is bounded before it gets here, and nothing is taken for what its sender calls it.

use std::collections::HashSet;

use oci_spec::image::{ImageConfiguration, ImageManifest};
use serde::Deserialize;

use super::platform::Platform;
use crate::digest::Digest;

/// The longest manifest, index or configuration that is read: what registries allow too.
pub(crate) const DOCUMENT_MAX: u64 = 4 << 20;

/// As many layers as the kernel stacks.
pub(crate) const LAYERS_MAX: usize = 500;

/// What a registry is asked for.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Why a document is not one that an image can be made from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON, or not of that shape.
    #[error("the {what} is malformed: {message}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// Where and why.
        message: String,
    },
    /// Both a manifest and an index, or what it says of itself is not what it is: someone may have seen the other.
    #[error("the manifest is ambiguous: {0}")]
    Ambiguous(&'static str),
    /// Docker's first kind, without digests of what is unpacked.
    #[error("the manifest is of schema version 1, which registries gave up in 2019; push the image anew")]
    SchemaOne,
    /// Nothing for the platform; Podman's words.
    #[error("no image found in image index for architecture {arch:?}, variant {variant:?}, OS {os:?}")]
    NoPlatform {
        /// The architecture that was wanted.
        arch: String,
        /// The variant.
        variant: String,
        /// The operating system.
        os: String,
    },
    /// An index that leads to an index.
    #[error("the index leads to another index instead of an image")]
    NestedIndex,
    /// A Helm chart, a signature, …; Podman's words.
    #[error("unsupported image-specific operation on artifact with type {0:?}")]
    Artifact(String),
    /// Layers for whose content we have no key.
    #[error("layer {0} is encrypted")]
    Encrypted(Digest),
    /// Too many of them.
    #[error("it has {0} layers; the kernel stacks at most {LAYERS_MAX}")]
    TooManyLayers(usize),
    /// The two documents do not belong together.
    #[error("the manifest has {manifest} layers, but the configuration {config}")]
    LayerCount {
        /// In the manifest.
        manifest: usize,
        /// In the configuration.
        config: usize,
    },
    /// A document that an attacker could make us read.
    #[error("the {what} is {size} bytes long; at most {DOCUMENT_MAX} are read")]
    TooLong {
        /// Which document.
        what: &'static str,
        /// Its length.
        size: u64,
    },
}

/// Something that can be fetched: how long it is, and what it must hash to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

/// What a registry answered.
#[derive(Debug)]
pub(crate) enum Document {
    Image(Manifest),
    Index(Vec<Descriptor>),
}

/// One image.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    /// The lowest first.
    pub(crate) layers: Vec<Descriptor>,
}

/// What matters in a configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// The layers' digests unpacked, the lowest first.
    pub(crate) diff_ids: Vec<Digest>,
    pub(crate) platform: Platform,
    /// Seconds since 1970.
    pub(crate) created: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Loose {
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct LooseConfig {
    #[serde(flatten)]
    platform: Platform,
    #[serde(default)]
    created: Option<String>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl Document {
    /// Reads a manifest or an index by what is in it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let malformed = |message: String| ManifestError::Malformed { what: "manifest", message };
        let loose: Loose = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        match loose.schema_version {
            Some(2) => {}
            Some(1) => return Err(ManifestError::SchemaOne),
            other => return Err(malformed(format!("schemaVersion is {other:?}, not 2"))),
        }
        let says = loose.media_type.as_deref();
        match (loose.config, loose.layers, loose.manifests) {
            (None, None, Some(manifests)) => {
                if says.is_some_and(|says| !is_index(says)) {
                    return Err(ManifestError::Ambiguous(
                        "it has manifests, but its media type is not that of an index",
                    ));
                }
                Ok(Self::Index(manifests))
            }
            (Some(config), layers, None) => {
                if says.is_some_and(is_index) {
                    return Err(ManifestError::Ambiguous("it has a configuration, but the media type of an index"));
                }
                let layers = layers.unwrap_or_default();
                Manifest { config, layers }.check(bytes).map(Self::Image)
            }
            (_, _, Some(_)) => Err(ManifestError::Ambiguous("it has both layers and manifests")),
            (None, _, None) => Err(malformed("neither config nor manifests".to_owned())),
        }
    }
}

impl Manifest {
    fn check(self, bytes: &[u8]) -> Result<Self, ManifestError> {
        let kind = self.config.media_type.as_str();
        if !matches!(
            kind,
            "" | "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
        ) {
            return Err(ManifestError::Artifact(kind.to_owned()));
        }
        if self.config.size > DOCUMENT_MAX {
            return Err(ManifestError::TooLong { what: "configuration", size: self.config.size });
        }
        if self.layers.len() > LAYERS_MAX {
            return Err(ManifestError::TooManyLayers(self.layers.len()));
        }
        if let Some(layer) = self.layers.iter().find(|layer| layer.media_type.ends_with("+encrypted")) {
            return Err(ManifestError::Encrypted(layer.digest));
        }
        // What is stored must also be what `inspect` can read.
        serde_json::from_slice::<ImageManifest>(bytes)
            .map_err(|error| ManifestError::Malformed { what: "manifest", message: error.to_string() })?;
        Ok(self)
    }
}

impl Config {
    /// Reads a configuration that `manifest` names.
    pub(crate) fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, ManifestError> {
        let config = Self::parse_alone(bytes)?;
        if config.diff_ids.len() != manifest.layers.len() {
            return Err(ManifestError::LayerCount { manifest: manifest.layers.len(), config: config.diff_ids.len() });
        }
        Ok(config)
    }

    /// Reads a configuration.
    pub(crate) fn parse_alone(bytes: &[u8]) -> Result<Self, ManifestError> {
        let malformed =
            |error: serde_json::Error| ManifestError::Malformed { what: "configuration", message: error.to_string() };
        serde_json::from_slice::<ImageConfiguration>(bytes).map_err(malformed)?;
        let loose: LooseConfig = serde_json::from_slice(bytes).map_err(malformed)?;
        let created = loose.created.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        Ok(Self {
            diff_ids: loose.rootfs.diff_ids,
            platform: loose.platform,
            created: created.map_or(0, jiff::Timestamp::as_second),
        })
    }
}

/// The one of an index's manifests that suits `wanted` best; among equals the first.
pub(crate) fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor, ManifestError> {
    let suits = |manifest: &&Descriptor| manifest.platform.as_ref().and_then(|platform| platform.fits(wanted));
    manifests.iter().filter(|manifest| suits(manifest).is_some()).min_by_key(suits).ok_or_else(|| {
        ManifestError::NoPlatform {
            arch: wanted.arch.clone(),
            variant: wanted.variant.clone().unwrap_or_default(),
            os: wanted.os.clone(),
        }
    })
}

/// The layers that are to be had, each once: blob, length, what it unpacks to.
pub(crate) fn layers(manifest: &Manifest, config: &Config) -> Vec<(Descriptor, Digest)> {
    let mut seen = HashSet::new();
    let pairs = manifest.layers.iter().cloned().zip(config.diff_ids.iter().copied());
    pairs.filter(|(_, diff_id)| seen.insert(*diff_id)).collect()
}

fn is_index(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(media_type: &str, more: &str) -> String {
        format!(r#"{{"mediaType": "{media_type}", "digest": "{DIGEST}", "size": 3{more}}}"#)
    }

    fn manifest(layers: usize) -> String {
        let layer = descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", "");
        format!(
            r#"{{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {}, "layers": [{}]}}"#,
            descriptor("application/vnd.docker.container.image.v1+json", ""),
            vec![layer; layers].join(",")
        )
    }

    fn error(text: &str) -> String {
        Document::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn docker_s_and_oci_s_manifests_are_one() {
        let Document::Image(image) = Document::parse(manifest(2).as_bytes()).unwrap() else { panic!() };
        assert_eq!(image.layers.len(), 2);
        let oci = format!(
            r#"{{"schemaVersion": 2, "config": {}, "layers": []}}"#,
            descriptor("application/vnd.oci.image.config.v1+json", "")
        );
        assert!(matches!(Document::parse(oci.as_bytes()).unwrap(), Document::Image(_)));
    }

    #[test]
    fn a_docker_configuration_full_of_nulls_is_read() {
        let text = format!(
            r#"{{"architecture": "amd64", "os": "linux", "created": "2024-05-01T10:00:00.123456789Z", "docker_version": "20",
                "config": {{"Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "ExposedPorts": {{"80/tcp": {{}}}},
                "Env": ["PATH=/bin"], "Cmd": null, "Image": "x", "Volumes": {{"/data": {{}}}}, "WorkingDir": "", "Entrypoint": null,
                "OnBuild": null, "Labels": null, "ArgsEscaped": true, "Healthcheck": {{"Test": ["NONE"]}}}},
                "history": [{{"created": "2024-05-01T10:00:00Z", "created_by": "x", "empty_layer": true}}],
                "rootfs": {{"type": "layers", "diff_ids": ["{DIGEST}"]}}, "variant": "v1"}}"#
        );
        let config = Config::parse_alone(text.as_bytes()).unwrap();
        assert_eq!(config.created, 1_714_557_600);
        assert_eq!(config.diff_ids.len(), 1);
        assert_eq!(config.platform.to_string(), "linux/amd64/v1");
    }

    #[test]
    fn an_index_gives_the_manifest_that_suits_best() {
        let platform = |text: &str| format!(r#", "platform": {{"os": "linux", "architecture": {text}}}"#);
        let entries = [r#""arm", "variant": "v6""#, r#""arm", "variant": "v7""#, r#""amd64""#, r#""unknown""#]
            .map(|text| descriptor("application/vnd.oci.image.manifest.v1+json", &platform(text)));
        let text = format!(r#"{{"schemaVersion": 2, "manifests": [{}]}}"#, entries.join(","));
        let Document::Index(manifests) = Document::parse(text.as_bytes()).unwrap() else { panic!() };
        let chosen = choose(&manifests, &"linux/arm/v7".parse().unwrap()).unwrap();
        assert_eq!(chosen.platform.as_ref().unwrap().variant.as_deref(), Some("v7"));
        let missing = choose(&manifests, &"linux/s390x".parse().unwrap()).unwrap_err();
        assert_eq!(
            missing.to_string(),
            r#"no image found in image index for architecture "s390x", variant "", OS "linux""#
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let both = manifest(1).replace(r#""layers""#, r#""manifests": [], "layers""#);
        assert!(error(&both).contains("both layers and manifests"));
        let index = "application/vnd.oci.image.index.v1+json";
        let disguised = manifest(1).replace("application/vnd.docker.distribution.manifest.v2+json", index);
        assert!(error(&disguised).contains("media type of an index"));
        let other =
            r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "manifests": []}"#;
        assert!(error(other).contains("not that of an index"));
        let twice = manifest(1).replace(r#""layers""#, r#""layers": [], "layers""#);
        assert!(error(&twice).contains("duplicate"));
    }

    #[test]
    fn what_is_no_image_is_refused_and_says_what_it_is() {
        let chart = manifest(1)
            .replace("application/vnd.docker.container.image.v1+json", "application/vnd.cncf.helm.config.v1+json");
        assert_eq!(
            error(&chart),
            r#"unsupported image-specific operation on artifact with type "application/vnd.cncf.helm.config.v1+json""#
        );
        assert!(error(r#"{"schemaVersion": 1, "fsLayers": []}"#).contains("schema version 1"));
        assert!(error(&manifest(501)).contains("501 layers"));
        assert!(error(&manifest(1).replace(r#""size": 3"#, r#""size": -1"#)).contains("malformed"));
        assert!(error(&manifest(1).replace(DIGEST, "sha256:../../etc/passwd")).contains("malformed"));
        assert!(error(&manifest(1).replace(r#""size": 3"#, r#""size": 99999999999"#)).contains("99999999999 bytes"));
        for text in
            ["", "[]", "null", "{}", r#"{"schemaVersion": 2}"#, &"[".repeat(100_000), r#"{"schemaVersion": "2"}"#]
        {
            assert!(Document::parse(text.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_configuration_of_another_manifest_is_refused() {
        let Document::Image(image) = Document::parse(manifest(2).as_bytes()).unwrap() else { panic!() };
        let text = format!(
            r#"{{"architecture": "amd64", "os": "linux", "rootfs": {{"type": "layers", "diff_ids": ["{DIGEST}"]}}}}"#
        );
        let error = Config::parse(text.as_bytes(), &image).unwrap_err().to_string();
        assert_eq!(error, "the manifest has 2 layers, but the configuration 1");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes);
            let _ = Config::parse_alone(&bytes);
        }
    }

    #[test]
    fn whatever_a_registry_sends_it_is_read_or_refused() {
        haulout_fuzz::feed("manifest", |bytes| match Document::parse(bytes) {
            Ok(Document::Image(manifest)) => drop(Config::parse(bytes, &manifest)),
            _ => drop(Config::parse_alone(bytes)),
        });
    }
}
