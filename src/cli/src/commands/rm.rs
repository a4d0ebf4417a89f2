// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout rm`.

use anyhow::{Result, bail};
use futures_util::stream::{self, StreamExt as _};
use haulout_engine::Error;
use haulout_engine::container::{ContainerId, RemoveOptions, Summary};

use super::create;
use crate::exit::{Failure, Failures};
use crate::invocation::Invocation;
use crate::names::{Selection, Target};
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// How many containers are removed at once.
const AT_ONCE: usize = 16;

/// Remove one or more containers
///
/// Removes one or more containers from the host. The container name or ID can be used.
/// Command does not remove images. Running or unusable containers will not be removed without the -f option.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long)]
    cidfile: Vec<String>,
    /// Remove container and all containers that depend on the selected container
    #[arg(long)]
    depend: bool,
    /// Filter output based on conditions given
    #[arg(long)]
    filter: Vec<String>,
    /// Force removal of a running or unusable container
    #[arg(short, long)]
    force: bool,
    /// Ignore errors when a specified container is missing
    #[arg(short, long)]
    ignore: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(short, long, alias = "timeout")]
    time: Option<i64>,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    /// Not used: there are no containers but the engine's own
    #[arg(long, hide = true)]
    storage: bool,
    containers: Vec<String>,
}

/// Removes every container. The status is 1 when one is not there, 2 when one still runs.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.time.is_some() && !args.force {
        bail!("--force option must be specified to use the --time option");
    }
    let engine = invocation.engine();
    let selection = Selection {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        filters: &args.filter,
        cidfiles: &args.cidfile,
        ignore: args.ignore || args.force,
    };
    let targets = selection.resolve(&engine, |_| true).await.map_err(|error| match error.downcast() {
        // The only thing that can be missed of the latest one.
        Err(error) if args.latest && args.containers.is_empty() && !args.all => {
            Failure { status: 1, message: error.to_string() }.into()
        }
        Ok(Error::NoSuchContainer(name)) => {
            let message = format!("no container with ID or name {name:?} found: no such container");
            Failure { status: 1, message }.into()
        }
        Ok(error) => error.into(),
        Err(error) => error,
    })?;
    let timeout = args.time.map(|seconds| u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)));
    // Whoever forces it wants nothing of it to be left.
    let options = RemoveOptions { force: args.force, volumes: args.volumes || args.force, timeout };
    let containers = &engine.containers();
    let order = Order::of(&containers.list().await?, targets, args.depend);
    let mut failures = Vec::new();
    // Those that others depend on come one after the other, and after them.
    let width = if order.depending { 1 } else { AT_ONCE };
    let mut removing = stream::iter(&order.targets)
        .map(|target| async move { (target, containers.remove(&target.id, options).await) })
        .buffered(width);
    while let Some((target, removed)) = removing.next().await {
        match removed {
            Ok(()) => output::line(&target.given)?,
            // Another command was quicker: it is gone, as was wanted.
            Err(Error::NoSuchContainer(_)) if args.force || args.ignore || args.all => {}
            Err(error @ Error::WrongState(_)) => {
                failures.push(Failure { status: 2, message: error.to_string() }.into());
            }
            Err(error) => failures.push(error.into()),
        }
    }
    create::warn(&engine);
    Failures::of(failures)?;
    Ok(0)
}

/// What is removed, and whether that must be one after the other because some depend on others.
struct Order {
    targets: Vec<Target>,
    depending: bool,
}

impl Order {
    /// Of `targets`; with `depend` of those too that depend on them.
    fn of(all: &[Summary], targets: Vec<Target>, depend: bool) -> Self {
        let dependents = |id: &ContainerId| {
            let id = id.to_string();
            let of = all.iter().filter(move |summary| summary.record.dependencies().contains(&id.as_str()));
            of.map(|summary| summary.record.id).collect::<Vec<_>>()
        };
        let mut order = Self { targets: Vec::new(), depending: false };
        let mut wanted: Vec<Target> = Vec::new();
        let mut pending: Vec<Target> = targets.into_iter().rev().collect();
        while let Some(target) = pending.pop() {
            let others = dependents(&target.id);
            order.depending |= !others.is_empty();
            if depend {
                pending.extend(others.into_iter().map(|id| Target { given: id.to_string(), id }));
            }
            if !wanted.iter().any(|known| known.id == target.id) {
                wanted.push(target);
            }
        }
        // Whoever depends on another goes first; what cannot go comes last, and is refused.
        let mut left = wanted;
        while !left.is_empty() {
            let is_free = |target: &Target| {
                dependents(&target.id).iter().all(|id| order.targets.iter().any(|gone| gone.id == *id))
            };
            let (free, held): (Vec<Target>, Vec<Target>) = left.into_iter().partition(is_free);
            if free.is_empty() {
                order.targets.extend(held);
                break;
            }
            order.targets.extend(free);
            left = held;
        }
        order
    }
}
