// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fetching a plain file from a web server.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use reqwest::{Client, Response, StatusCode, Url};

use super::{
    CONNECT_PATIENCE, PATIENCE, Reason, RegistryError, certificates, read, redirects, refusal, resolve, words,
};

/// Writes what is at `url` to `file`, which is then at its beginning.
pub(in super::super) async fn download(url: &str, file: &mut File) -> Result<(), RegistryError> {
    let failed = failed(url);
    let mut response = get(url).await?;
    if !response.status().is_success() {
        return Err(failed(refusal(response).await));
    }
    let writing = |error: io::Error| failed(Reason::Connection(format!("writing it down: {error}")));
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(broken(url, &error)))? {
        // Not worth a thread: it goes to the page cache.
        file.write_all(&chunk).map_err(writing)?;
    }
    file.seek(SeekFrom::Start(0)).map(drop).map_err(writing)
}

/// The bytes at `url`, of which there may be `max`; nothing when nothing is there.
pub(in super::super) async fn fetch(url: &str, max: u64) -> Result<Option<Bytes>, RegistryError> {
    let response = get(url).await?;
    if response.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !response.status().is_success() {
        return Err(failed(url)(refusal(response).await));
    }
    read(response, max).await.map(Some).map_err(failed(url))
}

fn failed(url: &str) -> impl Fn(Reason) -> RegistryError {
    move |reason| RegistryError::Download { url: url.to_owned(), source: reason.into() }
}

fn broken(url: &str, error: &reqwest::Error) -> Reason {
    Reason::Connection(format!("Get {url:?}: {}", words(error)))
}

async fn get(url: &str) -> Result<Response, RegistryError> {
    let parsed = Url::parse(url).map_err(|error| failed(url)(Reason::Connection(format!("it is no URL: {error}"))))?;
    let host = parsed.host_str().unwrap_or_default().to_owned();
    let tls = |message: String| RegistryError::Tls { registry: host.clone(), message };
    let config = certificates::tls(&host, false, None).map_err(tls)?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(config)
        .user_agent(concat!("haulout/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_PATIENCE)
        .read_timeout(PATIENCE)
        .redirect(redirects(false))
        .dns_resolver(resolve::SystemResolver);
    if resolve::is_loopback(&host) {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| tls(words(&error)))?;
    client.get(parsed).send().await.map_err(|error| failed(url)(broken(url, &error)))
}
