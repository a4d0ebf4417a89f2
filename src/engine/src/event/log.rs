// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The log's lines, as they come.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use haulout_monitor::event::Event;
use haulout_monitor::event::file::{follow, old};
use rustix::fs::inotify;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::descriptor::watch;

/// The log, as far as it was read: the one that was put aside last, and the one that is written to.
pub(super) struct Log {
    files: Vec<Tail>,
}

struct Tail {
    inode: u64,
    file: File,
    /// The beginning of a line whose end is not here yet.
    rest: Vec<u8>,
}

impl Log {
    /// From its beginning, or only what comes.
    pub(super) fn open(path: &Path, from_beginning: bool) -> io::Result<Self> {
        // In this order: while the one that is written to is held, the one before it is not replaced.
        let current = follow(path)?.map(Tail::of).transpose()?;
        let before = match File::open(old(path)) {
            Ok(file) => Some(Tail::of(file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // It may have become the one before meanwhile.
        let before = before.filter(|before| current.as_ref().is_none_or(|current| current.inode != before.inode));
        let mut files: Vec<Tail> = before.into_iter().chain(current).collect();
        if !from_beginning {
            for tail in &mut files {
                tail.file.seek(SeekFrom::End(0))?;
            }
        }
        Ok(Self { files })
    }

    /// What came since the last time.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        loop {
            self.read_all(&mut events)?;
            let newest = self.files.last().map(|tail| tail.inode);
            let now = fs::metadata(path).ok().map(|now| now.ino());
            if now.is_none() || now == newest {
                return Ok(events);
            }
            let Some(next) = follow(path)? else { return Ok(events) };
            // The one that was put aside may still be written to by who had it open; the one before it no more.
            self.read_all(&mut events)?;
            self.files.drain(..self.files.len().saturating_sub(1));
            if let Some(before) = self.files.last() {
                before.file.unlock()?;
            }
            self.files.push(Tail::of(next)?);
        }
    }

    /// The newest is read first: whoever writes there has written to the others before.
    fn read_all(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let read = self.files.iter_mut().rev().map(Tail::read).collect::<io::Result<Vec<_>>>()?;
        events.extend(read.into_iter().rev().flatten());
        Ok(())
    }
}

impl Tail {
    fn of(file: File) -> io::Result<Self> {
        Ok(Self { inode: file.metadata()?.ino(), file, rest: Vec::new() })
    }

    fn read(&mut self) -> io::Result<Vec<Event>> {
        self.file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        // A line that is no event is not ours to stumble over.
        Ok(whole.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

/// Tells when the log changes (inotify(7)).
pub(super) struct Watch {
    inotify: AsyncFd<OwnedFd>,
    watched: Option<u64>,
}

impl Watch {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        inotify::add_watch(&inotify, folder, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO)?;
        let mut watch = Self { inotify: watch(inotify, Interest::READABLE)?, watched: None };
        watch.renew(path)?;
        Ok(watch)
    }

    /// Watches the file that is there now. One that was put aside stays watched until it is gone.
    pub(super) fn renew(&mut self, path: &Path) -> io::Result<()> {
        let Ok(found) = fs::metadata(path) else { return Ok(()) };
        if self.watched == Some(found.ino()) {
            return Ok(());
        }
        match inotify::add_watch(&self.inotify, path, inotify::WatchFlags::MODIFY) {
            Ok(_) => self.watched = Some(found.ino()),
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let mut buffer = [0; 4096];
            let read = ready.try_io(|inotify| Ok(rustix::io::read(inotify.as_fd(), &mut buffer)?));
            if let Ok(result) = read {
                return result.map(drop);
            }
        }
    }
}
