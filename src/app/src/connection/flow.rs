// SPDX-License-Identifier: GPL-3.0-or-later
//! Things that keep coming: made on the engine's runtime, taken on GTK's main loop.

use std::future::Future;

use async_channel::{Receiver, Sender};
use relm4::tokio::task::JoinHandle;

use super::{Failure, Input, Output};

/// Items one after the other. Dropping it ends the work behind it.
pub struct Flow<T> {
    items: Receiver<Result<T, Failure>>,
    _work: Work,
}

impl<T: Send + 'static> Flow<T> {
    /// Starts `work`, which sends into the flow. At most `room` items wait to be taken: then the work waits.
    pub fn of<F>(room: usize, work: impl FnOnce(Sender<Result<T, Failure>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, items) = async_channel::bounded(room);
        Self { items, _work: Work(relm4::spawn(work(sender))) }
    }

    /// The next one; nothing when no more comes.
    pub async fn next(&self) -> Option<Result<T, Failure>> {
        self.items.recv().await.ok()
    }

    /// The next one if it is here already.
    pub fn ready(&self) -> Option<Result<T, Failure>> {
        self.items.try_recv().ok()
    }
}

/// A task of the engine's runtime that ends when this is dropped.
struct Work(JoinHandle<()>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A conversation with a process in a container. Dropping it detaches.
pub struct Session {
    /// What it says.
    pub output: Flow<Output>,
    /// What is said to it: never blocks.
    pub input: Sender<Input>,
}
