// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a registry has now by a name, without fetching it.

use std::collections::BTreeMap;

use super::manifest::{self, Descriptor, Document, Manifest};
use super::platform::Platform;
use super::pull::PullError;
use super::reference::Reference;
use super::registry::{Connections, RegistryError, Repository};
use super::{Images, PullOptions, labels_in};
use crate::config::Folders;
use crate::config::registries::Registries;
use crate::digest::Digest;
use crate::engine::{Error, chain};
use crate::state::images;

/// What a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The digest of what the tag leads to: a manifest, or an index.
    pub(crate) digest: Digest,
    /// Of an index, the digest of the manifest for this machine.
    pub(crate) member: Option<Digest>,
    /// The labels of that image; none where nothing was asked because it is here, and none where they could not be had.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Newest {
    /// Whether it is what came through one of these digests.
    pub(crate) fn is_of(&self, digests: &[Digest]) -> bool {
        digests.contains(&self.digest) || self.member.is_some_and(|member| digests.contains(&member))
    }
}

impl Images {
    /// Whether the registry has another image by the name of the one that `text` stands for here. Not of one that was asked for by its
    /// id; nor where it cannot be asked, since what is here is good enough then.
    ///
    /// # Errors
    /// It is not here.
    pub async fn has_newer(&self, text: &str, options: &PullOptions) -> Result<bool, Error> {
        let found = self.find(text).await?;
        let Some(name) = found.name else { return Ok(false) };
        let id = found.id;
        let entry = self.engine.state(move |database| images::get(database.reader(), &id)).await?;
        // One of an additional store is told by what it is called.
        let mut digests = entry.map(|(entry, _)| [entry.digests, vec![entry.digest]].concat()).unwrap_or_default();
        if digests.is_empty() {
            digests.push(self.inspect(&id.to_string()).await?.summary.digest);
        }
        match self.inquiry().await?.newest(&name, &digests, options).await {
            Ok(newest) => Ok(!newest.is_of(&digests)),
            Err(error) => {
                tracing::debug!("looking for a newer {name}: {}", chain(&error));
                Ok(false)
            }
        }
    }

    /// Prepares to ask registries for what they have.
    pub(crate) async fn inquiry(&self) -> Result<Inquiry, Error> {
        let telling = self.engine.clone();
        let registries = self.engine.blocking("reading registries.conf", move || {
            let registries = Registries::read(&Folders::from_environment())?;
            for warning in registries.warnings() {
                telling.warn(warning.clone());
            }
            Ok(registries)
        });
        Ok(Inquiry { registries: registries.await?, connections: Connections::default() })
    }
}

/// What it takes to ask registries: settings that are read, and connections that are made, once for all names.
pub(crate) struct Inquiry {
    registries: Registries,
    connections: Connections,
}

impl Inquiry {
    /// What the registry, or the first of its mirrors that answers, has by `reference`. `known`: digests that are here; where one of
    /// them is answered, no more is asked.
    pub(crate) async fn newest(
        &self,
        reference: &Reference,
        known: &[Digest],
        options: &PullOptions,
    ) -> Result<Newest, Error> {
        let mut last = None;
        for mut endpoint in self.registries.endpoints(reference)? {
            if let Some(verify) = options.tls_verify {
                endpoint.insecure = !verify;
            }
            let access = options.access(&endpoint.reference, &self.registries)?;
            let answer = match self.connections.open(&endpoint, access) {
                Ok(repository) => ask(&repository, reference, known).await,
                Err(error) => Err(Failure::Registry(error)),
            };
            match answer {
                Ok(newest) => return Ok(newest),
                Err(Failure::Registry(error)) => last = Some(error),
                Err(Failure::Pull(error)) => return Err(error.into()),
            }
        }
        Err(last.map_or_else(|| Error::NoSuchImage(reference.to_string()), Error::from))
    }
}

enum Failure {
    Registry(RegistryError),
    Pull(PullError),
}

async fn ask(repository: &Repository, reference: &Reference, known: &[Digest]) -> Result<Newest, Failure> {
    if let Some(digest) = repository.wanted_digest().await.map_err(Failure::Registry)?
        && known.contains(&digest)
    {
        return Ok(Newest { digest, member: None, labels: BTreeMap::new() });
    }
    let fetched = repository.wanted().await.map_err(Failure::Registry)?;
    let malformed = |source| Failure::Pull(PullError::Manifest { reference: reference.clone(), source });
    let (member, manifest) = match Document::parse(&fetched.bytes).map_err(malformed)? {
        Document::Image(manifest) => (None, Some(manifest)),
        Document::Index(members) => {
            let choice = |source| Failure::Pull(PullError::Choice { reference: reference.clone(), source });
            let member = manifest::choose(&members, &Platform::of_this_machine()).map_err(choice)?;
            // What runs already is known better.
            let manifest = if known.contains(&member.digest) { None } else { member_of(repository, member).await };
            (Some(member.digest), manifest)
        }
    };
    let labels = match manifest {
        Some(manifest) => labels(repository, &manifest).await,
        None => BTreeMap::new(),
    };
    Ok(Newest { digest: fetched.digest, member, labels })
}

/// The manifest of an index's member. That it cannot be had is found by whoever fetches the image.
async fn member_of(repository: &Repository, member: &Descriptor) -> Option<Manifest> {
    let fetched = repository.member(member).await.ok()?;
    match Document::parse(&fetched.bytes).ok()? {
        Document::Image(manifest) => Some(manifest),
        Document::Index(_) => None,
    }
}

/// What an image says of itself.
async fn labels(repository: &Repository, manifest: &Manifest) -> BTreeMap<String, String> {
    match repository.config(&manifest.config).await {
        Ok(config) => labels_in(&config),
        Err(error) => {
            tracing::debug!("reading the labels of {}: {error}", repository.name());
            BTreeMap::new()
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_s_entropy_is_enough_for_whoever_asks_a_registry() {
        // Of .cargo/config.toml; aws-lc-sys has read it when it was built.
        assert_eq!(option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY"), Some("1"));
    }
}
