// SPDX-License-Identifier: Apache-2.0 OR MIT
//! registries.d: where the signatures of a registry's images are kept (containers-registries.d(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::Folders;
use crate::image::reference::Reference;

/// The longest file that is read.
const FILE_MAX: u64 = 1 << 20;

/// Where signatures are kept, by scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookaside {
    default: Option<Section>,
    scopes: BTreeMap<String, Section>,
}

/// What is said of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Section {
    /// The URL of a storage of signatures.
    #[serde(default, alias = "sigstore")]
    pub lookaside: Option<String>,
    /// The one that is written to, if it is another.
    #[serde(default, alias = "sigstore-staging")]
    pub lookaside_staging: Option<String>,
    /// Whether sigstore's signatures lie beside the images.
    #[serde(default)]
    pub use_sigstore_attachments: bool,
}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    #[serde(default)]
    default_docker: Option<Section>,
    #[serde(default)]
    docker: Option<BTreeMap<String, Section>>,
}

/// What is wrong with one of the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookasideError {
    /// It cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file, or the folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("parsing {}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
}

impl Lookaside {
    /// Reads the user's files, or else the machine's; there need be none.
    ///
    /// # Errors
    /// One of them cannot be read, is no YAML, or says again what another one says.
    pub fn read(folders: &Folders) -> Result<Self, LookasideError> {
        let user = folders.user.as_ref().map(|folder| folder.join("registries.d")).filter(|folder| folder.is_dir());
        Self::read_folder(&user.unwrap_or_else(|| folders.system.join("registries.d")))
    }

    /// Reads the `*.yaml` in `folder`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_folder(folder: &Path) -> Result<Self, LookasideError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| LookasideError::Read { path, source }
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            entries => entries.map_err(failed(folder))?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut all = Self::default();
        for path in paths {
            let malformed = |reason: String| LookasideError::Malformed { path: path.clone(), reason };
            if fs::metadata(&path).map_err(failed(&path))?.len() > FILE_MAX {
                return Err(malformed("it is too long".to_owned()));
            }
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            if text.trim().is_empty() {
                continue;
            }
            let file: File = serde_saphyr::from_str(&text).map_err(|error| malformed(error.to_string()))?;
            all.add(file).map_err(malformed)?;
        }
        Ok(all)
    }

    fn add(&mut self, file: File) -> Result<(), String> {
        if let Some(section) = file.default_docker
            && self.default.replace(section).is_some()
        {
            return Err("default-docker is in another file too".to_owned());
        }
        for (scope, section) in file.docker.unwrap_or_default() {
            if self.scopes.contains_key(&scope) {
                return Err(format!("{scope:?} under docker is in another file too"));
            }
            self.scopes.insert(scope, section);
        }
        Ok(())
    }

    /// What is said of an image: by the scope that is nearest to it.
    pub fn of(&self, image: &Reference) -> Section {
        let whole = self.scopes.get(&image.to_string());
        whole.or_else(|| self.scope(&image.repository_name())).cloned().unwrap_or_default()
    }

    /// What is said of everything else.
    pub fn default_section(&self) -> Option<&Section> {
        self.default.as_ref()
    }

    /// What is said of a scope: of itself, of the nearest that it is in, or of everything else.
    pub fn scope(&self, scope: &str) -> Option<&Section> {
        let mut scope = scope;
        let mut found = self.scopes.get(scope);
        while found.is_none()
            && let Some((shorter, _)) = scope.rsplit_once('/')
        {
            scope = shorter;
            found = self.scopes.get(scope);
        }
        found.or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[&str]) -> Result<Lookaside, String> {
        let folder = tempfile::tempdir().unwrap();
        for (number, text) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.yaml")), text).unwrap();
        }
        fs::write(folder.path().join("other.txt"), "x: [").unwrap();
        Lookaside::read_folder(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_nearest_scope_counts_and_no_other() {
        let all = read(&[
            "default-docker:\n  lookaside: file:///d\ndocker:\n  q.io:\n    lookaside: http://q\n    lookaside-staging: file:///s\n",
            "docker:\n  q.io/a/b:1:\n    use-sigstore-attachments: true\n  q.io/a:\n    sigstore: file:///a\n",
            "",
        ])
        .unwrap();
        let of = |name: &str| all.of(&name.parse().unwrap());
        assert_eq!(of("r.io/x").lookaside.as_deref(), Some("file:///d"));
        assert_eq!(of("q.io/x/y").lookaside_staging.as_deref(), Some("file:///s"));
        assert_eq!(of("q.io/a/b:2").lookaside.as_deref(), Some("file:///a"));
        assert_eq!(of("q.io/a/b:2").lookaside_staging, None);
        assert_eq!(of("q.io/a/b:1"), Section { use_sigstore_attachments: true, ..Section::default() });
        assert_eq!(of("q.io:5000/x").lookaside.as_deref(), Some("file:///d"));
    }

    #[test]
    fn what_is_said_twice_or_unknown_is_an_error() {
        for files in [
            &["default-docker: {}", "default-docker: {}"][..],
            &["docker: {a: {}}", "docker: {a: {}}"],
            &["docker: {a: {}, a: {}}"],
            &["docker: {a: {foo: 1}}"],
            &["foo: 1"],
            &["docker: ["],
        ] {
            let error = read(files).unwrap_err();
            assert!(error.starts_with("parsing "), "{files:?}: {error}");
        }
        assert_eq!(read(&[]).unwrap(), Lookaside::default());
    }
}
