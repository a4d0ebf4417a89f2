// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened: one JSON object a line, appended to `$XDG_RUNTIME_DIR/haulout/events` by whoever did it.
//!
//! The type is the monitor's library's, since monitors append too. When the file has grown, it is renamed to
//! `events.old`, and a follower goes on with the next one. With `events_logger = "journald"` the journal is told as well, and asked
//! for what was before the log begins: the log goes at logout, and its beginning when it has grown.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use futures_util::stream::{BoxStream, StreamExt as _};
use haulout_monitor::process::Process;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;

use haulout_monitor::event::file::make;
pub use haulout_monitor::event::{Event, Health, Kind};

use crate::container::ContainerId;
use crate::descriptor::watch;
use crate::engine::{Engine, Error};
use crate::paths::Paths;

mod journal;
mod log;
mod monitors;

use log::{Log, Watch};
use monitors::Monitors;

/// Now, as events have it.
pub(crate) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Tells of `event`. That it could not be told is no reason for what was done to fail.
pub(crate) fn append(paths: &Paths, event: &Event) {
    let log = paths.events();
    let written = make_folder(&paths.runtime).and_then(|()| log.append(event));
    if let Err(error) = written {
        tracing::warn!("telling of an event in {}: {error}", log.file.display());
    }
}

/// Makes the runtime folder, which nobody else may look into.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// What has happened since nanosecond `since`.
pub(crate) async fn past(paths: &Paths, since: i64) -> Result<Vec<Event>, Error> {
    let log = paths.events();
    let file = log.file.clone();
    let read = tokio::task::spawn_blocking(move || Log::open(&file, true)?.read(&file));
    let read = read.await.map_err(|_| Error::Cancelled("reading the events"))?;
    let newer = read.map_err(|source| Error::Io { doing: format!("reading {}", log.file.display()), source })?;
    let mut events = before(log.journal, since, newer.first()).await?;
    events.extend(newer);
    events.retain(|event| event.time >= since);
    Ok(events)
}

/// What the journal knows that was before the log's `first`, if the journal is told.
async fn before(journal: bool, since: i64, first: Option<&Event>) -> Result<Vec<Event>, Error> {
    let until = first.map(|event| event.time);
    if !journal || until.is_some_and(|until| until <= since) {
        return Ok(Vec::new());
    }
    journal::past(since, until).await
}

/// What has happened since nanosecond `since`, then what happens.
pub(crate) fn follow(engine: Engine, since: Option<i64>) -> BoxStream<'static, Result<Event, Error>> {
    let stream = async_stream::try_stream! {
        let paths = engine.paths().clone();
        let log = paths.events();
        let path = &log.file;
        let failed = |source| Error::Io { doing: format!("following {}", path.display()), source };
        make_folder(&paths.runtime).and_then(|()| make(path)).map_err(failed)?;
        let mut watch = Watch::new(path).map_err(failed)?;
        let mut lines = Log::open(path, since.is_some()).map_err(failed)?;
        let mut monitors = Monitors::default();
        for id in running(&paths) {
            monitors.watch(&engine, id);
        }
        let mut heard = lines.read(path).map_err(failed)?;
        if let Some(since) = since {
            let older = before(log.journal, since, heard.first()).await?;
            heard.splice(..0, older);
        }
        loop {
            for event in heard {
                if let Some(id) = event.starts() {
                    monitors.watch(&engine, id);
                }
                if since.is_none_or(|since| event.time >= since) {
                    yield event;
                }
            }
            // Before reading: what is written in between wakes us.
            watch.renew(path).map_err(failed)?;
            heard = lines.read(path).map_err(failed)?;
            if !heard.is_empty() {
                continue;
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

#[cfg(test)]
mod tests {
    use haulout_monitor::event::file::old;

    use super::*;

    fn paths(folder: &tempfile::TempDir) -> Paths {
        Paths::at(folder.path().join("data"), folder.path().join("run"))
    }

    fn event(time: i64) -> Event {
        Event { id: "x".into(), name: "n".repeat(100), ..Event::of(Kind::Image, "pull", time) }
    }

    /// Has two write `count` events each as fast as they can, while a follower reads.
    async fn follow_two_writers(paths: Paths, count: i64) {
        let engine = Engine::open(paths.clone(), None);
        let mut stream = engine.events(Some(0));
        assert!(futures_util::poll!(stream.next()).is_pending());
        let (stream_paths, log) = (paths.clone(), paths.events());
        let writers = [0, 1].map(|writer| {
            let paths = stream_paths.clone();
            std::thread::spawn(move || {
                for time in 0..count {
                    append(&paths, &event(time * 2 + writer));
                }
            })
        });
        let mut next = [0, 1];
        for _ in 0..count * 2 {
            let time = stream.next().await.unwrap().unwrap().time;
            let writer = usize::try_from(time % 2).unwrap();
            assert_eq!(time, next[writer]);
            next[writer] += 2;
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert!(old(&log.file).exists());
        // What is left when nobody follows any longer is put aside again.
        drop(stream);
        let most = log.max_size.unwrap();
        for time in 0..i64::try_from(most / 100).unwrap() + 2 {
            append(&paths, &event(time));
        }
        assert!(fs::metadata(&log.file).map_or(0, |file| file.len()) < most);
    }

    #[tokio::test]
    async fn a_follower_hears_everything_in_order_while_the_log_is_put_aside_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        follow_two_writers(paths(&folder), 10_000).await;
        let folder = tempfile::tempdir().unwrap();
        let mut short = paths(&folder);
        short.elsewhere.events.max_size = Some(1000);
        follow_two_writers(short, 10_000).await;
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
