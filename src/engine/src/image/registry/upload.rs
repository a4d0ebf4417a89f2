// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is pushed to a registry: blobs, in sessions that the registry gives, and manifests.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, StatusCode, Url};

use super::request::Request;
use super::{Reason, RegistryError, Repository, refusal};
use crate::digest::Digest;

const BYTES: &str = "application/octet-stream";

/// A session in which a blob is uploaded: where its next request goes.
#[derive(Clone, Debug)]
pub(crate) struct Session(pub(super) String);

impl Repository {
    /// The length of a blob that is there.
    pub(crate) async fn length_of(&self, blob: &Digest) -> Result<Option<u64>, RegistryError> {
        let answer = self.send(&Request::new(Method::HEAD, format!("blobs/{blob}"))).await?;
        match answer {
            Ok(response) => {
                let length = response.headers().get(CONTENT_LENGTH).map(HeaderValue::to_str);
                Ok(length.and_then(Result::ok).and_then(|text| text.parse().ok()))
            }
            Err(Reason::Status { status: 404, .. }) => Ok(None),
            Err(source) => Err(RegistryError::Check {
                blob: *blob,
                repository: self.0.place.repository_name(),
                source: source.into(),
            }),
        }
    }

    /// Has the registry take a blob from another of its repositories; whether it did.
    pub(crate) async fn mount(&self, blob: &Digest, from: &str) -> Result<bool, RegistryError> {
        let mut query = Url::parse("http://x").map_err(|error| self.upload("mounting", error.to_string()))?;
        query.query_pairs_mut().append_pair("mount", &blob.to_string()).append_pair("from", from);
        let path = format!("blobs/uploads/?{}", query.query().unwrap_or_default());
        match self.send(&Request::new(Method::POST, path).with(CONTENT_LENGTH, "0")).await? {
            Ok(response) if response.status() == StatusCode::CREATED => Ok(true),
            Ok(response) => {
                // It began an ordinary upload instead.
                if let Ok(location) = self.location(&response) {
                    self.cancel(&Session(location)).await;
                }
                Ok(false)
            }
            Err(_) => Ok(false),
        }
    }

    /// Begins to upload a blob.
    pub(crate) async fn begin(&self) -> Result<Session, RegistryError> {
        let request = Request::new(Method::POST, "blobs/uploads/").with(CONTENT_LENGTH, "0");
        let answer = self.send(&request).await?;
        let location = answer.and_then(|response| self.location(&response));
        location.map(Session).map_err(|reason| self.upload_failed("initiating layer upload", reason))
    }

    /// Sends the blob's bytes.
    pub(crate) async fn append<S>(&self, session: &Session, bytes: S) -> Result<Session, RegistryError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        let request = Request::new(Method::PATCH, &session.0).with(CONTENT_TYPE, BYTES);
        let answer = self.stream(&request, Body::wrap_stream(bytes)).await?;
        let location = answer.and_then(|response| self.location(&response));
        location.map(Session).map_err(|reason| self.upload_failed("uploading layer chunked", reason))
    }

    /// Ends the upload, with the last of the blob's bytes.
    pub(crate) async fn complete(&self, session: &Session, blob: &Digest, rest: Bytes) -> Result<(), RegistryError> {
        let mut url = Url::parse(&session.0).map_err(|error| self.upload("completing it", error.to_string()))?;
        url.query_pairs_mut().append_pair("digest", &blob.to_string());
        let request = Request::new(Method::PUT, url)
            .with(CONTENT_TYPE, BYTES)
            .with(CONTENT_LENGTH, rest.len().to_string())
            .body(rest);
        let answer = match self.send(&request).await? {
            // Anything else, as a proxy may say, is no promise that it is kept (distribution specification, "Pushing blobs").
            Ok(response) if response.status() != StatusCode::CREATED => Err(refusal(response).await),
            answer => answer,
        };
        answer.map(drop).map_err(|reason| self.upload_failed("committing upload", reason))
    }

    /// Puts a blob that is at hand into the repository, unless it is there.
    pub(crate) async fn put(&self, bytes: &Bytes) -> Result<(), RegistryError> {
        let digest = Digest::of(bytes);
        if self.length_of(&digest).await?.is_some() {
            return Ok(());
        }
        let session = self.begin().await?;
        self.complete(&session, &digest, bytes.clone()).await
    }

    /// Gives the upload up. What the registry says to that does not matter.
    pub(crate) async fn cancel(&self, session: &Session) {
        if let Err(error) = self.send(&Request::new(Method::DELETE, &session.0)).await {
            tracing::debug!("giving an upload up: {error}");
        }
    }

    /// Gives a manifest the name that the reference has, and makes it public with that.
    pub(crate) async fn publish(&self, tag: &str, media_type: &str, manifest: Bytes) -> Result<(), RegistryError> {
        let request = Request::new(Method::PUT, format!("manifests/{tag}"))
            .with(CONTENT_TYPE, media_type)
            .with(CONTENT_LENGTH, manifest.len().to_string())
            .body(manifest);
        self.send(&request).await?.map(drop).map_err(|reason| RegistryError::Publish {
            tag: tag.to_owned(),
            repository: self.0.place.repository_name(),
            source: reason.into(),
        })
    }

    fn upload_failed(&self, doing: &'static str, reason: Reason) -> RegistryError {
        RegistryError::Upload { doing, repository: self.0.place.repository_name(), source: reason.into() }
    }

    fn upload(&self, doing: &'static str, message: String) -> RegistryError {
        self.upload_failed(doing, Reason::Connection(message))
    }
}
