// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifest lists: one name for images of several platforms (OCI image specification, image-index.md; Docker's manifest list). They
//! are put together here and pushed with what they name.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::document;
use super::manifest::{self, Config, Descriptor, Document, Manifest};
use super::names::{new_name, preferred};
use super::platform::Platform;
use super::progress::{self, Reporter};
use super::push::{self, Push, PushError};
use super::reference::{Name, Reference};
use super::registry::{Fetched, Repository};
use super::{PullError, PullLayer, PullOptions, PushOptions, PushProgress, announce};
use crate::config::Folders;
use crate::config::policy::Policy;
use crate::digest::Digest;
use crate::engine::{Engine, Error, Progress};
use crate::state::lists;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The operations on manifest lists.
#[derive(Clone)]
pub struct ManifestLists {
    engine: Engine,
}

/// A manifest list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestList {
    /// Its id, 64 hexadecimal digits: what it is called by Podman's words.
    pub id: String,
    /// Its name, `registry/repository:tag`.
    pub name: String,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// What it names.
    pub members: Vec<Member>,
}

/// What a manifest list names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The bytes of that.
    pub size: u64,
    /// Its type.
    pub media_type: String,
    /// Which machines it is for.
    pub platform: MemberPlatform,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// Where it is.
    pub source: Source,
}

/// Which machines a member is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPlatform {
    /// `amd64`, …
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// The system's version.
    #[serde(rename = "os.version", default, skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// What the system has to be able to do.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// `v8`, …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// What the processor has to be able to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// Where a member of a list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An image here.
    Image(Digest),
    /// `registry/repository`.
    Registry(String),
}

/// What is to be said of a member that is added or changed; nothing stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// The architecture.
    pub architecture: Option<String>,
    /// The system.
    pub os: Option<String>,
    /// The system's version.
    pub os_version: Option<String>,
    /// What the system has to be able to do.
    pub os_features: Vec<String>,
    /// The variant.
    pub variant: Option<String>,
    /// What the processor has to be able to do.
    pub features: Vec<String>,
    /// Annotations to add.
    pub annotations: BTreeMap<String, String>,
}

/// How far the push of a list is.
#[derive(Clone, Debug)]
pub enum ListProgress {
    /// The next member.
    Member {
        /// The digest of its manifest.
        digest: Digest,
        /// Counted from 1.
        number: usize,
        /// Of so many.
        count: usize,
    },
    /// How far it is.
    Push(PushProgress),
    /// The list is there, and everything that it names.
    Done {
        /// Its digest.
        digest: Digest,
    },
}

impl MemberChange {
    fn apply(&self, member: &mut Member) {
        let set = |into: &mut String, value: &Option<String>| {
            if let Some(value) = value.clone().filter(|value| !value.is_empty()) {
                *into = value;
            }
        };
        let platform = &mut member.platform;
        if self.architecture.is_some() || self.os.is_some() {
            // What was said of the variant was of another architecture.
            platform.variant.clear();
        }
        set(&mut platform.architecture, &self.architecture);
        set(&mut platform.os, &self.os);
        set(&mut platform.os_version, &self.os_version);
        set(&mut platform.variant, &self.variant);
        platform.os_features.extend(self.os_features.iter().cloned());
        platform.features.extend(self.features.iter().cloned());
        member.annotations.extend(self.annotations.clone());
    }
}

impl ManifestList {
    /// As it is pushed and shown: Docker's if all its members are, else OCI's.
    pub fn document(&self) -> Value {
        let docker = self.members.iter().all(|member| member.media_type == document::DOCKER_MANIFEST);
        let mut index = Map::new();
        index.insert("schemaVersion".to_owned(), 2.into());
        index.insert("mediaType".to_owned(), if docker { DOCKER_LIST } else { OCI_INDEX }.into());
        let members: Vec<Value> = self.members.iter().map(Member::document).collect();
        index.insert("manifests".to_owned(), if members.is_empty() { Value::Null } else { members.into() });
        if !self.annotations.is_empty() && !docker {
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
        entry
    }
}

impl ManifestLists {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine }
    }

    /// Makes an empty list. With `amend` one that is there is taken as it is.
    pub async fn create(
        &self,
        name: &str,
        amend: bool,
        annotations: BTreeMap<String, String>,
    ) -> Result<ManifestList, Error> {
        let reference = new_name(name)?;
        let mut random = [0; 32];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Error::Io { doing: "making an id".to_owned(), source: error.into() })?;
        let new =
            ManifestList { id: hex::encode(random), name: reference.to_string(), annotations, members: Vec::new() };
        let made = self.engine.state(move |database| {
            database.write("making a manifest list", |transaction| {
                if let Some(document) = lists::get(transaction, &new.name)? {
                    return Ok((parse(&document), false));
                }
                lists::put(transaction, &new.name, &written(&new))?;
                Ok((Ok(new), true))
            })
        });
        let (list, fresh) = made.await?;
        let list = list?;
        if !fresh && !amend {
            return Err(Error::Invalid(format!(
                "image name {:?} is already associated with image {:?}: that name is already in use, or use --replace to instruct Podman to do so.",
                list.name, list.id
            )));
        }
        Ok(list)
    }

    /// The list `name`: by its name, or the beginning of its id.
    pub async fn get(&self, name: &str) -> Result<ManifestList, Error> {
        let unknown = || Error::NoSuchImage(name.to_owned());
        let text = name.to_owned();
        let all = self.engine.state(move |database| lists::all(database.reader())).await?;
        let all = all.iter().map(|document| parse(document)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = match text.parse::<Name>() {
            Ok(name) => {
                let full = name.full().map_or_else(|| preferred(&name), |full| vec![full]);
                full.iter().map(ToString::to_string).collect()
            }
            Err(_) => Vec::new(),
        };
        let by_name = names.iter().find_map(|name| all.iter().find(|list| list.name == *name));
        by_name
            .or_else(|| all.iter().find(|list| text.len() > 2 && list.id.starts_with(&text)))
            .cloned()
            .ok_or_else(unknown)
    }

    /// Removes the list, and nothing that it names.
    pub async fn remove(&self, name: &str) -> Result<ManifestList, Error> {
        let list = self.get(name).await?;
        let full = list.name.clone();
        self.engine
            .state(move |database| {
                database.write("removing a manifest list", |transaction| lists::remove(transaction, &full))
            })
            .await?;
        Ok(list)
    }

    /// Changes the list as `edit` does.
    async fn change(
        &self,
        name: &str,
        edit: impl FnOnce(&mut ManifestList) -> Result<(), Error> + Send + 'static,
    ) -> Result<ManifestList, Error> {
        let full = self.get(name).await?.name;
        self.engine
            .state(move |database| {
                database.write("changing a manifest list", |transaction| {
                    let Some(document) = lists::get(transaction, &full)? else {
                        return Ok(Err(Error::NoSuchImage(full.clone())));
                    };
                    let changed = parse(&document).and_then(|mut list| edit(&mut list).map(|()| list));
                    if let Ok(list) = &changed {
                        lists::put(transaction, &list.name, &written(list))?;
                    }
                    Ok(changed)
                })
            })
            .await?
    }

    /// Adds what `image` is, here or else in its registry; of an index everything (`all`) or what this machine runs.
    pub async fn add(
        &self,
        list: &str,
        image: &str,
        all: bool,
        change: MemberChange,
        options: &PullOptions,
    ) -> Result<ManifestList, Error> {
        self.get(list).await?;
        let mut members = match image.strip_prefix("docker://") {
            Some(name) => self.remote(name, all, options).await?,
            None => match self.local(image).await {
                Err(Error::NoSuchImage(_)) => self.remote(image, all, options).await?,
                local => vec![local?],
            },
        };
        for member in &mut members {
            change.apply(member);
        }
        self.change(list, move |list| {
            for member in members {
                list.members.retain(|other| other.digest != member.digest);
                list.members.push(member);
            }
            Ok(())
        })
        .await
    }

    async fn local(&self, image: &str) -> Result<Member, Error> {
        let details = self.engine.images().inspect(image).await?;
        let config = Config::parse_alone(&details.config_bytes)
            .map_err(|error| Error::Invalid(format!("reading the configuration of {image}: {error}")))?;
        let docker = document::is_docker(&details.manifest_bytes);
        Ok(Member {
            digest: details.summary.digest,
            size: details.manifest_bytes.len() as u64,
            media_type: if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST }.to_owned(),
            platform: config.platform.into(),
            annotations: BTreeMap::new(),
            source: Source::Image(details.summary.id),
        })
    }

    async fn remote(&self, name: &str, all: bool, options: &PullOptions) -> Result<Vec<Member>, Error> {
        let candidates = self.engine.images().candidates(name).await?;
        let Some(reference) = candidates.names.first() else { return Err(Error::NoSuchImage(name.to_owned())) };
        let admitted = reference.clone();
        let admitted = self
            .engine
            .blocking("reading policy.json", move || Ok(Policy::read(&Folders::from_environment())?.admit(&admitted)?));
        admitted.await?;
        let repository = push::open(&self.engine, reference, options).await?;
        let failed = |source| PullError::Source { reference: reference.clone(), source };
        let malformed = |source| PullError::Manifest { reference: reference.clone(), source };
        let answer = repository.wanted().await.map_err(failed)?;
        match Document::parse(&answer.bytes).map_err(malformed)? {
            Document::Image(manifest) => Ok(vec![self.member(&repository, reference, &answer, &manifest).await?]),
            Document::Index(entries) => {
                let chosen: Vec<Descriptor> = if all {
                    entries
                } else {
                    let choice = manifest::choose(&entries, &Platform::of_this_machine()).map_err(malformed)?;
                    vec![choice.clone()]
                };
                let mut members = Vec::new();
                for entry in chosen {
                    let fetched = repository.member(&entry).await.map_err(failed)?;
                    let Document::Image(manifest) = Document::parse(&fetched.bytes).map_err(malformed)? else {
                        continue;
                    };
                    let mut member = self.member(&repository, reference, &fetched, &manifest).await?;
                    if let Some(platform) = entry.platform {
                        member.platform = platform.into();
                    }
                    members.push(member);
                }
                Ok(members)
            }
        }
    }

    async fn member(
        &self,
        repository: &Repository,
        reference: &Reference,
        fetched: &Fetched,
        manifest: &Manifest,
    ) -> Result<Member, Error> {
        let failed = |source| PullError::Copy { reference: reference.clone(), source };
        let bytes = repository.config(&manifest.config).await.map_err(failed)?;
        let config = Config::parse(&bytes, manifest)
            .map_err(|source| PullError::Config { reference: reference.clone(), source })?;
        let docker = document::is_docker(&fetched.bytes);
        Ok(Member {
            digest: fetched.digest,
            size: fetched.bytes.len() as u64,
            media_type: if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST }.to_owned(),
            platform: config.platform.into(),
            annotations: BTreeMap::new(),
            source: Source::Registry(reference.repository_name()),
        })
    }

    /// Changes what is said of the member `which` (its digest, or an image here); of the list itself when nothing is named.
    pub async fn annotate(&self, list: &str, which: Option<&str>, change: MemberChange) -> Result<ManifestList, Error> {
        let digest = match which {
            None => None,
            Some(which) => Some(self.digest(which).await?),
        };
        self.change(list, move |list| {
            let Some(digest) = digest else {
                list.annotations.extend(change.annotations);
                return Ok(());
            };
            let missing = || {
                Error::Invalid(format!("no instance matching digest {:?} found in manifest list", digest.to_string()))
            };
            let member = list.members.iter_mut().find(|member| member.digest == digest).ok_or_else(missing)?;
            change.apply(member);
            Ok(())
        })
        .await
    }

    /// Takes the member `which` out.
    pub async fn take_out(&self, list: &str, which: &str) -> Result<ManifestList, Error> {
        let digest = self.digest(which).await?;
        self.change(list, move |list| {
            let before = list.members.len();
            list.members.retain(|member| member.digest != digest);
            if list.members.len() == before {
                let digest = digest.to_string();
                return Err(Error::Invalid(format!("no instance matching digest {digest:?} found in manifest list")));
            }
            Ok(())
        })
        .await
    }

    async fn digest(&self, which: &str) -> Result<Digest, Error> {
        match which.parse() {
            Ok(digest) => Ok(digest),
            Err(_) => Ok(self.engine.images().inspect(which).await?.summary.digest),
        }
    }

    /// The list that a registry has under `name`, as it is.
    pub async fn fetch(&self, name: &str, options: &PullOptions) -> Result<Bytes, Error> {
        let candidates = self.engine.images().candidates(name).await?;
        let Some(reference) = candidates.names.first() else { return Err(Error::NoSuchImage(name.to_owned())) };
        let repository = push::open(&self.engine, reference, options).await?;
        Ok(repository.wanted().await?.bytes)
    }

    /// Sends the list to a registry, and what it names before it.
    pub fn push(&self, list: &str, destination: &str, options: PushOptions) -> Progress<ListProgress> {
        let (lists, list, destination) = (self.clone(), list.to_owned(), destination.to_owned());
        progress::stream(move |reporter| async move { lists.push_all(list, destination, options, reporter).await })
    }

    async fn push_all(
        self,
        list: String,
        destination: String,
        options: PushOptions,
        reporter: Reporter<ListProgress>,
    ) -> Result<(), Error> {
        let mut list = self.get(&list).await?;
        let wanted: Name = destination.strip_prefix("docker://").unwrap_or(&destination).parse()?;
        let reference = wanted.full().map_or_else(|| destination.parse(), Ok)?;
        let repository = push::open(&self.engine, &reference, &options.access).await?;
        let count = list.members.len();
        for (index, member) in list.members.iter_mut().enumerate() {
            reporter.say(ListProgress::Member { digest: member.digest, number: index + 1, count });
            match &member.source {
                Source::Image(id) => {
                    let details = self.engine.images().inspect(&id.to_string()).await?;
                    let (engine, options) = (self.engine.clone(), options.clone());
                    let to = (reference.clone(), repository.clone());
                    // Told on as it is: the same steps as those of one image.
                    let mut pushing = progress::stream(move |reporter| async move {
                        let push = Push::of(engine, details, to, options, reporter);
                        let published = push.run(true).await?;
                        push.say(PushProgress::Done { digest: published.digest });
                        Ok(())
                    });
                    while let Some(step) = pushing.next().await {
                        match step? {
                            PushProgress::Done { digest } => {
                                let published =
                                    repository.member(&descriptor(digest)).await.map_err(PushError::from)?;
                                member.digest = digest;
                                member.size = published.bytes.len() as u64;
                                let docker = document::is_docker(&published.bytes);
                                let kind = if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST };
                                kind.clone_into(&mut member.media_type);
                            }
                            step => reporter.say(ListProgress::Push(step)),
                        }
                    }
                }
                Source::Registry(from) => {
                    let source: Reference = from.parse()?;
                    let source = push::open(&self.engine, &source, &options.access).await?;
                    copy(&source, &repository, from, &reference, member.digest, &reporter).await?;
                }
            }
        }
        let document = Bytes::from(serde_json::to_vec(&list.document()).unwrap_or_default());
        let kind = list.document()["mediaType"].as_str().unwrap_or(OCI_INDEX).to_owned();
        let digest = Digest::of(&document);
        repository.publish(&reference.wanted(), &kind, document).await.map_err(PushError::from)?;
        announce(&self.engine, "push", &digest, &reference.to_string());
        reporter.say(ListProgress::Done { digest });
        Ok(())
    }
}

/// A descriptor of which only the digest counts.
fn descriptor(digest: Digest) -> Descriptor {
    Descriptor { media_type: String::new(), digest, size: 0, platform: None }
}

/// Copies an image from one repository to another, as it is.
async fn copy(
    source: &Repository,
    target: &Repository,
    from: &str,
    to: &Reference,
    digest: Digest,
    reporter: &Reporter<ListProgress>,
) -> Result<(), Error> {
    let fetched = source.member(&descriptor(digest)).await.map_err(PushError::from)?;
    let malformed = |error| Error::Invalid(format!("manifest {digest} in {from}: {error}"));
    let Document::Image(manifest) = Document::parse(&fetched.bytes).map_err(malformed)? else {
        return Err(Error::Invalid(format!("manifest {digest} in {from} is an index itself")));
    };
    let layers = manifest.layers.iter().map(|layer| PullLayer { blob: layer.digest, size: layer.size, present: false });
    reporter.say(ListProgress::Push(PushProgress::Layers(layers.collect())));
    let mountable = from.strip_prefix(&format!("{}/", to.registry()));
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        if target.length_of(&blob.digest).await.map_err(PushError::from)?.is_some() {
            continue;
        }
        if let Some(from) = mountable
            && target.mount(&blob.digest, from).await.map_err(PushError::from)?
        {
            continue;
        }
        let bytes = source.blob(blob.digest, blob.size).await.map_err(PushError::from)?;
        let bytes = bytes.map(|bytes| bytes.map_err(|error| std::io::Error::other(error.to_string())));
        let session = target.begin().await.map_err(PushError::from)?;
        let next = target.append(&session, bytes).await.map_err(PushError::from)?;
        target.complete(&next, &blob.digest, Bytes::new()).await.map_err(PushError::from)?;
    }
    reporter.say(ListProgress::Push(PushProgress::Config(manifest.config.digest)));
    let kind = if document::is_docker(&fetched.bytes) { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST };
    Ok(target.publish(&digest.to_string(), kind, fetched.bytes).await.map_err(PushError::from)?)
}

impl From<Platform> for MemberPlatform {
    fn from(Platform { os, arch, variant }: Platform) -> Self {
        Self { architecture: arch, os, variant: variant.unwrap_or_default(), ..Self::default() }
    }
}

fn parse(document: &str) -> Result<ManifestList, Error> {
    serde_json::from_str(document).map_err(|error| Error::Invalid(format!("a manifest list in the database: {error}")))
}

fn written(list: &ManifestList) -> String {
    // Only a map with keys that are no text could fail.
    serde_json::to_string(list).unwrap_or_default()
}
