// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives as they are written: in their place when they are whole, and not before, whoever is interrupted or fails.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::{exit, output, terminal};

/// Where the tar of an export goes.
pub struct Archive {
    to: To,
}

enum To {
    Stdout,
    /// A pipe, a device, or a file in a folder that is not ours to write to.
    There(File),
    File(Unfinished, PathBuf),
}

impl Archive {
    /// To the file `path`, whose error `failed` makes of its name and the system's words, or to standard output, which has to lead
    /// somewhere else than to a terminal.
    pub fn open(path: Option<&str>, failed: impl Fn(&str, &str) -> String) -> Result<Self> {
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            if terminal::is_output() {
                bail!("refusing to export to terminal. Use -o flag or redirect");
            }
            return Ok(Self { to: To::Stdout });
        };
        let to = match Self::at(Path::new(path)) {
            Ok(to) => to,
            Err(error) => bail!(failed(path, &exit::os_words(&error))),
        };
        Ok(Self { to })
    }

    fn at(path: &Path) -> io::Result<To> {
        let there = match fs::metadata(path) {
            Ok(found) if found.is_file() => Some(fs::canonicalize(path)?),
            // A folder says itself why not.
            Ok(_) => return Ok(To::There(File::options().write(true).open(path)?)),
            Err(_) => None,
        };
        let whole = there.as_deref().unwrap_or(path);
        match Unfinished::beside(whole) {
            Ok(unfinished) => Ok(To::File(unfinished, whole.to_owned())),
            Err(_) if there.is_some() => Ok(To::There(File::create(whole)?)),
            Err(error) => Err(error),
        }
    }

    /// What is written to.
    pub fn descriptor(&self) -> Result<OwnedFd> {
        match &self.to {
            To::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            To::There(file) | To::File(Unfinished { file, .. }, _) => file.as_fd().try_clone_to_owned(),
        }
        .context("passing on where the archive goes")
    }

    /// It was written, or not.
    pub fn end<E: Into<anyhow::Error>>(self, written: Result<(), E>) -> Result<()> {
        if written.is_err() && matches!(self.to, To::Stdout) {
            output::end_if_nobody_reads();
        }
        written.map_err(Into::into)?;
        match self.to {
            To::File(unfinished, path) => {
                unfinished.put_at(&path).with_context(|| format!("putting the archive at {}", path.display()))
            }
            To::Stdout | To::There(_) => Ok(()),
        }
    }
}

/// A file that is in the folder of another one, and comes in that one's place when it is whole.
pub struct Unfinished {
    /// To write to.
    pub file: File,
    /// Its name, which goes with it unless it is renamed.
    part: PathBuf,
    /// Whether it has that name. One without goes even when nobody is left to remove it.
    named: bool,
}

impl Unfinished {
    /// One for what shall be at `path`.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = Mode::from_raw_mode(0o666);
        match rustix::fs::openat(CWD, folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(file) => Ok(Self { file: file.into(), part, named: false }),
            // A file system that has none without a name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
                let file = File::options().read(true).write(true).create_new(true).open(&part)?;
                Ok(Self { file, part, named: true })
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Puts it at `path`, in the place of what may be there.
    pub fn put_at(mut self, path: &Path) -> io::Result<()> {
        if !self.named {
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |to: &Path| rustix::fs::linkat(CWD, unnamed.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW);
            match link(path) {
                // What is there is replaced.
                Err(Errno::EXIST) => link(&self.part)?,
                linked => return Ok(linked?),
            }
            self.named = true;
        }
        fs::rename(&self.part, path)?;
        self.named = false;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.named {
            let _ = fs::remove_file(&self.part);
        }
    }
}
