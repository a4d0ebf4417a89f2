// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why systemd does not have a unit's service as the unit has it, from the manager's own answers.

use std::fs;
use std::path::Path;

use anyhow::Result;
use haulout_engine::systemd::{UnitState, UserManager};
use haulout_quadlet::rival::{self, Maker};
use haulout_quadlet::{Outcome, folder};

use crate::units;

/// Something that keeps a unit's service from being what the unit says, and what to do.
pub struct Obstacle {
    /// What is so.
    pub message: String,
    /// What mends it.
    pub hint: String,
}

/// What stands in the way of each unit that has a service, in their order.
pub async fn obstacles(outcomes: &[Outcome<'_>]) -> Result<Vec<Vec<Obstacle>>> {
    let mut manager = UserManager::connect().await?;
    let service = |outcome: &Outcome<'_>| format!("{}.service", outcome.source.service());
    let names: Vec<String> = outcomes.iter().map(service).collect();
    let states = manager.units(&names).await?;
    let mut all = Vec::new();
    for (outcome, name) in outcomes.iter().zip(&names) {
        let state = states.iter().find(|state| state.name == *name);
        // A template is not loaded: its instances are.
        let wanted = outcome.service.is_some() && !outcome.source.name.is_template();
        all.push(match state.filter(|_| wanted) {
            Some(state) => of_one(outcome, state, &mut manager).await?,
            None => Vec::new(),
        });
    }
    Ok(all)
}

async fn of_one(outcome: &Outcome<'_>, state: &UnitState, manager: &mut UserManager) -> Result<Vec<Obstacle>> {
    let name = &state.name;
    let obstacle = |message: String, hint: String| vec![Obstacle { message, hint }];
    match state.load.as_str() {
        "not-found" => return Ok(obstacle(format!("systemd does not know {name}"), renewal())),
        "masked" => return Ok(obstacle(format!("{name} is masked"), format!("{} unmask {name}", systemctl()))),
        "loaded" => {}
        word => {
            let why = manager.load_error(name).await?.unwrap_or_else(|| word.to_owned());
            let hint = format!("{} says more", verify(name));
            return Ok(obstacle(format!("systemd cannot load {name}: {why}"), hint));
        }
    }
    let path: String = manager.unit_property(name, "FragmentPath").await?;
    let path = Path::new(&path);
    if !is_made(path) {
        let message = format!("{} is what systemd has as {name}: it outranks this unit", path.display());
        return Ok(obstacle(message, "remove it, or give this unit another name".to_owned()));
    }
    let mut found = Vec::new();
    // Podman's generator words it otherwise.
    let ours = !matches!(rival::maker(units::is_of_user()), Maker::Podman(_));
    if manager.unit_property::<bool>(name, "NeedDaemonReload").await? || (ours && is_other(outcome, path)) {
        let message = format!("systemd has {name} as it was before this unit was changed");
        found.push(Obstacle { message, hint: renewal() });
    }
    for property in ["Requires", "BindsTo", "Requisite"] {
        let needed: Vec<String> = manager.unit_property(name, property).await?;
        let states = if needed.is_empty() { Vec::new() } else { manager.units(&needed).await? };
        for missing in states.iter().filter(|state| matches!(state.load.as_str(), "not-found" | "masked")) {
            let how = if missing.load == "masked" { "is masked" } else { "systemd does not know" };
            let message = format!("{name} has {property}={}, which {how}: it cannot start", missing.name);
            found.push(Obstacle { message, hint: format!("{} list-unit-files shows those there are", systemctl()) });
        }
    }
    Ok(found)
}

/// Whether a generator made a service, or `quadlet sync`.
fn is_made(path: &Path) -> bool {
    let generated = path.ancestors().any(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        matches!(name, "generator" | "generator.early" | "generator.late")
    });
    generated || fs::read_to_string(path).is_ok_and(|text| folder::is_ours(&text))
}

/// Whether the service in a file is another than the unit makes now.
fn is_other(outcome: &Outcome<'_>, path: &Path) -> bool {
    let (Some(service), Ok(text)) = (&outcome.service, fs::read_to_string(path)) else { return false };
    units::without_comments(&text) != units::without_comments(&service.unit.to_string())
}

fn systemctl() -> &'static str {
    if units::is_of_user() { "systemctl --user" } else { "systemctl" }
}

fn verify(name: &str) -> String {
    let scope = if units::is_of_user() { " --user" } else { "" };
    format!("systemd-analyze{scope} verify {name}")
}

/// What has systemd have the services of the units as they are now.
fn renewal() -> String {
    if rival::is_generated(units::is_of_user()) {
        format!("{} daemon-reload has it made", systemctl())
    } else {
        "haulout quadlet sync writes it".to_owned()
    }
}
