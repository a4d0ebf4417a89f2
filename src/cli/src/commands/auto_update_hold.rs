// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update hold`.

use anyhow::{Result, bail};

use crate::format::table;
use crate::invocation::Invocation;
use crate::{output, time, units};

/// What comes after the verb.
pub const USAGE: &str = "[options] [UNIT...]";

/// Do not update units for now
///
/// Leaves units as they are, until a date or until they are released, and with them those that run an image of the same name. Without a unit
/// lists those that are held.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Until this date (2026-12-24, 2026-12-24T18:00) or for this long (72h)
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    units: Vec<String>,
}

/// Holds them.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let updates = invocation.engine().updates();
    if args.units.is_empty() && args.until.is_some() {
        bail!("--until is for units that are to be held, and none is named");
    }
    if args.units.is_empty() {
        let rows = updates.holds().await?.into_iter().map(|hold| {
            let until = hold.until.map_or_else(|| "released".to_owned(), time::minute);
            vec![hold.unit, until]
        });
        output::print(&table::table(Some(&["UNIT", "UNTIL"]), &rows.collect::<Vec<_>>()))?;
        return Ok(0);
    }
    let until = match args.until.as_deref() {
        None => None,
        Some(text) => match time::point_ahead(text) {
            Some(at) if at <= time::now() => bail!("{text} is past: until when is a date to come"),
            Some(at) => Some(at),
            None => bail!("{text:?} is no date (2026-12-24, 2026-12-24T18:00) and no duration (72h)"),
        },
    };
    for unit in &args.units {
        if !is_name(unit) {
            bail!("{unit:?} cannot be the name of a unit");
        }
    }
    let participants = updates.participants().await?;
    for name in args.units.iter().map(|unit| units::service(unit)) {
        updates.hold(&name, until).await?;
        if !participants.iter().any(|one| one.unit.as_ref() == Some(&name)) {
            output::warning(&format!("{name} runs no container that takes part in auto-updates now"));
        }
    }
    Ok(0)
}

/// Whether systemd could have a unit of that name (systemd.unit(5), "Description").
fn is_name(text: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || ":-_.\\@".contains(char);
    !text.is_empty() && text.chars().all(allowed)
}
