// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Putting services into a folder: each whole or not at all, also where who writes it is killed meanwhile.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::{fs, process};

use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, renameat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::{FolderError, MARK, at};
use crate::install::Link;
use crate::lasting;
use crate::service::Service;

/// How files begin that have no other name yet; what follows is the number of who writes them.
const PART: &str = ".haulout-";

/// A folder that is written to: what is in it is named from there, so that the way to it is not gone anew for each.
pub struct Writer {
    path: PathBuf,
    folder: OwnedFd,
    /// Whether a power cut takes nothing of it: what is whole is on the disk before it has its name.
    lasting: bool,
    /// Whether files can be made here that have no name.
    nameless: bool,
    /// A name that nobody else gives anything now.
    part: String,
    text: String,
}

impl Writer {
    /// One of the folder at `path`, which is made where it is not there.
    pub(super) fn at(path: &Path, lasting: bool) -> Result<Self, FolderError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let made = if lasting { lasting::make_folder(path) } else { fs::create_dir_all(path) };
        let opened = made.and_then(|()| Ok(rustix::fs::open(path, flags, Mode::empty())?));
        Ok(Self {
            path: path.to_owned(),
            folder: at(path, opened)?,
            lasting,
            nameless: true,
            part: format!("{PART}{}", process::id()),
            text: String::new(),
        })
    }

    /// Writes a service and its links, over what has their names.
    ///
    /// # Errors
    /// The file that something failed at, and what the system says.
    pub fn write(&mut self, service: &Service, links: &[Link]) -> Result<(), FolderError> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write_text(service, &mut text);
        let written = self.put(&format!("{}.service", service.name), &text);
        self.text = text;
        written?;
        links.iter().try_for_each(|link| self.link(link))
    }

    /// Writes a file over what has its name.
    pub(super) fn put(&mut self, name: &str, text: &str) -> Result<(), FolderError> {
        let done = match self.put_new(name, text) {
            Ok(true) => Ok(()),
            Ok(false) => self.or_nothing(self.create(text).and_then(|()| self.give(name))),
            Err(error) => Err(error),
        };
        at(&self.path.join(name), done)
    }

    /// Writes a file where none has its name, and gives it that only when it is whole: of one whose writer is killed before, nothing is
    /// left. Answers whether it could, which not every file system can.
    fn put_new(&mut self, name: &str, text: &str) -> io::Result<bool> {
        if !self.nameless {
            return Ok(false);
        }
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let Ok(file) = openat(&self.folder, c".", flags, Mode::from_raw_mode(0o644)) else {
            self.nameless = false;
            return Ok(false);
        };
        let file = self.fill(file, text)?;
        match linkat(&file, c"", &self.folder, name, AtFlags::EMPTY_PATH) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // Only root may do so on Linux before 6.10, and on some file systems nobody.
            Err(_) => {
                self.nameless = false;
                Ok(false)
            }
        }
    }

    /// Writes a file under a name of nobody's.
    fn create(&self, text: &str) -> io::Result<()> {
        // Not there, but for what was left by one that was killed and had the same number.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, &*self.part, flags, Mode::from_raw_mode(0o644))?;
        self.fill(file, text).map(drop)
    }

    fn fill(&self, file: OwnedFd, text: &str) -> io::Result<OwnedFd> {
        let mut file = fs::File::from(file);
        file.write_all(text.as_bytes())?;
        if self.lasting {
            file.sync_all()?;
        }
        Ok(file.into())
    }

    /// Makes a link; one that is there is replaced in one step.
    pub(super) fn link(&self, link: &Link) -> Result<(), FolderError> {
        let made = match symlinkat(&link.target, &self.folder, &link.path) {
            Err(Errno::NOENT) => {
                let above = self.path.join(&link.path);
                let above = fs::create_dir_all(above.parent().unwrap_or(&self.path));
                above.and_then(|()| Ok(symlinkat(&link.target, &self.folder, &link.path)?))
            }
            Err(Errno::EXIST) => {
                let made = symlinkat(&link.target, &self.folder, &*self.part).map_err(io::Error::from);
                self.or_nothing(made.and_then(|()| self.give(&link.path)))
            }
            made => made.map_err(io::Error::from),
        };
        at(&self.path.join(&link.path), made)
    }

    /// Gives what is whole now its name.
    fn give(&self, name: impl AsRef<Path>) -> io::Result<()> {
        Ok(renameat(&self.folder, &*self.part, &self.folder, name.as_ref())?)
    }

    /// Leaves nothing of what was not done.
    fn or_nothing(&self, done: io::Result<()>) -> io::Result<()> {
        done.inspect_err(|_| {
            let _ = unlinkat(&self.folder, &*self.part, AtFlags::empty());
        })
    }
}

/// Whether a file of that name was left by one that was killed.
pub(super) fn is_part(name: &str) -> bool {
    name.strip_prefix(PART).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn write_text(service: &Service, to: &mut String) {
    to.push_str(MARK);
    to.push_str(".\n# What is changed here is lost: change the file that SourcePath= names, or add to this with systemctl edit.\n");
    // A String takes whatever is written.
    let _ = service.unit.write_to(to);
}
