// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A blob as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};

use super::{Reason, RegistryError, Repository, words};
use crate::digest::Digest;

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
    /// A layer's bytes as they come.
    pub(crate) async fn blob(
        &self,
        blob: Digest,
        size: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, RegistryError>>, RegistryError> {
        let repository = self.0.place.repository_name();
        let failed =
            move |reason: Reason| RegistryError::Blob { blob, repository: repository.clone(), source: reason.into() };
        let response = self.get(&format!("blobs/{blob}"), "*/*").await?.map_err(&failed)?;
        if let Some(announced) = response.content_length()
            && announced != size
        {
            return Err(failed(Reason::Size { expected: size, found: announced }));
        }
        let bytes = response.bytes_stream().map(|bytes| bytes.map_err(|error| Reason::Connection(words(&error))));
        Ok(Checked::new(bytes, blob, size).map(move |bytes| bytes.map_err(&failed)).boxed())
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
