// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files that were meant to be units, and that nothing reads: in a folder that is searched, under another name; or in a folder that is not.

use std::fs;
use std::path::{Path, PathBuf};

use haulout_quadlet::{Kind, home, search};

use super::Units;

/// No unit is as long as that, in bytes.
const LONGEST: u64 = 1 << 20;
/// What editors and people call a file that is put aside.
const ASIDE: [&str; 8] = ["~", ".bak", ".disabled", ".old", ".orig", ".save", ".swp", ".tmp"];

/// The files in the folders that are searched whose text is a unit's and whose name is not, and what they might be called.
pub fn misnamed(units: &Units) -> Vec<(PathBuf, String)> {
    let folders = units.path.folders().iter().filter_map(|folder| fs::read_dir(folder).ok());
    let mut files: Vec<PathBuf> =
        folders.flat_map(|folder| folder.filter_map(|entry| Some(entry.ok()?.path()))).collect();
    files.sort();
    files.into_iter().filter_map(|file| Some((file.clone(), better_name(&file)?))).collect()
}

fn better_name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    if search::is_unit(file) || ASIDE.iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let facts = fs::metadata(file).ok().filter(|facts| facts.is_file() && facts.len() < LONGEST);
    let text = facts.and_then(|_| fs::read_to_string(file).ok())?;
    let header =
        |kind: &Kind| text.lines().any(|line| line.trim().eq_ignore_ascii_case(&format!("[{}]", kind.section())));
    let kind = Kind::ALL.into_iter().find(header)?;
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    Some(format!("{}.{}", if stem.is_empty() { "NAME" } else { stem }, kind.suffix()))
}

/// Where a unit of that name lies that is not searched for: where systemd's own units are, or here.
pub fn elsewhere(name: &str) -> Option<PathBuf> {
    let config = home::config();
    let of_user = config.iter().flat_map(|config| [config.join("systemd/user"), config.join("containers")]);
    let folders = of_user.chain([
        "/etc/systemd/user".into(),
        "/etc/systemd/system".into(),
        "/etc/containers".into(),
        PathBuf::new(),
    ]);
    folders.map(|folder| folder.join(name)).find(|file| search::is_unit(file) && file.is_file())
}
