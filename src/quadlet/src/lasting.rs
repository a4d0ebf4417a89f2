// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What outlasts a power cut: of a file that was synced its text, and its name once the folder was synced that has it (fsync(2)).

use std::path::Path;
use std::{fs, io};

/// Has the names outlast it that were given and taken away in a folder until now.
pub fn sync_names(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it that are not there, each with its name.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let Some(above) = path.parent() else { return fs::create_dir(path) };
    make_folder(above)?;
    match fs::create_dir(path) {
        // Somebody else makes it at this moment.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync_names(above)
}
