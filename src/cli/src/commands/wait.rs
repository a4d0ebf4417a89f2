// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout wait`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;
use haulout_engine::container::Condition;

use crate::invocation::Invocation;
use crate::{names, output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Block on one or more containers
///
/// Block until one or more containers stop and then print their exit codes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Condition to wait on ("created"|"exited"|"paused"|"healthy"|"removing"|"running"|"stopped"|"unhealthy")
    #[arg(long, value_delimiter = ',')]
    condition: Vec<String>,
    /// Ignore if a container does not exist
    #[arg(long)]
    ignore: bool,
    /// Time Interval to wait before polling for completion (nothing is polled: any will do)
    #[arg(short, long, default_value = "250ms")]
    interval: String,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    containers: Vec<String>,
}

/// Waits for one container after the other, and prints each exit status.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.interval.parse::<u64>().is_err() && time::duration(&args.interval).is_none() {
        bail!("time: invalid duration {:?}", args.interval);
    }
    let containers = invocation.engine().containers();
    if args.containers.is_empty() && !args.latest {
        bail!("{:?} requires a name, id, or the \"--latest\" flag", invocation.path);
    }
    if args.latest && !args.containers.is_empty() {
        bail!("--latest and containers cannot be used together");
    }
    let mut ids = Vec::new();
    if args.latest {
        ids.push(Some(names::latest(&containers).await?));
    }
    for name in &args.containers {
        match containers.resolve(name).await {
            Ok(id) => ids.push(Some(id)),
            Err(Error::NoSuchContainer(_)) if args.ignore => ids.push(None),
            Err(error) => return Err(error.into()),
        }
    }
    let conditions = args.condition.iter().map(|text| condition(text)).collect::<Result<Vec<_>>>()?;
    for id in ids {
        let status = match id {
            None => -1,
            Some(id) if conditions.is_empty() => containers.wait(&id, Condition::Stopped).await?,
            Some(id) => {
                let waiting = conditions.iter().map(|&condition| Box::pin(containers.wait(&id, condition)));
                futures_util::future::select_all(waiting).await.0?
            }
        };
        output::line(&status.to_string())?;
    }
    Ok(0)
}

fn condition(text: &str) -> Result<Condition> {
    match text {
        "stopped" | "exited" => Ok(Condition::Stopped),
        "created" => Ok(Condition::Created),
        "initialized" => Ok(Condition::Initialized),
        "running" => Ok(Condition::Running),
        "paused" => Ok(Condition::Paused),
        "healthy" => Ok(Condition::Healthy),
        "unhealthy" => Ok(Condition::Unhealthy),
        "removing" | "removed" => Ok(Condition::Removed),
        _ => Err(anyhow!("unknown container state: {text}: invalid argument")),
    }
}
