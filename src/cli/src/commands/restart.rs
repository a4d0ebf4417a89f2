// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout restart`.

use anyhow::Result;
use futures_util::stream::{self, StreamExt as _};
use haulout_engine::container::Status;

use super::create;
use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::names::Selection;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// How many containers are restarted at once.
const AT_ONCE: usize = 16;

/// Restart one or more containers
///
/// Restarts one or more running containers. The container ID or name can be used.
/// A timeout before forcibly stopping can be set, but defaults to 10 seconds.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Restart all containers, whatever they are doing
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long)]
    cidfile: Vec<String>,
    /// Filter output based on conditions given
    #[arg(short, long)]
    filter: Vec<String>,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Restart only running containers
    #[arg(long)]
    running: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(short, long, alias = "timeout")]
    time: Option<i64>,
    containers: Vec<String>,
}

/// Stops and starts every container, and prints what the user called it when it runs again.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let selection = Selection {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        filters: &args.filter,
        cidfiles: &args.cidfile,
        ..Selection::default()
    };
    let mut targets = selection.resolve(&engine, |_| true).await?;
    let containers = &engine.containers();
    if args.running {
        let list = containers.list().await?;
        targets.retain(|target| {
            let found = list.iter().find(|summary| summary.record.id == target.id);
            found.is_some_and(|summary| matches!(summary.status, Status::Running(_)))
        });
    }
    // Less than nothing is for ever.
    let timeout = args.time.map(|seconds| u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)));
    let mut restarting = stream::iter(&targets)
        .map(|target| async move { (target, containers.restart(&target.id, timeout).await) })
        .buffered(AT_ONCE);
    let mut failures = Vec::new();
    while let Some((target, restarted)) = restarting.next().await {
        create::warn(&engine);
        match restarted {
            Ok(()) => output::line(&target.given)?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
