// SPDX-License-Identifier: Apache-2.0 OR MIT
//! auth.json: who the user is at each registry (containers-auth.json(5)): read, and written by `login` and `logout`.
//!
//! A file may say that a program keeps the credentials (`credHelpers` for one registry, `credsStore` for all); [`helper`] speaks to it.

mod edit;
mod helper;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Folders;
use crate::image::reference::{DOCKER_HUB, Reference};

/// The longest file that is read.
const FILE_MAX: u64 = 4 << 20;

/// Who the user is at a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// An OAuth 2 refresh token (`identitytoken`).
    Identity(String),
}

/// Where credentials are looked for, the first place first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthFiles {
    paths: Vec<PathBuf>,
    /// Whether the user named the file, so that it must be there.
    named: bool,
    /// Programs that keep credentials, and [`FILES`] for the files (`credential-helpers` of registries.conf); none for the files alone.
    helpers: Vec<String>,
}

/// Among the programs that keep credentials: the files.
const FILES: &str = "containers-auth.json";

/// Why credentials could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A file that is there and cannot be read, or that was named and is not there.
    #[error("reading credentials from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Not JSON of that shape.
    #[error("reading credentials from {}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why; never what is in it.
        message: String,
    },
    /// It could not be changed.
    #[error("writing credentials to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// A program that keeps credentials.
    #[error("the credential helper {program}: {message}")]
    Helper {
        /// Its name.
        program: String,
        /// What it said, or why it could not be run.
        message: String,
    },
    /// One that is not here.
    #[error(
        "the credential helper {program}, which is to keep credentials, is not installed: install it, or take it out of auth.json or of credential-helpers in registries.conf"
    )]
    Missing {
        /// Its name.
        program: String,
    },
    /// There is nothing to take away; Podman's words.
    #[error("not logged into {0}")]
    NotLoggedIn(String),
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

impl File {
    /// The program that keeps the credentials of `registry`, if one does.
    fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.helpers.as_ref().and_then(|helpers| helpers.get(registry)).map(String::as_str);
        own.or(self.store.as_deref()).filter(|name| !name.is_empty())
    }
}

#[derive(Deserialize, Default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}

impl fmt::Debug for Credentials {
    /// Never shows a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::Identity(_) => f.write_str("Identity"),
        }
    }
}

impl AuthFiles {
    /// As the environment says: `$REGISTRY_AUTH_FILE` alone, or else podman's two files and then docker's.
    pub fn from_environment(folders: &Folders) -> Self {
        if let Some(path) = env::var_os("REGISTRY_AUTH_FILE").filter(|path| !path.is_empty()) {
            // It may be yet to come: whoever logs in makes it.
            return Self { paths: vec![path.into()], ..Self::default() };
        }
        let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let docker = env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home?.join(".docker")));
        let paths = [
            runtime.map(|folder| folder.join("containers/auth.json")),
            folders.user.as_ref().map(|folder| folder.join("auth.json")),
            docker.map(|folder| folder.join("config.json")),
        ];
        Self { paths: paths.into_iter().flatten().collect(), ..Self::default() }
    }

    /// The same, and the programs that keep credentials as well or instead (`credential-helpers` of registries.conf).
    #[must_use]
    pub fn kept_by(self, helpers: &[String]) -> Self {
        Self { helpers: helpers.to_vec(), ..self }
    }

    fn keepers(&self) -> impl Iterator<Item = &str> {
        let files = self.helpers.is_empty().then_some(FILES);
        self.helpers.iter().map(String::as_str).chain(files)
    }

    /// Only `path`, which must be there.
    pub fn only(path: PathBuf) -> Self {
        Self { paths: vec![path], named: true, ..Self::default() }
    }

    /// The credentials for `reference`: the first file that has any, and in it the most specific entry
    /// (`registry/namespace/repository`, then shorter ones, then the registry).
    pub fn credentials(&self, reference: &Reference) -> Result<Option<Credentials>, AuthError> {
        self.find(reference.registry(), &keys(reference))
    }

    /// The credentials for what someone logs in to: a registry, or one with a namespace.
    pub fn credentials_of(&self, key: &str) -> Result<Option<Credentials>, AuthError> {
        self.find(registry_of(key), &shorter(key))
    }

    /// Of the first who knows it; what goes wrong with one is told only when no other knows it.
    fn find(&self, registry: &str, keys: &[String]) -> Result<Option<Credentials>, AuthError> {
        let mut failed = None;
        for keeper in self.keepers() {
            let found = match keeper {
                FILES => self.find_in_files(registry, keys),
                program => helper::ask(program, registry),
            };
            match found {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    fn find_in_files(&self, registry: &str, keys: &[String]) -> Result<Option<Credentials>, AuthError> {
        for path in &self.paths {
            let Some(file) = self.read(path)? else { continue };
            if let Some(program) = file.helper(registry)
                && let Some(credentials) = helper::get(program, registry)?
            {
                return Ok(Some(credentials));
            }
            let entries = file.auths.unwrap_or_default();
            for key in keys {
                let Some(entry) = find(&entries, key) else { continue };
                let malformed =
                    |message: &str| AuthError::Malformed { path: path.clone(), message: format!("{key}: {message}") };
                if let Some(credentials) = entry.credentials().map_err(malformed)? {
                    return Ok(Some(credentials));
                }
            }
        }
        Ok(None)
    }

    fn read(&self, path: &Path) -> Result<Option<File>, AuthError> {
        let failed = |source| AuthError::Read { path: path.to_owned(), source };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.named => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if metadata.len() > FILE_MAX => {
                return Err(AuthError::Malformed { path: path.to_owned(), message: "it is too long".to_owned() });
            }
            Ok(_) => {}
        }
        let text = fs::read(path).map_err(failed)?;
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        // serde's own words may repeat what is in the file.
        serde_json::from_slice(&text).map(Some).map_err(|error| AuthError::Malformed {
            path: path.to_owned(),
            message: format!("line {}, column {}: not what auth.json is like", error.line(), error.column()),
        })
    }
}

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, &'static str> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Some(Credentials::Identity(token)));
        }
        if let Some(auth) = filled(&self.auth) {
            let bytes = STANDARD.decode(auth.trim()).map_err(|_| "auth is not base64")?;
            let text = String::from_utf8(bytes).map_err(|_| "auth is not UTF-8")?;
            let (user, password) = text.split_once(':').ok_or("auth is not user:password")?;
            // Docker pads the password with zeros.
            let password = password.trim_end_matches('\0');
            return Ok(Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() }));
        }
        match (filled(&self.username), &self.password) {
            (Some(user), Some(password)) => Ok(Some(Credentials::Password { user, password: password.clone() })),
            _ => Ok(None),
        }
    }
}

/// The registry of a key.
fn registry_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

/// From the most specific key to the registry's.
fn keys(reference: &Reference) -> Vec<String> {
    shorter(&reference.repository_name())
}

/// A key and those that it is below.
fn shorter(key: &str) -> Vec<String> {
    let mut keys = vec![key.to_owned()];
    let mut rest = key;
    while let Some((shorter, _)) = rest.rsplit_once('/') {
        keys.push(shorter.to_owned());
        rest = shorter;
    }
    keys
}

/// Docker's own files have keys that are URLs, and its own registry under an old name.
fn find<'a>(entries: &'a BTreeMap<String, Option<Entry>>, key: &str) -> Option<&'a Entry> {
    if let Some(entry) = entries.get(key) {
        return entry.as_ref();
    }
    let normal = |written: &str| {
        let host = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
        let host = host.map_or(written, |rest| rest.split('/').next().unwrap_or(rest));
        match host {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
            host => host.to_owned(),
        }
    };
    entries.iter().find(|(written, _)| normal(written) == key).and_then(|(_, entry)| entry.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, AuthFiles) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        fs::write(&path, text).unwrap();
        (folder, AuthFiles::only(path))
    }

    fn user(files: &AuthFiles, name: &str) -> Option<(String, String)> {
        match files.credentials(&name.parse().unwrap()).unwrap()? {
            Credentials::Password { user, password } => Some((user, password)),
            Credentials::Identity(token) => Some(("<token>".to_owned(), token)),
        }
    }

    fn encoded(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let text = format!(
            r#"{{"auths": {{"q.io": {{"auth": "{}"}}, "q.io/team": {{"auth": "{}"}}, "q.io/team/app": {{"auth": "{}"}}}}}}"#,
            encoded("a:1"),
            encoded("b:2:3"),
            encoded("c:4\0\0")
        );
        let (_folder, files) = file(&text);
        assert_eq!(user(&files, "q.io/x"), Some(("a".into(), "1".into())));
        assert_eq!(user(&files, "q.io/team/x"), Some(("b".into(), "2:3".into())));
        assert_eq!(user(&files, "q.io/team/app"), Some(("c".into(), "4".into())));
        assert_eq!(user(&files, "r.io/x"), None);
    }

    #[test]
    fn docker_s_old_names_and_tokens_are_understood() {
        let text = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{}"}}, "https://r.io": {{"identitytoken": "t"}},
               "n.io": null, "e.io": {{}}}}, "credsStore": "secretservice"}}"#,
            encoded("hub:pw")
        );
        let (_folder, files) = file(&text);
        assert_eq!(user(&files, "debian"), Some(("hub".into(), "pw".into())));
        assert_eq!(user(&files, "r.io/x"), Some(("<token>".into(), "t".into())));
        assert_eq!(user(&files, "n.io/x"), None);
        assert_eq!(user(&files, "e.io/x"), None);
    }

    #[test]
    fn the_first_file_that_knows_the_registry_wins_and_missing_ones_are_skipped() {
        let (one, _) = file(&format!(r#"{{"auths": {{"a.io": {{"auth": "{}"}}}}}}"#, encoded("one:1")));
        let (two, _) = file(&format!(
            r#"{{"auths": {{"a.io": {{"auth": "{}"}}, "b.io": {{"auth": "{}"}}}}}}"#,
            encoded("two:2"),
            encoded("two:2")
        ));
        let paths = vec![one.path().join("missing"), one.path().join("auth.json"), two.path().join("auth.json")];
        let files = AuthFiles { paths, ..AuthFiles::default() };
        assert_eq!(user(&files, "a.io/x").unwrap().0, "one");
        assert_eq!(user(&files, "b.io/x").unwrap().0, "two");
    }

    #[test]
    fn a_broken_file_is_named_and_no_secret_shown() {
        for text in [
            "{",
            r#"{"auths": "secret"}"#,
            r#"{"auths": {"a.io": {"auth": "c2VjcmV0"}}}"#,
            r#"{"auths": {"a.io": {"auth": "%secret"}}}"#,
        ] {
            let (_folder, files) = file(text);
            let error = files.credentials(&"a.io/x".parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains("auth.json"), "{error}");
            assert!(!error.contains("secret") && !error.contains("c2VjcmV0"), "{error}");
        }
        assert!(AuthFiles::only("/does/not/exist".into()).credentials(&"a.io/x".parse().unwrap()).is_err());
        let shown = format!("{:?}", Credentials::Password { user: "u".into(), password: "secret".into() });
        assert!(!shown.contains("secret"));
    }
}
