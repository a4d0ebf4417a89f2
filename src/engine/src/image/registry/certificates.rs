// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A registry's own certificates: `certs.d/HOST[:PORT]/` with `*.crt` (who may vouch for it) and `NAME.cert` with `NAME.key` (who we
//! are), as containers-certs.d(5) has them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::trust::{Anyone, Trust};
use crate::config::Folders;

/// How TLS is spoken with `registry`: with the certificates of the first folder for it, or of `instead`.
pub(super) fn tls(registry: &str, insecure: bool, instead: Option<&Path>) -> Result<ClientConfig, String> {
    // A folder that is not there holds no certificates, whoever named it.
    let folder = instead.map(Path::to_owned).or_else(|| folder(registry)).filter(|folder| folder.exists());
    let (authorities, identity) = match &folder {
        Some(folder) => (authorities(folder)?, identity(folder)?),
        None => (Vec::new(), None),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(Anyone(provider.clone()))
    } else {
        Arc::new(Trust::new(provider.clone(), authorities)?)
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Ok(config)
}

/// Who may vouch for a registry: every `*.crt`.
fn authorities(folder: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut found = Vec::new();
    for path in files(folder, "crt")? {
        found.extend(certificates(&path)?);
    }
    Ok(found)
}

/// Who we are, with the key to it: the last `NAME.cert`.
fn identity(folder: &Path) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, String> {
    let Some(path) = files(folder, "cert")?.pop() else { return Ok(None) };
    let key = path.with_extension("key");
    let secret = PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(|error| unreadable(&key, &error))?;
    Ok(Some((certificates(&path)?, secret)))
}

/// Every certificate of a file, in its order.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    found.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &pem::Error) -> String {
    format!("{}: {error}", path.display())
}

fn folder(registry: &str) -> Option<PathBuf> {
    let folders = Folders::from_environment();
    let places = [folders.user.map(|user| user.join("certs.d")), Some(folders.system.join("certs.d"))];
    let docker = Some(PathBuf::from("/etc/docker/certs.d"));
    places.into_iter().chain([docker]).flatten().map(|place| place.join(registry)).find(|place| place.is_dir())
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
