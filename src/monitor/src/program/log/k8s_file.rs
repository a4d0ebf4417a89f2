// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A log file as Kubernetes' container runtimes write it: `TIME STREAM F|P TEXT` a line, `P` for text that no newline follows.
//!
//! What the disk does not take (it is full) is kept for when it does again, up to a bound; of what is more than that, a line says in its place
//! that there was some. The container does not wait for its log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Stream;
use crate::clock::{self, Stamp};

/// Lines are collected up to about so many bytes before they are written.
const BATCH: usize = 16 << 10;

/// So many bytes are kept of what the disk does not take.
const MOST_KEPT: usize = 256 << 10;

/// What is not in the file, in the order in which it comes.
#[derive(Debug)]
struct Missing {
    kept: Vec<u8>,
    /// How many lines came after those.
    lost: usize,
    why: String,
}

/// The file, and how long it is.
#[derive(Debug)]
pub struct K8sFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: Option<u64>,
    lines: Vec<u8>,
    stamp: Stamp,
    missing: Option<Missing>,
}

impl K8sFile {
    /// Opens the file at `path`, to go on at its end.
    pub fn open(path: &Path, max_size: Option<u64>) -> io::Result<Self> {
        let file = options().open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
            max_size,
            lines: Vec::new(),
            stamp: Stamp::default(),
            missing: None,
        })
    }

    /// Appends what the container wrote in one go, under one time.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let moment = clock::now();
        let stream = match stream {
            Stream::Stdout => " stdout ",
            Stream::Stderr => " stderr ",
        };
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, mark) = match line.strip_suffix(b"\n") {
                Some(text) => (text, "F "),
                None => (line, "P "),
            };
            self.stamp.write(moment, &mut self.lines);
            self.lines.extend_from_slice(stream.as_bytes());
            self.lines.extend_from_slice(mark.as_bytes());
            self.lines.extend_from_slice(text);
            self.lines.push(b'\n');
            if self.lines.len() >= BATCH {
                self.append();
            }
        }
        self.append();
        self.lines.shrink_to(BATCH);
    }

    /// The last chance of what the disk did not take.
    pub fn end(&mut self) {
        if self.missing.is_some() {
            self.append();
        }
    }

    /// Writes the collected lines, after those that are missing.
    fn append(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        match self.missing.take() {
            None => {
                if let Err(error) = self.put(&lines) {
                    self.missing = Some(Missing { kept: Vec::new(), lost: 0, why: error.to_string() }.and(&lines));
                }
            }
            Some(mut missing) => {
                let length = missing.kept.len();
                if missing.lost > 0 {
                    let said = format!(" stderr F haulout: {} lines are missing here: {}\n", missing.lost, missing.why);
                    self.stamp.write(clock::now(), &mut missing.kept);
                    missing.kept.extend_from_slice(said.as_bytes());
                }
                missing.kept.extend_from_slice(&lines);
                if self.put(&missing.kept).is_err() {
                    missing.kept.truncate(length);
                    self.missing = Some(missing.and(&lines));
                }
            }
        }
        lines.clear();
        self.lines = lines;
    }

    /// Writes whole lines, or nothing: never half a line is left that the next one would run into.
    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        let length = lines.len() as u64;
        if self.max_size.is_some_and(|max| self.size > 0 && self.size + length > max)
            && let Ok(file) = begin_anew(&self.path)
        {
            self.file = file;
            self.size = 0;
        }
        let written = self.file.write_all(lines);
        match written {
            Ok(()) => self.size += length,
            Err(_) => drop(self.file.set_len(self.size)),
        }
        written
    }
}

impl Missing {
    /// With the lines that come next.
    fn and(mut self, lines: &[u8]) -> Self {
        if self.lost == 0 && self.kept.len() + lines.len() <= MOST_KEPT {
            self.kept.extend_from_slice(lines);
        } else {
            self.lost += lines.split_inclusive(|byte| *byte == b'\n').count();
        }
        self
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options
}

/// An empty file in the place of the old one. A reader of the old one still has it, and sees that the path leads elsewhere.
fn begin_anew(path: &Path) -> io::Result<File> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = options().create_new(true).open(&temporary)?;
    fs::rename(&temporary, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines without their times.
    fn lines(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn text_that_no_newline_follows_is_marked_and_its_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        let mut log = K8sFile::open(&path, None).unwrap();
        log.write(Stream::Stdout, b"abc");
        log.write(Stream::Stdout, b"def\n\nghi");
        log.write(Stream::Stderr, b"err\n");
        assert_eq!(lines(&path), ["stdout P abc", "stdout F def", "stdout F ", "stdout P ghi", "stderr F err"]);
    }

    #[test]
    fn a_log_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        K8sFile::open(&path, None).unwrap().write(Stream::Stdout, b"one\n");
        K8sFile::open(&path, None).unwrap().write(Stream::Stdout, b"two\n");
        assert_eq!(lines(&path), ["stdout F one", "stdout F two"]);
    }

    #[test]
    fn what_a_full_disk_does_not_take_comes_later_or_is_said_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        let mut log = K8sFile::open(&path, None).unwrap();
        log.write(Stream::Stdout, b"before\n");
        let disk = std::mem::replace(&mut log.file, File::options().append(true).open("/dev/full").unwrap());
        log.write(Stream::Stdout, b"kept\n");
        log.write(Stream::Stderr, b"kept too\n");
        let full = std::mem::replace(&mut log.file, disk);
        log.write(Stream::Stdout, b"after\n");
        assert_eq!(lines(&path), ["stdout F before", "stdout F kept", "stderr F kept too", "stdout F after"]);
        let disk = std::mem::replace(&mut log.file, full);
        let long = format!("{}\n", "x".repeat(1000));
        for _ in 0..1000 {
            log.write(Stream::Stdout, long.as_bytes());
        }
        assert!(log.missing.as_ref().unwrap().kept.len() <= MOST_KEPT);
        log.file = disk;
        log.end();
        let found = lines(&path);
        let kept = found.iter().filter(|line| line.len() > 1000).count();
        let said =
            format!("stderr F haulout: {} lines are missing here: No space left on device (os error 28)", 1000 - kept);
        assert_eq!(found.last(), Some(&said));
        assert!(kept > 200, "{kept}");
    }

    #[test]
    fn a_log_past_its_size_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        let mut log = K8sFile::open(&path, Some(200)).unwrap();
        for number in 0..10 {
            log.write(Stream::Stdout, format!("line {number}\n").as_bytes());
        }
        let left = lines(&path);
        assert!(fs::metadata(&path).unwrap().len() <= 200, "{left:?}");
        assert_eq!(left.last().unwrap(), "stdout F line 9");
    }

    #[test]
    fn many_short_lines_come_whole_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctr.log");
        let numbers: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
        let text = numbers.join("\n") + "\n";
        K8sFile::open(&path, None).unwrap().write(Stream::Stdout, text.as_bytes());
        let expected: Vec<_> = (0..5000).map(|number| format!("stdout F {number}")).collect();
        assert_eq!(lines(&path), expected);
    }
}
