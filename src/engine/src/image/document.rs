// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifests and configurations that are written here, to the byte as Podman writes them: the same archive gets the same id.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::platform::Platform;
use crate::digest::Digest;
use crate::step::Compression;

/// The media types of what is written.
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    config: ManifestPart<'a>,
    layers: Vec<ManifestPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum ManifestPart<'a> {
    /// In Docker's order.
    #[serde(rename_all = "camelCase")]
    Docker { media_type: &'a str, size: u64, digest: Digest },
    /// In OCI's.
    #[serde(rename_all = "camelCase")]
    Oci { media_type: &'a str, digest: Digest, size: u64 },
}

/// A layer as a manifest that is written lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) compression: Compression,
}

impl Part {
    fn media_type(&self, docker: bool) -> &'static str {
        match (docker, self.compression) {
            (true, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (true, Compression::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
            (true, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (false, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (false, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (false, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
        }
    }
}

/// A manifest of the same image with other layers' blobs, in Docker's dress or in OCI's. What else an OCI manifest says (annotations)
/// stays in an OCI one; Docker's has no place for it.
pub(super) fn manifest(original: &[u8], config: &[u8], layers: &[Part], docker: bool) -> Bytes {
    let (media_type, config_type) = if docker { (DOCKER_MANIFEST, DOCKER_CONFIG) } else { (OCI_MANIFEST, OCI_CONFIG) };
    let part = |media_type, digest, size| {
        if docker {
            ManifestPart::Docker { media_type, size, digest }
        } else {
            ManifestPart::Oci { media_type, digest, size }
        }
    };
    let plain = written(&Manifest {
        schema_version: 2,
        media_type: Some(media_type),
        config: part(config_type, Digest::of(config), config.len() as u64),
        layers: layers.iter().map(|layer| part(layer.media_type(docker), layer.digest, layer.size)).collect(),
    });
    if docker {
        return plain;
    }
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes);
    let (Ok(original), Ok(mut new)) = (parsed(original), parsed(&plain)) else { return plain };
    if original.get("config").and_then(|config| config.get("mediaType")).and_then(Value::as_str) != Some(OCI_CONFIG) {
        return plain;
    }
    if let (Some(before), Some(Value::Array(now))) =
        (original.get("layers").and_then(Value::as_array), new.get_mut("layers"))
    {
        for (before, now) in before.iter().zip(now) {
            if let Some(annotations) = before.get("annotations") {
                now["annotations"] = annotations.clone();
            }
        }
    }
    for (key, value) in original {
        if !new.contains_key(&key) {
            new.insert(key, value);
        }
    }
    written(&new)
}

/// What an image is that a registry has: Docker's, or OCI's.
pub(super) fn is_docker(manifest: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(manifest).unwrap_or_default();
    value["config"]["mediaType"] == DOCKER_CONFIG
}

/// The manifest of an image in a docker archive, which has none: its layers (the lowest first, with their lengths) are not packed,
/// whatever the media type says.
pub(super) fn docker_manifest(config: &[u8], layers: &[(Digest, u64)]) -> Bytes {
    let part = |media_type, digest, size| ManifestPart::Docker { media_type, size, digest };
    written(&Manifest {
        schema_version: 2,
        media_type: Some(DOCKER_MANIFEST),
        config: part(DOCKER_CONFIG, Digest::of(config), config.len() as u64),
        layers: layers
            .iter()
            .map(|(digest, size)| part("application/vnd.docker.image.rootfs.diff.tar.gzip", *digest, *size))
            .collect(),
    })
}

/// The manifest of an image of one layer that was never packed.
pub(super) fn oci_manifest(config: &[u8], layer: Digest, tar_size: u64) -> Bytes {
    let part = |media_type, digest, size| ManifestPart::Oci { media_type, digest, size };
    written(&Manifest {
        schema_version: 2,
        media_type: None,
        config: part(OCI_CONFIG, Digest::of(config), config.len() as u64),
        layers: vec![part("application/vnd.oci.image.layer.v1.tar", layer, tar_size)],
    })
}

/// An image's configuration, as far as it can be made here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContainerConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(skip_serializing_if = "Set::is_empty")]
    pub(crate) exposed_ports: Set,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cmd: Vec<String>,
    #[serde(skip_serializing_if = "Set::is_empty")]
    pub(crate) volumes: Set,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) stop_signal: String,
}

/// A set as Go writes one: a map whose values say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(pub(crate) BTreeSet<String>);

impl Set {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Set {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Nothing {}
        serializer.collect_map(self.0.iter().map(|key| (key, Nothing {})))
    }
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(rename = "config")]
    container: &'a ContainerConfig,
    rootfs: RootFs,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: [Digest; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: String,
    comment: &'a str,
}

/// The configuration of an image of one layer that came as a tar.
pub(super) fn imported_config(
    created: jiff::Timestamp,
    platform: &Platform,
    config: &ContainerConfig,
    layer: Digest,
    comment: &str,
) -> Bytes {
    let created = created.to_string();
    written(&Config {
        created: &created,
        architecture: &platform.arch,
        os: &platform.os,
        variant: platform.variant.as_deref(),
        container: config,
        rootfs: RootFs { r#type: "layers", diff_ids: [layer] },
        history: [History {
            created: &created,
            created_by: format!("/bin/sh -c #(nop) ADD file:{} in /", layer.hex()),
            comment,
        }],
    })
}

fn written(document: &impl Serialize) -> Bytes {
    // Only a map with keys that are no text, or a writer, can fail: there are neither.
    serde_json::to_vec(document).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `podman load` stored of the archive of a busybox, to the byte.
    #[test]
    fn the_manifest_of_a_docker_archive_is_podman_s() {
        let layer = "sha256:19a73619bac760322803ee29a1e617672459659f16e701b81aa0626f164455cc".parse().unwrap();
        let text = docker_manifest(b"{}", &[(layer, 2_181_120)]);
        assert_eq!(
            String::from_utf8_lossy(&text),
            r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":2181120,"digest":"sha256:19a73619bac760322803ee29a1e617672459659f16e701b81aa0626f164455cc"}]}"#
        );
    }

    /// What `podman import` made of a small tar, to the byte.
    #[test]
    fn the_documents_of_an_import_are_podman_s() {
        let layer = "sha256:4f65943867768a87215242197f4532413d9702b478dd8223623c07d6b815a367".parse().unwrap();
        let config = ContainerConfig {
            user: "u".into(),
            exposed_ports: Set(["90/udp", "80/tcp"].map(String::from).into()),
            env: vec!["A=b C=d".into(), "X=".into(), "A=2".into()],
            entrypoint: vec!["e".into()],
            cmd: ["sh", "-c", "x"].map(String::from).to_vec(),
            volumes: Set(["/v", "/w", "/q", "/r"].map(String::from).into()),
            working_dir: "x".into(),
            labels: BTreeMap::from([("l".into(), String::new()), ("x".into(), r#"y "z w"="a b""#.into())]),
            stop_signal: "2".into(),
        };
        let created = "2026-11-24T22:38:53.238441936Z".parse().unwrap();
        let text = imported_config(
            created,
            &Platform { os: "linux".into(), arch: "amd64".into(), variant: None },
            &config,
            layer,
            "my msg",
        );
        assert_eq!(
            String::from_utf8_lossy(&text),
            r#"{"created":"2026-11-24T22:38:53.238441936Z","architecture":"amd64","os":"linux","config":{"User":"u","ExposedPorts":{"80/tcp":{},"90/udp":{}},"Env":["A=b C=d","X=","A=2"],"Entrypoint":["e"],"Cmd":["sh","-c","x"],"Volumes":{"/q":{},"/r":{},"/v":{},"/w":{}},"WorkingDir":"x","Labels":{"l":"","x":"y \"z w\"=\"a b\""},"StopSignal":"2"},"rootfs":{"type":"layers","diff_ids":["sha256:4f65943867768a87215242197f4532413d9702b478dd8223623c07d6b815a367"]},"history":[{"created":"2026-11-24T22:38:53.238441936Z","created_by":"/bin/sh -c #(nop) ADD file:4f65943867768a87215242197f4532413d9702b478dd8223623c07d6b815a367 in /","comment":"my msg"}]}"#
        );
        assert_eq!(text.len(), 635);
        assert_eq!(
            Digest::of(&text).to_string(),
            "sha256:4e5eeb82291f0048bdd44d2a005774e13c068dd7f9e2ff3b5472ccd1d78f981c"
        );
        assert_eq!(
            String::from_utf8_lossy(&oci_manifest(&text, layer, 10240)),
            r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:4e5eeb82291f0048bdd44d2a005774e13c068dd7f9e2ff3b5472ccd1d78f981c","size":635},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:4f65943867768a87215242197f4532413d9702b478dd8223623c07d6b815a367","size":10240}]}"#
        );
    }
}
