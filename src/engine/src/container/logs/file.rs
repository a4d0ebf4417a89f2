// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The log file: `TIME stdout|stderr F|P TEXT` a line, as Kubernetes' container runtimes write it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use futures_util::stream::{BoxStream, StreamExt as _};
use haulout_monitor::process::Process;
use rustix::fs::inotify;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::container::status::{Monitor, Seen};
use crate::container::{ContainerId, Containers, LogLine, LogOptions};
use crate::descriptor::watch;
use crate::engine::Error;
use crate::event;

/// So much is read at once.
const CHUNK: usize = 256 << 10;

/// Going backwards, so much at a time.
const BLOCK: u64 = 64 << 10;

pub(super) fn lines(
    containers: Containers,
    id: ContainerId,
    path: PathBuf,
    options: LogOptions,
) -> BoxStream<'static, Result<LogLine, Error>> {
    let stream = async_stream::try_stream! {
        let paths = containers.engine.paths().clone();
        let folder = path.parent().unwrap_or(&path).to_owned();
        let doing = format!("reading {}", path.display());
        let failed = |source| Error::Io { doing: doing.clone(), source };
        let mut watch = if options.follow { Some(Watch::new().map_err(failed)?) } else { None };
        // Looked at before the log: what a container writes before its end is there when its monitor is gone.
        let mut monitor = alive(&paths, &id).map_err(failed)?;
        let mut log = Log::open(&path).map_err(failed)?;
        if let (Some(log), Some(tail)) = (&mut log, options.tail) {
            log.skip_to_tail(tail).map_err(failed)?;
        }
        loop {
            if let Some(watch) = &watch {
                // One that is about to start has no log yet.
                watch.add(if log.is_some() { &path } else { &folder }).map_err(failed)?;
            }
            while let Some(current) = &mut log {
                let (lines, more) = current.read().map_err(failed)?;
                for line in lines {
                    yield line;
                }
                if !more {
                    break;
                }
            }
            if log.as_ref().is_none_or(|log| log.was_replaced(&path)) {
                let next = Log::open(&path).map_err(failed)?;
                if next.is_some() {
                    log = next;
                    continue;
                }
            }
            let (Some(watch), Some(process)) = (&mut watch, monitor) else { break };
            let changed = tokio::select! {
                changed = watch.changed() => changed,
                () = event::end_of(process) => {
                    monitor = None;
                    Ok(())
                }
            };
            changed.map_err(failed)?;
        }
    };
    stream.boxed()
}

/// The monitor, as long as there is one.
fn alive(paths: &crate::paths::Paths, id: &ContainerId) -> io::Result<Option<Process>> {
    Ok(match Seen::look(paths, id)?.monitor {
        Monitor::Alive(process) => Some(process),
        Monitor::Gone | Monitor::Absent => None,
    })
}

/// The file, as far as it was read.
struct Log {
    file: File,
    inode: u64,
    /// The beginning of a line whose end is not here yet.
    rest: Vec<u8>,
}

impl Log {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { inode: file.metadata()?.ino(), file, rest: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether another file is at its place: the log was begun anew.
    fn was_replaced(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|there| there.ino() != self.inode)
    }

    /// The next lines, and whether there may be more.
    fn read(&mut self) -> io::Result<(Vec<LogLine>, bool)> {
        let before = self.rest.len();
        let count = (&mut self.file).take(CHUNK as u64).read_to_end(&mut self.rest)?;
        let Some(end) = self.rest[before..].iter().rposition(|byte| *byte == b'\n') else {
            return Ok((Vec::new(), count > 0));
        };
        let rest = self.rest.split_off(before + end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let lines = whole.split_inclusive(|byte| *byte == b'\n').filter_map(parse).collect();
        Ok((lines, count > 0))
    }

    /// Moves to where the last `count` lines begin, reading no more of the file than those. Text that no newline follows belongs
    /// to the line that it begins.
    fn skip_to_tail(&mut self, count: usize) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let mut at = length;
        // From the last line's end backwards: ends of whole lines that were met.
        let mut ends = 0;
        let mut later: Vec<u8> = Vec::new();
        while at > 0 {
            let size = BLOCK.min(at);
            at -= size;
            let mut block = vec![0; usize::try_from(size).unwrap_or_default()];
            self.file.read_exact_at(&mut block, at)?;
            block.append(&mut later);
            // The block's first line may begin in the one before.
            let first = if at == 0 {
                0
            } else {
                block.iter().position(|byte| *byte == b'\n').map_or(block.len(), |newline| newline + 1)
            };
            let mut end = block.len();
            while end > first {
                let start = block[first..end - 1]
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(first, |newline| first + newline + 1);
                let is_last = at + end as u64 == length;
                if ends_line(&block[start..end]) || is_last {
                    if ends == count {
                        return self.file.seek(SeekFrom::Start(at + end as u64)).map(drop);
                    }
                    ends += 1;
                }
                end = start;
            }
            later = block[..first].to_vec();
        }
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }
}

/// Whether a newline followed its text.
fn ends_line(line: &[u8]) -> bool {
    line.split(|byte| *byte == b' ').nth(2).is_some_and(|mark| mark.starts_with(b"F"))
}

/// One line of the file. What is none (a disk was full) is passed over.
fn parse(line: &[u8]) -> Option<LogLine> {
    let line = line.strip_suffix(b"\n")?;
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, mark, text) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let time: jiff::Timestamp = std::str::from_utf8(time).ok()?.parse().ok()?;
    Some(LogLine {
        time: i64::try_from(time.as_nanosecond()).ok()?,
        stderr: stream == b"stderr",
        text: text.to_vec(),
        partial: mark == b"P",
    })
}

/// Tells when the file changes.
struct Watch {
    inotify: AsyncFd<OwnedFd>,
}

impl Watch {
    fn new() -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Self { inotify: watch(inotify, Interest::READABLE)? })
    }

    /// Adding the one that is watched already changes nothing. A file that is begun anew takes the link of the old one: an attribute.
    fn add(&self, path: &Path) -> io::Result<()> {
        let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::ATTRIB | inotify::WatchFlags::CREATE;
        match inotify::add_watch(self.inotify.get_ref(), path, what) {
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, lines: &[(&str, &str, &str)]) {
        let text: Vec<String> = lines
            .iter()
            .map(|(stream, mark, text)| format!("2026-11-24T22:00:00.000000001+01:00 {stream} {mark} {text}\n"))
            .collect();
        fs::write(path, text.concat()).unwrap();
    }

    fn tail(path: &Path, count: usize) -> Vec<String> {
        let mut log = Log::open(path).unwrap().unwrap();
        log.skip_to_tail(count).unwrap();
        let mut texts = Vec::new();
        loop {
            let (lines, more) = log.read().unwrap();
            texts.extend(lines.into_iter().map(|line| String::from_utf8(line.text).unwrap()));
            if !more {
                return texts;
            }
        }
    }

    #[test]
    fn a_line_is_read_with_its_time_and_stream() {
        let line = parse(b"1970-01-01T01:00:01.5+01:00 stderr P a  b\n").unwrap();
        assert_eq!(line, LogLine { time: 1_500_000_000, stderr: true, text: b"a  b".to_vec(), partial: true });
        assert_eq!(parse(b"1970-01-01T00:00:00Z stdout F \n").unwrap().text, b"");
        assert!(parse(b"nonsense\n").is_none() && parse(b"1970-01-01T00:00:00Z stdout F cut").is_none());
    }

    #[test]
    fn the_last_lines_are_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        write(&path, &[("stdout", "F", "1"), ("stdout", "P", "2a"), ("stdout", "F", "2b"), ("stderr", "F", "3")]);
        assert_eq!(tail(&path, 0), Vec::<String>::new());
        assert_eq!(tail(&path, 1), ["3"]);
        assert_eq!(tail(&path, 2), ["2a", "2b", "3"]);
        assert_eq!(tail(&path, 9), ["1", "2a", "2b", "3"]);
        write(&path, &[("stdout", "F", "1"), ("stdout", "P", "prompt> ")]);
        assert_eq!(tail(&path, 1), ["prompt> "]);
    }

    #[test]
    fn the_last_lines_of_a_long_log_are_found_across_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        let texts: Vec<String> = (0..5000).map(|number| format!("{number} {}", "x".repeat(number % 997))).collect();
        let lines: Vec<_> = texts.iter().map(|text| ("stdout", "F", text.as_str())).collect();
        write(&path, &lines);
        for count in [1, 10, 100, 1234, 4999, 5000] {
            assert_eq!(tail(&path, count), texts[5000 - count..], "{count}");
        }
        let long = "y".repeat(300_000);
        write(&path, &[("stdout", "F", "1"), ("stdout", "F", &long), ("stdout", "F", "3")]);
        assert_eq!(tail(&path, 2), [long, "3".to_owned()]);
    }

    #[test]
    fn whatever_is_in_a_log_its_lines_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        haulout_fuzz::feed("log", |bytes| {
            bytes.split(|byte| *byte == b'\n').for_each(|line| drop(parse(line)));
            fs::write(&path, bytes).unwrap();
            let mut log = Log::open(&path).unwrap().unwrap();
            log.skip_to_tail(3).unwrap();
            log.read().unwrap();
        });
    }
}
