// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What only Haulout is told: `~/.config/haulout/config.toml`, then `/etc/haulout/config.toml`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use haulout_monitor::process::is_root_of_machine;

use super::storage::expanded;

/// `additionalimagestores`, as in storage.conf, which Podman reads as well: it refuses to work when its own store is among them.
pub(super) fn image_stores() -> Vec<PathBuf> {
    files().find_map(|file| stores_in(&file)).unwrap_or_default()
}

/// The user's file, if it is a user's, and the machine's.
pub(crate) fn files() -> impl Iterator<Item = PathBuf> {
    let said = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = said("XDG_CONFIG_HOME").or_else(|| Some(said("HOME")?.join(".config")));
    let own = own.filter(|_| !is_root_of_machine()).map(|folder| folder.join("haulout/config.toml"));
    own.into_iter().chain([PathBuf::from("/etc/haulout/config.toml")])
}

/// Those of a file that says something of it. One that is not there is no store yet.
fn stores_in(file: &Path) -> Option<Vec<PathBuf>> {
    let table: toml::Table = fs::read_to_string(file).ok()?.parse().ok()?;
    let stores = table.get("additionalimagestores")?.as_array()?;
    let stores = stores.iter().filter_map(|store| Some(PathBuf::from(expanded(store.as_str()?))));
    Some(stores.filter(|store| store.is_absolute()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_absolute_and_may_name_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        assert_eq!(stores_in(&file), None);
        fs::write(&file, "quadlet = \"haulout\"\n").unwrap();
        assert_eq!(stores_in(&file), None);
        fs::write(&file, "additionalimagestores = [\"/x/$UID\", \"relative\"]\n").unwrap();
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(stores_in(&file), Some(vec![PathBuf::from(format!("/x/{uid}"))]));
    }
}
