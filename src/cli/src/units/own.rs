// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the program is that units written by a verb are to start.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder that this program is in.
pub fn program_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program")?;
    Ok(program.parent().unwrap_or(Path::new("/usr/bin")).to_owned())
}
