// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much of anything an image may bring: `[limits]` of our own `config.toml`, the user's over the machine's.
//!
//! The limits stop what was made to fill a disk, and are far above what images have. Whoever has a larger one raises them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::Folders;
use crate::store::unpack::Limits;

/// The file, beside the folder in which Podman's settings are.
const FILE: &str = "haulout/config.toml";

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// It cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It says what it cannot say.
    #[error("parsing {}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
}

/// The file as it is written; what else is in it is for others.
#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    limits: Said,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Said {
    entries: Option<u64>,
    tar_size: Option<u64>,
    size: Option<u64>,
    image_size: Option<u64>,
    name: Option<u32>,
    depth: Option<usize>,
    headers: Option<u32>,
}

/// Reads the limits.
///
/// # Errors
/// A file cannot be read, is no TOML, or has a limit that there is not.
pub fn read(folders: &Folders) -> Result<Limits, LimitsError> {
    let files = [Some(&folders.system), folders.user.as_ref()].into_iter().flatten();
    let mut limits = Limits::default();
    for path in files.filter_map(|folder| Some(folder.parent()?.join(FILE))) {
        let said = said(&path)?;
        let Limits { entries, tar_size, size, image, before, name, depth, extended, any_owner } = limits;
        limits = Limits {
            entries: said.entries.unwrap_or(entries),
            tar_size: said.tar_size.unwrap_or(tar_size),
            size: said.size.unwrap_or(size),
            image: said.image_size.unwrap_or(image),
            before,
            name: said.name.unwrap_or(name),
            depth: said.depth.unwrap_or(depth),
            extended: said.headers.unwrap_or(extended),
            any_owner,
        };
    }
    Ok(limits)
}

fn said(path: &Path) -> Result<Said, LimitsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Said::default());
        }
        Err(source) => return Err(LimitsError::Read { path: path.to_owned(), source }),
    };
    let file: File = toml::from_str(&text)
        .map_err(|error| LimitsError::Malformed { path: path.to_owned(), message: error.to_string() })?;
    Ok(file.limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(user: &str, system: &str) -> Result<Limits, LimitsError> {
        let folder = tempfile::tempdir().unwrap();
        let below = |name: &str| folder.path().join(name).join("containers");
        for (name, text) in [("user", user), ("system", system)] {
            fs::create_dir_all(folder.path().join(name).join("haulout")).unwrap();
            fs::write(folder.path().join(name).join(FILE), text).unwrap();
        }
        read(&Folders { user: Some(below("user")), system: below("system"), vendor: below("vendor"), cache: None })
    }

    #[test]
    fn the_user_s_limits_are_over_the_machine_s_and_those_over_ours() {
        let read =
            limits("quadlet = \"haulout\"\n[limits]\nentries = 5\n", "[limits]\nentries = 6\ndepth = 7\n").unwrap();
        assert_eq!((read.entries, read.depth, read.size), (5, 7, Limits::default().size));
    }

    #[test]
    fn what_is_no_limit_is_told_with_its_file_and_line() {
        for text in ["[limits]\nentires = 1\n", "[limits]\nsize = -1\n", "[limits]\nsize = \"1\"\n", "[limits\n"] {
            let error = limits(text, "").unwrap_err().to_string();
            assert!(error.contains("user/haulout/config.toml: TOML parse error at line "), "{error}");
        }
    }
}
