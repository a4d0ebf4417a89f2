// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A client of registries (OCI distribution specification; Docker's token authentication).
//!
//! One [`Repository`] is one repository at one registry, with the credentials for it. Nothing that it yields is unchecked: a
//! manifest or a configuration has the digest that was asked for, a blob's stream ends with an error unless it had.

mod blob;
mod catalog;
mod certificates;
mod challenge;
mod connections;
mod download;
mod proxy;
mod request;
mod resolve;
mod trust;
mod upload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode, Url, redirect};
use serde::Deserialize;
use tokio::sync::Mutex;

pub(super) use blob::Checked;
pub use catalog::SearchResult;
pub(crate) use connections::Connections;
pub(super) use download::{download, fetch};
pub(super) use upload::Session;

use super::manifest::{self, DOCUMENT_MAX, Descriptor};
use super::reference::Reference;
use crate::config::auth::Credentials;
use crate::config::registries::Endpoint;
use crate::digest::Digest;
use crate::engine::os_words;
use connections::Line;
use request::Request;

/// How long nothing may come before a registry counts as gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// As much of an error's body as is read.
const ERROR_MAX: u64 = 64 << 10;

/// As much of a body that is no error document as an error repeats.
const SHOWN_MAX: usize = 300;

/// What was being done with which registry when it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It could not be spoken to at all.
    #[error("pinging container registry {registry}: Get {url:?}")]
    Ping {
        /// `host[:port]`.
        registry: String,
        /// What was asked for.
        url: String,
        /// Why.
        source: Box<Reason>,
    },
    /// It was spoken to, and then a request came to nothing; Podman's words.
    #[error("{method} {url:?}")]
    Broken {
        /// `host[:port]`.
        registry: String,
        /// How it was asked: `Get`, `Patch`.
        method: String,
        /// What it was asked for.
        url: String,
        /// Why.
        source: Box<Reason>,
    },
    /// A manifest.
    #[error("reading manifest {wanted} in {repository}")]
    Manifest {
        /// The tag or digest.
        wanted: String,
        /// `registry/repository`.
        repository: String,
        /// Why.
        source: Box<Reason>,
    },
    /// A configuration.
    #[error("reading config {digest} in {repository}")]
    Config {
        /// Its digest.
        digest: Digest,
        /// `registry/repository`.
        repository: String,
        /// Why.
        source: Box<Reason>,
    },
    /// A layer.
    #[error("reading blob {blob} in {repository}")]
    Blob {
        /// Its digest.
        blob: Digest,
        /// `registry/repository`.
        repository: String,
        /// Why.
        source: Box<Reason>,
    },
    /// Whether it has a blob that is to be pushed.
    #[error("checking whether a blob {blob} exists in {repository}")]
    Check {
        /// Its digest.
        blob: Digest,
        /// `registry/repository`.
        repository: String,
        /// Why.
        source: Box<Reason>,
    },
    /// A blob that is pushed; Podman's words.
    #[error("writing blob: {doing} to {repository}")]
    Upload {
        /// Which part of it.
        doing: &'static str,
        /// `registry/repository`.
        repository: String,
        /// Why.
        source: Box<Reason>,
    },
    /// A manifest that is pushed; Podman's words.
    #[error("writing manifest: uploading manifest {tag} to {repository}")]
    Publish {
        /// The tag or digest.
        tag: String,
        /// `registry/repository`.
        repository: String,
        /// Why.
        source: Box<Reason>,
    },
    /// What it has.
    #[error("{doing} {registry}")]
    Catalog {
        /// What was being done.
        doing: &'static str,
        /// `host[:port]`, or `registry/repository`.
        registry: String,
        /// Why.
        source: Box<Reason>,
    },
    /// Who the user is.
    #[error("logging into {registry:?}")]
    Login {
        /// `host[:port]`.
        registry: String,
        /// Why.
        source: Box<Reason>,
    },
    /// A file of a web server; Podman's words.
    #[error("downloading {url}")]
    Download {
        /// Which.
        url: String,
        /// Why.
        source: Box<Reason>,
    },
    /// Certificates of `certs.d`, or the machine's.
    #[error("setting up TLS for {registry}: {message}")]
    Tls {
        /// `host[:port]`.
        registry: String,
        /// Why.
        message: String,
    },
}

/// What a registry did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It said no, in its own words: code, then message if it says more.
    #[error("{0}")]
    Refused(String),
    /// It answered with a status that says that it is broken; Podman's words.
    #[error("received unexpected HTTP status: {0}")]
    Broken(StatusCode),
    /// Any other answer; Podman's words.
    #[error("StatusCode: {status}, {body:?}")]
    Status {
        /// The status.
        status: u16,
        /// The beginning of what it said.
        body: String,
    },
    /// It gave no token; Podman's words.
    #[error("unable to retrieve auth token: {0}")]
    Token(String),
    /// The connection: it could not be made, or broke, or nothing came any more.
    #[error("{0}")]
    Connection(String),
    /// What came is not what was asked for; Podman's words.
    #[error("Digest did not match, expected {expected}, got {found}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// What came is longer or shorter than the manifest says.
    #[error("it is {found} bytes long, but its descriptor says {expected}")]
    Size {
        /// What the descriptor says.
        expected: u64,
        /// What came, or was announced.
        found: u64,
    },
    /// Longer than anything that is read into memory; Podman's words.
    #[error("exceeded maximum allowed size of {0} bytes")]
    TooLong(u64),
    /// The registry's own header does not fit its answer.
    #[error("the registry calls it {header}, but it is {found}")]
    Header {
        /// `Docker-Content-Digest`.
        header: String,
        /// What came.
        found: Digest,
    },
}

impl RegistryError {
    /// Whether the same may well succeed a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Tls { .. } => false,
            Self::Ping { source, .. }
            | Self::Broken { source, .. }
            | Self::Manifest { source, .. }
            | Self::Config { source, .. }
            | Self::Blob { source, .. }
            | Self::Check { source, .. }
            | Self::Upload { source, .. }
            | Self::Publish { source, .. }
            | Self::Catalog { source, .. }
            | Self::Login { source, .. }
            | Self::Download { source, .. } => source.may_pass(),
        }
    }
}

impl RegistryError {
    /// Whether an upload was refused to who is not known (any more).
    pub(crate) fn is_of_a_stranger(&self) -> bool {
        let Self::Upload { source, .. } = self else { return false };
        matches!(source.as_ref(), Reason::Refused(words) if words.starts_with("unauthorized"))
    }
}

impl Reason {
    /// Whether what was asked for is not there.
    fn is_absence(&self) -> bool {
        match self {
            Self::Refused(words) => {
                ["manifest unknown", "name unknown", "not found"].iter().any(|gone| words.starts_with(gone))
            }
            Self::Status { status, .. } => *status == 404,
            _ => false,
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Broken(status) => {
                matches!(
                    *status,
                    StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
                )
            }
            Self::Status { status, .. } => *status == 429,
            Self::Refused(words) => words.starts_with("toomanyrequests"),
            Self::Connection(words) => {
                // A name that nobody knows and a certificate that nobody trusts stay as they are.
                !["no such host", "certificate", "HTTP response to HTTPS", "redirected", "is no URL", "timed out"]
                    .iter()
                    .any(|lasting| words.contains(lasting))
            }
            _ => false,
        }
    }
}

/// One repository at one registry.
#[derive(Clone)]
pub(crate) struct Repository(Arc<Inner>);

struct Inner {
    line: Arc<Line>,
    place: Reference,
    credentials: Option<Credentials>,
    /// What the registry wanted to see last.
    authorization: Mutex<Option<HeaderValue>>,
}

/// How a registry is spoken to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) credentials: Option<Credentials>,
    /// Instead of `certs.d`.
    pub(crate) certificates: Option<PathBuf>,
}

/// A document and what it hashes to.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Digest,
}

impl Repository {
    /// Prepares to speak to `endpoint`; nothing is sent yet.
    pub(crate) fn open(endpoint: &Endpoint, access: Access) -> Result<Self, RegistryError> {
        Self::open_with(endpoint, access, PATIENCE)
    }

    fn open_with(endpoint: &Endpoint, access: Access, patience: Duration) -> Result<Self, RegistryError> {
        let line = Line::prepare(endpoint, &access, patience)?;
        Ok(Self::on(Arc::new(line), endpoint, access))
    }

    fn on(line: Arc<Line>, endpoint: &Endpoint, access: Access) -> Self {
        let place = endpoint.reference.clone();
        Self(Arc::new(Inner { line, place, credentials: access.credentials, authorization: Mutex::new(None) }))
    }

    /// `registry/repository`.
    pub(crate) fn name(&self) -> String {
        self.0.place.repository_name()
    }

    /// The manifest or index that the reference asks for.
    pub(crate) async fn wanted(&self) -> Result<Fetched, RegistryError> {
        let wanted = self.0.place.wanted();
        self.manifest(&wanted, self.0.place.digest()).await
    }

    /// The digest of what the reference asks for, as the registry says it, without the document: registries that count how often
    /// something is fetched do not count this. Nothing where the registry does not say.
    pub(crate) async fn wanted_digest(&self) -> Result<Option<Digest>, RegistryError> {
        let path = format!("manifests/{}", self.0.place.wanted());
        let request = Request::new(reqwest::Method::HEAD, path).with(reqwest::header::ACCEPT, manifest::ACCEPT);
        // Why it was refused is in the body of the answer to a GET only.
        let Ok(response) = self.send(&request).await? else { return Ok(None) };
        let header = response.headers().get("docker-content-digest").and_then(|header| header.to_str().ok());
        Ok(header.and_then(|header| header.parse().ok()))
    }

    /// The manifest that has a tag; nothing when none has.
    pub(crate) async fn tagged(&self, tag: &str) -> Result<Option<Fetched>, RegistryError> {
        match self.manifest(tag, None).await {
            Err(RegistryError::Manifest { source, .. }) if source.is_absence() => Ok(None),
            fetched => fetched.map(Some),
        }
    }

    /// The manifest that an index leads to.
    pub(crate) async fn member(&self, descriptor: &Descriptor) -> Result<Fetched, RegistryError> {
        self.manifest(&descriptor.digest.to_string(), Some(&descriptor.digest)).await
    }

    async fn manifest(&self, wanted: &str, expected: Option<&Digest>) -> Result<Fetched, RegistryError> {
        let failed = |reason: Reason| RegistryError::Manifest {
            wanted: wanted.to_owned(),
            repository: self.0.place.repository_name(),
            source: reason.into(),
        };
        let response = self.get(&format!("manifests/{wanted}"), manifest::ACCEPT).await?.map_err(failed)?;
        let header = response.headers().get("docker-content-digest").cloned();
        let bytes = read(response, DOCUMENT_MAX).await.map_err(failed)?;
        let found = Digest::of(&bytes);
        if let Some(expected) = expected
            && found != *expected
        {
            return Err(failed(Reason::Digest { expected: *expected, found }));
        }
        // By tag there is nothing else to check it against: it notices a broken proxy, not a hostile one.
        if let Some(header) = header.as_ref().and_then(|header| header.to_str().ok())
            && header.starts_with("sha256:")
            && header != found.to_string()
        {
            return Err(failed(Reason::Header { header: header.to_owned(), found }));
        }
        Ok(Fetched { bytes, digest: found })
    }

    /// A configuration, whole.
    pub(crate) async fn config(&self, descriptor: &Descriptor) -> Result<Bytes, RegistryError> {
        let Descriptor { digest: expected, size, .. } = descriptor;
        let failed = |reason: Reason| RegistryError::Config {
            digest: *expected,
            repository: self.0.place.repository_name(),
            source: reason.into(),
        };
        let response = self.get(&format!("blobs/{expected}"), "*/*").await?.map_err(failed)?;
        let bytes = read(response, DOCUMENT_MAX).await.map_err(failed)?;
        if bytes.len() as u64 != *size {
            return Err(failed(Reason::Size { expected: *size, found: bytes.len() as u64 }));
        }
        let found = Digest::of(&bytes);
        if found != *expected {
            return Err(failed(Reason::Digest { expected: *expected, found }));
        }
        Ok(bytes)
    }

    /// Asks, in every way in which this registry may be asked, and as whom it wants it.
    async fn get(&self, path: &str, accept: &str) -> Result<Result<Response, Reason>, RegistryError> {
        self.send(&Request::get(path, accept)).await
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository").field(&self.0.place).finish()
    }
}

/// Follows as browsers do, but never from where it is encrypted to where it is not. reqwest itself leaves credentials behind
/// when the host changes.
fn redirects(insecure: bool) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > 10 {
            return attempt.error("redirected too often");
        }
        let was_encrypted = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if was_encrypted && attempt.url().scheme() != "https" && !insecure {
            return attempt.error("redirected from HTTPS to something else");
        }
        attempt.follow()
    })
}

/// Reads a whole body of at most `max` bytes.
async fn read(mut response: Response, max: u64) -> Result<Bytes, Reason> {
    if response.content_length().is_some_and(|length| length > max) {
        return Err(Reason::TooLong(max));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Reason::Connection(words(&error)))? {
        if (bytes.len() + chunk.len()) as u64 > max {
            return Err(Reason::TooLong(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// What an answer that is none says.
async fn refusal(response: Response) -> Reason {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: Option<String>,
    }
    let status = response.status();
    let body = read(response, ERROR_MAX).await.unwrap_or_default();
    if status.is_server_error() {
        return Reason::Broken(status);
    }
    if let Ok(Body { errors }) = serde_json::from_slice(&body)
        && let Some(One { code, message }) = errors.into_iter().next()
        && !code.is_empty()
    {
        let message = message.filter(|message| !message.is_empty() && !says_no_more(&code, message));
        let code = shown(&code).to_lowercase().replace('_', " ");
        return Reason::Refused(match message {
            Some(message) => format!("{code}: {}", shown(&message)),
            None => code,
        });
    }
    match status {
        StatusCode::UNAUTHORIZED => Reason::Refused("unauthorized".to_owned()),
        status => Reason::Status { status: status.as_u16(), body: shown(&String::from_utf8_lossy(&body)) },
    }
}

/// Whether a message is just what its code means (OCI distribution specification, error codes).
fn says_no_more(code: &str, message: &str) -> bool {
    let meaning = match code {
        "UNAUTHORIZED" => "authentication required",
        "DENIED" => "requested access to the resource is denied",
        "TOOMANYREQUESTS" => "too many requests",
        "NAME_UNKNOWN" => "repository name not known to registry",
        "NAME_INVALID" => "invalid repository name",
        "MANIFEST_UNKNOWN" => "manifest unknown",
        "BLOB_UNKNOWN" => "blob unknown to registry",
        "UNAVAILABLE" => "service unavailable",
        "UNSUPPORTED" => "The operation is unsupported.",
        "UNKNOWN" => "unknown error",
        _ => return false,
    };
    message == meaning
}

/// Text from a registry as an error repeats it: short, and on one line.
fn shown(text: &str) -> String {
    text.trim().chars().map(|char| if char.is_control() { ' ' } else { char }).take(SHOWN_MAX).collect()
}

/// The innermost cause, which is the one that says something.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() {
        return "timed out: nothing came for too long".to_owned();
    }
    let text = cause.to_string();
    if text.contains("InvalidContentType") {
        return "http: server gave HTTP response to HTTPS client".to_owned();
    }
    if text == "invalid peer certificate: UnknownIssuer" {
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority".to_owned();
    }
    let text = cause.downcast_ref::<std::io::Error>().map_or(text, os_words);
    let get = |name: &str| std::env::var(name).ok();
    match error.url().filter(|_| error.is_connect()).and_then(|url| proxy::in_the_way(url, get)) {
        // What it is may have a password in it.
        Some(variable) => format!("proxyconnect tcp, by {variable}: {text}"),
        None => text,
    }
}

/// An absolute URL that may be spoken to with credentials in hand.
fn safe_url(text: &str, insecure: bool) -> Result<Url, Reason> {
    let url = Url::parse(text).map_err(|error| Reason::Token(format!("{:?} is no URL: {error}", shown(text))))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if insecure => Ok(url),
        _ => Err(Reason::Token(format!("{:?} is not encrypted", shown(text)))),
    }
}

#[cfg(test)]
mod tests;
