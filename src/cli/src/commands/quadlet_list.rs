// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet list`.

use std::collections::HashMap;

use anyhow::Result;
use haulout_engine::systemd::{UnitState, UserManager};
use haulout_quadlet::Source;

use crate::format::{self, Data, Struct, table};
use crate::invocation::Invocation;
use crate::output;
use crate::units::Units;

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// List units
///
/// List all units that there are, with how their services are.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Format using Go template
    #[arg(long)]
    format: Option<String>,
    /// Do not print headers
    #[arg(short, long)]
    noheading: bool,
}

const HEADINGS: &[(&str, &str)] =
    &[("Name", "NAME"), ("UnitName", "UNIT NAME"), ("Path", "PATH ON DISK"), ("Status", "STATUS")];

/// Prints the list.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let units = Units::load();
    for (file, problem) in &units.found.problems {
        output::warning(&format!("{}: {}", file.display(), problem.fault));
    }
    let sources = &units.found.sources;
    let names: Vec<String> = sources.iter().map(unit_name).collect();
    // Without a manager there are units all the same.
    let states = match states(&names).await {
        Ok(states) => Some(states),
        Err(error) => {
            output::warning(&format!("how the services are is unknown: {error:#}"));
            None
        }
    };
    let status =
        |unit: &str| states.as_ref().map_or("unknown", |states| states.get(unit).map_or("Not loaded", String::as_str));
    let headings = (!args.noheading).then_some(HEADINGS);
    let rows = sources.iter().map(|source| -> Data {
        let unit = unit_name(source);
        let row = Struct::of("*entities.ListQuadlet").with("Name", source.name.to_string());
        row.with("Path", source.path.display().to_string()).with("Status", status(&unit)).with("UnitName", unit).into()
    });
    let listed = format::list(args.format.as_deref(), rows, headings)?;
    let shown = listed.unwrap_or_else(|| {
        let rows = sources.iter().zip(&names).map(|(source, unit)| {
            vec![source.name.to_string(), unit.clone(), source.path.display().to_string(), status(unit).to_owned()]
        });
        let headings = HEADINGS.iter().map(|(_, heading)| *heading).collect::<Vec<_>>();
        table::table((!args.noheading).then_some(headings.as_slice()), &rows.collect::<Vec<_>>())
    });
    output::print(&shown)?;
    Ok(0)
}

fn unit_name(source: &Source) -> String {
    format!("{}.service", source.service())
}

/// How the services are, by name: `active/running`, as Podman says it.
async fn states(names: &[String]) -> Result<HashMap<String, String>> {
    let states = UserManager::connect().await?.units(names).await?;
    let known = states.into_iter().filter(|state| state.load != "not-found");
    Ok(known.map(|UnitState { name, active, sub, .. }| (name, format!("{active}/{sub}"))).collect())
}
