// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What short names were said to mean when somebody was asked: `short-name-aliases.conf` of the cache, which Podman reads and
//! writes too (containers-registries.conf(5)).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{RegistriesError, parse};
use crate::config::Folders;

/// The file in the cache's folder.
pub(super) fn file(cache: &Path) -> PathBuf {
    cache.join("short-name-aliases.conf")
}

/// Notes that `short` means the repository `full`, with nobody else in between. Blocks.
pub fn remember_alias(folders: &Folders, short: &str, full: &str) -> Result<(), RegistriesError> {
    let Some(cache) = &folders.cache else { return Ok(()) };
    let path = file(cache);
    let failed = |source| RegistriesError::Write { path: path.clone(), source };
    fs::create_dir_all(cache).map_err(failed)?;
    let lock = fs::File::create(path.with_added_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut aliases = parse(&path)?.map(|known| known.aliases).unwrap_or_default();
    aliases.insert(short.to_owned(), full.to_owned());
    let text =
        toml::to_string(&BTreeMap::from([("aliases", aliases)])).map_err(|error| failed(io::Error::other(error)))?;
    let mut new = tempfile::Builder::new().prefix(".short-name-aliases.").tempfile_in(cache).map_err(failed)?;
    new.write_all(text.as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(failed)?;
    new.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_kept_beside_what_was_chosen_before() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Some(folder.path().join("new"));
        let folders = Folders { cache, ..Folders::from_environment() };
        remember_alias(&folders, "a/b.c", "q.io/x").unwrap();
        remember_alias(&folders, "busybox", "r.io/busybox").unwrap();
        remember_alias(&folders, "busybox", "s.io/busybox").unwrap();
        let path = file(folders.cache.as_ref().unwrap());
        let known = parse(&path).unwrap().unwrap().aliases;
        let expected = [("a/b.c", "q.io/x"), ("busybox", "s.io/busybox")];
        assert_eq!(known, expected.map(|(short, full)| (short.to_owned(), full.to_owned())).into());
        fs::write(&path, "nonsense").unwrap();
        assert!(remember_alias(&folders, "x", "y.io/x").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }
}
