// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout stop`.

use anyhow::Result;
use futures_util::stream::{self, StreamExt as _};

use super::create;
use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// How many containers are stopped at once.
const AT_ONCE: usize = 64;

/// Stop one or more containers
///
/// Stops one or more running containers. The container name or ID can be used.
/// A timeout to forcibly stop the container can also be set but defaults to 10 seconds otherwise.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Stop all running containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long)]
    cidfile: Vec<String>,
    /// Filter output based on conditions given
    #[arg(short, long)]
    filter: Vec<String>,
    /// Ignore errors when a specified container is missing
    #[arg(short, long)]
    ignore: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(short, long, alias = "timeout")]
    time: Option<i64>,
    containers: Vec<String>,
}

/// Stops every container, all at once, and prints what the user called it when it has ended.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let selection = Selection {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        filters: &args.filter,
        cidfiles: &args.cidfile,
        ignore: args.ignore,
    };
    let targets = selection.resolve(&engine, |_| true).await?;
    // Less than nothing is for ever.
    let timeout = args.time.map(|seconds| u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)));
    let containers = &engine.containers();
    let mut stopping = stream::iter(&targets)
        .map(|target| async move { (target, containers.stop(&target.id, timeout).await) })
        .buffered(AT_ONCE);
    let mut failures = Vec::new();
    while let Some((target, stopped)) = stopping.next().await {
        match stopped {
            Ok(()) => output::line(&target.given)?,
            Err(error) => failures.push(error.into()),
        }
    }
    create::warn(&engine);
    Failures::of(failures)?;
    Ok(0)
}
