// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout pull`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use haulout_engine::Engine;
use haulout_engine::image::PullOptions;

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::{options, output, progress};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Pull an image from a registry
///
/// Pulls an image from a registry and stores it locally.
/// An image can be pulled by tag or digest. If a tag is not specified, the image with the 'latest' tag is pulled.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Use ARCH instead of the architecture of the machine for choosing images
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Path of the authentication file
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// Pathname of a directory containing TLS certificates and keys
    #[arg(long, value_name = "Pathname")]
    cert_dir: Option<PathBuf>,
    /// Credentials (USERNAME:PASSWORD) to use for authenticating to a registry
    #[arg(long, value_name = "Credentials")]
    creds: Option<String>,
    /// Use OS instead of the running OS for choosing images
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// Specify the platform for selecting the image. (Conflicts with arch and os)
    #[arg(long)]
    platform: Option<String>,
    /// Suppress output information when pulling images
    #[arg(short, long)]
    quiet: bool,
    /// Require HTTPS and verify certificates when contacting registries
    #[arg(long)]
    tls_verify: Option<bool>,
    /// Use VARIANT instead of the running architecture variant for choosing images
    #[arg(long)]
    variant: Option<String>,
    images: Vec<String>,
}

/// Pulls every image; those that can be pulled are, whatever becomes of the others.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.images.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    let credentials = match &args.creds {
        None => None,
        Some(creds) => match creds.split_once(':') {
            Some((user, password)) => Some((user.to_owned(), password.to_owned())),
            None => bail!("credentials can't be empty: expected USERNAME:PASSWORD, got no colon"),
        },
    };
    let platform =
        options::platform(args.platform.as_ref(), args.os.as_ref(), args.arch.as_ref(), args.variant.as_ref())?;
    let how = PullOptions {
        platform,
        tls_verify: args.tls_verify,
        credentials,
        auth_file: args.authfile,
        certificates: args.cert_dir,
    };
    let engine = invocation.engine();
    let mut failures = Vec::new();
    for image in &args.images {
        match one(&engine, image, how.clone(), args.quiet).await {
            Ok((id, _)) => output::line(&id.hex())?,
            Err(error) => failures.push(error),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

/// Pulls one image, showing how far it is; answers its id and full name.
pub async fn one(engine: &Engine, image: &str, how: PullOptions, quiet: bool) -> Result<progress::Done> {
    let name = image.strip_prefix("docker://").unwrap_or(image);
    let done = progress::show(engine.images().pull(name, how), quiet).await?;
    match done.into_iter().next() {
        Some(done) => Ok(done),
        None => bail!("pulling {image}: the engine ended without saying that it is here"),
    }
}
