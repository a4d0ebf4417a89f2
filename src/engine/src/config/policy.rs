// SPDX-License-Identifier: Apache-2.0 OR MIT
//! policy.json: which images are let in (containers-policy.json(5)).
//!
//! It is read strictly: what is not known of it could be a restriction. Signatures that it asks for are checked where an image comes
//! in; what cannot be checked (certificates, transparency logs) lets nothing in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Folders;
use crate::image::reference::Reference;
pub use identity::Identity;

mod identity;

/// The longest file that is read.
const FILE_MAX: u64 = 4 << 20;

/// What `signedBy` has to say.
const ONE_KEY: &str = "Exactly one of keyPath, keyPaths and keyData must be specified";

/// Which images are let in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    file: Option<PathBuf>,
    default: Vec<Requirement>,
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

/// What an image has to satisfy.
#[allow(clippy::large_enum_variant, reason = "there are a handful, read once")]
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Requirement {
    /// Nothing.
    #[serde(rename = "insecureAcceptAnything")]
    Accept {},
    /// It cannot be satisfied.
    #[serde(rename = "reject")]
    Reject {},
    /// A simple signature by one of these keys.
    #[serde(rename = "signedBy", rename_all = "camelCase")]
    SignedBy {
        /// `GPGKeys`.
        key_type: String,
        /// A file of keys.
        #[serde(default)]
        key_path: Option<PathBuf>,
        /// Several.
        #[serde(default)]
        key_paths: Vec<PathBuf>,
        /// Keys, in base64.
        #[serde(default)]
        key_data: Option<String>,
        /// What the signature has to say of the image's name.
        #[serde(default)]
        signed_identity: Identity,
    },
    /// A sigstore signature by one of these keys.
    #[serde(rename = "sigstoreSigned", rename_all = "camelCase")]
    Sigstore {
        /// A file with a key.
        #[serde(default)]
        key_path: Option<PathBuf>,
        /// Several.
        #[serde(default)]
        key_paths: Vec<PathBuf>,
        /// A key, in base64.
        #[serde(default)]
        key_data: Option<String>,
        /// Several.
        #[serde(default)]
        key_datas: Vec<String>,
        /// Who gave out the certificate.
        #[serde(default)]
        fulcio: Option<serde_json::Value>,
        /// Another authority.
        #[serde(default)]
        pki: Option<serde_json::Value>,
        /// The log that it is in.
        #[serde(default)]
        rekor_public_key_path: Option<PathBuf>,
        /// Several.
        #[serde(default)]
        rekor_public_key_paths: Vec<PathBuf>,
        /// Its key, in base64.
        #[serde(default)]
        rekor_public_key_data: Option<String>,
        /// Several.
        #[serde(default)]
        rekor_public_key_datas: Vec<String>,
        /// What the signature has to say of the image's name.
        #[serde(default)]
        signed_identity: Identity,
    },
}

impl Requirement {
    /// Whether it says what it has to; Podman's words.
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Accept {} | Self::Reject {} => Ok(()),
            Self::SignedBy { key_type, key_path, key_paths, key_data, .. } => {
                if key_type != "GPGKeys" {
                    return Err(format!("Unrecognized keyType value {key_type:?}"));
                }
                match usize::from(key_path.is_some())
                    + usize::from(!key_paths.is_empty())
                    + usize::from(key_data.is_some())
                {
                    1 => Ok(()),
                    0 => Err(format!("{ONE_KEY}, none of them present")),
                    _ => Err(format!("{ONE_KEY}, more than one present")),
                }
            }
            Self::Sigstore { key_path, key_paths, key_data, key_datas, fulcio, pki, .. } => {
                let present = [
                    key_path.is_some(),
                    !key_paths.is_empty(),
                    key_data.is_some(),
                    !key_datas.is_empty(),
                    fulcio.is_some(),
                    pki.is_some(),
                ];
                match present.into_iter().filter(|present| *present).count() {
                    1 => Ok(()),
                    _ => Err("exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, and pki must be specified"
                        .to_owned()),
                }
            }
        }
    }

    /// What of it nothing here can check.
    fn beyond_us(&self) -> Option<&'static str> {
        let Self::Sigstore {
            fulcio,
            pki,
            rekor_public_key_path,
            rekor_public_key_paths,
            rekor_public_key_data,
            rekor_public_key_datas,
            ..
        } = self
        else {
            return None;
        };
        let logged = rekor_public_key_path.is_some()
            || !rekor_public_key_paths.is_empty()
            || rekor_public_key_data.is_some()
            || !rekor_public_key_datas.is_empty();
        match (fulcio, pki) {
            (Some(_), _) => Some("a certificate of Fulcio"),
            (_, Some(_)) => Some("a certificate (pki)"),
            _ if logged => Some("an entry in a transparency log (Rekor)"),
            _ => None,
        }
    }
}

/// Why an image is not let in, or nothing is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what it should be. Begins with Podman's words.
    #[error("invalid policy in {:?}: {reason}", path.display().to_string())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
    /// It says so; Podman's words.
    #[error("Source image rejected: Running image {image} is rejected by policy.")]
    Rejected {
        /// The image, with its transport.
        image: String,
    },
    /// It asks for signatures, and where the image is from there are none; Podman's words.
    #[error("Source image rejected: A signature was required, but no signature exists")]
    Unsigned,
    /// It asks for what cannot be checked.
    #[error(
        "Source image rejected: {} wants {image} to be signed with {wanted}, which Haulout cannot check: use keyPath", file.display()
    )]
    Unchecked {
        /// The image, with its transport.
        image: String,
        /// The requirement.
        wanted: &'static str,
        /// The file that has it.
        file: PathBuf,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Option<Requirements>,
    #[serde(default)]
    transports: Unique<Unique<Requirements>>,
}

/// At least one.
struct Requirements(Vec<Requirement>);

impl<'de> Deserialize<'de> for Requirements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Vec::deserialize(deserializer)? {
            empty if empty.is_empty() => {
                Err(D::Error::custom("List of verification policy requirements must not be empty"))
            }
            requirements => Ok(Self(requirements)),
        }
    }
}

/// An object of which no key comes twice: two readers could take different ones.
struct Unique<T>(BTreeMap<String, T>);

impl<T> Default for Unique<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Unique<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if all.contains_key(&key) {
                        return Err(A::Error::custom(format!("Duplicate key {key:?}")));
                    }
                    all.insert(key, map.next_value()?);
                }
                Ok(Unique(all))
            }
        }
        deserializer.deserialize_map(Reader(std::marker::PhantomData))
    }
}

/// Where the policy is: the user's, or else the machine's.
pub fn path(folders: &Folders) -> PathBuf {
    let user = folders.user.as_ref().map(|folder| folder.join("policy.json")).filter(|path| path.exists());
    user.unwrap_or_else(|| folders.system.join("policy.json"))
}

impl Policy {
    /// Reads it. Where there is none, everything is let in: only an installed one can ask for more.
    ///
    /// # Errors
    /// The file is there and cannot be read, or says what nobody knows.
    pub fn read(folders: &Folders) -> Result<Self, PolicyError> {
        let path = path(folders);
        match Self::read_file(&path) {
            Err(PolicyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            policy => policy,
        }
    }

    /// Reads the file that was named, or else [what there is](Self::read).
    ///
    /// # Errors
    /// As [`Self::read_file`] and [`Self::read`].
    pub fn chosen(named: Option<&Path>, folders: &Folders) -> Result<Self, PolicyError> {
        named.map_or_else(|| Self::read(folders), Self::read_file)
    }

    /// Reads the file `path`, which has to be there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_file(path: &Path) -> Result<Self, PolicyError> {
        let failed = |source| PolicyError::Read { path: path.to_owned(), source };
        let malformed = |reason: String| PolicyError::Malformed { path: path.to_owned(), reason };
        if fs::metadata(path).map_err(failed)?.len() > FILE_MAX {
            return Err(malformed("it is too long".to_owned()));
        }
        let text = fs::read(path).map_err(failed)?;
        let file: File = serde_json::from_slice(&text).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or(&reason);
            malformed(format!("line {}, column {}: {reason}", error.line(), error.column()))
        })?;
        let Some(Requirements(default)) = file.default else {
            return Err(malformed("Default policy is missing".to_owned()));
        };
        let all =
            file.transports.0.values().flat_map(|Unique(scopes)| scopes.values()).flat_map(|Requirements(all)| all);
        default.iter().chain(all).try_for_each(Requirement::check).map_err(malformed)?;
        let scopes = |Unique(scopes): Unique<Requirements>| {
            scopes.into_iter().map(|(scope, Requirements(all))| (scope, all)).collect()
        };
        let transports = file.transports.0.into_iter().map(|(transport, of)| (transport, scopes(of))).collect();
        Ok(Self { file: Some(path.to_owned()), default, transports })
    }

    /// Whether an image of a registry is let in; with which signatures, all of them.
    ///
    /// # Errors
    /// [`PolicyError::Rejected`], [`PolicyError::Unchecked`].
    pub fn admit(&self, reference: &Reference) -> Result<Vec<Requirement>, PolicyError> {
        let mut scopes = vec![reference.to_string()];
        let name = reference.repository_name();
        let mut rest = name.as_str();
        scopes.push(rest.to_owned());
        while let Some((shorter, _)) = rest.rsplit_once('/') {
            scopes.push(shorter.to_owned());
            rest = shorter;
        }
        let mut host = rest.split(':').next().unwrap_or(rest);
        while let Some((_, domain)) = host.split_once('.') {
            scopes.push(format!("*.{domain}"));
            host = domain;
        }
        self.admit_at("docker", &scopes, &format!("docker://{reference}"))
    }

    /// Whether what an archive or a folder holds is let in; `path` is where that is, if it is known. Signatures it has none.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn admit_from(&self, transport: &str, path: Option<&Path>) -> Result<Vec<Requirement>, PolicyError> {
        let path = path.filter(|path| path.is_absolute());
        let shown = path.map(|path| path.display().to_string()).unwrap_or_default();
        // A docker archive and the tar of a root filesystem have no scope but the transport itself.
        let scoped = path.filter(|_| !matches!(transport, "docker-archive" | "tarball"));
        let scopes: Vec<String> =
            scoped.into_iter().flat_map(Path::ancestors).map(|path| path.display().to_string()).collect();
        let wanted = self.admit_at(transport, &scopes, &format!("{transport}:{shown}"))?;
        // Nothing else of what is in a file has a place for signatures.
        if wanted.is_empty() || transport == "dir" { Ok(wanted) } else { Err(PolicyError::Unsigned) }
    }

    fn admit_at(&self, transport: &str, scopes: &[String], image: &str) -> Result<Vec<Requirement>, PolicyError> {
        let known = self.transports.get(transport);
        let of = |scope: &str| known.and_then(|known| known.get(scope));
        let requirements = scopes.iter().find_map(|scope| of(scope)).or_else(|| of("")).unwrap_or(&self.default);
        let unchecked = |wanted| PolicyError::Unchecked {
            image: image.to_owned(),
            wanted,
            file: self.file.clone().unwrap_or_default(),
        };
        let mut signatures = Vec::new();
        for requirement in requirements {
            match requirement {
                Requirement::Accept {} => {}
                Requirement::Reject {} => return Err(PolicyError::Rejected { image: image.to_owned() }),
                Requirement::SignedBy { .. } => signatures.push(requirement.clone()),
                Requirement::Sigstore { .. } => match requirement.beyond_us() {
                    Some(wanted) => return Err(unchecked(wanted)),
                    None => signatures.push(requirement.clone()),
                },
            }
        }
        Ok(signatures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.json");
        fs::write(&path, text).unwrap();
        Policy::read_file(&path).map_err(|error| error.to_string())
    }

    fn admits(policy: &Policy, name: &str) -> bool {
        policy.admit(&name.parse().unwrap()).is_ok()
    }

    #[test]
    fn the_most_specific_scope_decides() {
        let (yes, no) = (r#"[{"type":"insecureAcceptAnything"}]"#, r#"[{"type":"reject"}]"#);
        let text = format!(
            r#"{{"default":{no},"transports":{{"docker":{{"q.io":{yes},"q.io/team":{no},"q.io/team/app:1":{yes},"*.corp.io":{yes},
               "localhost:5000":{yes}}},"docker-archive":{{"":{yes}}},"dir":{{"/a/b":{yes}}}}}}}"#
        );
        let policy = policy(&text).unwrap();
        for name in ["q.io/x", "q.io/teams/x", "q.io/team/app:1", "a.b.corp.io/x", "localhost:5000/x/y:1"] {
            assert!(admits(&policy, name), "{name}");
        }
        for name in ["r.io/x", "q.io/team/x", "q.io/team/app:2", "corp.io/x", "localhost:5001/x"] {
            assert!(!admits(&policy, name), "{name}");
        }
        let admits = |transport, path: &str| policy.admit_from(transport, Some(Path::new(path))).is_ok();
        assert!(admits("docker-archive", "/x") && admits("dir", "/a/b/c") && admits("dir", "/a/b"));
        let refused = Policy { default: vec![Requirement::Reject {}], ..Policy::default() };
        let error = refused.admit_from("tarball", Some(Path::new("/x.tar"))).unwrap_err().to_string();
        assert_eq!(error, "Source image rejected: Running image tarball:/x.tar is rejected by policy.");
        assert!(!admits("dir", "/a") && !admits("dir", "/a/bc") && !admits("oci-archive", "/x"));
    }

    #[test]
    fn all_requirements_have_to_be_satisfied_and_signatures_are_for_who_can_check_them() {
        let text = r#"{"default":[{"type":"insecureAcceptAnything"},{"type":"reject"}]}"#;
        let error = policy(text).unwrap().admit(&"q.io/x".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "Source image rejected: Running image docker://q.io/x:latest is rejected by policy.");
        let reference = "q.io/x".parse().unwrap();
        for one in
            [r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#, r#"{"type":"sigstoreSigned","keyPath":"/k"}"#]
        {
            let policy = policy(&format!(r#"{{"default":[{one},{one}]}}"#)).unwrap();
            assert_eq!(policy.admit(&reference).unwrap().len(), 2, "{one}");
            assert!(matches!(policy.admit_from("oci", None), Err(PolicyError::Unsigned)), "{one}");
            assert_eq!(policy.admit_from("dir", None).unwrap().len(), 2, "{one}");
        }
        for one in [
            r#"{"type":"sigstoreSigned","fulcio":{}}"#,
            r#"{"type":"sigstoreSigned","pki":{}}"#,
            r#"{"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r"}"#,
        ] {
            assert!(!admits(&policy(&format!(r#"{{"default":[{one}]}}"#)).unwrap(), "q.io/x"), "{one}");
        }
        assert!(admits(&Policy::default(), "q.io/x"));
    }

    #[test]
    fn what_nobody_knows_makes_the_file_invalid() {
        let yes = r#"[{"type":"insecureAcceptAnything"}]"#;
        for (text, words) in [
            ("{}".to_owned(), "Default policy is missing"),
            (r#"{"default":[]}"#.to_owned(), "must not be empty"),
            (r#"{"default":[{"type":"foo"}]}"#.to_owned(), "foo"),
            (format!(r#"{{"default":{yes},"foo":1}}"#), "foo"),
            (format!(r#"{{"default":{yes},"default":{yes}}}"#), "duplicate"),
            (
                format!(r#"{{"default":{yes},"transports":{{"docker":{{"a":{yes},"a":{yes}}}}}}}"#),
                "Duplicate key \"a\"",
            ),
            (r#"{"default":[{"type":"reject","x":1}]}"#.to_owned(), "x"),
            (r#"{"default":[{"type":"signedBy","keyType":"GPGKeys"}]}"#.to_owned(), "none of them present"),
            (
                r#"{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","keyData":""}]}"#.to_owned(),
                "more than one present",
            ),
            (r#"{"default":[{"type":"signedBy","keyType":"X509","keyPath":"/k"}]}"#.to_owned(), "keyType"),
            (r#"{"default":[{"type":"sigstoreSigned"}]}"#.to_owned(), "exactly one of keyPath"),
            (
                r#"{"default":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"foo"}}]}"#.to_owned(),
                "foo",
            ),
            ("{\n \"default\": [,]}".to_owned(), "line 2, column"),
        ] {
            let error = policy(&text).unwrap_err();
            assert!(error.contains(words) && error.starts_with("invalid policy in "), "{text}: {error}");
        }
    }

    #[test]
    fn whatever_is_in_the_file_it_is_read_or_refused() {
        haulout_fuzz::feed_text("policy", |text| {
            if let Ok(policy) = policy(text) {
                admits(&policy, "docker.io/library/busybox:latest");
            }
        });
    }
}
