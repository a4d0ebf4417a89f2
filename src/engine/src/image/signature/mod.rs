// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signatures of images: what policy.json asks for is checked before an image comes in, and what is pushed can be signed.
//!
//! There are two kinds. A *simple* one (containers-signature(5)) is an `OpenPGP` message that lies in a lookaside storage; the user's
//! own `gpg` makes it and checks it. One of *sigstore*'s is made with a key of its own and lies in the registry, beside the image. In a
//! `dir` both lie beside the manifest ([`folder`]).
//! Both sign the same few words: the digest of a manifest, and what it is called. Signatures are not kept with an image that was
//! pulled: they said what they had to say.

pub(super) mod folder;
mod gpg;
mod key;
mod payload;
mod sigstore;
mod storage;

use std::path::{Path, PathBuf};

use super::PullOptions;
use super::manifest::ManifestError;
use super::reference::Reference;
use super::registry::{RegistryError, Repository};
use crate::config::Folders;
use crate::config::lookaside::{Lookaside, Section};
use crate::config::policy::{Policy, Requirement};
use crate::digest::Digest;
use crate::engine::{Engine, Error};
pub use gpg::key_owners;
use payload::Payload;
use storage::Storage;

/// Why an image is not let in, or cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It has to have one; Podman's words.
    #[error("Source image rejected: A signature was required, but no signature exists")]
    Missing,
    /// The one that it has will not do.
    #[error("Source image rejected: {0}")]
    Rejected(String),
    /// None of those that it has will do; Podman's words.
    #[error("Source image rejected: None of the signatures were accepted, reasons: {}", reasons.join("; "))]
    AllRejected {
        /// Why, one for each.
        reasons: Vec<String>,
    },
    /// The storage of signatures.
    #[error("{doing} {place}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// A path or a URL.
        place: String,
        /// Why it cannot be.
        source: std::io::Error,
    },
    /// A storage that nothing here speaks to.
    #[error("signatures cannot be {doing} {place}: {reason}")]
    Place {
        /// `read from` or `written to`.
        doing: &'static str,
        /// The URL.
        place: String,
        /// What would be needed.
        reason: &'static str,
    },
    /// A program or a key did not sign.
    #[error("creating signature: {0}")]
    Sign(String),
    /// A file that signing needs; Podman's words.
    #[error("{0}")]
    File(String),
    /// A private key; Podman's words.
    #[error("initializing private key: {0}")]
    Key(String),
    /// What is written to a place without names has none either.
    #[error("{image} has no name to be signed by: say it by its name, or give it one with tag")]
    Nameless {
        /// What was asked for.
        image: String,
    },
    /// registries.d; Podman's words.
    #[error(
        "writing signatures: writing sigstore attachments is disabled by configuration: {image} needs use-sigstore-attachments in registries.d"
    )]
    AttachmentsOff {
        /// Which image.
        image: Box<Reference>,
    },
    /// What a registry has in the place of attachments.
    #[error("reading the attachments of {image}")]
    Attachments {
        /// Which image.
        image: Box<Reference>,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The registry.
    #[error("signatures of {image}")]
    Registry {
        /// Which image.
        image: Box<Reference>,
        /// What it did.
        source: Box<RegistryError>,
    },
}

impl From<SignatureError> for Error {
    fn from(error: SignatureError) -> Self {
        // It names an image, which is long.
        Self::Signature(Box::new(error))
    }
}

/// What policy.json, or the file that stands in for it, asks of `reference`: the signatures that it has to have. Nothing when it is
/// let in as it is.
pub(super) async fn wanted(
    engine: &Engine,
    reference: &Reference,
    options: &PullOptions,
) -> Result<Vec<Requirement>, Error> {
    let (reference, policy) = (reference.clone(), options.policy.clone());
    let read = move || Ok(Policy::chosen(policy.as_deref(), &Folders::from_environment())?.admit(&reference)?);
    engine.blocking("reading policy.json", read).await
}

/// Checks that the manifest `digest` in `repository`, which was asked for as `reference`, has all `wanted` signatures.
pub(super) async fn check(
    engine: &Engine,
    repository: &Repository,
    reference: &Reference,
    digest: &Digest,
    wanted: &[Requirement],
) -> Result<(), Error> {
    if wanted.is_empty() {
        return Ok(());
    }
    let section = section(engine, reference).await?;
    for requirement in wanted {
        let found = match requirement {
            Requirement::SignedBy { .. } => {
                Storage::to_read(section.lookaside.as_deref())?.signatures(engine, reference, digest).await?
            }
            Requirement::Sigstore { .. } if section.use_sigstore_attachments => {
                sigstore::attached(repository, reference, digest).await?
            }
            _ => Vec::new(),
        };
        let (requirement, reference, digest) = (requirement.clone(), reference.clone(), *digest);
        engine
            .blocking("checking signatures", move || Ok(satisfied(&requirement, Some(&reference), &digest, &found)?))
            .await?;
    }
    Ok(())
}

/// Checks that the manifest `digest` in the folder of a `dir` has all `wanted` signatures. Blocks.
pub(super) fn check_folder(folder: &Path, digest: &Digest, wanted: &[Requirement]) -> Result<(), SignatureError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let found = folder::read(folder)?;
    wanted.iter().try_for_each(|requirement| satisfied(requirement, None, digest, &found))
}

/// A signature.
pub(super) enum Found {
    /// An `OpenPGP` message.
    Simple(Vec<u8>),
    /// What is signed, and by which bytes.
    Sigstore { payload: Vec<u8>, signature: String },
}

impl Found {
    /// Whether it is of the kind that the requirement asks for.
    fn is_for(&self, requirement: &Requirement) -> bool {
        matches!(
            (self, requirement),
            (Self::Simple(_), Requirement::SignedBy { .. }) | (Self::Sigstore { .. }, Requirement::Sigstore { .. })
        )
    }
}

/// Whether one of the signatures does what the requirement asks for. Blocks.
fn satisfied(
    requirement: &Requirement,
    reference: Option<&Reference>,
    digest: &Digest,
    found: &[Found],
) -> Result<(), SignatureError> {
    let mut reasons = Vec::new();
    // Those of another kind are none for it.
    for signature in found.iter().filter(|signature| signature.is_for(requirement)) {
        match accepted(requirement, reference, digest, signature) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    match reasons.len() {
        0 => Err(SignatureError::Missing),
        1 => Err(SignatureError::Rejected(reasons.remove(0))),
        _ => Err(SignatureError::AllRejected { reasons }),
    }
}

/// Whether the signature is by one of the keys, of this manifest, and of that name.
fn accepted(
    requirement: &Requirement,
    reference: Option<&Reference>,
    digest: &Digest,
    signature: &Found,
) -> Result<(), String> {
    let (payload, identity, kind) = match (requirement, signature) {
        (Requirement::SignedBy { key_path, key_paths, key_data, signed_identity, .. }, Found::Simple(message)) => {
            let files: Vec<PathBuf> = key_path.iter().chain(key_paths).cloned().collect();
            let signed = gpg::verify(message, &files, key_data.as_deref())?;
            (signed, signed_identity, payload::SIMPLE)
        }
        (
            Requirement::Sigstore { key_path, key_paths, key_data, key_datas, signed_identity, .. },
            Found::Sigstore { payload, signature },
        ) => {
            let files: Vec<PathBuf> = key_path.iter().chain(key_paths).cloned().collect();
            let datas: Vec<&str> = key_data.iter().chain(key_datas).map(String::as_str).collect();
            key::verify(payload, signature, &files, &datas)?;
            (payload.clone(), signed_identity, payload::SIGSTORE)
        }
        _ => return Err("it is a signature of another kind".to_owned()),
    };
    // Only now that it is known who wrote them are the words read.
    let payload = Payload::parse(&payload, kind)?;
    if !identity.accepts(reference, &payload.identity) {
        return Err(format!("Signature for identity {:?} is not accepted", payload.identity));
    }
    if payload.digest != *digest {
        return Err(format!("Signature for docker digest {:?} does not match", payload.digest.to_string()));
    }
    Ok(())
}

/// By whom something that is pushed is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignWith {
    /// A key of the user's `gpg`: a fingerprint, an address.
    pub gpg: Option<String>,
    /// A file with a private key of sigstore's.
    pub sigstore: Option<PathBuf>,
    /// A file with the passphrase of either.
    pub passphrase_file: Option<PathBuf>,
    /// The passphrase of sigstore's, if it is no file's.
    pub passphrase: Option<String>,
    /// Those that there are go.
    pub replaces: bool,
}

impl SignWith {
    /// Whether nothing is to be signed, nor taken away.
    pub(super) fn is_nothing(&self) -> bool {
        self.gpg.is_none() && self.sigstore.is_none() && !self.replaces
    }

    /// Opens the key: before anything is sent it is known whether it can sign.
    pub(super) async fn open(&self, engine: &Engine) -> Result<Signer, Error> {
        let with = self.clone();
        let key = engine.blocking("reading a private key", move || {
            let Some(path) = &with.sigstore else { return Ok(None) };
            let passphrase = match (&with.passphrase_file, &with.passphrase) {
                (Some(file), _) => key::passphrase(file)?,
                (None, Some(passphrase)) => passphrase.clone(),
                (None, None) => String::new(),
            };
            Ok(Some(key::PrivateKey::read(path, &passphrase)?))
        });
        Ok(Signer { with: self.clone(), key: key.await? })
    }
}

/// What signs.
pub(super) struct Signer {
    with: SignWith,
    key: Option<key::PrivateKey>,
}

impl Signer {
    /// Whether anybody is to sign.
    pub(super) fn signs(&self) -> bool {
        self.with.gpg.is_some() || self.key.is_some()
    }

    /// Signs the manifest `digest` as `reference`, and puts the signatures where they belong, beside those that are there.
    pub(super) async fn sign(
        &self,
        engine: &Engine,
        repository: &Repository,
        reference: &Reference,
        digest: &Digest,
        say: impl Fn(&'static str),
    ) -> Result<(), Error> {
        if self.with.is_nothing() {
            return Ok(());
        }
        let section = section(engine, reference).await?;
        let made = self.signatures(engine, reference, digest, &say).await?;
        say("Storing signatures");
        if self.with.gpg.is_some() || self.with.replaces {
            let storage = Storage::to_write(&section)?;
            if self.with.replaces {
                storage.clear(engine, reference, digest).await?;
            }
            for signature in &made {
                if let Found::Simple(message) = signature {
                    storage.add(engine, reference, digest, message.clone()).await?;
                }
            }
        }
        for signature in made {
            if let Found::Sigstore { payload, signature } = signature {
                if !section.use_sigstore_attachments {
                    return Err(SignatureError::AttachmentsOff { image: Box::new(reference.clone()) }.into());
                }
                sigstore::attach(repository, reference, digest, payload, &signature, self.with.replaces).await?;
            }
        }
        Ok(())
    }

    /// The signatures of the manifest `digest`, which is called `reference`, by everybody who is to sign it.
    pub(super) async fn signatures(
        &self,
        engine: &Engine,
        reference: &Reference,
        digest: &Digest,
        say: impl Fn(&'static str),
    ) -> Result<Vec<Found>, Error> {
        let mut made = Vec::new();
        if let Some(user) = self.with.gpg.clone() {
            say("Creating signature: Signing image using simple signing");
            let words = Payload::of(reference, digest).written(payload::SIMPLE);
            let passphrase = self.with.passphrase_file.clone();
            let message =
                engine.blocking("signing an image", move || Ok(gpg::sign(&words, &user, passphrase.as_deref())?));
            made.push(Found::Simple(message.await?));
        }
        if let Some(key) = &self.key {
            say("Creating signature: Signing image using a sigstore signature");
            let payload = Payload::of(reference, digest).written(payload::SIGSTORE);
            made.push(Found::Sigstore { signature: key.sign(&payload)?, payload });
        }
        Ok(made)
    }
}

/// Signs a manifest that a registry has, in `folder` or where registries.d says.
pub(super) async fn sign_there(
    engine: &Engine,
    reference: &Reference,
    digest: &Digest,
    user: &str,
    folder: Option<PathBuf>,
) -> Result<(), Error> {
    let storage = match folder {
        Some(folder) => Storage::in_folder(folder),
        None => Storage::to_write(&section(engine, reference).await?)?,
    };
    let words = Payload::of(reference, digest).written(payload::SIMPLE);
    let user = user.to_owned();
    let message = engine.blocking("signing an image", move || Ok(gpg::sign(&words, &user, None)?)).await?;
    storage.add(engine, reference, digest, message).await
}

async fn section(engine: &Engine, reference: &Reference) -> Result<Section, Error> {
    let reference = reference.clone();
    engine
        .blocking("reading registries.d", move || Ok(Lookaside::read(&Folders::from_environment())?.of(&reference)))
        .await
}
