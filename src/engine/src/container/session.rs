// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A conversation with a process in a container: what `attach`, a foreground `run` and `exec` share.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use haulout_monitor::last_run::Exit;
use tokio::sync::mpsc;

use crate::engine::Error;

/// What is to run in a running container.
#[derive(Debug, Default)]
pub struct Exec {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// `-e`, over the container's own.
    pub env: Vec<(String, String)>,
    /// `-u`; the container's own when nothing.
    pub user: Option<String>,
    /// `-w`; the container's own when nothing.
    pub workdir: Option<String>,
    /// `-t`.
    pub terminal: bool,
    /// The terminal's size: columns, rows.
    pub size: Option<(u16, u16)>,
    /// `--privileged`.
    pub privileged: bool,
    /// `-i`: keep standard input.
    pub interactive: bool,
    /// Without a terminal: give the process these as its standard input, output and error instead of carrying the
    /// bytes in the session.
    pub stdio: Option<[OwnedFd; 3]>,
    /// Do not stay: the session ends when the process has started.
    pub detach: bool,
}

/// Something that came from the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// It runs; its pid as the host sees it.
    Started(i32),
    /// Bytes of its standard output (of everything when it has a terminal).
    Stdout(Bytes),
    /// Bytes of its standard error.
    Stderr(Bytes),
    /// It ended; nothing comes after. All output came before.
    Exited(Exit),
}

/// Bytes to and from a process. Dropping it detaches; it does not end the process.
#[derive(Debug)]
pub struct Session {
    output: mpsc::Receiver<Result<Output, Error>>,
    input: Input,
}

/// The way to the process. Clones share it.
#[derive(Clone, Debug)]
pub struct Input {
    requests: mpsc::Sender<Request>,
}

/// What goes to the process.
#[derive(Debug)]
pub(crate) enum Request {
    /// Bytes for its standard input.
    Bytes(Bytes),
    /// No more input.
    Close,
    /// The terminal's size.
    Resize(u16, u16),
}

impl Session {
    /// A session whose two ways are channels that a task of its own serves.
    pub(crate) fn new(output: mpsc::Receiver<Result<Output, Error>>, requests: mpsc::Sender<Request>) -> Self {
        Self { output, input: Input { requests } }
    }

    /// What comes next; nothing when the other side has gone (after `Exited`, or when the monitor was killed).
    pub async fn next(&mut self) -> Option<Result<Output, Error>> {
        self.output.recv().await
    }

    /// The way to the process.
    pub fn input(&self) -> Input {
        self.input.clone()
    }
}

impl Input {
    /// Sends bytes to its standard input. `false` when it is gone.
    pub async fn send(&self, bytes: Bytes) -> bool {
        self.requests.send(Request::Bytes(bytes)).await.is_ok()
    }

    /// Closes its standard input.
    pub async fn close(&self) -> bool {
        self.requests.send(Request::Close).await.is_ok()
    }

    /// Tells the terminal's size.
    pub async fn resize(&self, columns: u16, rows: u16) -> bool {
        self.requests.send(Request::Resize(columns, rows)).await.is_ok()
    }
}
