// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A volume's files as a tar, out and in.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::{Mark, Volumes};
use crate::container::copy::{CopyOptions, Job, Side};
use crate::engine::Error;
use crate::step::Step;

/// Owners stay, and what comes takes the place of what is there.
const WHOLE: CopyOptions = CopyOptions { archive: false, overwrite: true };

impl Volumes {
    /// Writes the files of the volume `name` to `to`, as a tar; their owners are those that a container sees. When it fails, half a
    /// tar may have been written.
    pub async fn export(&self, name: &str, to: OwnedFd) -> Result<(), Error> {
        let (_, from) = self.side(name).await?;
        self.copy(Job { from, to: Side::Tar, options: WHOLE }, to).await
    }

    /// Unpacks a tar, which may be packed by gzip or zstd, over the files of the volume `name`. What the tar has takes the place of
    /// what is there; the rest stays. Nothing outside the volume is written, whatever names and links the tar has. When it fails,
    /// what was unpacked until then stays.
    pub async fn import(&self, name: &str, from: OwnedFd) -> Result<(), Error> {
        let (name, to) = self.side(name).await?;
        let (engine, of) = (self.engine.clone(), name.clone());
        let held = self.engine.blocking("filling a volume", move || {
            let failed = |source| Error::Io { doing: format!("waiting for who fills volume {of}"), source };
            // Two at once would take one another's files for what was there before.
            let folder = File::open(engine.paths().volume(&of)).map_err(failed)?;
            folder.lock().map_err(failed)?;
            Ok((folder, Mark::take(engine.paths(), &of).map_err(failed)?))
        });
        // Held until it is filled: a container that mounts it meanwhile waits, and adds nothing of its image then.
        let (_folder, mark) = held.await?;
        self.copy(Job { from: Side::Tar, to, options: WHOLE }, from).await?;
        mark.map_or(Ok(()), |mark| {
            mark.remove().map_err(|source| Error::Io { doing: format!("noting that volume {name} is filled"), source })
        })
    }

    /// The volume's whole name, and its files.
    async fn side(&self, name: &str) -> Result<(String, Side), Error> {
        let details = self.inspect(name).await?;
        let name = details.record.name.clone();
        let path = match details.record.mounted() {
            None => details.mountpoint,
            Some((_, device, words)) if words.iter().any(|word| word == "bind" || word == "rbind") => device.into(),
            Some((kind, ..)) => {
                return Err(Error::Invalid(format!(
                    "volume {name} is a {kind} mount, whose files are there only while a container has it: copy them from that container"
                )));
            }
        };
        Ok((name.clone(), Side::Volume { path, name }))
    }

    async fn copy(&self, job: Job, tar: OwnedFd) -> Result<(), Error> {
        self.engine.steps().await?.run(&Step::Copy(Box::new(job)), vec![tar]).await?;
        Ok(())
    }
}
