// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a signature has to say of the name of the image that it is of (containers-policy.json(5), `signedIdentity`).

use serde::Deserialize;

use crate::image::reference::Reference;

/// Which name a signature has to be of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Identity {
    /// The image's own, to the tag.
    MatchExact {},
    /// The image's own, to the tag; of one that is asked for by digest, its repository.
    #[serde(skip)]
    #[default]
    Usual,
    /// The same, written out.
    MatchRepoDigestOrExact {},
    /// The image's repository.
    MatchRepository {},
    /// A certain one.
    ExactReference {
        /// Which.
        #[serde(deserialize_with = "reference")]
        docker_reference: Reference,
    },
    /// One in a certain repository.
    ExactRepository {
        /// Which: `registry/repository`.
        docker_repository: String,
    },
    /// As is usual, of the image's name with another beginning.
    RemapIdentity {
        /// What it begins with.
        prefix: String,
        /// And what it is to begin with instead.
        signed_prefix: String,
    },
}

fn reference<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Identity {
    /// Whether a signature of the image `signed` is one of `image`, as it was asked for; of an image without a name one that is certain.
    pub fn accepts(&self, image: Option<&Reference>, signed: &str) -> bool {
        // A name without tag or digest is a repository, as cosign signs them: whoever parses one adds a tag.
        let Ok(parsed) = signed.parse::<Reference>() else { return false };
        let says_which = signed == parsed.to_string() && (parsed.tag().is_some() || parsed.digest().is_some());
        match self {
            Self::ExactReference { docker_reference } => says_which && parsed == *docker_reference,
            Self::ExactRepository { docker_repository } => parsed.repository_name() == *docker_repository,
            _ => image.is_some_and(|image| self.accepts_as(image, &parsed, says_which)),
        }
    }

    fn accepts_as(&self, image: &Reference, signed: &Reference, says_which: bool) -> bool {
        match self {
            Self::MatchExact {} => says_which && image.digest().is_none() && signed == image,
            Self::MatchRepository {} => signed.repository_name() == image.repository_name(),
            Self::RemapIdentity { prefix, signed_prefix } => match remapped(image, prefix, signed_prefix) {
                Some(image) => usual(&image, signed, says_which),
                None => false,
            },
            _ => usual(image, signed, says_which),
        }
    }
}

fn usual(image: &Reference, signed: &Reference, says_which: bool) -> bool {
    if image.digest().is_some() {
        return signed.repository_name() == image.repository_name();
    }
    says_which && signed == image
}

/// The image's name with another beginning, if it begins so; itself if not. Nothing when the new one is no name.
fn remapped(image: &Reference, prefix: &str, instead: &str) -> Option<Reference> {
    let name = image.to_string();
    match name.strip_prefix(prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', ':', '@']) => {
            // A host is not the beginning of one with a port.
            let is_host = !prefix.contains('/');
            if is_host && !rest.starts_with('/') {
                Some(image.clone())
            } else {
                format!("{instead}{rest}").parse().ok()
            }
        }
        _ => Some(image.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(identity: &str, image: &str, signed: &str) -> bool {
        let identity: Identity = serde_json::from_str(identity).unwrap();
        identity.accepts(Some(&image.parse().unwrap()), signed)
    }

    #[test]
    fn an_identity_is_compared_as_it_is_asked_for() {
        let digest = "q.io/a/b@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        for kind in [r#"{"type":"matchRepoDigestOrExact"}"#, r#"{"type":"matchExact"}"#] {
            assert!(accepts(kind, "q.io/a/b:1", "q.io/a/b:1"));
            for other in ["q.io/a/b:2", "q.io/a/b", "q.io/a:1", "r.io/a/b:1", "", "a/b:1", "Q!"] {
                assert!(!accepts(kind, "q.io/a/b:1", other), "{other}");
            }
        }
        assert!(accepts(r#"{"type":"matchRepoDigestOrExact"}"#, digest, "q.io/a/b:7"));
        assert!(!accepts(r#"{"type":"matchRepoDigestOrExact"}"#, digest, "q.io/a/c:7"));
        assert!(!accepts(r#"{"type":"matchExact"}"#, digest, "q.io/a/b:7"));
        assert!(!accepts(r#"{"type":"matchExact"}"#, digest, digest));
        assert!(Identity::default().accepts(Some(&digest.parse().unwrap()), "q.io/a/b:7"));
        // An image without a name is only what it is certain to be.
        assert!(!Identity::default().accepts(None, "q.io/a/b:7"));
        let certain = Identity::ExactRepository { docker_repository: "q.io/a/b".to_owned() };
        assert!(certain.accepts(None, "q.io/a/b:7") && !certain.accepts(None, "q.io/a/c:7"));

        let repository = r#"{"type":"matchRepository"}"#;
        assert!(accepts(repository, "q.io/a/b:1", "q.io/a/b:2") && accepts(repository, "q.io/a/b:1", "q.io/a/b"));
        assert!(!accepts(repository, "q.io/a/b:1", "q.io/a/bb:1"));
        let exact = r#"{"type":"exactReference","dockerReference":"r.io/x:1"}"#;
        assert!(accepts(exact, "q.io/a/b:1", "r.io/x:1"));
        assert!(!accepts(exact, "q.io/a/b:1", "r.io/x:2") && !accepts(exact, "q.io/a/b:1", "q.io/a/b:1"));
        let exact = r#"{"type":"exactRepository","dockerRepository":"r.io/x"}"#;
        assert!(accepts(exact, "q.io/a/b:1", "r.io/x:2") && !accepts(exact, "q.io/a/b:1", "r.io/xx:2"));
    }

    #[test]
    fn a_remapped_identity_is_that_of_another_name() {
        let map = |prefix: &str, signed: &str| {
            format!(r#"{{"type":"remapIdentity","prefix":"{prefix}","signedPrefix":"{signed}"}}"#)
        };
        assert!(accepts(&map("q.io/a", "r.io/x"), "q.io/a/b:1", "r.io/x/b:1"));
        assert!(accepts(&map("q.io/a/b", "r.io/x"), "q.io/a/b:1", "r.io/x:1"));
        assert!(accepts(&map("q.io", "r.io"), "q.io/a/b:1", "r.io/a/b:1"));
        assert!(accepts(&map("q.io/aa", "r.io/x"), "q.io/a/b:1", "q.io/a/b:1"));
        assert!(!accepts(&map("q.io/a", "r.io/x"), "q.io/a/b:1", "q.io/a/b:1"));
        assert!(!accepts(&map("q.io/a", "r.io/x"), "q.io/ab:1", "r.io/xb:1"));
        // A host without its port is another one.
        assert!(accepts(&map("q.io", "r.io"), "q.io:5000/a:1", "q.io:5000/a:1"));
    }

    #[test]
    fn what_nobody_knows_is_no_identity() {
        for text in
            [r#"{"type":"foo"}"#, r#"{"type":"matchExact","x":1}"#, r#"{"type":"exactReference"}"#, "{}", "null"]
        {
            assert!(serde_json::from_str::<Identity>(text).is_err(), "{text}");
        }
    }
}
