// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A manifest list as it is shown, and as it is pushed.

use serde_json::{Map, Value, json};

use super::super::document;
use super::{ManifestList, Member, MemberPlatform, Source};

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

impl ManifestList {
    /// Docker's if all its members are and nothing is said that Docker's has no place for, else OCI's.
    fn is_docker(&self) -> bool {
        self.subject.is_none() && self.members.iter().all(|member| member.media_type == document::DOCKER_MANIFEST)
    }

    /// As it is shown, in Podman's order.
    pub fn document(&self) -> Value {
        let nowhere = MemberPlatform::default();
        let members: Vec<Value> = self.members.iter().map(Member::document).collect();
        let mut index = self.begun();
        index.insert("manifests".to_owned(), if members.is_empty() { Value::Null } else { members.into() });
        if let Some(subject) = &self.subject {
            let shown = json!({
                "mediaType": subject.media_type, "size": subject.size, "digest": subject.digest, "platform": nowhere,
            });
            index.insert("subject".to_owned(), shown);
        }
        self.ended(index)
    }

    /// As it is pushed: to the byte as Podman pushes it, so that it has the same digest.
    pub(super) fn published(&self) -> Value {
        let docker = self.is_docker();
        let mut index = self.begun();
        let members: Vec<Value> = self.members.iter().map(|member| member.published(docker)).collect();
        index.insert("manifests".to_owned(), members.into());
        if let Some(subject) = &self.subject {
            let pushed = json!({"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size});
            index.insert("subject".to_owned(), pushed);
        }
        self.ended(index)
    }

    fn begun(&self) -> Map<String, Value> {
        let mut index = Map::new();
        index.insert("schemaVersion".to_owned(), 2.into());
        index.insert("mediaType".to_owned(), if self.is_docker() { DOCKER_LIST } else { OCI_INDEX }.into());
        index
    }

    fn ended(&self, mut index: Map<String, Value>) -> Value {
        if !self.annotations.is_empty() && !self.is_docker() {
            index.insert("annotations".to_owned(), json!(self.annotations));
        }
        Value::Object(index)
    }
}

impl Member {
    fn document(&self) -> Value {
        let mut entry =
            json!({"mediaType": self.media_type, "size": self.size, "digest": self.digest, "platform": self.platform});
        if !self.annotations.is_empty() {
            entry["annotations"] = json!(self.annotations);
        }
        if let Some(kind) = &self.artifact_type {
            entry["artifactType"] = kind.clone().into();
        }
        if let Source::Files { files, .. } = &self.source {
            entry["files"] = json!(files);
        }
        entry
    }

    fn published(&self, docker: bool) -> Value {
        if docker {
            return self.document();
        }
        let mut entry = json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size});
        if !self.annotations.is_empty() {
            entry["annotations"] = json!(self.annotations);
        }
        if self.platform != MemberPlatform::default() {
            entry["platform"] = json!(self.platform);
        }
        if let Some(kind) = &self.artifact_type {
            entry["artifactType"] = kind.clone().into();
        }
        entry
    }
}
