// SPDX-License-Identifier: GPL-3.0-or-later
//! Changes of several kinds, which come in crowds: one look at all that are there together is enough.

use std::time::Duration;

use async_channel::Sender;
use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _};

use super::Failure;

/// Streams of changes, followed together.
pub struct Crowd {
    /// False where one ends that nothing is worth without.
    streams: SelectAll<BoxStream<'static, bool>>,
    /// What changes within this time is one change.
    together: Duration,
    over: bool,
}

impl Crowd {
    /// Of nothing yet.
    pub fn new(together: Duration) -> Self {
        Self { streams: SelectAll::new(), together, over: false }
    }

    /// Follows `changes` as long as they come. Without them, the others are followed.
    pub fn with<E: Send + 'static>(mut self, changes: impl Stream<Item = Result<(), E>> + Send + 'static) -> Self {
        self.streams.push(as_long_as_they_come(changes));
        self
    }

    /// Follows `changes`. When they end, or cannot be followed, it is over.
    pub fn with_needed<E: Send + 'static>(
        mut self,
        changes: impl Stream<Item = Result<(), E>> + Send + 'static,
    ) -> Self {
        self.streams.push(as_long_as_they_come(changes).chain(stream::once(async { false })).boxed());
        self
    }

    /// Sends once for each crowd, until it is over or nobody takes it.
    pub async fn tell(mut self, sender: Sender<Result<(), Failure>>) {
        while self.next().await {
            while let Ok(true) = tokio::time::timeout(self.together, self.next()).await {}
            if sender.send(Ok(())).await.is_err() {
                return;
            }
        }
    }

    /// Waits for a change; false when no more are told.
    async fn next(&mut self) -> bool {
        self.over = self.over || self.streams.next().await != Some(true);
        !self.over
    }
}

fn as_long_as_they_come<E: Send + 'static>(
    changes: impl Stream<Item = Result<(), E>> + Send + 'static,
) -> BoxStream<'static, bool> {
    changes.map(|change| change.is_ok()).take_while(|came| std::future::ready(*came)).boxed()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const TOGETHER: Duration = Duration::from_millis(30);

    /// How often a crowd tells.
    async fn count(crowd: Crowd) -> usize {
        let (sender, told) = async_channel::unbounded();
        crowd.tell(sender).await;
        told.len()
    }

    fn changes(count: usize) -> impl Stream<Item = Result<(), ()>> + Send + 'static {
        stream::iter(vec![Ok(()); count])
    }

    #[tokio::test]
    async fn what_changes_together_is_told_once() {
        assert_eq!(count(Crowd::new(TOGETHER).with(changes(3)).with(changes(2))).await, 1);
        let later = stream::once(tokio::time::sleep(4 * TOGETHER)).map(Ok::<(), ()>);
        assert_eq!(count(Crowd::new(TOGETHER).with(changes(3)).with(later)).await, 2);
    }

    #[tokio::test]
    async fn without_one_kind_the_others_are_followed() {
        let broken = stream::iter([Err(()), Ok(())]);
        let later = stream::once(tokio::time::sleep(2 * TOGETHER)).map(Ok::<(), ()>);
        assert_eq!(count(Crowd::new(TOGETHER).with(broken).with(later)).await, 1);
        assert_eq!(count(Crowd::new(TOGETHER)).await, 0);
    }

    #[tokio::test]
    async fn without_what_is_needed_it_is_over() {
        let forever = stream::pending::<Result<(), ()>>();
        assert_eq!(count(Crowd::new(TOGETHER).with(forever).with_needed(changes(1))).await, 1);
    }
}
