// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout system reset`.

use anyhow::{Result, bail};
use futures_util::stream::{self, StreamExt as _};
use haulout_engine::container::RemoveOptions;
use haulout_engine::{Engine, Error};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::question;

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// How many containers are removed at once.
const AT_ONCE: usize = 16;

/// Remove all containers, images and volumes
///
/// Removes everything that this engine keeps for the user: all containers, running or not, all images and all volumes. Settings and what other engines keep stay.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    words: Vec<String>,
}

/// Asks, and removes everything.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    let engine = invocation.engine();
    let data = engine.paths().data.display();
    let ask = format!(
        "WARNING! This will remove:\n        - all containers\n        - all images\n        - all volumes\n        from {data}\nAre you sure you want to continue? [y/N] "
    );
    if !args.force && !question::agreed(&ask)? {
        return Ok(0);
    }
    let mut failures = Vec::new();
    containers(&engine, &mut failures).await?;
    images(&engine, &mut failures).await?;
    volumes(&engine, &mut failures).await?;
    Failures::of(failures)?;
    Ok(0)
}

async fn containers(engine: &Engine, failures: &mut Vec<anyhow::Error>) -> Result<()> {
    let list = engine.containers().list().await?;
    let containers = &engine.containers();
    let options = RemoveOptions { force: true, volumes: true, timeout: Some(0) };
    let mut removing = stream::iter(&list)
        .map(|summary| async move { containers.remove(&summary.record.id, options).await })
        .buffer_unordered(AT_ONCE);
    while let Some(removed) = removing.next().await {
        match removed {
            Ok(()) | Err(Error::NoSuchContainer(_)) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    Ok(())
}

async fn images(engine: &Engine, failures: &mut Vec<anyhow::Error>) -> Result<()> {
    for image in engine.images().list().await? {
        match engine.images().remove(&image.id.hex(), true).await {
            Ok(_) | Err(Error::NoSuchImage(_)) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    Ok(())
}

async fn volumes(engine: &Engine, failures: &mut Vec<anyhow::Error>) -> Result<()> {
    for volume in engine.volumes().list().await? {
        match engine.volumes().remove(&volume.record.name, true, Some(0)).await {
            Ok(()) | Err(Error::NoSuchVolume(_)) => {}
            Err(error) => failures.push(error.into()),
        }
    }
    Ok(())
}
