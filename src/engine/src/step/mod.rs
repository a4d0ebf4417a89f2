// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps: the work that has to happen inside the user namespace, as plain data and descriptors.
//!
//! A single-threaded zygote forks one child a step; the child joins the user namespace and does it. Dropping the
//! future of [`Steps::run`] kills the child.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// One piece of work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Makes the user namespace and the process that holds it. Answer: [`Answer::Pid`] (the anchor's).
    Anchor,
    /// Unpacks a layer's tar (descriptor 0, read to its end) into the empty folder `into`. Answer: [`Answer::Unpacked`].
    Unpack {
        /// The folder.
        into: PathBuf,
        /// How the stream is packed.
        compression: Compression,
    },
    /// Removes a folder and everything in it, whoever owns it; it need not be there. Answer: [`Answer::Done`].
    Remove {
        /// The folder.
        path: PathBuf,
    },
    /// Becomes the monitor of a container. Answer: [`Answer::Pid`] (the monitor's, at once, before it mounts anything).
    /// Descriptor 0 is its starter socket.
    Start(Box<crate::container::start::Plan>),
    /// Ends what a killed monitor left: kills the container's cgroup or process, removes the runtime's state.
    Reap(crate::container::start::Remains),
}

/// How a layer's tar is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, possibly several members.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// What a step came to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// A process was started.
    Pid(i32),
    /// A layer is unpacked (not yet synced).
    Unpacked {
        /// The digest of the tar that came out.
        diff_id: Digest,
        /// The bytes of that tar.
        tar_size: u64,
        /// The bytes of the files unpacked.
        size: u64,
        /// How many files there are.
        entries: u64,
    },
    /// It failed, and this is why.
    Failed(String),
}

/// The way to a zygote. Clones share it.
#[derive(Clone, Debug)]
pub struct Steps {}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The zygote (or the worker) is gone.
    #[error("the process that enters the user namespace is gone")]
    Gone,
    /// The step itself failed; the words are its own.
    #[error("{0}")]
    Failed(String),
    /// The socket.
    #[error("speaking to the process that enters the user namespace")]
    Io(#[from] std::io::Error),
}

impl Steps {
    /// Forks a zygote. To be called before the process has a second thread.
    pub fn fork() -> Result<Self, StepError> {
        todo!()
    }

    /// The near end of a worker's socket (`haulout worker`, the same zygote behind a socket pair).
    pub fn over(socket: OwnedFd) -> Self {
        let _ = socket;
        todo!()
    }

    /// Does `step` with `descriptors`; dropping the future kills the child that does it.
    pub async fn run(&self, step: &Step, descriptors: &[OwnedFd]) -> Result<Answer, StepError> {
        let _ = (step, descriptors);
        todo!()
    }
}
