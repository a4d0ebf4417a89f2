// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fetching an image from its registry.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{BoxStream, StreamExt as _};

use super::install::{Incoming, IncomingLayer, Source, install};
use super::manifest::{self, Config, Document, Manifest, ManifestError};
use super::platform::Platform;
use super::progress::Reporter;
use super::reference::{Name, Reference, is_hex_id};
use super::registry::{Fetched, RegistryError, Repository};
use super::{PullOptions, PullProgress, announce, announce_failure, signature};
use crate::config::Folders;
use crate::config::policy::Requirement;
use crate::config::registries::{Candidates, Registries, remember_alias};
use crate::digest::Digest;
use crate::engine::{Engine, Error, chain};
use crate::state::images;
use crate::store::Turn;

/// Why an image could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The registry, before anything was fetched; Podman's words.
    #[error("initializing source docker://{reference}")]
    Source {
        /// What was asked for.
        reference: Reference,
        /// What the registry did.
        source: RegistryError,
    },
    /// What it has is not for this machine; Podman's words.
    #[error("choosing an image from manifest list docker://{reference}")]
    Choice {
        /// What was asked for.
        reference: Reference,
        /// What there is not.
        source: ManifestError,
    },
    /// What it has is not an image; Podman's words.
    #[error("initializing image from source docker://{reference}")]
    Manifest {
        /// What was asked for.
        reference: Reference,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// Its configuration; Podman's words.
    #[error("parsing image configuration")]
    Config {
        /// What was asked for.
        reference: Reference,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// Part of it was fetched.
    #[error("copying docker://{reference}")]
    Copy {
        /// What was asked for.
        reference: Reference,
        /// What the registry did.
        source: RegistryError,
    },
    /// A short name could have been several, and was none of them; Podman's words.
    #[error("{} errors occurred while pulling:\n{}", messages.len(), bullets(messages))]
    Several {
        /// Why, one for each.
        messages: Vec<String>,
    },
}

impl PullError {
    /// What the registry did, if it was one that did.
    pub(crate) fn registry(&self) -> Option<&RegistryError> {
        match self {
            Self::Source { source, .. } | Self::Copy { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn bullets(messages: &[String]) -> String {
    messages.iter().map(|message| format!(" * {message}")).collect::<Vec<_>>().join("\n")
}

/// What a name that someone typed may stand for. A transport may be before it.
pub(super) async fn candidates(engine: &Engine, text: &str, asked: bool) -> Result<(Registries, Candidates), Error> {
    let name: Name = match text.strip_prefix("docker://") {
        // With the transport a short name is Docker's, as in containers-transports(5).
        Some(name) => name.parse::<Reference>()?.to_string().parse()?,
        None => text.parse()?,
    };
    let telling = engine.clone();
    engine
        .blocking("reading registries.conf", move || {
            let registries = Registries::read(&Folders::from_environment())?;
            for warning in registries.warnings() {
                telling.warn(warning.clone());
            }
            let candidates =
                if asked { registries.candidates(&name)? } else { registries.candidates_unasked(&name)? };
            Ok((registries, candidates))
        })
        .await
}

/// The full names that `text` may stand for when somebody has to choose one: none of them is here yet.
pub(super) async fn choices(engine: &Engine, text: &str) -> Result<Vec<Reference>, Error> {
    // What is no name is refused where it is to be pulled.
    let Ok(name) = text.parse::<Name>() else { return Ok(Vec::new()) };
    if name.full().is_some() || here(engine, text).await.is_some() {
        return Ok(Vec::new());
    }
    let choices = engine.blocking("reading registries.conf", move || {
        Ok(Registries::read(&Folders::from_environment())?.choices(&name))
    });
    choices.await
}

/// Notes which one somebody chose.
pub(super) async fn remember(engine: &Engine, text: &str, chosen: &Reference) -> Result<(), Error> {
    let (name, chosen): (Name, _) = (text.parse()?, chosen.repository_name());
    let noted = engine.blocking("noting what a short name means", move || {
        Ok(remember_alias(&Folders::from_environment(), name.repository(), &chosen)?)
    });
    noted.await
}

/// What a short name is the name of here: then that image is what is fetched anew, wherever else one of that name may be.
async fn here(engine: &Engine, text: &str) -> Option<Reference> {
    let name: Name = text.parse().ok()?;
    if name.full().is_some() {
        return None;
    }
    engine.images().find(text).await.ok()?.name.filter(|name| name.digest().is_none())
}

/// Whether it is an image's id, of which no registry knows.
fn is_id(text: &str) -> bool {
    is_hex_id(text.strip_prefix("sha256:").unwrap_or(text))
}

/// Tries every name that `text` may stand for until one is there. That none was is an event too.
pub(super) async fn pull(engine: Engine, text: String, options: PullOptions, reporter: Reporter) -> Result<(), Error> {
    let pulled = pull_one(&engine, &text, &options, &reporter).await;
    if let Err(error) = &pulled {
        announce_failure(&engine, &text, error);
    }
    pulled
}

async fn pull_one(engine: &Engine, text: &str, options: &PullOptions, reporter: &Reporter) -> Result<(), Error> {
    let wanted = options.platform()?;
    if is_id(text) {
        return Err(Error::Invalid(format!("pull policy is always but image has been referred to by ID ({text})")));
    }
    engine.steps().await?;
    let text = here(engine, text).await.map_or_else(|| text.to_owned(), |name| name.to_string());
    let (registries, candidates) = candidates(engine, &text, false).await?;
    if let Some(reason) = candidates.reason {
        reporter.say(PullProgress::Resolved(reason));
    }
    let mut errors: Vec<Error> = Vec::new();
    for reference in candidates.names {
        reporter.say(PullProgress::Trying(reference.stored().to_string()));
        let pull = Pull {
            engine,
            reference: &reference,
            explicit: options.platform.is_some(),
            wanted: &wanted,
            options,
            reporter,
        };
        match pull.anywhere(&registries).await {
            Ok(id) => {
                let name = reference.stored().to_string();
                announce(engine, "pull", &id, &name);
                reporter.say(PullProgress::Done { id, name });
                return Ok(());
            }
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        1 => Err(errors.remove(0)),
        _ => Err(PullError::Several { messages: errors.iter().map(|error| chain(error)).collect() }.into()),
    }
}

struct Pull<'a> {
    engine: &'a Engine,
    reference: &'a Reference,
    /// Whether the user named the platform.
    explicit: bool,
    wanted: &'a Platform,
    options: &'a PullOptions,
    reporter: &'a Reporter,
}

impl Pull<'_> {
    /// From the first of its mirrors that has it, or the registry itself.
    async fn anywhere(&self, registries: &Registries) -> Result<Digest, Error> {
        let signatures = signature::wanted(self.engine, self.reference, self.options).await?;
        let mut last = None;
        for mut endpoint in registries.endpoints(self.reference)? {
            if let Some(verify) = self.options.tls_verify {
                endpoint.insecure = !verify;
            }
            let repository = Repository::open(&endpoint, self.options.access(&endpoint.reference, registries)?);
            let answer = match repository {
                Ok(repository) => repository.wanted().await.map(|fetched| (repository, fetched)),
                Err(error) => Err(error),
            };
            match answer {
                Ok((repository, fetched)) => return self.take(repository, fetched, &signatures).await,
                Err(error) => {
                    tracing::debug!("{} has it not: {error}", endpoint.reference);
                    last = Some(error);
                }
            }
        }
        match last {
            Some(source) => Err(PullError::Source { reference: self.reference.clone(), source }.into()),
            None => Err(Error::NoSuchImage(self.reference.to_string())),
        }
    }

    /// Takes the image that a registry answered with, or the one of its index that suits.
    async fn take(&self, repository: Repository, answer: Fetched, signatures: &[Requirement]) -> Result<Digest, Error> {
        let malformed = |source| PullError::Manifest { reference: self.reference.clone(), source };
        let copying = |source| PullError::Copy { reference: self.reference.clone(), source };
        let (fetched, index, manifest) = match Document::parse(&answer.bytes).map_err(malformed)? {
            Document::Image(manifest) => (answer, None, manifest),
            Document::Index(members) => {
                let choice = |source| PullError::Choice { reference: self.reference.clone(), source };
                let member = manifest::choose(&members, self.wanted).map_err(choice)?;
                let fetched = repository.member(member).await.map_err(copying)?;
                match Document::parse(&fetched.bytes).map_err(malformed)? {
                    Document::Image(manifest) => (fetched, Some(answer.digest), manifest),
                    Document::Index(_) => return Err(malformed(ManifestError::NestedIndex).into()),
                }
            }
        };
        signature::check(self.engine, &repository, self.reference, &fetched.digest, signatures).await?;
        // Whoever fetches the same image waits, and then finds it here.
        let _turn = Turn::take(self.engine.paths(), &fetched.digest).await?;
        let bytes = self.config(&repository, &manifest).await?;
        let config = Config::parse(&bytes, &manifest)
            .map_err(|source| PullError::Config { reference: self.reference.clone(), source })?;
        let other_variant =
            self.explicit && self.wanted.variant.is_some() && self.wanted.variant != config.platform.variant;
        if other_variant || !config.platform.is(self.wanted) {
            let warning =
                format!("image platform ({}) does not match the expected platform ({})", config.platform, self.wanted);
            // As in Podman: an index has to have what is asked for, a lone image is taken as it is.
            if self.explicit || index.is_none() {
                self.engine.warn(warning);
            }
        }
        let layers = manifest::layers(&manifest, &config);
        let image = Incoming {
            id: manifest.config.digest,
            digest: fetched.digest,
            index,
            config: bytes,
            manifest: fetched.bytes,
            created: config.created,
            layers: layers
                .into_iter()
                .map(|(blob, diff_id)| IncomingLayer { blob: blob.digest, known: true, size: blob.size, diff_id })
                .collect(),
            diff_ids: config.diff_ids,
            names: vec![self.reference.stored()],
        };
        let source = Arc::new(Remote { repository, reference: self.reference.clone() });
        install(self.engine, image, source, self.reporter).await?;
        Ok(manifest.config.digest)
    }

    /// The configuration, from here if it is here.
    async fn config(&self, repository: &Repository, manifest: &Manifest) -> Result<Bytes, Error> {
        let id = manifest.config.digest;
        let here = self.engine.state(move |database| images::get(database.reader(), &id)).await?;
        if let Some((entry, _)) = here {
            return Ok(entry.config.into());
        }
        let copying = |source| PullError::Copy { reference: self.reference.clone(), source };
        Ok(repository.config(&manifest.config).await.map_err(copying)?)
    }
}

struct Remote {
    repository: Repository,
    reference: Reference,
}

impl Source for Remote {
    fn layer<'a>(
        &'a self,
        layer: &'a IncomingLayer,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, Error>>, Error>> {
        async move {
            let reference = self.reference.clone();
            let copying = move |source| Error::from(PullError::Copy { reference: reference.clone(), source });
            let bytes = self.repository.blob(layer.blob, layer.size).await.map_err(&copying)?;
            Ok(bytes.map(move |bytes| bytes.map_err(&copying)).boxed())
        }
        .boxed()
    }

    fn repository(&self) -> Option<String> {
        Some(self.repository.name())
    }
}
