// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounting a container's files to be looked at and changed, in the mount namespace of whoever asks: in `haulout unshare` or as root. Such
//! a mount ends with its namespace; nothing is noted of it but what the kernel knows. One that has a monitor is mounted by that: it is
//! shown where it is. One that is started while somebody still has it mounted himself is mounted twice, which the kernel permits and of
//! which it promises nothing.

use std::path::PathBuf;

use rustix::mount::UnmountFlags;

use super::base::root_of;
use super::status::Monitor;
use super::{ContainerId, Containers, Record};
use crate::engine::Error;
use crate::image::mount::mounted;
use crate::store::driver;

impl Containers {
    /// Mounts its root filesystem in this process's mount namespace, unless it is, and answers where. To be called as root of the user
    /// namespace in which containers live.
    ///
    /// # Errors
    /// [`Error::Io`] when the kernel refuses.
    pub async fn mount(&self, id: &ContainerId) -> Result<PathBuf, Error> {
        loop {
            if let Some(place) = self.mount_now(id).await? {
                return Ok(place);
            }
        }
    }

    /// Nothing when it has to be looked at once more.
    async fn mount_now(&self, id: &ContainerId) -> Result<Option<PathBuf>, Error> {
        let seen = self.look(id).await?;
        match seen.monitor {
            Monitor::Alive(_) if seen.status.process().is_some() => return self.mount_point(id).await,
            Monitor::Alive(process) => {
                // It starts or ends.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(20), crate::event::end_of(process)).await;
                return Ok(None);
            }
            Monitor::Gone => {
                self.reap(id).await?;
                return Ok(None);
            }
            Monitor::Absent => {}
        }
        let record = self.record(id).await?;
        let _lock = self.lock(id).await?;
        if self.look(id).await?.monitor != Monitor::Absent {
            return Ok(None);
        }
        let engine = self.engine.clone();
        let made = self.engine.blocking("mounting a container", move || {
            let root = root_of(&engine, &record)?;
            if !mounted()?.contains(&root.target) {
                let doing = format!("mounting container {}", record.id);
                driver::mount(&root).map_err(|error| Error::Io { doing, source: std::io::Error::other(error) })?;
            }
            Ok(root.target)
        });
        made.await.map(Some)
    }

    /// Where it is mounted, as far as this process can look: by its monitor, or by itself.
    async fn mount_point(&self, id: &ContainerId) -> Result<Option<PathBuf>, Error> {
        let seen = self.look(id).await?;
        let place = self.engine.paths().container(id).join("merged");
        Ok(match seen.monitor {
            Monitor::Alive(monitor) if seen.status.process().is_some() => {
                let below = place.strip_prefix("/").unwrap_or(&place);
                Some(PathBuf::from(format!("/proc/{}/root", monitor.pid)).join(below))
            }
            _ => mounted()?.contains(&place).then_some(place),
        })
    }

    /// Unmounts its root filesystem where this process's mount namespace has it. Whether it was; one that runs keeps what it has.
    ///
    /// # Errors
    /// [`Error::Io`] when somebody still uses it, unless it is to be taken away from him (`force`).
    pub async fn unmount(&self, id: &ContainerId, force: bool) -> Result<bool, Error> {
        self.record(id).await?;
        let place = self.engine.paths().container(id).join("merged");
        if !mounted()?.contains(&place) {
            return Ok(false);
        }
        let flags = if force { UnmountFlags::DETACH } else { UnmountFlags::empty() };
        rustix::mount::unmount(&place, flags).map_err(|errno| Error::Io {
            doing: format!("unmounting container {id} at {}", place.display()),
            source: errno.into(),
        })?;
        Ok(true)
    }

    /// Those that are mounted, and where, the oldest first.
    pub async fn mounted(&self) -> Result<Vec<(Record, PathBuf)>, Error> {
        let mut found = Vec::new();
        for summary in self.list().await? {
            if let Some(place) = self.mount_point(&summary.record.id).await? {
                found.push((summary.record, place));
            }
        }
        Ok(found)
    }
}
