// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A registry's own certificates: `certs.d/HOST[:PORT]/` with `*.crt` (who may vouch for it) and `NAME.cert` with `NAME.key` (who we
//! are), as containers-certs.d(5) has them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::config::Folders;

/// Gives `builder` what the first folder for `registry` holds, or what `instead` holds.
pub(super) fn add(mut builder: ClientBuilder, registry: &str, instead: Option<&Path>) -> Result<ClientBuilder, String> {
    let Some(folder) = instead.map(Path::to_owned).or_else(|| folder(registry)) else { return Ok(builder) };
    for path in files(&folder, "crt")? {
        let bundle = read(&path)?;
        let certificates =
            Certificate::from_pem_bundle(&bundle).map_err(|error| format!("{}: {error}", path.display()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    for path in files(&folder, "cert")? {
        let key = path.with_extension("key");
        let mut pem = read(&path)?;
        pem.push(b'\n');
        pem.extend(read(&key)?);
        let identity =
            Identity::from_pem(&pem).map_err(|error| format!("{} with {}: {error}", path.display(), key.display()))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
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
