// SPDX-License-Identifier: Apache-2.0 OR MIT
//! systemd's journal, with the fields that Podman's containers have.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use haulout_monitor::config::Config;
use haulout_monitor::journal::{SOCKET, connect, field};

use super::Stream;

/// A line longer than this is sent in parts.
const MAX_LINE: usize = 8 << 10;

/// The journal, and what it has not yet got.
#[derive(Debug)]
pub struct Journal {
    socket: Option<OwnedFd>,
    /// The fields that every entry has.
    fields: Vec<u8>,
    /// Begun lines of standard output and standard error.
    begun: [Vec<u8>; 2],
    /// Entries that the journal was too busy for.
    waiting: VecDeque<Vec<u8>>,
}

impl Journal {
    /// The journal, if it is there; else it is looked for again with every line.
    pub fn open(config: &Config, tag: Option<&str>) -> Self {
        let mut fields = Vec::new();
        let short = config.id.get(..12).unwrap_or(&config.id);
        field(&mut fields, "CONTAINER_ID", short.as_bytes());
        field(&mut fields, "CONTAINER_ID_FULL", config.id.as_bytes());
        field(&mut fields, "CONTAINER_NAME", config.name.as_bytes());
        field(&mut fields, "IMAGE_NAME", config.image.as_bytes());
        if let Some(tag) = tag {
            field(&mut fields, "CONTAINER_TAG", tag.as_bytes());
        }
        field(&mut fields, "SYSLOG_IDENTIFIER", tag.unwrap_or(&config.name).as_bytes());
        Self { socket: open(), fields, begun: [Vec::new(), Vec::new()], waiting: VecDeque::new() }
    }

    /// Sends the lines that are whole, and keeps the rest for the next time.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.begun[stream as usize]);
            let mut rest = part.strip_suffix(b"\n").unwrap_or(part);
            while line.len() + rest.len() > MAX_LINE {
                let (head, tail) = rest.split_at(MAX_LINE - line.len());
                line.extend_from_slice(head);
                self.entry(stream, &line, true);
                line.clear();
                rest = tail;
            }
            line.extend_from_slice(rest);
            if part.ends_with(b"\n") {
                self.entry(stream, &line, false);
            } else {
                self.begun[stream as usize] = line;
            }
        }
    }

    /// Sends lines that were begun and will not be ended.
    pub fn end(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = std::mem::take(&mut self.begun[stream as usize]);
            if !line.is_empty() {
                self.entry(stream, &line, false);
            }
        }
    }

    /// The socket, while it takes no more.
    pub fn blocked(&self) -> Option<BorrowedFd<'_>> {
        let socket = self.socket.as_ref()?;
        (!self.waiting.is_empty()).then(|| socket.as_fd())
    }

    /// Sends what is waiting, as far as the journal takes it.
    pub fn flush(&mut self) {
        while let Some(entry) = self.waiting.pop_front() {
            if !self.send(&entry) {
                self.waiting.push_front(entry);
                return;
            }
        }
    }

    fn entry(&mut self, stream: Stream, line: &[u8], partial: bool) {
        let mut entry = Vec::with_capacity(line.len() + self.fields.len() + 96);
        field(&mut entry, "MESSAGE", line);
        let priority: &[u8] = if stream == Stream::Stdout { b"6" } else { b"3" };
        field(&mut entry, "PRIORITY", priority);
        if partial {
            field(&mut entry, "CONTAINER_PARTIAL_MESSAGE", b"true");
        }
        entry.extend_from_slice(&self.fields);
        self.flush();
        if !self.waiting.is_empty() || !self.send(&entry) {
            self.waiting.push_back(entry);
        }
    }

    /// Whether the entry is gone: sent, or lost because there is no journal to send it to.
    fn send(&mut self, entry: &[u8]) -> bool {
        // Once more with a new socket: the journal may have been restarted.
        for _ in 0..2 {
            if self.socket.is_none() {
                self.socket = open();
            }
            let Some(socket) = &self.socket else { return true };
            match haulout_monitor::journal::send(socket.as_fd(), entry) {
                Ok(()) => return true,
                Err(error) if is_busy(&error) => return false,
                Err(_) => self.socket = None,
            }
        }
        true
    }
}

fn open() -> Option<OwnedFd> {
    connect(Path::new(SOCKET)).ok()
}

fn is_busy(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}
