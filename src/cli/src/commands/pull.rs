// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout pull`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use haulout_engine::Engine;
use haulout_engine::image::PullOptions;

use super::load;
use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::registry::{Access, Retry};
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
    /// number of times to retry in case of failure when performing pull
    #[arg(long)]
    retry: Option<u64>,
    /// delay between retries in case of pull failures
    #[arg(long)]
    retry_delay: Option<String>,
    /// All tagged images in the repository will be pulled
    #[arg(short, long)]
    all_tags: bool,
    /// This is a Docker specific option and is a NOOP
    #[arg(long)]
    disable_content_trust: bool,
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
    let access = Access {
        auth_file: args.authfile.clone(),
        certificates: args.cert_dir.clone(),
        creds: args.creds.clone(),
        tls_verify: args.tls_verify,
    };
    let platform =
        options::platform(args.platform.as_ref(), args.os.as_ref(), args.arch.as_ref(), args.variant.as_ref())?;
    let how = PullOptions { platform, ..access.options()? };
    let retry = Retry::of(args.retry, args.retry_delay.as_deref())?;
    let engine = invocation.engine();
    let mut failures = Vec::new();
    for image in &args.images {
        let pulled = match (args.all_tags, transport(image)) {
            (true, Some(_)) => Err(anyhow!("pulling all tags is not supported for transport {image}")),
            (true, None) => all_tags(&engine, image, &how, &retry, args.quiet).await,
            (false, Some(path)) => load::read(&engine, Path::new(path), args.quiet).await.map(|mut done| {
                // One line an image, whatever names it has.
                done.dedup_by_key(|(id, _)| *id);
                done
            }),
            (false, None) => retry.run(|| one(&engine, image, how.clone(), args.quiet)).await.map(|done| vec![done]),
        };
        match pulled {
            Ok(done) => {
                for (id, _) in done {
                    output::line(&id.hex())?;
                }
            }
            Err(error) => failures.push(error),
        }
    }
    for warning in engine.take_warnings() {
        output::error(&format!("WARNING: {warning}\n"));
    }
    Failures::of(failures)?;
    Ok(0)
}

/// The path of an image that is no registry's.
fn transport(image: &str) -> Option<&str> {
    let (transport, rest) = image.split_once(':')?;
    let path = match transport {
        "docker-archive" | "oci-archive" | "oci" => rest.split(':').next().unwrap_or(rest),
        "dir" => rest,
        _ => return None,
    };
    Some(path)
}

/// Pulls everything that a repository has.
async fn all_tags(
    engine: &Engine,
    image: &str,
    how: &PullOptions,
    retry: &Retry,
    quiet: bool,
) -> Result<Vec<progress::Done>> {
    let candidates = engine.images().candidates(image).await?;
    let Some(name) = candidates.names.first() else { bail!("{image} leads nowhere") };
    let repository = name.repository_name();
    let tags = engine.images().tags(&repository, how).await?;
    if tags.is_empty() {
        bail!("{repository} has no tags");
    }
    let mut all = Vec::new();
    for tag in tags {
        let name = format!("{repository}:{tag}");
        all.push(retry.run(|| one(engine, &name, how.clone(), quiet)).await?);
    }
    Ok(all)
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
