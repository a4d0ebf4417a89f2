// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout system check`.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use haulout_engine::check::{Damage, Report};
use haulout_engine::container::RemoveOptions;
use haulout_engine::{Engine, Error};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::{output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Check storage for consistency and remove anything that looks damaged
///
/// Looks whether the layers, images, containers and volumes that are recorded are there, and whether each layer is what it was when it came.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove inconsistent images and containers
    #[arg(short, long)]
    force: bool,
    /// Not used: layers that no image has are removed by themselves
    #[arg(short, long, default_value = "24h0m0s", value_name = "duration")]
    max: String,
    /// Skip time-consuming checks. The default is to include time-consuming checks
    #[arg(short, long)]
    quick: bool,
    /// Remove inconsistent images
    #[arg(short, long)]
    repair: bool,
    words: Vec<String>,
}

/// Says what is wrong, and removes it when it is told to.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    if time::duration(&args.max).is_none() {
        let (max, path) = (&args.max, &invocation.path);
        bail!("invalid argument {max:?} for \"-m, --max\" flag: time: invalid duration {max:?}\nSee '{path} --help'");
    }
    let engine = invocation.engine();
    let report = engine.check(args.quick).await?;
    let mut text = String::new();
    for (kind, damage) in [
        ("layer", &report.layers),
        ("image", &report.images),
        ("container", &report.containers),
        ("volume", &report.volumes),
    ] {
        show(&mut text, kind, damage);
    }
    output::print(&text)?;
    if report.is_empty() {
        return Ok(0);
    }
    if !args.repair && !args.force {
        bail!("damage detected in local storage");
    }
    repair(&engine, &report, args.force).await?;
    Ok(0)
}

/// What is wrong with things of a kind, as Go's errors of several are printed.
fn show(text: &mut String, kind: &str, damage: &Damage) {
    for (name, wrong) in damage {
        let errors = if wrong.len() == 1 { "1 error".to_owned() } else { format!("{} errors", wrong.len()) };
        let _ = writeln!(text, "Damaged {kind} {name}:\n{errors} occurred:");
        for line in wrong {
            let _ = writeln!(text, "\t* {line}");
        }
        text.push('\n');
    }
}

/// Removes what is damaged: containers only by `force`, without which their images stay as well.
async fn repair(engine: &Engine, report: &Report, force: bool) -> Result<()> {
    let mut failures = Vec::new();
    for id in report.containers.keys().filter(|_| force) {
        let removed = async {
            let options = RemoveOptions { force: true, volumes: true, timeout: Some(0) };
            let found = engine.containers().resolve(id).await?;
            match engine.containers().remove(&found, options).await {
                // Its record cannot be read.
                Err(Error::State(_)) => engine.forget_container(found).await,
                removed => removed,
            }
        };
        match removed.await {
            Ok(()) => output::line(&format!("Deleted damaged container: {id}"))?,
            Err(error) => failures.push(anyhow::Error::from(error).context(format!("deleting container {id}"))),
        }
    }
    for id in report.images.keys() {
        match engine.images().remove(id, false).await {
            Ok(_) => output::line(&format!("Deleted damaged image: {id}"))?,
            Err(error) => failures.push(anyhow::Error::from(error).context(format!("deleting image {id}"))),
        }
    }
    engine.repair_volumes(&report.volumes).await?;
    for name in report.volumes.keys() {
        output::line(&format!("Made damaged volume anew: {name}"))?;
    }
    Failures::of(failures)
}
