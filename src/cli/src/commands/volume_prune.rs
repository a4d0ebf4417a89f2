// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume prune`.

use anyhow::Result;
use haulout_engine::Error;

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::{filter, output, question};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Remove all unused volumes
///
/// Volumes that are not currently owned by a container will be removed. The command prompts for confirmation which can be overridden
/// with the --force flag. Note all data will be destroyed.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

/// Removes what no container has, having asked.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let volumes = invocation.engine().volumes();
    let list = volumes.list().await?;
    let filter = filter::Volumes::parse(&args.filter, &list)?;
    let unused: Vec<String> = list
        .iter()
        .filter(|volume| volume.containers.is_empty() && filter.holds(volume))
        .map(|volume| volume.record.name.clone())
        .collect();
    if !args.force {
        output::line(
            "WARNING! This will remove all volumes not used by at least one container. The following volumes will be removed:",
        )?;
        if unused.is_empty() {
            output::line("No dangling volumes found")?;
            return Ok(0);
        }
        unused.iter().try_for_each(|name| output::line(name))?;
        if !question::agreed("Are you sure you want to continue? [y/N] ")? {
            return Ok(0);
        }
    }
    let mut failures = Vec::new();
    for name in unused {
        match volumes.remove(&name, false, None).await {
            Ok(()) => {
                volumes.note_pruned(&name);
                output::line(&name)?;
            }
            // Somebody took it, in either sense, in the meantime.
            Err(Error::NoSuchVolume(_) | Error::VolumeInUse { .. }) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    if let Err(error) = volumes.tidy().await {
        failures.push(error.into());
    }
    Failures::of(failures)?;
    Ok(0)
}
