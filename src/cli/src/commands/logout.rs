// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout logout`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use haulout_engine::config::auth::AuthError;

use crate::invocation::Invocation;
use crate::{output, registry};

/// What comes after the verb.
pub const USAGE: &str = "[options] [REGISTRY]";

/// Log out of a container registry
///
/// Remove the cached username and password for the registry.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove the cached credentials for all registries in the auth file
    #[arg(short, long)]
    all: bool,
    /// path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// path of a Docker-compatible config file to update instead
    #[arg(long)]
    compat_auth_file: Option<PathBuf>,
    registry: Vec<String>,
}

/// Forgets who the user is at the registry.
#[allow(clippy::unused_async, reason = "every verb is")]
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let given = registry::filled(args.authfile.as_ref());
    if let Some(path) = given {
        registry::is_accessible(path)?;
    }
    let files = registry::auth_files(args.authfile.as_ref(), args.compat_auth_file.as_ref())?;
    if args.all {
        if !args.registry.is_empty() {
            bail!("--all takes no arguments");
        }
        files.forget_all()?;
        output::line("Removed login credentials for all registries")?;
        return Ok(0);
    }
    let key = match args.registry.as_slice() {
        [key] => registry::key(key)?,
        [] => registry::first_searched()?.context("please provide a registry to logout from")?,
        keys => bail!("accepts at most 1 arg(s), received {}", keys.len()),
    };
    match files.forget(&key) {
        Err(AuthError::NotLoggedIn(_)) => {
            let elsewhere = registry::known_auth_files()?;
            if given.is_some() || elsewhere.credentials_of(&key)?.is_none() {
                bail!("not logged into {key}");
            }
            output::line(&format!(
                "Not logged into {key} with current tool. Existing credentials were established via docker login. Please use docker logout instead."
            ))?;
            return Ok(0);
        }
        outcome => outcome?,
    }
    output::line(&format!("Removed login credentials for {key}"))?;
    Ok(0)
}
