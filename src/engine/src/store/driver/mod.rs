// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a container comes by its root filesystem: by the kernel's overlay ([`super::overlay`]), or as a copy of its own ([`vfs`]).
//!
//! A store has one driver all its life, as Podman's have: what one left of a container the other could not read. The layers of images
//! are the same for both.

pub(crate) mod vfs;

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::overlay::{self, OverlayError};
use crate::container::start::Root;
use crate::paths::Paths;
use vfs::VfsError;

/// The file of a store that says its driver; of one without it, it is overlay.
const FILE: &str = "driver";

/// How root filesystems are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Layers stacked by the kernel.
    #[default]
    Overlay,
    /// A copy for each container: for file systems and kernels that overlay cannot use.
    Vfs,
}

/// Why a root filesystem could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// By overlay.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// As a copy.
    #[error(transparent)]
    Vfs(#[from] VfsError),
}

impl Driver {
    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Overlay, Self::Vfs].into_iter().find(|driver| driver.name() == name)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Vfs => "vfs",
        }
    }

    /// That of the store at `paths`; nothing when there is no store yet.
    pub fn of_store(paths: &Paths) -> Option<Self> {
        match fs::read_to_string(paths.data.join(FILE)) {
            Ok(text) => Self::named(text.trim()),
            Err(_) => paths.database().exists().then_some(Self::Overlay),
        }
    }

    /// Has a store that is about to be made remember the driver that was asked for.
    pub(crate) fn settle(paths: &Paths) -> Result<(), (PathBuf, io::Error)> {
        let asked = paths.elsewhere.driver.unwrap_or_default();
        if asked == Self::default() || Self::of_store(paths).is_some() {
            return Ok(());
        }
        let file = paths.data.join(FILE);
        let written = fs::create_dir_all(&paths.data).and_then(|()| fs::write(&file, format!("{}\n", asked.name())));
        written.map_err(|error| (file, error))
    }
}

/// Mounts a container's `root` in this process's mount namespace.
///
/// # Errors
/// What the kernel refused.
pub(crate) fn mount(root: &Root) -> Result<(), DriverError> {
    match root.driver {
        Driver::Vfs if !root.bare => Ok(vfs::mount(root)?),
        _ => Ok(overlay::mount(root)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_keeps_the_driver_that_it_was_made_with() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
        Driver::settle(&paths).unwrap();
        assert_eq!(Driver::of_store(&paths), None);
        paths.elsewhere.driver = Some(Driver::Vfs);
        Driver::settle(&paths).unwrap();
        assert_eq!(Driver::of_store(&paths), Some(Driver::Vfs));
        paths.elsewhere.driver = Some(Driver::Overlay);
        Driver::settle(&paths).unwrap();
        assert_eq!((Driver::of_store(&paths), paths.driver()), (Some(Driver::Vfs), Driver::Vfs));
        let made = Paths::at(folder.path().to_owned(), folder.path().to_owned());
        fs::write(made.database(), "").unwrap();
        assert_eq!(Driver::of_store(&made), Some(Driver::Overlay), "of one that says nothing");
    }
}
