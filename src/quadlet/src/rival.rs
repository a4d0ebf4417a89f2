// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose the units are where Podman's generator is installed as well: both would write the same services into the same folder.
//! Ours stands back, unless it was chosen: `quadlet = "haulout"` in `~/.config/haulout/config.toml`, for the machine in
//! `/etc/haulout/config.toml`. Chosen, it writes to the early folder, which outranks everything.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::home;

/// Where systemd looks for generators (systemd.generator(7)).
const GENERATORS: [&str; 4] = ["/run/systemd", "/etc/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];

/// Who can be chosen to make the services.
const CHOICES: [&str; 2] = ["haulout", "podman"];

/// Who makes the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// We do: nobody else would.
    Alone,
    /// We do, though Podman's generator is there: whoever has a say chose so.
    Chosen,
    /// Podman's generator, which is at this path.
    Podman(PathBuf),
}

/// Who makes the services of a user's units, or of the machine's.
pub fn maker(user: bool) -> Maker {
    match podman(user) {
        None => Maker::Alone,
        Some(_) if is_chosen(user) => Maker::Chosen,
        Some(path) => Maker::Podman(path),
    }
}

/// Whether systemd makes the services itself when it is reloaded: by our generator, or by Podman's where that one makes them. Where it
/// does not, `haulout quadlet sync` does.
pub fn is_generated(user: bool) -> bool {
    matches!(maker(user), Maker::Podman(_)) || own(user).is_some()
}

/// Our generator, where it is installed.
pub fn own(user: bool) -> Option<PathBuf> {
    generator("haulout", user)
}

fn podman(user: bool) -> Option<PathBuf> {
    generator("podman", user)
}

/// The generator of that name. One that is masked, by a link to /dev/null, is none.
fn generator(name: &str, user: bool) -> Option<PathBuf> {
    let scope = if user { "user" } else { "system" };
    let paths = GENERATORS.map(|folder| Path::new(folder).join(format!("{scope}-generators/{name}-{scope}-generator")));
    let first = paths.into_iter().find(|path| fs::symlink_metadata(path).is_ok())?;
    let masked = fs::metadata(&first).is_ok_and(|found| found.file_type().is_char_device());
    (!masked).then_some(first)
}

/// The file that cannot be read as TOML, or chooses nobody, before any that makes a choice, and why: what it says does not count.
pub fn broken_choice(user: bool) -> Option<(PathBuf, String)> {
    for file in files(user) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => return Some((file, error.to_string().trim_end().to_owned())),
        };
        match table.get("quadlet") {
            None => {}
            Some(said) if said.as_str().is_some_and(|said| CHOICES.contains(&said)) => return None,
            Some(said) => return Some((file, format!("quadlet is \"haulout\" or \"podman\", not {said}"))),
        }
    }
    None
}

/// The files in which a choice may stand, the first that says anything counts.
fn files(user: bool) -> impl Iterator<Item = PathBuf> {
    let own = home::config().filter(|_| user).map(|folder| folder.join("haulout/config.toml"));
    own.into_iter().chain([PathBuf::from("/etc/haulout/config.toml")])
}

fn is_chosen(user: bool) -> bool {
    // A broken file says nothing.
    let said = files(user)
        .filter_map(|file| fs::read_to_string(file).ok()?.parse::<toml::Table>().ok())
        .find_map(|table| Some(table.get("quadlet")?.as_str()? == "haulout"));
    said.unwrap_or(false)
}
