// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the container writes: its two pipes, or its terminal's master.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haulout_monitor::frame::Kind;
use rustix::io::Errno;

use crate::log::Stream;

/// One of the container's outputs, read without waiting.
#[derive(Debug)]
pub struct Output {
    source: OwnedFd,
    stream: Stream,
    /// Nothing more will come from it.
    pub ended: bool,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// None now.
    Nothing,
    /// No more will come.
    End,
}

impl Output {
    /// The output that comes from `source`, which is non-blocking.
    pub fn of(source: OwnedFd, stream: Stream) -> Self {
        Self { source, stream, ended: false }
    }

    /// Which it is.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// The kind of frame that carries it.
    pub fn kind(&self) -> Kind {
        match self.stream {
            Stream::Stdout => Kind::Stdout,
            Stream::Stderr => Kind::Stderr,
        }
    }

    /// Reads what there is.
    pub fn read(&self, buffer: &mut [u8]) -> Read {
        match rustix::io::read(&self.source, buffer) {
            Ok(0) => Read::End,
            Ok(length) => Read::Bytes(length),
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            // A terminal that nobody has open any more answers EIO.
            Err(_) => Read::End,
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}
