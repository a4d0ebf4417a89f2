// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounting an image's files to be looked at, in the mount namespace of whoever asks: in `haulout unshare` or as root. Such a mount ends
//! with its namespace; nothing is noted of it but what the kernel knows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags};

use super::{Images, announce};
use crate::digest::Digest;
use crate::engine::Error;
use crate::store::overlay;

impl Images {
    /// Where an image is mounted when it is.
    fn mount_point(&self, id: &Digest) -> PathBuf {
        self.engine.paths().data.join("mounts").join(id.hex())
    }

    pub(super) async fn mount_here(&self, name: &str) -> Result<PathBuf, Error> {
        let details = self.inspect(name).await?;
        let (id, target) = (details.summary.id, self.mount_point(&details.summary.id));
        if mounted()?.contains(&target) {
            return Ok(target);
        }
        let failed = |doing: &str, source| Error::Io { doing: format!("{doing} {}", target.display()), source };
        if details.layers.is_empty() {
            return Err(Error::Invalid(format!("image {id} has no files to be mounted")));
        }
        fs::create_dir_all(&target).map_err(|error| failed("making", error))?;
        let done = match details.layers.as_slice() {
            [only] => bind(only, &target),
            layers => overlay::mount_read_only(layers, &target).map_err(io::Error::other),
        };
        if let Err(error) = done {
            let _ = fs::remove_dir(&target);
            return Err(failed("mounting the image at", error));
        }
        announce(&self.engine, "mount", &id, "");
        Ok(target)
    }

    pub(super) async fn unmount_here(&self, name: &str) -> Result<Option<Digest>, Error> {
        let id = self.inspect(name).await?.summary.id;
        let target = self.mount_point(&id);
        if !mounted()?.contains(&target) {
            return Ok(None);
        }
        let failed = |source| Error::Io { doing: format!("unmounting {}", target.display()), source };
        rustix::mount::unmount(&target, UnmountFlags::empty()).map_err(|errno| failed(errno.into()))?;
        // Somebody else's namespace may have it too: then it stays.
        let _ = fs::remove_dir(&target);
        announce(&self.engine, "unmount", &id, "");
        Ok(Some(id))
    }

    pub(super) async fn mounted_here(&self) -> Result<Vec<(super::Summary, PathBuf)>, Error> {
        let mounted = mounted()?;
        let images = self.list().await?;
        let places = images.into_iter().map(|image| (self.mount_point(&image.id), image));
        Ok(places.filter(|(place, _)| mounted.contains(place)).map(|(place, image)| (image, place)).collect())
    }
}

/// One folder, to be read.
fn bind(folder: &Path, target: &Path) -> io::Result<()> {
    rustix::mount::mount_bind(folder, target)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(target, flags, c"").map_err(|errno| {
        let _ = rustix::mount::unmount(target, UnmountFlags::DETACH);
        errno.into()
    })
}

/// Every mount point of this mount namespace.
pub(crate) fn mounted() -> Result<Vec<PathBuf>, Error> {
    let text = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|source| Error::Io { doing: "reading /proc/self/mountinfo".to_owned(), source })?;
    // The kernel writes blanks as numbers.
    let place = |line: &str| Some(PathBuf::from(line.split(' ').nth(4)?.replace("\\040", " ")));
    Ok(text.lines().filter_map(place).collect())
}
