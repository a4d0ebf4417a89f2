// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where somebody's own settings are (XDG Base Directory Specification).

use std::env;
use std::path::PathBuf;

/// `$XDG_CONFIG_HOME`, or `~/.config`. Nothing where neither it nor `HOME` is set, or to no path.
pub fn config() -> Option<PathBuf> {
    said("XDG_CONFIG_HOME").or_else(|| Some(said("HOME")?.join(".config")))
}

/// What a variable says. A relative path is as good as none.
pub(crate) fn said(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
