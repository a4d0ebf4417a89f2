// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet rm`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::systemd::{Job, JobResult, UserManager};
use haulout_quadlet::{Source, lasting};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::output;
use crate::units::{self, Units};

/// What comes after the verb.
pub const USAGE: &str = "[options] UNIT|FOLDER [UNIT|FOLDER...]";

/// Remove units
///
/// Remove units from the user's own folder, or all of a folder there. One that runs is removed with --force only, which stops it first.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Remove all Quadlets for the current user
    #[arg(short, long)]
    all: bool,
    /// Remove running quadlets
    #[arg(short, long)]
    force: bool,
    /// Do not error for Quadlets that do not exist
    #[arg(short, long)]
    ignore: bool,
    /// Reload systemd after removal
    #[arg(long, default_value = "true")]
    reload_systemd: bool,
    units: Vec<String>,
}

/// How long stopping a unit may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Something to remove, and the services that go with it.
struct Target {
    name: String,
    path: PathBuf,
    services: Vec<String>,
}

/// Removes them.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    if args.units.is_empty() && !args.all {
        bail!("at least one quadlet file must be selected");
    }
    let folder = units::source_folder()?;
    let units = Units::load();
    let own: Vec<&Source> = units.found.sources.iter().filter(|source| source.path.starts_with(&folder)).collect();
    let (mut targets, mut failures) = (Vec::new(), Vec::new());
    if args.all {
        // The units of a bundle go together.
        let mut seen = HashSet::new();
        let files = own.iter().filter(|source| seen.insert(&source.path));
        targets.extend(files.map(|source| target(file_name(source), source.path.clone(), &own)));
    }
    for name in args.units.iter().filter(|_| !args.all) {
        match find(name, &folder, &own) {
            Ok(Some(target)) => targets.push(target),
            Ok(None) if args.ignore => {}
            Ok(None) => failures.push(anyhow!("no such unit {name} in {}", folder.display())),
            Err(error) => failures.push(error),
        }
    }
    // Without a manager nothing runs by it.
    let mut manager = UserManager::connect().await.ok();
    let mut removed = false;
    for target in targets {
        match remove(&target, manager.as_mut(), args.force).await {
            Ok(()) => {
                removed = true;
                output::line(&target.name)?;
            }
            Err(error) => failures.push(error),
        }
    }
    if removed && args.reload_systemd && manager.is_some() {
        units::renew().await.context("the units are removed, but systemd has not been told")?;
    }
    Failures::of(failures)?;
    Ok(0)
}

fn target(name: String, path: PathBuf, own: &[&Source]) -> Target {
    let of_it = own.iter().filter(|source| source.path.starts_with(&path));
    let services = of_it.map(|source| format!("{}.service", source.service())).collect();
    Target { name, path, services }
}

/// The name of a unit's file: its own, or that of its bundle.
fn file_name(source: &Source) -> String {
    source.path.file_name().map_or_else(|| source.name.to_string(), |name| name.to_string_lossy().into_owned())
}

/// What a name stands for: a unit's file, or a folder.
fn find(name: &str, folder: &Path, own: &[&Source]) -> Result<Option<Target>> {
    let service = name.strip_suffix(".service").unwrap_or(name);
    let by_file = own.iter().find(|source| source.name.to_string() == name);
    if let Some(source) = by_file.or_else(|| own.iter().find(|source| source.service() == service)) {
        if source.path.extension().is_some_and(|end| end == "quadlets") {
            let bundle = source.path.display();
            bail!("{name} is in {bundle} with other units: edit that, or remove all of it by its name");
        }
        return Ok(Some(target(name.to_owned(), source.path.clone(), own)));
    }
    let path = folder.join(name);
    let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let is_ours = inside && own.iter().any(|source| source.path.starts_with(&path));
    Ok(is_ours.then(|| target(name.to_owned(), path, own)))
}

async fn remove(target: &Target, manager: Option<&mut UserManager>, force: bool) -> Result<()> {
    if let Some(manager) = manager {
        let mut states = manager.units(&target.services).await?;
        for template in target.services.iter().filter(|service| service.contains("@.")) {
            states.extend(manager.instances(template).await?);
        }
        let running = states.into_iter().filter(|state| !matches!(state.active.as_str(), "inactive" | "failed"));
        for state in running {
            if !force {
                bail!("quadlet {} is running and force is not set, refusing to remove", target.name);
            }
            if let JobResult::Other(word) = manager.do_job(Job::Stop, &state.name, PATIENCE).await? {
                bail!("stopping {}: its job was {word}", state.name);
            }
        }
    }
    let removed = if target.path.is_dir() { fs::remove_dir_all(&target.path) } else { fs::remove_file(&target.path) };
    let above = target.path.parent().unwrap_or(Path::new("/"));
    removed.and_then(|()| lasting::sync_names(above)).with_context(|| format!("removing {}", target.path.display()))
}
