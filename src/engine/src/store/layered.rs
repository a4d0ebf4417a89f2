// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a stack of layers shows, without mounting it: whiteouts and opaque folders as the kernel's overlay has them.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// To open a folder that is no link.
pub(crate) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the folders of a stack, the uppermost first.
pub(crate) fn opened(layers: &[PathBuf]) -> Result<Vec<Option<OwnedFd>>, String> {
    let open = |layer: &PathBuf| match rustix::fs::openat(CWD, layer, FOLDER, Mode::empty()) {
        // The upper folder of a container that was never started.
        Err(Errno::NOENT) => Ok(None),
        opened => opened.map(Some).map_err(|errno| format!("opening {}: {errno}", layer.display())),
    };
    layers.iter().map(open).collect()
}

/// The folders of the layers at one path, the uppermost first; nothing where a layer has none.
pub(crate) type Layers = [Option<OwnedFd>];

/// What the layers together have at a name.
pub(crate) enum Below {
    Nothing,
    Something,
    /// A folder, and those of each layer that show through.
    Folder(Vec<Option<OwnedFd>>),
}

pub(crate) fn names(folder: &OwnedFd) -> io::Result<BTreeSet<CString>> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." && name != OPAQUE {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// The file by which fuse-overlayfs marks a folder that hides what is below it, as a layer's tar does.
pub(crate) const OPAQUE: &CStr = c".wh..wh..opq";

pub(crate) fn is_opaque(folder: impl AsFd) -> bool {
    let mut value = [0_u8; 2];
    matches!(rustix::fs::fgetxattr(&folder, "user.overlay.opaque", &mut value[..]), Ok(1)) && value[0] == b'y'
        || rustix::fs::statat(folder, OPAQUE, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// What is at `name` in the layers.
pub(crate) fn below(layers: &Layers, name: &CStr) -> io::Result<Below> {
    let mut folders = Vec::new();
    for layer in layers.iter().flatten() {
        let stat = match rustix::fs::statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == 0 => break,
            FileType::Directory => {
                let folder = rustix::fs::openat(layer, name, FOLDER, Mode::empty())?;
                let opaque = is_opaque(&folder);
                folders.push(Some(folder));
                if opaque {
                    break;
                }
            }
            // What is no folder hides what is below, or is hidden by a folder above.
            _ if folders.is_empty() => return Ok(Below::Something),
            _ => break,
        }
    }
    Ok(if folders.is_empty() { Below::Nothing } else { Below::Folder(folders) })
}

/// The names that the layers show in a folder.
pub(crate) fn shown(layers: &Layers) -> io::Result<BTreeSet<CString>> {
    let mut all = BTreeSet::new();
    for layer in layers.iter().flatten() {
        all.extend(names(layer)?);
    }
    let mut shown = BTreeSet::new();
    for name in all {
        if !matches!(below(layers, &name)?, Below::Nothing) {
            shown.insert(name);
        }
    }
    Ok(shown)
}
