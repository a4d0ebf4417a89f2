// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How registries are spoken to: what the verbs that do have in common.

use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::config::Folders;
use haulout_engine::config::auth::AuthFiles;
use haulout_engine::config::policy::Policy;
use haulout_engine::config::registries::Registries;
use haulout_engine::image::PullOptions;

use crate::exit::os_words;
use crate::{output, time};

/// How often what may pass is tried again, unless it is said.
const RETRIES: u64 = 3;

/// The longest wait between two attempts that is not asked for.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// What flags say of it.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(about = None, long_about = None)]
#[allow(clippy::doc_markdown, reason = "the comments are what `--help` prints, as it is")]
pub struct Access {
    /// Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    pub authfile: Option<PathBuf>,
    /// Path to a directory containing TLS certificates and keys
    #[arg(long)]
    pub cert_dir: Option<PathBuf>,
    /// Credentials (USERNAME:PASSWORD) to use for authenticating to a registry
    #[arg(long, value_name = "Credentials")]
    pub creds: Option<String>,
    /// Require HTTPS and verify certificates when contacting registries
    #[arg(long)]
    pub tls_verify: Option<bool>,
}

impl Access {
    /// As the engine takes it.
    pub fn options(&self) -> Result<PullOptions> {
        let credentials = match self.creds.as_deref() {
            None => None,
            Some("") => bail!("credentials can't be empty"),
            Some(creds) => match creds.split_once(':') {
                Some(("", _)) => bail!("username can't be empty"),
                Some((user, password)) => Some((user.to_owned(), password.to_owned())),
                None => {
                    let password = crate::terminal::ask_secretly("Password: ");
                    Some((creds.to_owned(), password.context("could not read password from terminal")?))
                }
            },
        };
        let auth_file = filled(self.authfile.as_ref());
        if let Some(path) = auth_file {
            is_accessible(path)?;
        }
        Ok(PullOptions {
            platform: None,
            tls_verify: self.tls_verify,
            credentials,
            auth_file: auth_file.cloned(),
            certificates: filled(self.cert_dir.as_ref()).cloned(),
            policy: None,
        })
    }
}

/// Which images are let in.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct PolicyFlag {
    /// Path of a policy.json to go by instead of the usual one
    #[arg(long, hide = true)]
    signature_policy: Option<PathBuf>,
}

impl PolicyFlag {
    /// The file, if one is named. It is there.
    pub fn file(&self) -> Result<Option<PathBuf>> {
        let Some(path) = filled(self.signature_policy.as_ref()) else { return Ok(None) };
        File::open(path).map_err(|error| anyhow!("open {}: {}", path.display(), os_words(&error)))?;
        Ok(Some(path.clone()))
    }

    /// Whether what is here may leave, as far as the file says: nothing else asks.
    pub fn admit(&self, transport: &str) -> Result<()> {
        if let Some(path) = self.file()? {
            Policy::read_file(&path)?.admit_from(transport, None)?;
        }
        Ok(())
    }

    /// Where the file says nothing of what is done it only has to be one.
    pub fn check(&self) -> Result<()> {
        self.file()?.map_or(Ok(()), |path| Ok(Policy::read_file(&path).map(drop)?))
    }
}

/// A path that was given and is not empty.
pub fn filled(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// Whether a file of logins is there.
pub fn is_accessible(path: &Path) -> Result<()> {
    path.metadata().map_err(|error| {
        anyhow!("credential file is not accessible: faccessat {}: {}", path.display(), os_words(&error))
    })?;
    Ok(())
}

/// The files in which logins are kept, `named` by the user or not.
pub fn auth_files(named: Option<&PathBuf>, compatible: Option<&PathBuf>) -> Result<AuthFiles> {
    match (filled(named), filled(compatible)) {
        (Some(_), Some(_)) => bail!(
            "options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously"
        ),
        (Some(path), None) => kept(AuthFiles::at(path.clone())),
        (None, Some(path)) => Ok(AuthFiles::at(path.clone())),
        (None, None) => kept(AuthFiles::to_write(&Folders::from_environment())),
    }
}

/// Wherever the environment says that logins are.
pub fn known_auth_files() -> Result<AuthFiles> {
    kept(AuthFiles::from_environment(&Folders::from_environment()).or_none())
}

/// The programs of registries.conf keep them as well, or instead.
fn kept(files: AuthFiles) -> Result<AuthFiles> {
    Ok(files.kept_by(Registries::read(&Folders::from_environment())?.credential_helpers()))
}

/// What someone logs in to: a registry, or one with a namespace. Of a URL it is the host.
pub fn key(text: &str) -> Result<String> {
    let url = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if let Some(rest) = url {
        return Ok(rest.split('/').next().unwrap_or(rest).to_owned());
    }
    let text = text.trim_end_matches('/');
    let last = text.rsplit_once('/').map(|(_, last)| last);
    if text.contains('@') || last.is_some_and(|last| last.contains(':')) {
        bail!("reference {text:?} contains tag or digest");
    }
    if text.is_empty() || text.contains(char::is_whitespace) {
        bail!("parsing reference {text:?}: invalid reference format");
    }
    Ok(if text == "index.docker.io" { "docker.io".to_owned() } else { text.to_owned() })
}

/// The registry that short names are looked for at first.
pub fn first_searched() -> Result<Option<String>> {
    Ok(Registries::read(&Folders::from_environment())?.searched().first().cloned())
}

/// How often something is tried again, and how long is waited before.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    times: u64,
    delay: Option<Duration>,
}

impl Retry {
    /// From `--retry` and `--retry-delay`.
    pub fn of(times: Option<u64>, delay: Option<&str>) -> Result<Self> {
        let delay = match delay.filter(|delay| !delay.is_empty()) {
            None => None,
            Some(text) => match time::duration(text).map(u64::try_from) {
                Some(Ok(nanoseconds)) => Some(Duration::from_nanos(nanoseconds)),
                _ if text.parse::<f64>().is_ok() => bail!("time: missing unit in duration {text:?}"),
                _ => bail!("time: invalid duration {text:?}"),
            },
        };
        Ok(Self { times: times.unwrap_or(RETRIES), delay })
    }

    /// Does `attempt` until it succeeds, fails for good, or was tried often enough.
    pub async fn run<T, F: Future<Output = Result<T>>>(&self, mut attempt: impl FnMut() -> F) -> Result<T> {
        let mut tried = 0;
        loop {
            let error = match attempt().await {
                Err(error) if tried < self.times && may_pass(&error) => error,
                outcome => return outcome,
            };
            let back_off = Duration::from_secs(1 << tried.min(5)).min(DELAY_MAX);
            let delay = self.delay.unwrap_or(back_off);
            tried += 1;
            output::warning(&format!(
                "Failed, retrying in {} ... ({tried}/{}). Error: {error:#}",
                shown(delay),
                self.times
            ));
            tokio::time::sleep(delay).await;
        }
    }
}

fn may_pass(error: &anyhow::Error) -> bool {
    error.downcast_ref::<haulout_engine::Error>().is_some_and(haulout_engine::Error::may_pass)
}

/// `1s`, `100ms`, `1m30s`.
fn shown(delay: Duration) -> String {
    match delay.as_millis() {
        milliseconds if milliseconds < 1000 => format!("{milliseconds}ms"),
        milliseconds if milliseconds % 1000 != 0 => format!("{}s", delay.as_secs_f64()),
        milliseconds if milliseconds < 60_000 => format!("{}s", delay.as_secs()),
        _ => format!("{}m{}s", delay.as_secs() / 60, delay.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_logs_in_to_is_a_registry_or_a_namespace() {
        assert_eq!(key("https://localhost:5000/foo").unwrap(), "localhost:5000");
        assert_eq!(key("localhost:5000/foo/bar").unwrap(), "localhost:5000/foo/bar");
        assert_eq!(key("quay.io/").unwrap(), "quay.io");
        for bad in ["localhost:5000/foo:tag", "q.io/x@sha256:1", "", "a b"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn delays_are_shown_as_go_shows_them() {
        assert_eq!(shown(Duration::from_millis(100)), "100ms");
        assert_eq!(shown(Duration::from_secs(2)), "2s");
        assert_eq!(shown(Duration::from_millis(1500)), "1.5s");
        assert_eq!(shown(Duration::from_secs(90)), "1m30s");
    }
}
