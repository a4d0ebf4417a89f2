// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A blob as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};
use sha2::{Digest as _, Sha256};

use super::request::Request;
use super::{Reason, RegistryError, Repository, words};
use crate::digest::Digest;

/// So many connections in a row may bring next to nothing.
const FRUITLESS_MAX: u32 = 3;

/// A connection that brought so many bytes was worth while.
const FRUIT: u64 = 64 << 10;

/// What is waited before the first new connection; then twice as long each time.
const BACK_OFF: Duration = Duration::from_millis(200);

/// Bytes that are hashed and counted on their way. The last thing it yields is an error unless they were the right ones.
pub(crate) struct Checked<S> {
    bytes: S,
    hash: Option<Sha256>,
    expected: Digest,
    size: u64,
    received: u64,
}

impl<S> Checked<S> {
    /// Bytes that are to hash to `expected`, and to be `size` long.
    pub(crate) fn new(bytes: S, expected: Digest, size: u64) -> Self {
        Self { bytes, hash: Some(Sha256::new()), expected, size, received: 0 }
    }
}

impl<S: Stream<Item = Result<Bytes, Reason>> + Unpin> Stream for Checked<S> {
    type Item = Result<Bytes, Reason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.bytes.poll_next_unpin(context));
        let Some(mut hash) = self.hash.take() else { return Poll::Ready(None) };
        Poll::Ready(match next {
            Some(Ok(bytes)) => {
                self.received += bytes.len() as u64;
                if self.received > self.size {
                    Some(Err(Reason::Size { expected: self.size, found: self.received }))
                } else {
                    hash.update(&bytes);
                    self.hash = Some(hash);
                    Some(Ok(bytes))
                }
            }
            Some(Err(reason)) => Some(Err(reason)),
            None if self.received != self.size => Some(Err(Reason::Size { expected: self.size, found: self.received })),
            None => {
                let found = Digest::from_bytes(hash.finalize().into());
                (found != self.expected).then_some(Err(Reason::Digest { expected: self.expected, found }))
            }
        })
    }
}

impl Repository {
    /// A layer's bytes as they come. A connection that breaks is made anew, and goes on where it stopped.
    pub(crate) async fn blob(
        &self,
        blob: Digest,
        size: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, RegistryError>>, RegistryError> {
        let repository = self.0.place.repository_name();
        let failed =
            move |reason: Reason| RegistryError::Blob { blob, repository: repository.clone(), source: reason.into() };
        let first = self.blob_from(&blob, size, 0).await?.map_err(&failed)?;
        let whole = Whole { repository: self.clone(), blob, size, received: 0, fruitless: 0, since: 0 };
        Ok(Checked::new(whole.bytes(first), blob, size).map(move |bytes| bytes.map_err(&failed)).boxed())
    }

    /// A blob's bytes from `offset` on, over one connection.
    async fn blob_from(
        &self,
        blob: &Digest,
        size: u64,
        offset: u64,
    ) -> Result<Result<BoxStream<'static, Result<Bytes, Reason>>, Reason>, RegistryError> {
        let mut request = Request::get(format!("blobs/{blob}"), "*/*");
        if offset > 0 {
            request = request.with(RANGE, format!("bytes={offset}-"));
        }
        let response = match self.send(&request).await? {
            Ok(response) => response,
            Err(reason) => return Ok(Err(reason)),
        };
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        if partial && !range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-"))) {
            let words = format!("bytes from {offset} on were asked for, and {:?} came", range.unwrap_or_default());
            return Ok(Err(Reason::Connection(words)));
        }
        // A registry that knows nothing of ranges begins anew.
        let skipped = if partial { 0 } else { offset };
        if let Some(announced) = response.content_length()
            && announced != size - offset + skipped
        {
            return Ok(Err(Reason::Size { expected: size, found: announced }));
        }
        let bytes = response.bytes_stream().map(|bytes| bytes.map_err(|error| Reason::Connection(words(&error))));
        Ok(Ok(bytes
            .scan(skipped, |skipped, bytes| std::future::ready(Some(bytes.map(|bytes| skip(bytes, skipped)))))
            .boxed()))
    }
}

/// Leaves out what is still to be skipped.
fn skip(mut bytes: Bytes, left: &mut u64) -> Bytes {
    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= now as u64;
    bytes.split_off(now)
}

/// A blob that may come over several connections.
struct Whole {
    repository: Repository,
    blob: Digest,
    size: u64,
    received: u64,
    /// How many connections in a row brought next to nothing.
    fruitless: u32,
    /// What came since there was one that did.
    since: u64,
}

impl Whole {
    fn bytes(mut self, first: BoxStream<'static, Result<Bytes, Reason>>) -> BoxStream<'static, Result<Bytes, Reason>> {
        let bytes = async_stream::try_stream! {
            let mut source = first;
            loop {
                match source.next().await {
                    Some(Ok(bytes)) => {
                        self.count(bytes.len() as u64);
                        yield bytes;
                    }
                    Some(Err(reason)) => source = self.go_on(reason).await?,
                    None if self.received < self.size => {
                        let reason = Reason::Size { expected: self.size, found: self.received };
                        source = self.go_on(reason).await?;
                    }
                    None => break,
                }
            }
        };
        bytes.boxed()
    }

    fn count(&mut self, bytes: u64) {
        self.received += bytes;
        self.since += bytes;
        if self.since >= FRUIT {
            self.fruitless = 0;
            self.since = 0;
        }
    }

    /// Another connection, unless those before brought nothing.
    async fn go_on(&mut self, reason: Reason) -> Result<BoxStream<'static, Result<Bytes, Reason>>, Reason> {
        while self.fruitless < FRUITLESS_MAX {
            tokio::time::sleep(BACK_OFF * 2_u32.pow(self.fruitless)).await;
            self.fruitless += 1;
            tracing::debug!("blob {} broke off after {} bytes ({reason}): going on", self.blob, self.received);
            match self.repository.blob_from(&self.blob, self.size, self.received).await {
                Ok(Ok(source)) => return Ok(source),
                Ok(Err(refusal)) if !refusal.may_pass() => return Err(refusal),
                // Perhaps the next time.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(reason)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn outcome(chunks: &[&'static str], said: &str, size: u64) -> Result<usize, String> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        let checked = Checked::new(stream::iter(chunks), Digest::of(said.as_bytes()), size);
        let items: Vec<_> = checked.collect().await;
        let mut length = 0;
        for item in items {
            length += item.map_err(|reason| reason.to_string())?.len();
        }
        Ok(length)
    }

    #[tokio::test]
    async fn the_right_bytes_pass_and_no_others() {
        assert_eq!(outcome(&["ab", "", "c"], "abc", 3).await, Ok(3));
        assert_eq!(outcome(&[], "", 0).await, Ok(0));
        assert!(outcome(&["ab", "d"], "abc", 3).await.unwrap_err().starts_with("Digest did not match"));
        assert!(outcome(&["ab"], "abc", 3).await.unwrap_err().starts_with("it is 2 bytes long"));
        assert!(outcome(&["ab", "cd"], "abcd", 3).await.unwrap_err().starts_with("it is 4 bytes long"));
    }
}
