// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was found the last time that somebody looked, by the name of an image: in `updates/checks.json` beside the database.
//!
//! It may be lost without harm: the next look finds it again. So it is written by rename and not synced, and of two runs that end
//! at once the later one has its way. The folder is what [`super::Updates::changes`] watches: whatever changes about updates leaves
//! something in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::event::now;
use crate::image::Newest;

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Check {
    /// When: nanoseconds since 1970.
    pub(super) at: i64,
    /// What there is, or why that could not be known.
    pub(super) found: Result<Latest, String>,
    /// The digests of what ran then: of what was pulled since by somebody else, this says nothing.
    #[serde(default)]
    pub(super) of: Vec<Digest>,
}

impl Check {
    /// What it says of something that came by these digests; nothing when it says nothing.
    pub(super) fn says_of(&self, digests: &[Digest]) -> Option<Result<Option<&Latest>, &str>> {
        match &self.found {
            Ok(latest) if latest.is_of(digests) => Some(Ok(None)),
            Ok(latest) => digests.iter().any(|digest| self.of.contains(digest)).then_some(Ok(Some(latest))),
            Err(words) => Some(Err(words)),
        }
    }
}

/// What a registry has by a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    pub(super) digest: Digest,
    /// Of an index, the manifest for this machine.
    pub(super) member: Option<Digest>,
    /// What the image says of itself ([`super::participant::described`]).
    pub(super) labels: BTreeMap<String, String>,
}

impl Latest {
    /// Whether it is what came through one of these digests.
    pub(super) fn is_of(&self, digests: &[Digest]) -> bool {
        digests.contains(&self.digest) || self.member.is_some_and(|member| digests.contains(&member))
    }
}

impl From<&Newest> for Latest {
    fn from(newest: &Newest) -> Self {
        let labels = super::participant::described(&newest.labels);
        Self { digest: newest.digest, member: newest.member, labels }
    }
}

/// How long a look is remembered, in nanoseconds: a quarter of a year.
const REMEMBERED: i64 = 90 * 24 * 60 * 60 * 1_000_000_000;

/// By the name of the image, in full.
pub(super) type Checks = BTreeMap<String, Check>;

/// The folder in which something is written whenever something about updates changes.
pub(super) fn folder(engine: &Engine) -> PathBuf {
    engine.paths().data.join("updates")
}

/// What is known. What cannot be read is not known.
pub(super) async fn read(engine: &Engine) -> Result<Checks, Error> {
    let path = folder(engine).join("checks.json");
    engine.blocking("reading what updates there were", move || Ok(parse(&fs::read(path).unwrap_or_default()))).await
}

fn parse(bytes: &[u8]) -> Checks {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// Adds to it.
pub(super) async fn note(engine: &Engine, new: Checks) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    let mut all = read(engine).await?;
    all.extend(new);
    all.retain(|_, check| check.at > now().saturating_sub(REMEMBERED));
    let folder = folder(engine);
    let write = move || {
        let part = folder.join(format!(".checks.{}", std::process::id()));
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&part, serde_json::to_vec(&all)?))
            .and_then(|()| fs::rename(&part, folder.join("checks.json")));
        if let Err(error) = written {
            tracing::warn!("writing down what updates there are, in {}: {error}", folder.display());
        }
        Ok(())
    };
    engine.blocking("writing down what updates there are", write).await
}

/// Tells whoever watches that something about updates changed, which is in the database by now.
pub(super) async fn tell(engine: &Engine) -> Result<(), Error> {
    let folder = folder(engine);
    let write = move || {
        let told = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join("changed")));
        if let Err(error) = told {
            tracing::warn!("telling of updates in {}: {error}", folder.display());
        }
        Ok(())
    };
    engine.blocking("telling of updates", write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> Digest {
        format!("sha256:{}", letter.to_string().repeat(64)).parse().unwrap()
    }

    #[test]
    fn what_was_found_is_read_again_and_what_is_damaged_is_nothing() {
        let labels = BTreeMap::from([("version".to_owned(), "2".to_owned())]);
        let found = Ok(Latest { digest: digest('a'), member: Some(digest('b')), labels });
        let checks = Checks::from([
            ("localhost/a:1".to_owned(), Check { at: 1, found, of: vec![digest('c')] }),
            ("localhost/b:1".to_owned(), Check { at: 2, found: Err("no route".to_owned()), of: Vec::new() }),
        ]);
        let bytes = serde_json::to_vec(&checks).unwrap();
        assert_eq!(parse(&bytes), checks);
        assert_eq!(parse(&bytes[..bytes.len() / 2]), Checks::new());
    }

    #[test]
    fn an_index_is_what_runs_when_its_member_is() {
        let latest = Latest { digest: digest('a'), member: Some(digest('b')), labels: BTreeMap::new() };
        assert!(latest.is_of(&[digest('b')]));
        assert!(!latest.is_of(&[digest('c')]));
    }

    #[test]
    fn a_look_says_nothing_of_what_was_pulled_since() {
        let latest = Latest { digest: digest('a'), member: None, labels: BTreeMap::new() };
        let check = Check { at: 1, found: Ok(latest.clone()), of: vec![digest('c')] };
        assert_eq!(check.says_of(&[digest('c'), digest('d')]), Some(Ok(Some(&latest))));
        assert_eq!(check.says_of(&[digest('a')]), Some(Ok(None)));
        assert_eq!(check.says_of(&[digest('e')]), None);
    }
}
