// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's log.

mod journal;
mod k8s_file;

use std::io;
use std::os::fd::BorrowedFd;

use haulout_monitor::config::{self, Config};

use journal::Journal;
use k8s_file::K8sFile;

/// Which of its two outputs a container wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a container's output goes, whoever else reads it.
#[derive(Debug)]
pub enum Log {
    /// A file.
    File(K8sFile),
    /// systemd's journal.
    Journal(Journal),
    /// Nowhere.
    None,
}

impl Log {
    /// Opens what `config` asks for.
    ///
    /// # Errors
    /// When the file cannot be made; the journal need not be there yet.
    pub fn open(config: &Config) -> io::Result<Self> {
        Ok(match &config.log {
            config::Log::K8sFile { path, max_size } => Self::File(K8sFile::open(path, *max_size)?),
            config::Log::Journald { tag } => Self::Journal(Journal::open(config, tag.as_deref())),
            config::Log::None | config::Log::Passthrough => Self::None,
        })
    }

    /// Takes what the container wrote.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        match self {
            Self::File(file) => file.write(stream, bytes),
            Self::Journal(journal) => journal.write(stream, bytes),
            Self::None => {}
        }
    }

    /// What to wait for until more can be taken; nothing when it can be now.
    pub fn blocked(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Journal(journal) => journal.blocked(),
            Self::File(_) | Self::None => None,
        }
    }

    /// Passes on what was held back.
    pub fn flush(&mut self) {
        if let Self::Journal(journal) = self {
            journal.flush();
        }
    }

    /// The container ended: a line that was begun is a line.
    pub fn end(&mut self) {
        match self {
            Self::Journal(journal) => journal.end(),
            Self::File(file) => file.end(),
            Self::None => {}
        }
    }
}
