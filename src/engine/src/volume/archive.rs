// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A volume's files as a tar, out and in.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

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
        let (name, from) = self.side(name).await?;
        let folder = self.folder(&name).await?;
        let copied = self.copy(Job { from, to: Side::Tar, within: false, options: WHOLE }, to).await;
        self.is_still_there(&name, &folder).await?;
        copied
    }

    /// Unpacks a tar, which may be packed by gzip or zstd, over the files of the volume `name`. What the tar has takes the place of
    /// what is there; the rest stays. Nothing outside the volume is written, whatever names and links the tar has. When it fails,
    /// what was unpacked until then stays.
    pub async fn import(&self, name: &str, from: OwnedFd) -> Result<(), Error> {
        let (name, to) = self.side(name).await?;
        let (engine, of) = (self.engine.clone(), name.clone());
        let folder = self.folder(&name).await?;
        let held = self.engine.blocking("filling a volume", move || {
            let failed = |source| Error::Io { doing: format!("waiting for who fills volume {of}"), source };
            // Two at once would take one another's files for what was there before.
            folder.lock().map_err(failed)?;
            Ok((folder, Mark::take(engine.paths(), &of).map_err(failed)?))
        });
        // Held until it is filled: a container that mounts it meanwhile waits, and adds nothing of its image then.
        let (folder, mark) = held.await?;
        let copied = self.copy(Job { from: Side::Tar, to, within: false, options: WHOLE }, from).await;
        if let (Ok(()), Some(mark)) = (&copied, mark) {
            mark.remove()
                .map_err(|source| Error::Io { doing: format!("noting that volume {name} is filled"), source })?;
        }
        self.is_still_there(&name, &folder).await?;
        copied
    }

    /// The volume's folder, which is another one once the volume has been removed and made again.
    async fn folder(&self, name: &str) -> Result<File, Error> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let opened = self.engine.blocking("opening a volume", move || match File::open(engine.paths().volume(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoSuchVolume(name)),
            opened => opened.map_err(|source| Error::Io { doing: format!("opening volume {name}"), source }),
        });
        opened.await
    }

    /// Fails when the volume was removed while it was read or written.
    async fn is_still_there(&self, name: &str, folder: &File) -> Result<(), Error> {
        let now = self.folder(name).await?;
        let number = |file: &File| file.metadata().map(|metadata| metadata.ino());
        match (number(folder), number(&now)) {
            (Ok(before), Ok(after)) if before == after => Ok(()),
            _ => Err(Error::NoSuchVolume(name.to_owned())),
        }
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
