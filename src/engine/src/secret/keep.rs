// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The folder of what is known of secrets, under its lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Record, SecretError, driver};
use crate::digest::Digest;
use crate::paths::Paths;

/// How the name of a file ends that says what is known of a secret.
const KNOWN: &str = ".json";

/// How the name of a file begins that is being written.
const UNFINISHED: &str = ".new-";

/// The folder, which nobody changes meanwhile; or, opened for a change, nobody else looks at.
pub(super) struct Keep {
    folder: PathBuf,
    /// Nothing as long as there is no folder.
    _lock: Option<File>,
}

/// 25 hexadecimal digits.
pub(super) fn random_id() -> io::Result<String> {
    let mut bytes = [0; 13];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let mut id = hex::encode(bytes);
    id.truncate(25);
    Ok(id)
}

impl Keep {
    /// Waits for who is at it. For a change the folder is made, and what a killed one left in it goes.
    pub(super) fn open(paths: &Paths, change: bool) -> Result<Self, SecretError> {
        let folder = paths.secrets();
        let failed = |source| SecretError::Folder { path: folder.clone(), source };
        let path = folder.join(".lock");
        if !change {
            let lock = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                other => Some(other.map_err(failed)?),
            };
            lock.as_ref().map(File::lock_shared).transpose().map_err(failed)?;
            return Ok(Self { folder, _lock: lock });
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let keep = Self { folder, _lock: Some(lock) };
        keep.clear_up()?;
        Ok(keep)
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// Removes what no secret leads to: of one that was being made or removed when its maker was killed.
    fn clear_up(&self) -> Result<(), SecretError> {
        let known = self.all()?;
        let kept: Vec<PathBuf> = known.iter().filter_map(driver::file).collect();
        let failed = |source| SecretError::Folder { path: self.folder.clone(), source };
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_data = name.len() == 25 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if name.starts_with(UNFINISHED) || (is_data && !kept.contains(&path)) {
                // What cannot be removed now is found again.
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// All of them, by id.
    pub(super) fn all(&self) -> Result<Vec<Record>, SecretError> {
        let failed = |source| SecretError::Folder { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(KNOWN) && !name.starts_with('.') {
                found.extend(read(&path)?);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    pub(super) fn by_name(&self, name: &str) -> Result<Option<Record>, SecretError> {
        read(&self.known(name))
    }

    /// By its name, its id, or the beginning of just one. An empty text is none: else a script whose variable is not set would
    /// remove the only one.
    pub(super) fn find(&self, name: &str) -> Result<Record, SecretError> {
        if let Some(found) = self.by_name(name)? {
            return Ok(found);
        }
        let mut begin = self.all()?.into_iter().filter(|record| !name.is_empty() && record.id.starts_with(name));
        match (begin.next(), begin.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(SecretError::Ambiguous(name.to_owned())),
            (None, _) => Err(SecretError::NoSuch(name.to_owned())),
        }
    }

    fn known(&self, name: &str) -> PathBuf {
        self.folder.join(Digest::of(name.as_bytes()).hex() + KNOWN)
    }

    /// Adds one that hides `data`, in the place of `there`. What it hides is on disk before anything says so.
    pub(super) fn add(&self, record: &Record, data: &[u8], there: Option<&Record>) -> Result<(), SecretError> {
        driver::put(record, data)?;
        if let Err(error) = self.write(record) {
            let _ = driver::delete(record);
            return Err(error);
        }
        if let Some(there) = there {
            // It is replaced already: that its driver could not forget it does not undo that.
            if let Err(error) = driver::delete(there) {
                tracing::warn!("{error}");
            }
        }
        Ok(())
    }

    fn write(&self, record: &Record) -> Result<(), SecretError> {
        let path = self.known(&record.name);
        let failed =
            |source| SecretError::File { doing: "creating", name: record.name.clone(), path: path.clone(), source };
        let json = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        let unfinished = self.folder.join(format!("{UNFINISHED}{}", record.id));
        let written = write_whole(&unfinished, &json)
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(failed)
    }

    /// Removes one: from here on nobody finds it, and then what it hides goes.
    pub(super) fn remove(&self, record: &Record) -> Result<(), SecretError> {
        let path = self.known(&record.name);
        let removed = fs::remove_file(&path).and_then(|()| File::open(&self.folder)?.sync_all());
        removed.map_err(|source| SecretError::File { doing: "removing", name: record.name.clone(), path, source })?;
        driver::delete(record)
    }
}

/// Nothing when there is none.
fn read(path: &Path) -> Result<Option<Record>, SecretError> {
    let malformed = |reason: String| SecretError::Malformed { path: path.to_owned(), reason };
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(malformed(error.to_string())),
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| malformed(error.to_string())),
    }
}

/// Writes a file that only its owner reads, down to the disk.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn record(paths: &Paths, name: &str) -> Record {
        let mut record =
            Record { id: random_id().unwrap(), name: name.into(), driver: "file".into(), ..Record::default() };
        driver::complete(&mut record, paths).unwrap();
        record
    }

    fn files(paths: &Paths) -> usize {
        fs::read_dir(paths.secrets()).unwrap().count() - 1
    }

    #[test]
    fn a_secret_is_two_files_of_its_owners_alone_and_removed_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        assert!(Keep::open(&paths, false).unwrap().all().unwrap().is_empty());
        let keep = Keep::open(&paths, true).unwrap();
        let one = record(&paths, &format!(".{}", "x".repeat(252)));
        keep.add(&one, b"hidden", None).unwrap();
        assert_eq!(keep.find(&one.name).unwrap(), one);
        assert_eq!(keep.find(&one.id[..5]).unwrap(), one);
        for name in ["nope", ""] {
            assert!(matches!(keep.find(name), Err(SecretError::NoSuch(_))));
        }
        assert_eq!(driver::get(&one).unwrap(), b"hidden");
        for entry in fs::read_dir(paths.secrets()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
        }
        let two = record(&paths, &one.name);
        keep.add(&two, b"other", Some(&one)).unwrap();
        assert_eq!(keep.all().unwrap(), std::slice::from_ref(&two));
        assert_eq!(files(&paths), 2);
        keep.remove(&two).unwrap();
        assert_eq!(files(&paths), 0);
    }

    #[test]
    fn what_a_killed_one_left_goes_with_the_next_change() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        let keep = Keep::open(&paths, true).unwrap();
        let (lost, kept) = (record(&paths, "lost"), record(&paths, "kept"));
        driver::put(&lost, b"hidden").unwrap();
        keep.add(&kept, b"hidden", None).unwrap();
        fs::write(paths.secrets().join(".new-x"), "half").unwrap();
        drop(keep);
        assert_eq!(files(&paths), 4);
        let keep = Keep::open(&paths, true).unwrap();
        assert_eq!(files(&paths), 2);
        assert_eq!(driver::get(&kept).unwrap(), b"hidden");
        drop(keep);
    }

    #[test]
    fn a_file_that_is_broken_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        drop(Keep::open(&paths, true).unwrap());
        fs::write(paths.secrets().join("x.json"), "{").unwrap();
        let error = Keep::open(&paths, false).unwrap().all().unwrap_err();
        assert!(error.to_string().contains("x.json is not what a secret is described by"), "{error}");
    }
}
