// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened: one JSON object a line, appended to `$XDG_RUNTIME_DIR/haulout/events` by whoever did it.
//!
//! The type is the monitor's library's, since monitors append too. When the file has grown, an engine that appends renames it to
//! `events.old`: a follower goes on reading that one as well, for who had it open still appends there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use futures_util::stream::{BoxStream, StreamExt as _};
use haulout_monitor::process::Process;
use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

pub use haulout_monitor::event::{Event, Kind};

use crate::container::ContainerId;
use crate::container::status::{Monitor, Seen};
use crate::descriptor::watch;
use crate::engine::{Engine, Error};
use crate::paths::Paths;

/// When the file is longer, it is put aside.
const MAX_SIZE: u64 = 1 << 20;

/// Now, as events have it.
pub(crate) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Appends `event` to the log. That it could not be written is no reason for what was done to fail.
pub(crate) fn append(paths: &Paths, event: &Event) {
    let file = paths.events();
    let written = make_folder(&paths.runtime).and_then(|()| event.append(&file)).and_then(|()| put_aside(&file));
    if let Err(error) = written {
        tracing::warn!("writing to {}: {error}", file.display());
    }
}

/// Makes the runtime folder, which nobody else may look into.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn old(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

/// Puts the log aside when it has grown too long.
fn put_aside(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.len() < MAX_SIZE {
        return Ok(());
    }
    let file = File::open(path)?;
    if file.try_lock().is_err() {
        // Another one is at it.
        return Ok(());
    }
    // It may have been done between the opening and the lock.
    if fs::metadata(path)?.ino() == file.metadata()?.ino() {
        fs::rename(path, old(path))?;
    }
    Ok(())
}

/// What has happened since nanosecond `since`.
pub(crate) fn past(paths: &Paths, since: i64) -> io::Result<Vec<Event>> {
    let file = paths.events();
    let mut events = Log::open(&file, true)?.read(&file)?;
    events.retain(|event| event.time >= since);
    Ok(events)
}

/// What has happened since nanosecond `since`, then what happens.
pub(crate) fn follow(engine: Engine, since: Option<i64>) -> BoxStream<'static, Result<Event, Error>> {
    let stream = async_stream::try_stream! {
        let paths = engine.paths().clone();
        let failed = |source| Error::Io { doing: format!("following {}", paths.events().display()), source };
        make_folder(&paths.runtime).map_err(failed)?;
        let mut watch = Watch::new(&paths).map_err(failed)?;
        let mut log = Log::open(&paths.events(), since.is_some()).map_err(failed)?;
        let mut monitors = Monitors::default();
        for id in running(&paths) {
            monitors.watch(&engine, id);
        }
        loop {
            // Before reading: what is written in between wakes us.
            watch.renew(&paths).map_err(failed)?;
            for event in log.read(&paths.events()).map_err(failed)? {
                if let Some(id) = event.starts() {
                    monitors.watch(&engine, id);
                }
                if since.is_none_or(|since| event.time >= since) {
                    yield event;
                }
            }
            let (changed, unseen) = tokio::select! {
                changed = watch.changed() => (changed, None),
                unseen = monitors.next() => (Ok(()), unseen),
            };
            changed.map_err(failed)?;
            if let Some(event) = unseen {
                yield event;
            }
        }
    };
    stream.boxed()
}

/// The container that an event says has a monitor now.
trait Starts {
    fn starts(&self) -> Option<ContainerId>;
}

impl Starts for Event {
    fn starts(&self) -> Option<ContainerId> {
        let starts = self.kind == Kind::Container && matches!(self.action.as_str(), "init" | "start");
        if starts { self.id.parse().ok() } else { None }
    }
}

/// The containers that have a runtime folder.
pub(crate) fn running(paths: &Paths) -> Vec<ContainerId> {
    let entries = fs::read_dir(paths.bundles()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The log, as far as it was read.
struct Log {
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
    fn open(path: &Path, from_beginning: bool) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in [old(path), path.to_owned()] {
            if let Some(mut tail) = Tail::open(&path)? {
                if !from_beginning {
                    tail.file.seek(SeekFrom::End(0))?;
                }
                files.push(tail);
            }
        }
        Ok(Self { files })
    }

    /// What came since the last time.
    fn read(&mut self, path: &Path) -> io::Result<Vec<Event>> {
        let current = Tail::open(path)?;
        if let Some(current) = current
            && self.files.iter().all(|known| known.inode != current.inode)
        {
            self.files.push(current);
        }
        // The one that was put aside is still written to by those who opened it before; the one before it no more.
        let superfluous = self.files.len().saturating_sub(2);
        let mut events = Vec::new();
        for tail in &mut self.files {
            tail.read(&mut events)?;
        }
        self.files.drain(..superfluous);
        Ok(events)
    }
}

impl Tail {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { inode: file.metadata()?.ino(), file, rest: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        self.file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        // A line that is no event is not ours to stumble over.
        events.extend(whole.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
        Ok(())
    }
}

/// Tells when the log changes (inotify(7)).
struct Watch {
    inotify: AsyncFd<OwnedFd>,
    watched: Option<u64>,
}

impl Watch {
    fn new(paths: &Paths) -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&inotify, &paths.runtime, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO)?;
        let mut watch = Self { inotify: watch(inotify, Interest::READABLE)?, watched: None };
        watch.renew(paths)?;
        Ok(watch)
    }

    /// Watches the file that is there now. One that was put aside stays watched until it is gone.
    fn renew(&mut self, paths: &Paths) -> io::Result<()> {
        let path = paths.events();
        let Ok(found) = fs::metadata(&path) else { return Ok(()) };
        if self.watched == Some(found.ino()) {
            return Ok(());
        }
        match inotify::add_watch(self.inotify.get_ref(), &path, inotify::WatchFlags::MODIFY) {
            Ok(_) => self.watched = Some(found.ino()),
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn changed(&mut self) -> io::Result<()> {
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

/// The monitors of running containers: that one was killed is seen by nobody but those who watch its process.
#[derive(Default)]
struct Monitors {
    watches: JoinSet<(ContainerId, Option<Event>)>,
    watched: BTreeMap<ContainerId, Process>,
}

impl Monitors {
    fn watch(&mut self, engine: &Engine, id: ContainerId) {
        let Ok(seen) = Seen::look(engine.paths(), &id) else { return };
        let process = match seen.monitor {
            Monitor::Alive(process) if self.watched.get(&id) == Some(&process) => return,
            Monitor::Alive(process) => Some(process),
            Monitor::Gone => None,
            Monitor::Absent => return,
        };
        if let Some(process) = process {
            self.watched.insert(id, process);
        }
        let engine = engine.clone();
        self.watches.spawn(async move {
            if let Some(process) = process {
                end_of(process).await;
            }
            (id, unseen_end(&engine, id).await)
        });
    }

    /// An end that nobody but us has seen, and that nobody else will tell. Waits for ever when there is nothing to wait for.
    async fn next(&mut self) -> Option<Event> {
        match self.watches.join_next().await {
            Some(Ok((id, event))) => {
                self.watched.remove(&id);
                event
            }
            Some(Err(_)) => None,
            None => std::future::pending().await,
        }
    }
}

/// Waits until `process` is no more.
pub(crate) async fn end_of(process: Process) {
    let Some(pid) = Pid::from_raw(process.pid) else { return };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) else { return };
    // The number may be another process's by now: then the one that is meant is gone.
    if !process.is_alive() {
        return;
    }
    if let Ok(pidfd) = watch(pidfd, Interest::READABLE) {
        let _ = pidfd.readable().await;
    }
}

/// A monitor has ended. When it was killed: gives back what it held, which others hear of from the log. Where that cannot be done,
/// the event is made up.
async fn unseen_end(engine: &Engine, id: ContainerId) -> Option<Event> {
    let seen = Seen::look(engine.paths(), &id).ok()?;
    if seen.monitor != Monitor::Gone {
        return None;
    }
    match engine.containers().reap(&id).await {
        Ok(_) => None,
        Err(error) => {
            tracing::warn!("giving back what the killed monitor of {id} held: {error}");
            let record = engine.containers().record(&id).await.ok()?;
            Some(record.event("died", None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folder: &tempfile::TempDir) -> Paths {
        Paths { data: folder.path().join("data"), runtime: folder.path().join("run") }
    }

    fn event(time: i64) -> Event {
        Event {
            time,
            kind: Kind::Image,
            action: "pull".into(),
            id: "x".into(),
            name: "n".repeat(100),
            image: None,
            exit: None,
            labels: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn a_follower_hears_everything_in_order_while_the_log_is_put_aside_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(&folder);
        let engine = Engine::open(paths.clone(), None);
        let mut stream = engine.events(Some(0));
        let count = 25_000;
        // A log is kept until the next one is put aside: the writer is never more than that ahead.
        let (heard, hears) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            for time in 0..count {
                append(&paths, &event(time));
                if time % 1000 == 999 {
                    hears.recv().unwrap();
                }
            }
            assert!(old(&paths.events()).exists());
        });
        for time in 0..count {
            assert_eq!(stream.next().await.unwrap().unwrap().time, time);
            if time % 1000 == 998 {
                heard.send(()).unwrap();
            }
        }
        writer.join().unwrap();
    }

    #[tokio::test]
    async fn what_was_before_is_told_only_to_who_asks_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(&folder);
        let engine = Engine::open(paths.clone(), None);
        for time in [1, 2, 3] {
            append(&paths, &event(time));
        }
        let mut since = engine.events(Some(2));
        assert_eq!(since.next().await.unwrap().unwrap().time, 2);
        assert_eq!(since.next().await.unwrap().unwrap().time, 3);
        let mut new = engine.events(None);
        assert!(futures_util::poll!(new.next()).is_pending());
        append(&paths, &event(4));
        assert_eq!(new.next().await.unwrap().unwrap().time, 4);
        assert_eq!(since.next().await.unwrap().unwrap().time, 4);
    }
}
