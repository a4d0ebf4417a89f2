// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is other in one stack of layers than in another, file by file: of two roots of which neither is made on the other.

use std::ffi::CStr;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::Lister;
use crate::store::layered::{Below, Layers, below, opened, shown};

/// Writes every difference as a letter, the path and a nul.
pub(crate) fn list(ours: &[PathBuf], theirs: &[PathBuf], to: Option<OwnedFd>) -> Result<(), String> {
    let to = to.ok_or("the step lacks a descriptor")?;
    let (ours, theirs) = (opened(ours)?, opened(theirs)?);
    let mut lister = Lister::to(to);
    let compared = lister.compare(&ours, &theirs, b"").and_then(|_| lister.to.flush());
    compared.map_err(|error| format!("comparing two roots: {error}"))
}

/// What a stack shows at a name.
struct Entry {
    stat: Stat,
    /// Its folders, if it is one.
    folders: Option<Vec<Option<OwnedFd>>>,
}

impl Entry {
    /// What `layers` show at `name`; nothing when there is nothing.
    fn at(layers: &Layers, name: &CStr) -> io::Result<Option<Self>> {
        let folders = match below(layers, name)? {
            Below::Nothing => return Ok(None),
            Below::Something => None,
            Below::Folder(folders) => Some(folders),
        };
        for layer in layers.iter().flatten() {
            match rustix::fs::statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                stat => return Ok(Some(Self { stat: stat?, folders })),
            }
        }
        Ok(None)
    }

    /// Whether they differ in themselves, whatever is in them.
    fn differs(&self, other: &Self) -> bool {
        let of = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
        let content = |stat: &Stat| (stat.st_size, stat.st_mtime);
        // What came through a tar may have lost the fraction of its second.
        let (ours, theirs) = (self.stat.st_mtime_nsec, other.stat.st_mtime_nsec);
        let fraction = ours != theirs && ours != 0 && theirs != 0;
        of(&self.stat) != of(&other.stat)
            || (FileType::from_raw_mode(self.stat.st_mode) != FileType::Directory
                && (content(&self.stat) != content(&other.stat) || fraction))
    }
}

impl Lister {
    /// Whether anything is other at `path`.
    fn compare(&mut self, ours: &Layers, theirs: &Layers, path: &[u8]) -> io::Result<bool> {
        if same(ours, theirs)? {
            return Ok(false);
        }
        let mut names = shown(ours)?;
        names.extend(shown(theirs)?);
        let mut any = false;
        for name in &names {
            let path = [path, b"/", name.to_bytes()].concat();
            let changed = match (Entry::at(ours, name)?, Entry::at(theirs, name)?) {
                (None, None) => false,
                (Some(ours), None) => {
                    self.tell(b'A', &path)?;
                    if let Some(folders) = ours.folders {
                        self.compare(&folders, &[], &path)?;
                    }
                    true
                }
                (None, Some(_)) => {
                    self.tell(b'D', &path)?;
                    true
                }
                (Some(ours), Some(theirs)) => {
                    let differs = ours.differs(&theirs);
                    let within = match (ours.folders, theirs.folders) {
                        (Some(ours), Some(theirs)) => self.compare(&ours, &theirs, &path)?,
                        (Some(ours), None) => self.compare(&ours, &[], &path)?,
                        _ => false,
                    };
                    if differs || within {
                        self.tell(b'C', &path)?;
                    }
                    differs || within
                }
            };
            any |= changed;
        }
        Ok(any)
    }
}

/// Whether both are the same folders, which need not be read then.
fn same(ours: &Layers, theirs: &Layers) -> io::Result<bool> {
    let identities = |layers: &Layers| {
        let of = |layer: &OwnedFd| rustix::fs::fstat(layer).map(|stat| (stat.st_dev, stat.st_ino));
        layers.iter().flatten().map(of).collect::<Result<Vec<_>, _>>()
    };
    Ok(identities(ours)? == identities(theirs)?)
}
