// SPDX-License-Identifier: Apache-2.0 OR MIT
//! registries.conf: where short names lead, and how each registry is spoken to (containers-registries.conf(5), version 2).
//!
//! One main file (the user's, or else the machine's), then the files of `registries.conf.d`, the machine's before the
//! user's: a later file replaces single settings, `[[registry]]` tables of the same prefix, and aliases of the same name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;

mod aliases;

pub use aliases::remember_alias;

use super::place::Place;
use super::{Folders, drop_ins};
use crate::image::reference::{Name, Reference, is_search_registry};

/// All files, merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    search: Vec<String>,
    /// The file that `search` is from, or should be in.
    search_file: PathBuf,
    mode: ShortNameMode,
    aliases: BTreeMap<String, Alias>,
    /// By prefix.
    known: BTreeMap<String, Registry>,
    /// Who keeps credentials.
    credential_helpers: Vec<String>,
    /// What should be told: keys that nobody knows.
    warnings: Vec<String>,
}

/// What happens to a short name that could be several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShortNameMode {
    /// The user is asked, and where nobody can be asked it fails.
    Enforcing,
    /// The user is asked, and where nobody can be asked all are tried.
    #[default]
    #[serde(alias = "")]
    Permissive,
    /// All are tried.
    Disabled,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alias {
    value: Name,
    file: PathBuf,
}

/// What is known of the registries, or repositories, that begin with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Registry {
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    by_digest_only: bool,
    mirrors: Vec<Mirror>,
    file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default, rename = "pull-from-mirror")]
    pulls: Option<MirrorPulls>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MirrorPulls {
    All,
    DigestOnly,
    TagOnly,
}

/// A `[[registry]]` as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// What it is of.
    pub prefix: &'a str,
    /// Where it is; nothing for where the prefix says.
    pub location: &'a str,
    /// Whether certificates need not be checked.
    pub insecure: bool,
    /// Whether it is refused.
    pub blocked: bool,
    /// Whether its mirrors are for digests only.
    pub by_digest_only: bool,
    /// Places that are tried first.
    pub mirrors: Vec<KnownMirror<'a>>,
}

/// A mirror of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMirror<'a> {
    /// Where it is.
    pub location: &'a str,
    /// Whether certificates need not be checked.
    pub insecure: bool,
    /// `all`, `digest-only`, `tag-only`, or nothing.
    pub pulls: &'a str,
}

/// A place from which an image can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where: the registry and the repository there. What the image is called stays as it was.
    pub reference: Reference,
    /// Whether certificates need not be checked, and plain HTTP will do.
    pub insecure: bool,
}

/// What a short name may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// The full names, the first to be tried first.
    pub names: Vec<Reference>,
    /// Why these: `Resolved "x" as an alias (FILE)`, `Resolving "x" using unqualified-search registries (FILE)`; nothing for
    /// a full name. In Podman's words.
    pub reason: Option<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    /// A file that is there and cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// A choice could not be noted.
    #[error("writing {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Not TOML, or a value is of the wrong kind.
    #[error("{}, line {line}, column {column}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// Not of the shape that containers-registries.conf(5) describes.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// A short name that leads nowhere; Podman's words.
    #[error(
        "short-name {name:?} did not resolve to an alias and no unqualified-search registries are defined in {:?}",
        file.display().to_string()
    )]
    Nowhere {
        /// The short name.
        name: String,
        /// Where they could be defined.
        file: PathBuf,
    },
    /// A short name that leads to several places, and nobody to ask.
    #[error("short-name resolution enforced but cannot prompt without a TTY: {name:?} could be any of {candidates}")]
    Ambiguous {
        /// The short name.
        name: String,
        /// The full names.
        candidates: String,
    },
    /// `blocked = true`; Podman's words.
    #[error("registry {registry} is blocked in {}", file.display())]
    Blocked {
        /// The prefix that is blocked.
        registry: String,
        /// Where.
        file: PathBuf,
    },
}

/// What Podman has, and nothing is made of here.
const PASSED_OVER: &[&str] = &["additional-layer-store-auth-helper"];

/// A file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: Option<ShortNameMode>,
    credential_helpers: Option<Vec<String>>,
    #[serde(default)]
    registry: Vec<RegistryTable>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegistryTable {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

impl Registries {
    /// Reads and merges what is in `folders`. Nothing there is nothing configured.
    ///
    /// `$CONTAINERS_REGISTRIES_CONF` replaces the main file.
    pub fn read(folders: &Folders) -> Result<Self, RegistriesError> {
        let instead = env::var_os("CONTAINERS_REGISTRIES_CONF").filter(|path| !path.is_empty()).map(PathBuf::from);
        // Whoever names a file means what is in it.
        if let Some(path) = &instead
            && let Err(source) = fs::metadata(path)
        {
            return Err(RegistriesError::Read { path: path.clone(), source });
        }
        Self::read_with(folders, instead)
    }

    fn read_with(folders: &Folders, instead: Option<PathBuf>) -> Result<Self, RegistriesError> {
        let system = folders.system.join("registries.conf");
        let main = match (instead, &folders.user) {
            (Some(path), _) => path,
            (None, Some(user)) if user.join("registries.conf").exists() => user.join("registries.conf"),
            _ if !system.exists() && folders.vendor.join("registries.conf").exists() => {
                folders.vendor.join("registries.conf")
            }
            _ => system,
        };
        let mut merged = Self { search_file: main.clone(), ..Self::default() };
        merged.merge(&main)?;
        let places = [Some(&folders.vendor), Some(&folders.system), folders.user.as_ref()];
        for folder in places.into_iter().flatten() {
            let found = drop_ins(&folder.join("registries.conf.d"));
            for path in found.map_err(|(path, source)| RegistriesError::Read { path, source })? {
                merged.merge(&path)?;
            }
        }
        // What the user chose when asked outranks everything.
        if let Some(cache) = &folders.cache {
            merged.merge_aliases(&aliases::file(cache))?;
        }
        Ok(merged)
    }

    fn merge(&mut self, path: &Path) -> Result<(), RegistriesError> {
        let Some(file) = parse(path)? else { return Ok(()) };
        let unknown = file.unknown.keys().filter(|key| !PASSED_OVER.contains(&key.as_str())).cloned();
        let unknown = unknown
            .chain(file.registry.iter().flat_map(|table| table.unknown.keys().map(|key| format!("registry.{key}"))));
        self.warnings.extend(unknown.map(|key| format!("{}: the key {key} is not known", path.display())));
        let malformed = |message: String| RegistriesError::Malformed { path: path.to_owned(), message };
        if let Some(search) = file.unqualified_search_registries {
            for registry in &search {
                if !is_search_registry(registry) {
                    return Err(malformed(format!("invalid unqualified-search-registries entry {registry:?}")));
                }
            }
            self.search = search;
            path.clone_into(&mut self.search_file);
        }
        if let Some(mode) = file.short_name_mode {
            self.mode = mode;
        }
        if let Some(helpers) = file.credential_helpers {
            self.credential_helpers = helpers;
        }
        for table in file.registry {
            let Some(prefix) = table.prefix.clone().or_else(|| table.location.clone()) else {
                return Err(malformed("invalid condition: both location and prefix are unset".to_owned()));
            };
            let plain = prefix.strip_prefix("*.").unwrap_or(&prefix);
            let places = table.location.iter().chain(table.mirror.iter().map(|mirror| &mirror.location));
            for place in std::iter::once(plain).chain(places.map(String::as_str)) {
                if !is_prefix(place) {
                    return Err(malformed(format!("invalid location or prefix {place:?}")));
                }
            }
            if let Some(mirror) =
                table.mirror.iter().find(|mirror| table.mirror_by_digest_only && mirror.pulls.is_some())
            {
                return Err(malformed(format!(
                    "cannot set mirror usage mirror-by-digest-only for the registry ({prefix:?}) and pull-from-mirror for per-mirror ({:?}) at the same time",
                    mirror.location
                )));
            }
            let registry = Registry {
                location: table.location,
                insecure: table.insecure,
                blocked: table.blocked,
                by_digest_only: table.mirror_by_digest_only,
                mirrors: table.mirror,
                file: path.to_owned(),
            };
            self.known.insert(prefix, registry);
        }
        self.add_aliases(path, file.aliases)
    }

    fn merge_aliases(&mut self, path: &Path) -> Result<(), RegistriesError> {
        let Some(file) = parse(path)? else { return Ok(()) };
        self.add_aliases(path, file.aliases)
    }

    fn add_aliases(&mut self, path: &Path, aliases: BTreeMap<String, String>) -> Result<(), RegistriesError> {
        for (short, value) in aliases {
            if value.is_empty() {
                self.aliases.remove(&short);
                continue;
            }
            let value: Name = value.parse().map_err(|error| RegistriesError::Malformed {
                path: path.to_owned(),
                message: format!("invalid alias value for {short:?}: {error}"),
            })?;
            if value.registry().is_none() || value.tag().is_some() || value.digest().is_some() {
                return Err(RegistriesError::Malformed {
                    path: path.to_owned(),
                    message: format!("invalid alias value {:?} for {short:?}", value.to_string()),
                });
            }
            self.aliases.insert(short, Alias { value, file: path.to_owned() });
        }
        Ok(())
    }

    /// What should be told, once: keys that nobody knows.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Who keeps credentials, the first to be asked first; none for auth.json alone.
    pub fn credential_helpers(&self) -> &[String] {
        &self.credential_helpers
    }

    /// What is known of registries, by prefix.
    pub fn known(&self) -> impl Iterator<Item = Known<'_>> {
        self.known.iter().map(|(prefix, registry)| Known {
            prefix,
            location: registry.location.as_deref().unwrap_or_default(),
            insecure: registry.insecure,
            blocked: registry.blocked,
            by_digest_only: registry.by_digest_only,
            mirrors: registry
                .mirrors
                .iter()
                .map(|mirror| KnownMirror {
                    location: &mirror.location,
                    insecure: mirror.insecure,
                    pulls: match mirror.pulls {
                        None => "",
                        Some(MirrorPulls::All) => "all",
                        Some(MirrorPulls::DigestOnly) => "digest-only",
                        Some(MirrorPulls::TagOnly) => "tag-only",
                    },
                })
                .collect(),
        })
    }

    /// Where short names are looked for, the first place first.
    pub fn searched(&self) -> &[String] {
        &self.search
    }

    /// The full names under which `name` may be fetched.
    pub fn candidates(&self, name: &Name) -> Result<Candidates, RegistriesError> {
        if let Some(full) = name.full() {
            return Ok(Candidates { names: vec![full], reason: None });
        }
        if let Some(alias) = self.aliases.get(name.repository()) {
            let reason = format!("Resolved {:?} as an alias ({})", name.repository(), alias.file.display());
            return Ok(Candidates { names: vec![aliased(name, alias)], reason: Some(reason) });
        }
        if self.search.is_empty() {
            return Err(RegistriesError::Nowhere { name: name.to_string(), file: self.search_file.clone() });
        }
        let names = self.search.iter().map(|registry| name.below(registry)).collect();
        let reason = format!(
            "Resolving {:?} using unqualified-search registries ({})",
            name.repository(),
            self.search_file.display()
        );
        Ok(Candidates { names, reason: Some(reason) })
    }

    /// The same where nobody can be asked which one is meant.
    pub fn candidates_unasked(&self, name: &Name) -> Result<Candidates, RegistriesError> {
        let candidates = self.candidates(name)?;
        if self.mode == ShortNameMode::Enforcing && candidates.names.len() > 1 {
            let names: Vec<_> = candidates.names.iter().map(ToString::to_string).collect();
            return Err(RegistriesError::Ambiguous { name: name.to_string(), candidates: names.join(", ") });
        }
        Ok(candidates)
    }

    /// The full names that `name` may stand for, where somebody should choose one.
    pub fn choices(&self, name: &Name) -> Vec<Reference> {
        let settled = name.full().is_some() || self.aliases.contains_key(name.repository());
        if settled || self.mode == ShortNameMode::Disabled || self.search.len() < 2 {
            return Vec::new();
        }
        self.search.iter().map(|registry| name.below(registry)).collect()
    }

    /// In which order the images that are here and that a short name could mean are preferred.
    pub fn local_candidates(&self, name: &Name) -> Vec<Reference> {
        let alias = self.aliases.get(name.repository()).map(|alias| aliased(name, alias));
        let local = std::iter::once(name.or_local());
        alias.into_iter().chain(local).chain(self.search.iter().map(|registry| name.below(registry))).collect()
    }

    /// Where to fetch `reference` from: its mirrors in order, then the registry itself.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, RegistriesError> {
        let plain = |insecure| Endpoint { reference: reference.clone(), insecure };
        let full = reference.repository_name();
        let longest = self
            .known
            .iter()
            .filter_map(|(prefix, registry)| Some((matched(prefix, &full)?, prefix, registry)))
            .max_by_key(|(_, prefix, _)| prefix.len());
        let Some((matched, prefix, registry)) = longest else { return Ok(vec![plain(false)]) };
        if registry.blocked {
            return Err(RegistriesError::Blocked { registry: prefix.clone(), file: registry.file.clone() });
        }
        let moved = |location: &str, insecure| {
            let name: Result<Name, _> = format!("{location}{}", &full[matched..]).parse();
            let at = name.ok().and_then(|name| name.full()).map(|place| reference.at(&place));
            at.map(|reference| Endpoint { reference, insecure }).ok_or_else(|| RegistriesError::Malformed {
                path: registry.file.clone(),
                message: format!("location {location:?} of {prefix:?} makes no reference of {full:?}"),
            })
        };
        let by_digest = reference.digest().is_some();
        let mut endpoints = Vec::new();
        for mirror in &registry.mirrors {
            let fits = match mirror.pulls {
                None => by_digest || !registry.by_digest_only,
                Some(MirrorPulls::All) => true,
                Some(MirrorPulls::DigestOnly) => by_digest,
                Some(MirrorPulls::TagOnly) => !by_digest,
            };
            if fits {
                endpoints.push(moved(&mirror.location, mirror.insecure)?);
            }
        }
        endpoints.push(match &registry.location {
            Some(location) => moved(location, registry.insecure)?,
            None => plain(registry.insecure),
        });
        Ok(endpoints)
    }
}

fn aliased(name: &Name, alias: &Alias) -> Reference {
    name.at(&alias.value.or_local())
}

/// How many bytes of `full` the prefix covers; nothing when it does not match. A prefix ends where a component ends;
/// `*.example.com` covers the whole host name.
fn matched(prefix: &str, full: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = full.split('/').next().unwrap_or(full);
        return host.ends_with(domain).then_some(host.len());
    }
    let rest = full.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// A registry, or one with a repository or the beginning of one.
fn is_prefix(text: &str) -> bool {
    is_search_registry(text)
}

fn parse(path: &Path) -> Result<Option<File>, RegistriesError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RegistriesError::Read { path: path.to_owned(), source }),
    };
    toml::from_str(&text).map(Some).map_err(|error| {
        let Place { line, column } = Place::of_error(&text, &error);
        RegistriesError::Syntax { path: path.to_owned(), line, column, reason: error.message().replace('\n', " ") }
    })
}

#[cfg(test)]
mod tests;
