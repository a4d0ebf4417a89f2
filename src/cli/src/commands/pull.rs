// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout pull`.

use std::future::ready;

use anyhow::{Result, anyhow, bail};
use futures_util::StreamExt as _;
use haulout_engine::image::{Location, PullOptions, PullProgress};
use haulout_engine::systemd::MoreTime;
use haulout_engine::{Engine, Error};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::registry::{Access, PolicyFlag, Retry};
use crate::{encryption, options, output, progress, short_name};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Pull an image from a registry
///
/// Pulls an image from a registry and stores it locally.
/// An image can be pulled by tag or digest. If a tag is not specified, the image with the 'latest' tag is pulled.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    policy: PolicyFlag,
    /// Use ARCH instead of the architecture of the machine for choosing images
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
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
    /// Key needed to decrypt the image (e.g. /path/to/key.pem)
    #[arg(long)]
    decryption_key: Vec<String>,
    /// This is a Docker specific option and is a NOOP
    #[arg(long)]
    disable_content_trust: bool,
    /// Specify the platform for selecting the image. (Conflicts with arch and os)
    #[arg(long)]
    platform: Option<String>,
    /// Suppress output information when pulling images
    #[arg(short, long)]
    quiet: bool,
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
    encryption::refuse_decryption(&args.decryption_key)?;
    let platform =
        options::platform(args.platform.as_ref(), args.os.as_ref(), args.arch.as_ref(), args.variant.as_ref())?;
    let how = PullOptions { platform, policy: args.policy.file()?, ..args.access.options()? };
    let retry = Retry::of(args.retry, args.retry_delay.as_deref())?;
    let engine = invocation.engine();
    let mut failures = Vec::new();
    for image in &args.images {
        let pulled = match (args.all_tags, Location::parse(image)) {
            (_, Err(error)) => Err(error.into()),
            (true, Ok(Some(Location::Path { transport, .. }))) => not_all_tags(transport.name()),
            (true, Ok(Some(Location::Here(_)))) => not_all_tags("containers-storage"),
            (true, Ok(None)) => all_tags(&engine, image, &how, &retry, args.quiet).await,
            (false, Ok(Some(location))) => from(&engine, location, &how, args.quiet).await,
            (false, Ok(None)) => asked(&engine, image, &how, &retry, args.quiet).await.map(|done| vec![done]),
        };
        for warning in engine.take_warnings() {
            output::error(&format!("WARNING: {warning}\n"));
        }
        match pulled {
            Ok(done) => {
                for (id, _) in done {
                    output::line(&id.hex())?;
                }
            }
            Err(error) => failures.push(error),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

fn not_all_tags(transport: &str) -> Result<Vec<progress::Done>> {
    Err(anyhow!("pulling all tags is not supported for {transport} transport"))
}

/// Reads the images that are elsewhere than in a registry; one answer for every name that they have.
pub async fn from(engine: &Engine, location: Location, how: &PullOptions, quiet: bool) -> Result<Vec<progress::Done>> {
    let _more_time = MoreTime::ask();
    progress::show(engine.images().load_from(location, how), quiet).await
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
        let mut again = false;
        let once_more = || attempt(engine, &name, how.clone(), quiet, std::mem::replace(&mut again, true));
        all.push(retry.run(once_more).await?);
    }
    Ok(all)
}

/// Pulls one image, again where that may help. Which one a short name means is asked once, and remembered when it is here.
pub async fn asked(
    engine: &Engine,
    image: &str,
    how: &PullOptions,
    retry: &Retry,
    quiet: bool,
) -> Result<progress::Done> {
    let image = image.strip_prefix("docker://").unwrap_or(image);
    let chosen = short_name::chosen(engine, image).await?;
    let full = chosen.as_ref().map_or_else(|| image.to_owned(), ToString::to_string);
    let mut again = false;
    let once_more = || attempt(engine, &full, how.clone(), quiet, std::mem::replace(&mut again, true));
    let done = retry.run(once_more).await?;
    if let Some(chosen) = &chosen {
        short_name::remember(engine, image, chosen).await;
    }
    Ok(done)
}

/// Pulls one image, showing how far it is; answers its id and full name. A service that is being started is waited for meanwhile.
pub async fn one(engine: &Engine, image: &str, how: PullOptions, quiet: bool) -> Result<progress::Done> {
    attempt(engine, image, how, quiet, false).await
}

/// The same. What is tried `again` is not announced once more.
async fn attempt(engine: &Engine, image: &str, how: PullOptions, quiet: bool, again: bool) -> Result<progress::Done> {
    let _more_time = MoreTime::ask();
    let announces =
        |step: &Result<PullProgress, Error>| matches!(step, Ok(PullProgress::Trying(_) | PullProgress::Resolved(_)));
    let steps = engine.images().pull(image, how).filter(|step| ready(!(again && announces(step))));
    let done = progress::show(steps, quiet).await?;
    match done.into_iter().next() {
        Some(done) => Ok(done),
        None => bail!("pulling {image}: the engine ended without saying that it is here"),
    }
}
