// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that keep credentials, `docker-credential-NAME`: a verb as the only argument, the registry or a JSON document on
//! standard input, a JSON document or a complaint on standard output (docker-credential-helpers, its README).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{AuthError, Credentials};

/// What a helper says that knows nothing of a registry.
const UNKNOWN: &str = "credentials not found";

/// The user of an identity token.
const TOKEN: &str = "<token>";

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Kept<'a> {
    #[serde(rename = "ServerURL", default)]
    server: std::borrow::Cow<'a, str>,
    username: std::borrow::Cow<'a, str>,
    secret: std::borrow::Cow<'a, str>,
}

/// What `name` knows of `registry`; nothing when it is not installed: Docker's file may name what is not on this machine, and what
/// needs no password needs no helper either.
pub(super) fn get(name: &str, registry: &str) -> Result<Option<Credentials>, AuthError> {
    match ask(name, registry) {
        Err(AuthError::Missing { program }) => {
            tracing::warn!("the credential helper {program} is not installed");
            Ok(None)
        }
        known => known,
    }
}

/// What `name`, which must be installed, knows of `registry`.
pub(super) fn ask(name: &str, registry: &str) -> Result<Option<Credentials>, AuthError> {
    let Some(output) = call(name, "get", registry)? else { return Ok(None) };
    let kept: Kept<'_> = serde_json::from_str(&output).map_err(|_| AuthError::Helper {
        program: program(name),
        message: "its answer is not what credentials come in".to_owned(),
    })?;
    Ok(match (kept.username.as_ref(), kept.secret.into_owned()) {
        ("", _) => None,
        (TOKEN, token) => Some(Credentials::Identity(token)),
        (user, password) => Some(Credentials::Password { user: user.to_owned(), password }),
    })
}

/// Has `name` keep them.
pub(super) fn store(name: &str, registry: &str, user: &str, password: &str) -> Result<(), AuthError> {
    let kept = Kept { server: registry.into(), username: user.into(), secret: password.into() };
    let text = serde_json::to_string(&kept)
        .map_err(|error| AuthError::Helper { program: program(name), message: error.to_string() })?;
    call(name, "store", &text).map(drop)
}

/// Has `name` forget `registry`; whether it knew it.
pub(super) fn erase(name: &str, registry: &str) -> Result<bool, AuthError> {
    Ok(call(name, "erase", registry)?.is_some())
}

/// The registries that `name` knows.
pub(super) fn list(name: &str) -> Result<Vec<String>, AuthError> {
    let output = call(name, "list", "unused")?.unwrap_or_default();
    let known: BTreeMap<String, String> = serde_json::from_str(&output).map_err(|_| AuthError::Helper {
        program: program(name),
        message: "its answer is not the list of what it keeps".to_owned(),
    })?;
    Ok(known.into_keys().collect())
}

fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}

/// What it answers; nothing when it knows nothing.
fn call(name: &str, verb: &str, input: &str) -> Result<Option<String>, AuthError> {
    let program = program(name);
    let failed = |message: String| AuthError::Helper { program: program.clone(), message };
    if name.contains('/') {
        return Err(failed("its name is a path".to_owned()));
    }
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => AuthError::Missing { program: program.clone() },
            _ => failed(format!("running it: {error}")),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to hear it says why by how it ends.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(format!("waiting for it: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        Ok(Some(said))
    } else if said.contains(UNKNOWN) {
        Ok(None)
    } else {
        Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
    }
}
