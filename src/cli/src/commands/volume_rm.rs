// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume rm`.

use anyhow::{Result, bail};
use haulout_engine::Error;

use crate::exit::{Failure, Failures};
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] VOLUME [VOLUME...]";

/// Remove one or more volumes
///
/// Remove one or more existing volumes. Will only remove volumes that are not being used by any containers. To remove the volumes
/// anyways, use the --force flag.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all volumes
    #[arg(short, long)]
    all: bool,
    /// Remove a volume by force, even if it is being used by a container
    #[arg(short, long)]
    force: bool,
    /// Seconds to wait for running containers to stop before killing the container
    #[arg(short, long)]
    time: Option<i64>,
    volumes: Vec<String>,
}

/// Removes every volume. The status is 1 when one is not there, 2 when a container has one.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.time.is_some() && !args.force {
        bail!("--force option must be specified to use the --time option");
    }
    if args.all != args.volumes.is_empty() {
        bail!("choose either one or more volumes or all");
    }
    let volumes = invocation.engine().volumes();
    let names = if args.all {
        volumes.list().await?.into_iter().map(|volume| volume.record.name).collect()
    } else {
        args.volumes
    };
    let timeout = args.time.map(|seconds| u64::try_from(seconds).unwrap_or(u64::from(u32::MAX)));
    let mut failures = Vec::new();
    for given in names {
        let removed = match volumes.inspect(&given).await {
            Ok(volume) => volumes.remove(&volume.record.name, args.force, timeout).await.map(|()| volume.record.name),
            Err(error) => Err(error),
        };
        match removed {
            Ok(name) => output::line(&name)?,
            Err(Error::NoSuchVolume(_)) if args.force || args.all => {}
            Err(error @ Error::NoSuchVolume(_)) => {
                failures.push(Failure { status: 1, message: error.to_string() }.into());
            }
            Err(error @ Error::VolumeInUse { .. }) => {
                failures.push(Failure { status: 2, message: error.to_string() }.into());
            }
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
