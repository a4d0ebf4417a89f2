// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What people call an image: `[registry/]repository[:tag][@digest]`.
//!
//! The grammar is that of the distribution project's `reference` package, which the OCI distribution specification's
//! `<name>` and `<tag>` narrow down: a registry is `host[:port]`, a repository is lower-case components with single
//! separators between them, at most 255 bytes in all. Everything that enters is parsed once, into a [`Name`]; what has a
//! registry is a [`Reference`], and only a [`Reference`] is ever stored or fetched.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// Where names without a registry that nobody configured lead, for compatibility with Docker.
pub const DOCKER_HUB: &str = "docker.io";

/// The registry in the names of images that were made here.
pub const LOCALHOST: &str = "localhost";

/// The longest registry and repository together.
const NAME_MAX: usize = 255;

/// A text is no name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Not the grammar.
    #[error("parsing reference {text:?}: invalid reference format")]
    Format {
        /// The text.
        text: String,
    },
    /// Nothing at all.
    #[error("parsing reference \"\": repository name must have at least one component")]
    Empty,
    /// Upper case in the repository.
    #[error("parsing reference {text:?}: repository name must be lowercase")]
    UpperCase {
        /// The text.
        text: String,
    },
    /// More than 255 bytes.
    #[error("parsing reference {text:?}: repository name must not be more than 255 characters")]
    TooLong {
        /// Its beginning.
        text: String,
    },
    /// It would be an id.
    #[error("parsing reference {text:?}: cannot specify 64-byte hexadecimal strings")]
    Id {
        /// The text.
        text: String,
    },
    /// A digest that we cannot check.
    #[error(
        "parsing reference {text:?}: unsupported digest algorithm or invalid digest: sha256: and 64 digits it should be"
    )]
    Digest {
        /// The text.
        text: String,
    },
}

/// A tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// A name as it was written: with or without a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    registry: Option<String>,
    repository: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// A full name: registry, repository, and a tag or a digest or both.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Tag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `latest`, which a name means that has neither tag nor digest.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(word);
        if first && text.len() <= 128 && bytes.all(|byte| word(byte) || byte == b'.' || byte == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError::Format { text: beginning(text) })
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Name {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let format = || ReferenceError::Format { text: beginning(text) };
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if is_hex_id(text) {
            return Err(ReferenceError::Id { text: text.to_owned() });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| ReferenceError::Digest { text: beginning(text) })?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // A colon after the last slash begins a tag, one before it a port; without a slash it is a tag.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].find(':') {
            Some(colon) => {
                let tag = rest[last + colon + 1..].parse().map_err(|_| format())?;
                (&rest[..last + colon], Some(tag))
            }
            None => (rest, None),
        };
        let (registry, repository) = split_registry(name);
        if registry.is_some_and(|registry| !is_registry(registry)) {
            return Err(format());
        }
        if !is_repository(repository) {
            let lower = repository.to_ascii_lowercase();
            return Err(if is_repository(&lower) {
                ReferenceError::UpperCase { text: beginning(text) }
            } else {
                format()
            });
        }
        if name.len() > NAME_MAX {
            return Err(ReferenceError::TooLong { text: beginning(text) });
        }
        Ok(Self { registry: registry.map(str::to_owned), repository: repository.to_owned(), tag, digest })
    }
}

impl Name {
    /// The registry that was written, if any. Nothing: a short name.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The repository as it was written.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag that was written.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest that was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The full name; nothing for a short name.
    pub fn full(&self) -> Option<Reference> {
        self.registry.as_deref().map(|registry| self.below(registry))
    }

    /// What a short name is at `registry` (`registry[:port][/folder…]`, a checked text such as [`is_search_registry`]
    /// accepts). At Docker's own, a repository of one component lives below `library/`.
    pub fn below(&self, registry: &str) -> Reference {
        let (host, folder) = registry.split_once('/').map_or((registry, None), |(host, folder)| (host, Some(folder)));
        let host = if host == "index.docker.io" { DOCKER_HUB } else { host };
        let mut repository = match folder {
            Some(folder) => format!("{folder}/{}", self.repository),
            None => self.repository.clone(),
        };
        if host == DOCKER_HUB && !repository.contains('/') {
            repository.insert_str(0, "library/");
        }
        // A digest says it all, but Podman keeps a tag beside it out of what is stored, so `tag` stays as written.
        let tag = match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(Tag::latest()),
        };
        Reference { registry: host.to_owned(), repository, tag, digest: self.digest }
    }

    /// The same tag and digest in another repository.
    pub fn at(&self, place: &Reference) -> Reference {
        let Reference { registry, repository, .. } = place.clone();
        Self { registry: Some(registry.clone()), repository, ..self.clone() }.below(&registry)
    }

    /// The full name of something made here: `localhost/` before a short one.
    pub fn or_local(&self) -> Reference {
        self.below(self.registry.as_deref().unwrap_or(LOCALHOST))
    }
}

impl Reference {
    /// The registry as it is in the name, `host[:port]`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository, without the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Its tag. A reference without one has a digest.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// Its digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`, without tag or digest.
    pub fn repository_name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same tag and digest in another repository.
    #[must_use]
    pub fn at(&self, place: &Reference) -> Self {
        let Self { registry, repository, .. } = place.clone();
        Self { registry, repository, ..self.clone() }
    }

    /// The same repository at `digest`, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// What it is stored as: a digest outranks a tag beside it, because the tag may have moved on since.
    #[must_use]
    pub fn stored(&self) -> Self {
        match self.digest {
            Some(_) => Self { tag: None, ..self.clone() },
            None => self.clone(),
        }
    }

    /// What a registry is asked for: the digest, or else the tag.
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => Tag::latest().to_string(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// Reads a full name. Unlike [`Name::full`] it takes a short one as Docker does: from Docker's own registry.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let name: Name = text.parse()?;
        Ok(name.below(name.registry.as_deref().unwrap_or(DOCKER_HUB)))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether `text` may stand in `unqualified-search-registries`: a registry, possibly with folders below it.
pub fn is_search_registry(text: &str) -> bool {
    let (host, folder) = text.split_once('/').map_or((text, None), |(host, folder)| (host, Some(folder)));
    is_registry(host) && folder.is_none_or(is_repository) && text.len() < NAME_MAX
}

/// 64 hexadecimal digits: what an id looks like.
pub fn is_hex_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first component is a registry when it could not be a repository's: a dot, a port, or `localhost`.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == LOCALHOST => (Some(first), rest),
        _ => (None, name),
    }
}

/// `host[:port]`, host a DNS name, an IPv4 address or an IPv6 one in brackets.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
                return false;
            }
            (None, if rest.is_empty() { None } else { rest.strip_prefix(':').or(Some("")) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.is_none_or(|host| host.split('.').all(label))
        && port.is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Components `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`, and those by `/`.
fn is_repository(text: &str) -> bool {
    text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    if !(bytes.first().copied().is_some_and(plain) && bytes.last().copied().is_some_and(plain)) {
        return false;
    }
    bytes
        .split(|byte| plain(*byte))
        .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-'))
}

/// As much of a hostile text as an error should repeat.
fn beginning(text: &str) -> String {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn full(text: &str) -> String {
        text.parse::<Reference>().unwrap().to_string()
    }

    #[test]
    fn a_name_without_registry_is_short_and_docker_s_when_qualified_as_docker_does() {
        for (text, expected) in [
            ("debian", "docker.io/library/debian:latest"),
            ("debian:12", "docker.io/library/debian:12"),
            ("user/app", "docker.io/user/app:latest"),
            ("index.docker.io/debian", "docker.io/library/debian:latest"),
            ("docker.io/debian", "docker.io/library/debian:latest"),
        ] {
            assert_eq!(full(text), expected);
        }
        assert!("user/app".parse::<Name>().unwrap().full().is_none());
    }

    #[test]
    fn a_dot_a_port_or_localhost_make_the_first_component_a_registry() {
        for (text, registry, repository, tag) in [
            ("quay.io/a/b:c", "quay.io", "a/b", "c"),
            ("localhost/x", "localhost", "x", "latest"),
            ("localhost:5000/x", "localhost:5000", "x", "latest"),
            ("host:5000/x/y:v1.2_3-4", "host:5000", "x/y", "v1.2_3-4"),
            ("[::1]:5000/x", "[::1]:5000", "x", "latest"),
            ("[fe80::1]/x", "[fe80::1]", "x", "latest"),
            ("127.0.0.1:5000/x", "127.0.0.1:5000", "x", "latest"),
        ] {
            let reference = text.parse::<Name>().unwrap().full().unwrap();
            assert_eq!((reference.registry(), reference.repository()), (registry, repository));
            assert_eq!(reference.tag().unwrap().as_str(), tag);
        }
    }

    #[test]
    fn something_made_here_is_below_localhost() {
        assert_eq!("mine".parse::<Name>().unwrap().or_local().to_string(), "localhost/mine:latest");
        assert_eq!("a/mine:1".parse::<Name>().unwrap().or_local().to_string(), "localhost/a/mine:1");
        assert_eq!("quay.io/mine".parse::<Name>().unwrap().or_local().to_string(), "quay.io/mine:latest");
    }

    #[test]
    fn a_search_registry_may_have_folders() {
        let name: Name = "app:1".parse().unwrap();
        assert_eq!(name.below("example.com/team").to_string(), "example.com/team/app:1");
        for good in ["docker.io", "localhost:5000", "example.com/a/b"] {
            assert!(is_search_registry(good), "{good}");
        }
        for bad in ["", "/", "a b", "https://x", "x/", "x/../y", "x:port", "example.com/A"] {
            assert!(!is_search_registry(bad), "{bad}");
        }
    }

    #[test]
    fn a_digest_outranks_a_tag_where_it_is_asked_for_and_stored() {
        let reference: Reference = format!("quay.io/a:1@{DIGEST}").parse().unwrap();
        assert_eq!(reference.wanted(), DIGEST);
        assert_eq!(reference.stored().to_string(), format!("quay.io/a@{DIGEST}"));
        let reference: Reference = format!("quay.io/a@{DIGEST}").parse().unwrap();
        assert!(reference.tag().is_none());
    }

    #[test]
    fn hostile_and_broken_names_are_refused() {
        let long_tag = format!("a:{}", "x".repeat(129));
        let long = "x".repeat(256);
        let id = "a".repeat(64);
        for bad in [
            "",
            " ",
            "/",
            "a/",
            "/a",
            "a//b",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "a:",
            "a:b:c",
            "a@",
            "a@sha256:00",
            "a@md5:d41d8cd98f00b204e9800998ecf8427e",
            "A",
            "quay.io/A",
            "a b",
            "a\nb",
            "a\0b",
            "-a",
            "a-",
            "a..b",
            "a.",
            "_a",
            "a___b",
            "a._b",
            ":5000/x",
            "host:/x",
            "host:99999/x",
            "host:+1/x",
            "-h.io/x",
            "h-.io/x",
            "h..io/x",
            "[::1/x",
            "[]/x",
            "[::1]x/y",
            "a?b",
            "a#b",
            "a%2fb",
            "https://quay.io/a",
            "é",
            &long_tag,
            &long,
            &id,
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_use_podman_s_words() {
        let error = |text: &str| text.parse::<Name>().unwrap_err().to_string();
        assert!(error("a b").ends_with("invalid reference format"));
        assert!(error("quay.io/App").ends_with("repository name must be lowercase"));
        assert!(error(&"x".repeat(5000)).len() < 500);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_read_back_from_what_it_prints(text in "\\PC*") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn a_likely_text_never_becomes_a_path_outside(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let printed = reference.to_string();
                prop_assert_eq!(&printed.parse::<Reference>().unwrap(), &reference);
                prop_assert!(!printed.split('/').any(|part| part.is_empty() || part == "." || part == ".."));
            }
        }

        #[test]
        fn what_is_built_from_the_grammar_is_accepted(
            registry in "([a-z0-9]{1,8}\\.[a-z]{2,3}|localhost|[a-z]{1,5}:[1-9][0-9]{0,3})",
            repository in "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}){0,3}",
            tag in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}",
        ) {
            let text = format!("{registry}/{repository}:{tag}");
            let name: Name = text.parse().unwrap();
            prop_assert_eq!(name.registry(), Some(registry.as_str()));
            prop_assert_eq!(name.repository(), repository);
            prop_assert_eq!(name.tag().unwrap().as_str(), tag);
        }
    }

    #[test]
    fn whatever_is_written_it_is_a_name_or_refused() {
        haulout_fuzz::feed_text("reference", |text| {
            if let Ok(name) = text.parse::<Name>() {
                let _ = name.full();
                let _ = name.clone().or_local();
                let again: Name = name.to_string().parse().unwrap();
                assert_eq!(again.to_string(), name.to_string());
            }
        });
    }
}
