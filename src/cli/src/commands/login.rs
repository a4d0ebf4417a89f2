// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout login`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::config::auth::Credentials;
use haulout_engine::image::PullOptions;

use crate::invocation::Invocation;
use crate::registry::Access;
use crate::{output, registry, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options] [REGISTRY]";

/// Log in to a container registry
///
/// Log in to a container registry on a specified server.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// use certificates at the specified path to access the registry
    #[arg(long)]
    cert_dir: Option<PathBuf>,
    /// path of a Docker-compatible config file to update instead
    #[arg(long)]
    compat_auth_file: Option<PathBuf>,
    /// Return the current login user for the registry
    #[arg(long)]
    get_login: bool,
    /// Password for registry
    #[arg(short, long)]
    password: Option<String>,
    /// Retrieve password from a secret
    #[arg(long)]
    secret: Option<String>,
    /// Take the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Require HTTPS and verify certificates when contacting registries
    #[arg(long)]
    tls_verify: Option<bool>,
    /// Username for registry
    #[arg(short, long)]
    username: Option<String>,
    /// Write more detailed information to stdout
    #[arg(short, long)]
    verbose: bool,
    registry: Vec<String>,
}

/// Checks who the user is with the registry, and remembers it.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let files = registry::auth_files(args.authfile.as_ref(), args.compat_auth_file.as_ref())?;
    let key = match args.registry.as_slice() {
        [key] => registry::key(key)?,
        [] => registry::first_searched()?.context("please provide a registry to login to")?,
        keys => bail!("accepts at most 1 arg(s), received {}", keys.len()),
    };
    let compatible = registry::filled(args.compat_auth_file.as_ref());
    let given = registry::filled(args.authfile.as_ref()).is_some() || compatible.is_some();
    let known = if given { files.credentials_of(&key) } else { registry::known_auth_files()?.credentials_of(&key) }?;
    if args.get_login {
        let user = match known {
            Some(Credentials::Password { user, .. }) => user,
            Some(Credentials::Identity(_)) => "<token>".to_owned(),
            None => bail!("not logged into {key}"),
        };
        output::line(&user)?;
        return Ok(0);
    }
    let server = key.split('/').next().unwrap_or(&key).to_owned();
    let images = invocation.engine().images();
    let access = Access { cert_dir: args.cert_dir.clone(), tls_verify: args.tls_verify, ..Access::default() };
    let check = async |user: &str, password: &str| {
        let credentials = Some((user.to_owned(), password.to_owned()));
        images.log_in(&server, &PullOptions { credentials, ..access.options()? }).await.map_err(anyhow::Error::from)
    };

    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (mut user, mut password) = (filled(&args.username), filled(&args.password));
    if let Some(secret) = filled(&args.secret) {
        if args.password_stdin {
            bail!("Can't specify both --password-stdin and --password");
        }
        if password.is_some() {
            bail!("--secret can not be used with --password options");
        }
        let hidden = invocation.engine().secrets().reveal(&secret).await?;
        password =
            Some(String::from_utf8(hidden).map_err(|_| anyhow!("secret {secret} is no password: it is no text"))?);
        user = user.or(Some(secret));
    }
    if args.password_stdin {
        if password.is_some() {
            bail!("Can't specify both --password-stdin and --password");
        }
        if user.is_none() {
            bail!("Must provide --username with --password-stdin");
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading the password from standard input")?;
        // Nothing is no password: it is asked for.
        password = Some(text.trim_end_matches(['\n', '\r']).to_owned()).filter(|text| !text.is_empty());
    }
    if let (None, None, Some(Credentials::Password { user, password })) = (&user, &password, &known) {
        output::line(&format!("Authenticating with existing credentials for {key}"))?;
        if check(user, password).await.is_ok() {
            output::line(&format!("Existing credentials are valid. Already logged in to {key}"))?;
            return Ok(0);
        }
        output::line("Existing credentials are invalid, please enter valid username and password")?;
    }
    let (user, password) = match (user.take(), password.take()) {
        (Some(user), Some(password)) => (user, password),
        (user, password) => ask(user, password, known.as_ref()).context("getting username and password")?,
    };
    if let Err(error) = check(&user, &password).await {
        let text = format!("{error:#}");
        if text.starts_with("logging into") {
            return Err(error);
        }
        bail!("authenticating creds for {server:?}: {text}");
    }
    if compatible.is_some() && key.contains('/') {
        bail!("Credentials cannot be recorded in Docker-compatible format with namespaced key {key:?}");
    }
    files.store(&key, &user, &password)?;
    if args.verbose
        && let Some(path) = files.path()
    {
        output::line(&format!("Used:  {}", path.display()))?;
    }
    output::line("Login Succeeded!")?;
    Ok(0)
}

/// What is missing is asked for.
fn ask(user: Option<String>, password: Option<String>, known: Option<&Credentials>) -> Result<(String, String)> {
    let user = match (user, known) {
        (Some(user), _) => user,
        (None, Some(Credentials::Password { user, .. })) => {
            let typed = terminal::ask(&format!("Username ({user}): ")).context("reading username")?;
            if typed.is_empty() { user.clone() } else { typed }
        }
        (None, _) => terminal::ask("Username: ").context("reading username")?,
    };
    let password = match password {
        Some(password) => password,
        None => terminal::ask_secretly("Password: ").context("reading password")?,
    };
    Ok((user.trim().to_owned(), password))
}
