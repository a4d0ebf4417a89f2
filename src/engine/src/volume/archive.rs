// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A volume's files as a tar, out and in.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use super::{NEW, Volumes};
use crate::container::copy::{CopyOptions, Job, Side};
use crate::engine::Error;
use crate::step::Step;

impl Volumes {
    /// Writes the files of the volume `name` to `to`, as a tar; their owners are those that a container sees. When it fails, half a
    /// tar may have been written.
    pub async fn export(&self, name: &str, to: OwnedFd) -> Result<(), Error> {
        let from = self.side(name).await?;
        self.copy(Job { from, to: Side::Tar, options: WHOLE }, to).await
    }

    /// Unpacks a tar, which may be packed by gzip or zstd, over the files of the volume `name`. What the tar has takes the place of
    /// what is there; the rest stays. Nothing outside the volume is written, whatever names and links the tar has. When it fails,
    /// what was unpacked until then stays.
    pub async fn import(&self, name: &str, from: OwnedFd) -> Result<(), Error> {
        let to = self.side(name).await?;
        // It has its files: the first container that mounts it adds none.
        let mark = self.engine.paths().volume(name_of(&to)).join(NEW);
        match fs::remove_file(&mark) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Io { doing: format!("removing {}", mark.display()), source });
            }
            _ => {}
        }
        self.copy(Job { from: Side::Tar, to, options: WHOLE }, from).await
    }

    async fn side(&self, name: &str) -> Result<Side, Error> {
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
        Ok(Side::Volume { path, name })
    }

    async fn copy(&self, job: Job, tar: OwnedFd) -> Result<(), Error> {
        self.engine.steps().await?.run(&Step::Copy(Box::new(job)), vec![tar]).await?;
        Ok(())
    }
}

/// Owners stay, and what comes takes the place of what is there.
const WHOLE: CopyOptions = CopyOptions { archive: false, overwrite: true };

fn name_of(side: &Side) -> &str {
    match side {
        Side::Volume { name, .. } => name,
        _ => "",
    }
}
