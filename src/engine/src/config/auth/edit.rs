// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changing an auth.json: what is not ours in it stays, and it is replaced whole or not at all.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{AuthError, AuthFiles, FILES, File, helper, registry_of};
use crate::config::Folders;

impl AuthFiles {
    /// The one file that `login` writes: `$REGISTRY_AUTH_FILE`, or podman's in the runtime folder, or where there is none, the
    /// user's.
    pub fn to_write(folders: &Folders) -> Self {
        let variable = |name: &str| env::var_os(name).filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
        let runtime = variable("XDG_RUNTIME_DIR").filter(|path| path.is_absolute());
        let path = variable("REGISTRY_AUTH_FILE")
            .or_else(|| runtime.map(|folder| folder.join("containers/auth.json")))
            .or_else(|| folders.user.as_ref().map(|folder| folder.join("auth.json")));
        Self { paths: path.into_iter().collect(), ..Self::default() }
    }

    /// The same files, of which none need be there.
    #[must_use]
    pub fn or_none(self) -> Self {
        Self { named: false, ..self }
    }

    /// `path`, which need not be there.
    pub fn at(path: std::path::PathBuf) -> Self {
        Self { paths: vec![path], ..Self::default() }
    }

    /// The first of the files.
    pub fn path(&self) -> Option<&Path> {
        self.paths.first().map(std::path::PathBuf::as_path)
    }

    /// Keeps who the user is at `key`, a registry or one with a namespace, with the first who keeps credentials: the first file, or the
    /// program that it names, unless registries.conf has another.
    pub fn store(&self, key: &str, user: &str, password: &str) -> Result<(), AuthError> {
        if let Some(program) = self.keepers().next().filter(|keeper| *keeper != FILES) {
            return helper::store(program, key, user, password);
        }
        let Some(path) = self.path() else { return Ok(()) };
        if let Some(program) = self.read(path)?.as_ref().and_then(|file| file.helper(registry_of(key))) {
            return helper::store(program, key, user, password);
        }
        let auth = STANDARD.encode(format!("{user}:{password}"));
        change(path, |document| {
            let entry = Map::from_iter([("auth".to_owned(), Value::String(auth))]);
            edit_object(document, "auths", |auths| drop(auths.insert(key.to_owned(), Value::Object(entry))));
        })
    }

    /// Forgets who the user is at `key`.
    pub fn forget(&self, key: &str) -> Result<(), AuthError> {
        let (mut known, mut failed) = (false, None);
        for keeper in self.keepers() {
            let forgotten = match keeper {
                FILES => self.forget_in_files(key),
                program => helper::erase(program, key),
            };
            match forgotten {
                Ok(knew) => known |= knew,
                // The others forget it all the same.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None if known => Ok(()),
            None => Err(AuthError::NotLoggedIn(key.to_owned())),
        }
    }

    /// Whether a file knew it.
    fn forget_in_files(&self, key: &str) -> Result<bool, AuthError> {
        let mut known = false;
        for path in &self.paths {
            let Some(file) = self.read(path)? else { continue };
            if let Some(program) = file.helper(registry_of(key)) {
                known |= helper::erase(program, key)?;
            }
            if file.auths.is_some_and(|auths| auths.contains_key(key)) {
                change(path, |document| edit_object(document, "auths", |auths| drop(auths.shift_remove(key))))?;
                known = true;
            }
            if known {
                break;
            }
        }
        Ok(known)
    }

    /// Forgets everything in the first file, and what the programs of registries.conf keep.
    pub fn forget_all(&self) -> Result<(), AuthError> {
        for keeper in self.keepers() {
            if keeper == FILES {
                self.forget_all_in_file()?;
                continue;
            }
            for registry in helper::list(keeper)? {
                helper::erase(keeper, &registry)?;
            }
        }
        Ok(())
    }

    fn forget_all_in_file(&self) -> Result<(), AuthError> {
        let Some(path) = self.path() else { return Ok(()) };
        let Some(File { auths, helpers, .. }) = self.read(path)? else { return Ok(()) };
        for (registry, program) in helpers.unwrap_or_default() {
            helper::erase(&program, &registry)?;
        }
        if auths.is_none() {
            return Ok(());
        }
        change(path, |document| edit_object(document, "auths", Map::clear))
    }
}

/// Changes one object of the document, made if there is none.
fn edit_object(document: &mut Map<String, Value>, key: &str, edit: impl FnOnce(&mut Map<String, Value>)) {
    let mut object = match document.get_mut(key) {
        Some(Value::Object(object)) => std::mem::take(object),
        _ => Map::new(),
    };
    edit(&mut object);
    document.insert(key.to_owned(), Value::Object(object));
}

/// Changes the document in `path`, which is read again, with nobody else in between.
fn change(path: &Path, edit: impl FnOnce(&mut Map<String, Value>)) -> Result<(), AuthError> {
    let failed = |source| AuthError::Write { path: path.to_owned(), source };
    // A link stays one: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(failed)?;
    let lock = fs::File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut document = match fs::read(&path) {
        Ok(text) if text.iter().all(u8::is_ascii_whitespace) => Map::new(),
        Ok(text) => serde_json::from_slice(&text).map_err(|error| AuthError::Malformed {
            path: path.clone(),
            message: format!("line {}, column {}: not what auth.json is like", error.line(), error.column()),
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(failed(error)),
    };
    edit(&mut document);
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(&document, &mut serializer).map_err(|error| failed(error.into()))?;
    let mut file = tempfile::Builder::new().prefix(".auth.json.").tempfile_in(folder).map_err(failed)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: Option<&str>) -> (tempfile::TempDir, AuthFiles) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/auth.json");
        if let Some(text) = text {
            fs::create_dir(folder.path().join("new")).unwrap();
            fs::write(&path, text).unwrap();
        }
        (folder, AuthFiles::at(path))
    }

    #[test]
    fn what_is_stored_is_what_podman_would_write_and_only_ours_to_read() {
        let (_folder, files) = files(None);
        files.store("localhost:5000", "a", "b").unwrap();
        let path = files.path().unwrap();
        let expected = "{\n\t\"auths\": {\n\t\t\"localhost:5000\": {\n\t\t\t\"auth\": \"YTpi\"\n\t\t}\n\t}\n}";
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        files.forget("localhost:5000").unwrap();
        assert!(matches!(files.forget("localhost:5000"), Err(AuthError::NotLoggedIn(_))));
        assert_eq!(fs::read_to_string(path).unwrap(), "{\n\t\"auths\": {}\n}");
    }

    #[test]
    fn what_is_not_ours_stays() {
        let (_folder, files) =
            files(Some(r#"{"zeta": [1], "auths": {"q.io": {"auth": "eDp5"}}, "alpha": {"b": null}}"#));
        files.store("r.io/team", "u", "p").unwrap();
        let text = fs::read_to_string(files.path().unwrap()).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["zeta"][0], 1);
        assert_eq!(document["auths"]["q.io"]["auth"], "eDp5");
        assert!(document["alpha"].as_object().unwrap().contains_key("b"));
        assert!(files.credentials_of("r.io/team").unwrap().is_some());
        assert!(files.credentials_of("r.io").unwrap().is_none());
        files.forget_all().unwrap();
        assert!(files.credentials_of("q.io").unwrap().is_none());
    }

    #[test]
    fn a_broken_file_is_left_as_it_is() {
        let (_folder, files) = files(Some("{nonsense"));
        assert!(files.store("q.io", "u", "p").is_err());
        assert_eq!(fs::read_to_string(files.path().unwrap()).unwrap(), "{nonsense");
    }

    #[test]
    fn a_program_that_keeps_credentials_is_named_when_it_is_missing() {
        let (_folder, files) = files(Some(r#"{"credHelpers": {"q.io": "no-such-thing", "r.io": "../x"}}"#));
        for registry in ["q.io", "r.io"] {
            let error = files.store(registry, "u", "p").unwrap_err().to_string();
            assert!(error.contains("docker-credential-"), "{error}");
        }
        assert!(files.credentials_of("s.io").unwrap().is_none());
    }
}
