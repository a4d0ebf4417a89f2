// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout system prune`.

use anyhow::{Result, bail};
use haulout_engine::container::tree_size;
use haulout_engine::image::Removed;
use haulout_engine::{Engine, Error};

use super::container_prune;
use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::{filter, output, question, size};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Remove unused data
///
/// Removes all containers that do not run, all dangling images, or with --all all that no container is made of, and with --volumes all volumes that no container has.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Remove build containers (there are none)
    #[arg(long)]
    build: bool,
    /// Remove container data in storage not controlled by this engine (there is none)
    #[arg(long)]
    external: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long)]
    filter: Vec<String>,
    /// Do not prompt for confirmation. The default is false
    #[arg(short, long)]
    force: bool,
    /// Prune volumes
    #[arg(long)]
    volumes: bool,
    words: Vec<String>,
}

/// Asks, and removes what nobody needs.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    if args.external {
        if args.all || args.build || args.volumes || !args.filter.is_empty() {
            bail!("system prune --external cannot be combined with other options");
        }
        return Ok(0);
    }
    if !args.force && !question::agreed(&warning(&args))? {
        return Ok(0);
    }
    let engine = invocation.engine();
    let mut failures = Vec::new();
    let mut freed = containers(&engine, &args, &mut failures).await?;
    if args.volumes {
        freed += volumes(&engine, &mut failures).await?;
    }
    freed += images(&engine, &args).await?;
    output::line(&format!("Total reclaimed space: {}", size::human(freed, 4, "")))?;
    Failures::of(failures)?;
    Ok(0)
}

fn warning(args: &Args) -> String {
    let volumes = if args.volumes { "\t- all volumes not used by at least one container\n" } else { "" };
    let images = if args.all {
        "\t- all images without at least one container associated with them\n\t- all build cache\n"
    } else {
        "\t- all dangling images\n\t- all dangling build cache\n"
    };
    format!(
        "WARNING! This command removes:\n\t- all stopped containers\n\t- all networks not used by at least one container\n{volumes}{images}\nAre you sure you want to continue? [y/N] "
    )
}

fn say(heading: &str, removed: &[String]) -> Result<()> {
    if !removed.is_empty() {
        output::print(&format!("{heading}\n{}\n", removed.join("\n")))?;
    }
    Ok(())
}

async fn containers(engine: &Engine, args: &Args, failures: &mut Vec<anyhow::Error>) -> Result<u64> {
    let list = engine.containers().list().await?;
    let mut sizes: Vec<(String, u64)> = Vec::new();
    for summary in list.iter().filter(|summary| !summary.status.is_started()) {
        let size = engine.containers().written(&summary.record).await;
        sizes.push((summary.record.id.to_string(), size));
    }
    let (removed, failed) = container_prune::prune(engine, &args.filter).await?;
    failures.extend(failed);
    say("Deleted Containers", &removed)?;
    Ok(sizes.iter().filter(|(id, _)| removed.contains(id)).map(|(_, size)| size).sum())
}

async fn volumes(engine: &Engine, failures: &mut Vec<anyhow::Error>) -> Result<u64> {
    let volumes = engine.volumes();
    let (mut removed, mut freed) = (Vec::new(), 0);
    for volume in volumes.list().await? {
        if !volume.containers.is_empty() {
            continue;
        }
        let name = volume.record.name;
        let size = tree_size(&engine.paths().volume(&name).join("_data"));
        match volumes.remove(&name, false, None).await {
            Ok(()) => {
                volumes.note_pruned(&name);
                removed.push(name);
                freed += size;
            }
            // Somebody took it, in either sense, in the meantime.
            Err(Error::NoSuchVolume(_) | Error::VolumeInUse { .. }) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    if let Err(error) = volumes.tidy().await {
        failures.push(error.into());
    }
    say("Deleted Volumes", &removed)?;
    Ok(freed)
}

async fn images(engine: &Engine, args: &Args) -> Result<u64> {
    let list = engine.images().list().await?;
    let filter = filter::Images::parse(&args.filter, engine, &list).await?;
    let (mut removed, mut freed) = (Vec::new(), 0);
    for image in &list {
        if image.read_only || image.containers > 0 || !(args.all || image.names.is_empty()) || !filter.holds(image) {
            continue;
        }
        match engine.images().remove_unused(&image.id).await {
            Ok(steps) => {
                for step in steps {
                    if let Removed::Deleted(id) = step {
                        removed.push(id.hex());
                        freed += image.size;
                    }
                }
            }
            // Somebody made a container of it just now, or was quicker.
            Err(Error::ImageInUse { .. } | Error::NoSuchImage(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    say("Deleted Images", &removed)?;
    Ok(freed)
}
