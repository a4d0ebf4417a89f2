// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One request to a registry, made in every way in which it may be made.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Body, Method, Response, StatusCode, Url};

use super::{Reason, RegistryError, Repository, challenge, refusal, words};
use crate::image::reference::DOCKER_HUB;

/// The longest wait that a registry may ask for.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// How often one that wants us to wait is asked.
const ASKED_MAX: u32 = 5;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    /// Below the repository; below the registry when it begins with a slash; or a whole URL.
    path: String,
    headers: Vec<(HeaderName, String)>,
    body: Option<Bytes>,
}

impl Request {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    pub(super) fn get(path: impl Into<String>, accept: &str) -> Self {
        Self::new(Method::GET, path).with(ACCEPT, accept)
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, bytes: Bytes) -> Self {
        self.body = Some(bytes);
        self
    }
}

impl Repository {
    /// Makes `request`, and again with what the registry wants to see if it is not content. An answer without success is a reason.
    pub(super) async fn send(&self, request: &Request) -> Result<Result<Response, Reason>, RegistryError> {
        let mut response = self.ask_patiently(request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let headers: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().cloned().collect();
            let refusal = refusal(response).await;
            let asked = challenge::Asked {
                client: &self.0.line.client,
                place: &self.0.place,
                credentials: self.0.credentials.as_ref(),
                insecure: self.0.line.insecure,
            };
            match asked.answer(&headers).await {
                Ok(Some(authorization)) => *self.0.authorization.lock().await = Some(authorization),
                Ok(None) => return Ok(Err(refusal)),
                Err(reason) => return Ok(Err(reason)),
            }
            response = self.ask_patiently(request).await?;
        }
        if response.status().is_success() { Ok(Ok(response)) } else { Ok(Err(refusal(response).await)) }
    }

    /// Asks, and again after a while when the registry says to (RFC 9110, `Retry-After`).
    async fn ask_patiently(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut asked = 0;
        loop {
            let response = self.ask(request, None).await?;
            asked += 1;
            let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
            match wait.map(Duration::from_secs) {
                Some(wait)
                    if response.status() == StatusCode::TOO_MANY_REQUESTS && wait <= WAIT_MAX && asked < ASKED_MAX =>
                {
                    tracing::debug!("{} wants us to wait for {wait:?}", self.host());
                    tokio::time::sleep(wait).await;
                }
                _ => return Ok(response),
            }
        }
    }

    /// Makes a request whose body comes as a stream, and so only once.
    pub(super) async fn stream(
        &self,
        request: &Request,
        body: Body,
    ) -> Result<Result<Response, Reason>, RegistryError> {
        let response = self.ask(request, Some(body)).await?;
        if response.status().is_success() { Ok(Ok(response)) } else { Ok(Err(refusal(response).await)) }
    }

    /// Asks once, by HTTPS, or by HTTP where that is allowed and HTTPS is not spoken.
    async fn ask(&self, request: &Request, mut body: Option<Body>) -> Result<Response, RegistryError> {
        let spoken = self.0.line.scheme.get();
        let schemes: &[&'static str] = match spoken {
            Some(&"http") => &["http"],
            None if self.0.line.insecure => &["https", "http"],
            _ => &["https"],
        };
        let mut failed = None;
        for scheme in schemes {
            let url = self.url(scheme, &request.path);
            let mut builder = self.0.line.client.request(request.method.clone(), &url);
            for (name, value) in &request.headers {
                builder = builder.header(name, value);
            }
            if let Some(authorization) = self.0.authorization.lock().await.clone()
                && self.is_ours(&url)
            {
                builder = builder.header(AUTHORIZATION, authorization);
            }
            if let Some(body) = body.take() {
                builder = builder.body(body);
            } else if let Some(bytes) = &request.body {
                builder = builder.body(bytes.clone());
            }
            match builder.send().await {
                Ok(response) => {
                    // Another request may have been first.
                    let _ = self.0.line.scheme.set(scheme);
                    return Ok(response);
                }
                Err(error) => {
                    let registry = self.0.place.registry().to_owned();
                    let source = Reason::Connection(words(&error)).into();
                    // Where both fail it is the second that says why: nobody who allows HTTP expects HTTPS.
                    failed = Some(match spoken {
                        None => RegistryError::Ping { registry, url, source },
                        Some(_) => RegistryError::Broken { registry, method: go_name(&request.method), url, source },
                    });
                }
            }
        }
        Err(failed.unwrap_or_else(|| RegistryError::Tls {
            registry: self.0.place.registry().to_owned(),
            message: "there is no way to speak to it".to_owned(),
        }))
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        if path.starts_with("http://") || path.starts_with("https://") {
            return path.to_owned();
        }
        let host = self.host();
        match path.strip_prefix('/') {
            Some(path) => format!("{scheme}://{host}/{path}"),
            None => format!("{scheme}://{host}/v2/{}/{path}", self.0.place.repository()),
        }
    }

    fn host(&self) -> &str {
        match self.0.place.registry() {
            // Docker's registry does not live where its name says.
            DOCKER_HUB => "registry-1.docker.io",
            host => host,
        }
    }

    /// Whether credentials may be sent there: where it is asked for, and encrypted where it has to be.
    fn is_ours(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let Ok(ours) = Url::parse(&format!("{}://{}/", url.scheme(), self.host())) else { return false };
        url.host_str() == ours.host_str()
            && url.port_or_known_default() == ours.port_or_known_default()
            && (url.scheme() == "https" || self.0.line.insecure)
    }

    /// Where an answer sends us, as a whole URL that may be used.
    pub(super) fn location(&self, response: &Response) -> Result<String, Reason> {
        let text = response.headers().get(reqwest::header::LOCATION).map(HeaderValue::to_str);
        let Some(Ok(text)) = text else {
            return Err(Reason::Connection("the registry does not say where to go on".to_owned()));
        };
        let url =
            response.url().join(text).map_err(|error| Reason::Connection(format!("{text:?} is no URL: {error}")))?;
        match url.scheme() {
            "https" => Ok(url.into()),
            "http" if self.0.line.insecure => Ok(url.into()),
            _ => Err(Reason::Connection(format!("the registry wants to go on unencrypted, at {url}"))),
        }
    }
}

/// `Patch` of `PATCH`: how Go writes a method in an error, and so Podman.
fn go_name(method: &Method) -> String {
    let (first, rest) = method.as_str().split_at(1);
    first.to_owned() + &rest.to_ascii_lowercase()
}
