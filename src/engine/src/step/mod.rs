// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps: the work that has to happen inside the user namespace, as plain data and descriptors.
//!
//! A single-threaded zygote forks one child a step; the child joins the user namespace and does it. Dropping the
//! future of [`Steps::run`] kills the child.

mod apart;
mod child;
pub(crate) mod fork;
mod reap;
pub(crate) mod remove;
mod wire;
mod zygote;

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;

use crate::descriptor;
use crate::digest::Digest;
use crate::store::unpack::Limits;
use fork::Fork;

/// One piece of work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Makes the user namespace and the process that holds it. Answer: [`Answer::Anchor`].
    Anchor,
    /// Unpacks a layer's tar (descriptor 0, read to its end) into the empty folder `into`. Answer: [`Answer::Unpacked`].
    Unpack {
        /// The folder.
        into: PathBuf,
        /// How the stream is packed.
        compression: Compression,
        /// So many bytes of it are the layer, if it does not end with that.
        length: Option<u64>,
        /// What it may not exceed.
        limits: Limits,
    },
    /// Writes a layer's tar, put together again, to descriptor 0; descriptor 1, if there is one, is the layer's folder, which may have
    /// another name by now. Answer: [`Answer::Done`].
    Pack {
        /// The layer's folder: `layers/<diffID>`, or where another store has it.
        layer: PathBuf,
        /// What was kept of its tar.
        parts: PathBuf,
        /// What the tar has to hash to.
        diff_id: Digest,
    },
    /// Removes a folder and everything in it, whoever owns it; it need not be there. Answer: [`Answer::Done`].
    Remove {
        /// The folder.
        path: PathBuf,
    },
    /// Gives a folder, and nothing in it, to a user or a group of the namespace. Answer: [`Answer::Done`].
    Own {
        /// The folder.
        path: PathBuf,
        /// Whom.
        uid: Option<u32>,
        /// To which group.
        gid: Option<u32>,
    },
    /// Copies what layers show together, and syncs it. Descriptor 0 is held until that is done; those after it, if there are any, are the
    /// folders that the folders of `lower` are in, one each: they may have other names by now. Answer: [`Answer::Done`].
    Flatten {
        /// The layers' folders, the uppermost first.
        lower: Vec<PathBuf>,
        /// The folder that the copy shall be, which is made.
        into: PathBuf,
    },
    /// Makes an image's files with other owners. Answer: [`Answer::Done`].
    Map(Box<crate::store::mapped::Wanted>),
    /// Fills new volumes from a container's root filesystem. Answer: [`Answer::Done`].
    Fill(Box<crate::container::start::Filling>),
    /// Becomes the monitor of a container. Answer: [`Answer::Pid`] (the monitor's, at once, before it mounts anything).
    /// Descriptor 0 is its starter socket; descriptor 1 the container's lock, which is held until the monitor has taken over.
    Start(Box<crate::container::start::Plan>),
    /// Copies files between the host, containers and tars. Descriptor 0 is the tar, when there is one. Answer: [`Answer::Done`].
    Copy(Box<crate::container::copy::Job>),
    /// Writes a container's files to descriptor 0 as a tar, without what is mounted in it. Answer: [`Answer::Done`].
    Export(crate::container::files::Place),
    /// Writes what a container changed to descriptor 0 as the tar of a layer. Answer: [`Answer::Done`].
    Commit {
        /// Its root filesystem.
        root: Box<crate::container::start::Root>,
        /// Its user namespace's map, if it has one of its own.
        mapping: Option<crate::userns::modes::Mapping>,
    },
    /// Writes what a container changed to descriptor 0 as a list (see [`crate::container::changes`]). Answer: [`Answer::Done`].
    Changes {
        /// The upper folder of its overlay; it need not be there.
        upper: PathBuf,
        /// Its layers, the uppermost first.
        lower: Vec<PathBuf>,
    },
    /// Writes what is other in one root than in another to descriptor 0, as [`Self::Changes`] does. Answer: [`Answer::Done`].
    Compare {
        /// The folders that are the one, the uppermost first.
        ours: Vec<PathBuf>,
        /// Those that are the other.
        theirs: Vec<PathBuf>,
    },
    /// Ends what a killed monitor left: kills the container's cgroup or process, removes the runtime's state.
    Reap(crate::container::start::Remains),
}

impl Step {
    /// Where programs mount something for it (`mount_program`), which they would go on with: see [`apart`].
    fn mounted_by_programs(&self) -> Vec<PathBuf> {
        match self {
            Self::Copy(job) => job.mounted_by_programs().map(Path::to_owned).collect(),
            Self::Export(place) => place.mounted_by_program().map(Path::to_owned).into_iter().collect(),
            Self::Fill(filling) if filling.root.mounting.program.is_some() => vec![filling.root.target.clone()],
            _ => Vec::new(),
        }
    }

    /// The process whose user namespace it is done in, if that is not the anchor's.
    fn lives_with(&self) -> Option<haulout_monitor::process::Process> {
        match self {
            Self::Copy(job) => job.lives_with(),
            Self::Export(place) => place.monitor(),
            _ => None,
        }
    }
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
    /// There is a user namespace.
    Anchor {
        /// The process that holds it; 0 when none is needed (root).
        pid: i32,
        /// Whether it was made just now: then it wants a scope of its own.
        made: bool,
        /// What is to be told to the user, once.
        warning: Option<String>,
    },
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
    /// The container whose files were wanted ended before anything was read or written.
    Ended,
    /// It failed, and this is why.
    Failed(String),
}

/// Why the child could not do a step.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The container whose files were wanted has ended; nothing was read or written.
    Ended,
    /// Anything else, in words.
    Words(String),
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<&str> for Failure {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ended => Self::Ended,
            Failure::Words(words) => Self::Failed(words),
        }
    }
}

/// How long is waited for a zygote that was told to end.
const ENDING: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The way to a zygote. Clones share it; the zygote ends with the last of them.
#[derive(Clone, Debug)]
pub struct Steps {
    socket: Arc<OwnedFd>,
    anchor: Arc<PathBuf>,
    /// The zygote, where it is a child of this process.
    child: Option<Arc<fork::Child>>,
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The zygote (or the worker) is gone, or the child that did the step was killed.
    #[error("the process that enters the user namespace is gone")]
    Gone,
    /// The container whose files were wanted ended before anything was read or written: they are elsewhere now.
    #[error("the container has just ended")]
    Ended,
    /// The step itself failed; the words are its own.
    #[error("{0}")]
    Failed(String),
    /// The socket.
    #[error("speaking to the process that enters the user namespace: {0}")]
    Io(#[from] std::io::Error),
}

impl Steps {
    /// Forks a zygote. To be called before the process has a second thread.
    ///
    /// # Errors
    /// No more processes or descriptors.
    pub fn fork() -> Result<Self, StepError> {
        let (steps, zygote) = Self::fork_zygote()?;
        Ok(Self { child: Some(Arc::new(zygote)), ..steps })
    }

    /// Has the zygote that was forked end, and waits for that as long as it takes no time to speak of. It would end by itself soon after
    /// this process; a service manager that looks in between says that it has to kill what is left.
    pub fn end(&self) {
        let Some(zygote) = &self.child else { return };
        let _ = rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Both);
        let mut ended = [PollFd::new(&zygote.pidfd, PollFlags::IN)];
        let _ = poll(&mut ended, Some(&ENDING));
    }

    fn fork_zygote() -> Result<(Self, fork::Child), StepError> {
        let (near, far) = wire::pair()?;
        match fork::fork()? {
            Fork::Child => zygote::serve(far),
            Fork::Parent(child) => Ok((Self::over(near), child)),
        }
    }

    /// The near end of a worker's socket (`haulout worker`, the same zygote behind a socket pair).
    pub fn over(socket: OwnedFd) -> Self {
        let anchor = Arc::new(crate::paths::runtime_of_user().join("anchor"));
        Self { socket: Arc::new(socket), anchor, child: None }
    }

    /// The same zygote, whose steps go into the user namespace that `anchor` (a pid file) holds.
    #[must_use]
    pub fn anchored(mut self, anchor: PathBuf) -> Self {
        self.anchor = Arc::new(anchor);
        self
    }

    /// Whether the zygote (or the worker) has ended: nothing is done any more.
    pub fn are_gone(&self) -> bool {
        let mut socket = [PollFd::new(&*self.socket, PollFlags::empty())];
        poll(&mut socket, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// Does `step` with `descriptors`; dropping the future kills the child that does it. The descriptors are closed on this side
    /// as soon as they are sent: who feeds a pipe is told by `EPIPE` when the child is gone.
    ///
    /// # Errors
    /// [`StepError::Failed`] in the step's own words; [`StepError::Gone`] when the child or the zygote was killed.
    pub async fn run(&self, step: &Step, descriptors: Vec<OwnedFd>) -> Result<Answer, StepError> {
        self.answer(step, descriptors).await.map(|(answer, _)| answer)
    }

    /// As [`Self::run`], and waits until the child that did it is gone: what it has left behind has another parent then.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn run_to_end(&self, step: &Step, descriptors: Vec<OwnedFd>) -> Result<Answer, StepError> {
        let (answer, lifeline) = self.answer(step, descriptors).await?;
        // The zygote closes its end when it has waited for the child. That one's own descriptors say nothing: a process closes them
        // before its children get another parent.
        let closed = descriptor::watch(lifeline, Interest::ERROR)?;
        closed.ready(Interest::ERROR).await?.retain_ready();
        Ok(answer)
    }

    /// The answer, and the lifeline of the child that gave it.
    async fn answer(&self, step: &Step, descriptors: Vec<OwnedFd>) -> Result<(Answer, OwnedFd), StepError> {
        let (near, far) = wire::pair()?;
        let (end, lifeline) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let (bytes, memfd) = wire::pack(&wire::RequestRef { anchor: &self.anchor, step })?;
        let all: Vec<OwnedFd> = memfd.into_iter().chain([far]).chain(descriptors).chain([end]).collect();
        self.send(&bytes, &all).await?;
        drop(all);
        let near = watch(near)?;
        let answer = loop {
            near.readable().await?;
            match near.try_io(Interest::READABLE, || wire::read_answer(&near)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => break other,
            }
        };
        match answer? {
            Some(Answer::Failed(why)) => Err(StepError::Failed(why)),
            Some(Answer::Ended) => Err(StepError::Ended),
            Some(answer) => Ok((answer, lifeline)),
            None => Err(StepError::Gone),
        }
    }

    /// Has `root` lead to an image's files with other owners, which are made unless they are there.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn map(
        &self,
        wanted: &crate::store::mapped::Wanted,
        root: &mut crate::container::start::Root,
    ) -> Result<(), StepError> {
        if wanted.found().is_none() {
            self.run(&Step::Map(Box::new(wanted.clone())), Vec::new()).await?;
        }
        if let Some((tree, data)) = wanted.found() {
            root.lower = vec![tree];
            root.data = data;
        }
        Ok(())
    }

    async fn send(&self, bytes: &[u8], descriptors: &[OwnedFd]) -> Result<(), StepError> {
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        loop {
            match wire::send(&self.socket, bytes, &borrowed) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // The buffer is full of steps that the zygote has not taken yet.
                    watch(self.socket.try_clone()?)?.writable().await?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Err(StepError::Gone);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The socket, as tokio waits for one: it does not mind that it carries packets, which are read and written by our own calls.
fn watch(socket: OwnedFd) -> std::io::Result<tokio::net::UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(socket)
}

/// The whole of `haulout worker`: serves the socket that is descriptor 3 until its other end closes.
///
/// # Errors
/// Descriptor 3 is not open.
pub fn work() -> std::io::Result<std::convert::Infallible> {
    let socket = fork::inherited(3)?;
    zygote::serve(socket)
}

#[cfg(test)]
mod tests;
