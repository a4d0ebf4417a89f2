// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The connections to registries that the repositories of one piece of work share: a handshake a registry, not one a repository.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::sync::OnceCell;

use super::{Access, CONNECT_PATIENCE, PATIENCE, RegistryError, Repository, certificates, redirects, resolve, words};
use crate::config::registries::Endpoint;

/// How a registry is spoken to, found out once.
pub(super) struct Line {
    pub(super) client: Client,
    pub(super) insecure: bool,
    /// `https`, or `http` where that is allowed and the only one that is answered.
    pub(super) scheme: OnceCell<&'static str>,
}

/// What makes a line another one: the registry, whether it may be insecure, and certificates instead of those of `certs.d`.
type Key = (String, bool, Option<PathBuf>);

/// The lines of a piece of work. What `certs.d` says when the first repository of a registry is opened holds for all of them, so this is
/// not kept for longer than the work takes.
#[derive(Default)]
pub(crate) struct Connections(Mutex<HashMap<Key, Arc<Line>>>);

impl Connections {
    /// Prepares to speak to `endpoint`; nothing is sent yet.
    pub(crate) fn open(&self, endpoint: &Endpoint, access: Access) -> Result<Repository, RegistryError> {
        let key = (endpoint.reference.registry().to_owned(), endpoint.insecure, access.certificates.clone());
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = if let Some(line) = lines.get(&key) {
            Arc::clone(line)
        } else {
            let line = Arc::new(Line::prepare(endpoint, &access, PATIENCE)?);
            lines.insert(key, Arc::clone(&line));
            line
        };
        Ok(Repository::on(line, endpoint, access))
    }
}

impl Line {
    pub(super) fn prepare(endpoint: &Endpoint, access: &Access, patience: Duration) -> Result<Self, RegistryError> {
        let registry = endpoint.reference.registry();
        let tls = |message: String| RegistryError::Tls { registry: registry.to_owned(), message };
        let insecure = endpoint.insecure;
        let config = certificates::tls(registry, insecure, access.certificates.as_deref()).map_err(tls)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(concat!("haulout/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_PATIENCE)
            .read_timeout(patience)
            .redirect(redirects(insecure))
            .http2_adaptive_window(true)
            .dns_resolver(resolve::SystemResolver);
        if resolve::is_loopback(registry) {
            // As every Go program does: a proxy's loopback is not ours.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| tls(words(&error)))?;
        Ok(Self { client, insecure, scheme: OnceCell::new() })
    }
}
