// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifest lists: one name for images of several platforms (OCI image specification, image-index.md; Docker's manifest list). They
//! are put together here and pushed with what they name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::document;
use super::load;
use super::manifest::{self, Config, Descriptor, Document, Manifest};
use super::names::new_name;
use super::platform::Platform;
use super::push;
use super::reference::Reference;
use super::registry::{Fetched, Repository};
use super::transport::Location;
use super::{PullError, PullOptions, PushProgress, Removed, Summary, signature};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::{images, lists};

mod artifact;
mod document_of;
mod lookup;
mod publish;

pub use artifact::ArtifactOptions;
pub use publish::ListPush;

pub(super) use lookup::{delete, find, here, rename};

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
    /// When it was made, in seconds since 1970; 0 when that is not known.
    #[serde(default)]
    pub created: i64,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// What it names.
    pub members: Vec<Member>,
    /// What it is about (image-index.md, `subject`).
    #[serde(default)]
    pub subject: Option<Subject>,
}

/// The manifest that a list is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
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
    /// What kind of artifact it is, if it is one.
    #[serde(default)]
    pub artifact_type: Option<String>,
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
    /// A file or a folder, as containers-transports(5) names it.
    Location(String),
    /// Files, which are the layers of the manifest in their order.
    Files {
        /// The manifest, as it is pushed.
        manifest: String,
        /// Where they are.
        files: Vec<PathBuf>,
    },
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
    /// What is to be sent.
    Begun {
        /// So many images.
        images: usize,
        /// So many the list has.
        listed: usize,
    },
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
        let new = ManifestList {
            id: hex::encode(random),
            name: reference.to_string(),
            created: jiff::Timestamp::now().as_second(),
            annotations,
            members: Vec::new(),
            subject: None,
        };
        let made = self.engine.state(move |database| {
            database.write("making a manifest list", |transaction| {
                if let Some(document) = lists::get(transaction, &new.name)? {
                    return Ok((parse(&document), false));
                }
                if let Some(id) = images::named(transaction, &new.name)? {
                    return Ok((Err(taken(&new.name, &id.hex())), false));
                }
                lists::put(transaction, &new.name, &written(&new))?;
                Ok((Ok(new), true))
            })
        });
        let (list, fresh) = made.await?;
        let list = list?;
        if !fresh && !amend {
            return Err(taken(&list.name, &list.id));
        }
        Ok(list)
    }

    /// The list `name`: by its name, or the beginning of its id.
    pub async fn get(&self, name: &str) -> Result<ManifestList, Error> {
        let text = name.to_owned();
        let found = self.engine.state(move |database| Ok(find(database.reader(), &text))).await??;
        if let Some(list) = found {
            return Ok(list);
        }
        match self.engine.images().find(name).await {
            // As Podman says it, with the name in full.
            Ok(found) => {
                let name = found.name.map_or_else(|| name.to_owned(), |name| name.to_string());
                Err(Error::NoManifestList(name))
            }
            Err(error) => Err(error),
        }
    }

    /// All of them, each once, with every name that it has.
    pub async fn all(&self) -> Result<Vec<(ManifestList, Vec<String>)>, Error> {
        let all = self.engine.state(move |database| Ok(lookup::all(database.reader()))).await??;
        let mut lists: Vec<(ManifestList, Vec<String>)> = Vec::new();
        for list in all {
            match lists.iter_mut().find(|(other, _)| other.id == list.id) {
                Some((_, names)) => names.push(list.name),
                None => lists.push((list.clone(), vec![list.name])),
            }
        }
        Ok(lists)
    }

    /// All of them as a list of images shows them.
    pub async fn summaries(&self) -> Result<Vec<Summary>, Error> {
        let summary = |(list, names): (ManifestList, Vec<String>)| {
            let document = list.document().to_string();
            Some(Summary {
                id: Digest::from_hex(&list.id).ok()?,
                digest: Digest::of(document.as_bytes()),
                names,
                repo_digests: Vec::new(),
                created: list.created,
                size: document.len() as u64,
                labels: BTreeMap::new(),
                containers: 0,
                read_only: false,
            })
        };
        Ok(self.all().await?.into_iter().filter_map(summary).collect())
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

    /// Takes a name from the list, or all when it is not named by one, and removes it with its last.
    pub async fn take_name(&self, name: &str) -> Result<Vec<Removed>, Error> {
        let (list, text) = (self.get(name).await?, name.to_owned());
        let (id, asked) = (list.id.clone(), text.clone());
        let removed = self.engine.state(move |database| {
            database.write("removing a manifest list", |transaction| Ok(lookup::delete(transaction, &list, &text)))
        });
        let removed = removed.await??;
        if let Ok(id) = Digest::from_hex(&id) {
            self.engine.images().tell_removed(&id, &removed, &asked);
        }
        Ok(removed)
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
                        lookup::put_everywhere(transaction, list)?;
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
        let mut members = self.members_of(image, all, options).await?;
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

    /// What `image` is: elsewhere if that is how it is named, or else here, or else in its registry.
    async fn members_of(&self, image: &str, all: bool, options: &PullOptions) -> Result<Vec<Member>, Error> {
        match Location::parse(image).map_err(|error| Error::Invalid(error.to_string()))? {
            Some(Location::Here(name)) => return Ok(vec![self.local(&name.to_string()).await?]),
            Some(location) => return Ok(vec![self.elsewhere(location, options).await?]),
            None => {}
        }
        match image.strip_prefix("docker://") {
            Some(name) => self.remote(name, all, options).await,
            None => match self.local(image).await {
                Err(Error::NoSuchImage(_)) => self.remote(image, all, options).await,
                local => Ok(vec![local?]),
            },
        }
    }

    /// An image of an archive or a folder. It stays there, until the list is pushed.
    async fn elsewhere(&self, location: Location, options: &PullOptions) -> Result<Member, Error> {
        let location = location.absolute();
        let found = load::only(&self.engine, location.clone(), options).await?;
        let docker = document::is_docker(&found.image.manifest);
        let config = Config::parse_alone(&found.image.config)
            .map_err(|error| Error::Invalid(format!("reading the configuration of {location}: {error}")))?;
        Ok(Member {
            digest: found.image.digest,
            size: found.image.manifest.len() as u64,
            media_type: if docker { document::DOCKER_MANIFEST } else { document::OCI_MANIFEST }.to_owned(),
            platform: config.platform.into(),
            annotations: BTreeMap::new(),
            artifact_type: None,
            source: Source::Location(location.to_string()),
        })
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
            artifact_type: None,
            source: Source::Image(details.summary.id),
        })
    }

    async fn remote(&self, name: &str, all: bool, options: &PullOptions) -> Result<Vec<Member>, Error> {
        let candidates = self.engine.images().candidates(name).await?;
        let Some(reference) = candidates.names.first() else { return Err(Error::NoSuchImage(name.to_owned())) };
        let wanted = signature::wanted(&self.engine, reference, options).await?;
        let repository = push::open(&self.engine, reference, options).await?;
        let failed = |source| PullError::Source { reference: reference.clone(), source };
        let malformed = |source| PullError::Manifest { reference: reference.clone(), source };
        let answer = repository.wanted().await.map_err(failed)?;
        match Document::parse(&answer.bytes).map_err(malformed)? {
            Document::Image(manifest) => {
                signature::check(&self.engine, &repository, reference, &answer.digest, &wanted).await?;
                Ok(vec![self.member(&repository, reference, &answer, &manifest).await?])
            }
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
                    signature::check(&self.engine, &repository, reference, &fetched.digest, &wanted).await?;
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
            artifact_type: None,
            source: Source::Registry(reference.repository_name()),
        })
    }

    /// Changes what is said of the member `which`: its digest, an image here, or a file of an artifact.
    pub async fn annotate(&self, list: &str, which: &str, change: MemberChange) -> Result<ManifestList, Error> {
        let digest = self.digest(list, which).await?;
        self.change(list, move |list| {
            let missing = || {
                Error::Invalid(format!(
                    "no Docker manifest matching digest {:?} was found in list: no image instance matching the specified digest was found in the list or index",
                    digest.to_string()
                ))
            };
            let member = list.members.iter_mut().find(|member| member.digest == digest).ok_or_else(missing)?;
            change.apply(member);
            Ok(())
        })
        .await
    }

    /// Changes what is said of the list itself: annotations are added, and `subject` (an image here or in a registry) is what it is
    /// about.
    pub async fn describe(
        &self,
        list: &str,
        annotations: BTreeMap<String, String>,
        subject: Option<&str>,
        options: &PullOptions,
    ) -> Result<ManifestList, Error> {
        self.get(list).await?;
        let subject = match subject {
            None => None,
            Some(image) => self.members_of(image, true, options).await?.into_iter().next(),
        };
        let subject = subject.map(|Member { media_type, digest, size, .. }| Subject { media_type, digest, size });
        self.change(list, move |list| {
            list.annotations.extend(annotations);
            list.subject = subject.or(list.subject.take());
            Ok(())
        })
        .await
    }

    /// Takes the member `which` out.
    pub async fn take_out(&self, list: &str, which: &str) -> Result<ManifestList, Error> {
        let digest = self.digest(list, which).await?;
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

    async fn digest(&self, list: &str, which: &str) -> Result<Digest, Error> {
        if let Ok(digest) = which.parse() {
            return Ok(digest);
        }
        let has = |member: &&Member| match &member.source {
            Source::Files { files, .. } => files.iter().any(|file| file.ends_with(which)),
            _ => false,
        };
        match self.get(list).await?.members.iter().find(has) {
            Some(member) => Ok(member.digest),
            None => Ok(self.engine.images().inspect(which).await?.summary.digest),
        }
    }

    /// The list that a registry has under `name`, as it is.
    pub async fn fetch(&self, name: &str, options: &PullOptions) -> Result<Bytes, Error> {
        let candidates = self.engine.images().candidates(name).await?;
        let Some(reference) = candidates.names.first() else { return Err(Error::NoSuchImage(name.to_owned())) };
        let repository = push::open(&self.engine, reference, options).await?;
        Ok(repository.wanted().await?.bytes)
    }
}

/// A descriptor of which only the digest counts.
fn descriptor(digest: Digest) -> Descriptor {
    Descriptor { media_type: String::new(), digest, size: 0, platform: None }
}

impl From<Platform> for MemberPlatform {
    fn from(Platform { os, arch, variant }: Platform) -> Self {
        Self { architecture: arch, os, variant: variant.unwrap_or_default(), ..Self::default() }
    }
}

/// Why no list can have that name; Podman's words.
fn taken(name: &str, id: &str) -> Error {
    Error::Invalid(format!(
        "image name {name:?} is already associated with image {id:?}: that name is already in use, or use --replace to instruct Podman to do so."
    ))
}

fn parse(document: &str) -> Result<ManifestList, Error> {
    serde_json::from_str(document).map_err(|error| Error::Invalid(format!("a manifest list in the database: {error}")))
}

fn written(list: &ManifestList) -> String {
    // Only a map with keys that are no text could fail.
    serde_json::to_string(list).unwrap_or_default()
}
