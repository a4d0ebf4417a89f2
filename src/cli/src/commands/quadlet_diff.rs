// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet diff`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use haulout_engine::systemd::UserManager;
use haulout_quadlet::Outcome;
use similar::TextDiff;

use crate::invocation::Invocation;
use crate::output;
use crate::units::{self, Units};

/// What comes after the verb.
pub const USAGE: &str = "[options] [UNIT...]";

/// Show what would change in the services that systemd has
///
/// Show, for each unit or those that are named, what is other in its service as it would be made now than in the one that systemd has.
/// Ends with status 1 when there is something.
#[derive(clap::Args, Debug)]
pub struct Args {
    units: Vec<String>,
}

/// Shows it.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let units = Units::load();
    let mut outcomes = units.outcomes();
    if !args.units.is_empty() {
        let mut wanted = Vec::new();
        for name in &args.units {
            let Some(source) = units.find(name) else {
                bail!("no such unit {name}: haulout quadlet list shows those there are")
            };
            wanted.push(&source.name);
        }
        outcomes.retain(|outcome| wanted.contains(&&outcome.source.name));
    }
    let mut manager = UserManager::connect().await?;
    let mut differs = false;
    for outcome in &outcomes {
        let difference = difference(outcome, &mut manager).await?;
        differs |= !difference.is_empty();
        output::print(&difference)?;
    }
    Ok(u8::from(differs))
}

async fn difference(outcome: &Outcome<'_>, manager: &mut UserManager) -> Result<String> {
    let name = format!("{}.service", outcome.source.service());
    let Some(service) = &outcome.service else {
        return Ok(format!("{name}: there would be none: haulout quadlet check {} says why\n", outcome.source.name));
    };
    let new = service.unit.to_string();
    // A template is none that systemd has; what it has of it, any instance has.
    let asked = if outcome.source.name.is_template() { name.replacen("@.", "@haulout.", 1) } else { name };
    let path: String = manager.unit_property(&asked, "FragmentPath").await?;
    let path = (!path.is_empty()).then(|| PathBuf::from(path));
    let old = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let (old, new) = (units::without_comments(&old), units::without_comments(&new));
    if old == new {
        return Ok(String::new());
    }
    let from = path.map_or_else(|| "/dev/null".to_owned(), |path| path.display().to_string());
    let diff = TextDiff::from_lines(&old, &new);
    Ok(diff.unified_diff().header(&from, &outcome.source.name.to_string()).to_string())
}
