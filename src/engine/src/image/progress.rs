// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Long work as a stream: it runs by itself, and ends when nobody looks any more.

use std::pin::Pin;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::PullProgress;
use crate::engine::{Error, Progress};

/// Where work says how far it is.
#[derive(Clone, Debug)]
pub(crate) struct Reporter<T = PullProgress>(UnboundedSender<T>);

impl<T> Reporter<T> {
    /// For work of which nobody wants to know how far it is.
    pub(crate) fn to_nobody() -> Self {
        Self(unbounded_channel().0)
    }

    pub(crate) fn say(&self, progress: T) {
        // Nobody listens any more: then the work is about to be aborted.
        let _ = self.0.send(progress);
    }
}

/// Aborts its task when it is dropped.
struct Task(JoinHandle<Result<(), Error>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts `work` when the stream is first looked at. It goes on while nobody looks, and is dropped with the stream.
pub(crate) fn stream<T, F>(work: impl FnOnce(Reporter<T>) -> F + Send + 'static) -> Progress<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    Box::pin(async_stream::try_stream! {
        let (sender, mut receiver) = unbounded_channel();
        // Boxed: the state machine of a pull is large, and a task is moved about.
        let work: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(work(Reporter(sender)));
        let mut task = Task(tokio::spawn(work));
        while let Some(progress) = receiver.recv().await {
            yield progress;
        }
        (&mut task.0).await.map_err(|_| Error::Cancelled("long work"))??;
    })
}
