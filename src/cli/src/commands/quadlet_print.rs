// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet print`.

use anyhow::{Context as _, Result, bail};

use crate::invocation::Invocation;
use crate::output;
use crate::units::Named;

/// What comes after the verb.
pub const USAGE: &str = "[options] UNIT|FILE";

/// Print a unit, or the service that is made of it
///
/// Print the file of a unit as it is; with --service what is made of it and its drop-ins, of a file among those of its folder.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print the service
    #[arg(long)]
    service: bool,
    units: Vec<String>,
}

/// Prints it.
#[allow(clippy::unused_async, reason = "as every verb is")]
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let [typed] = args.units.as_slice() else { bail!("accepts 1 arg(s), received {}", args.units.len()) };
    let Named { units, name } = Named::of(typed)?;
    let Some(source) = units.find(&name) else {
        bail!("could not locate quadlet {typed:?} in any supported quadlet directory")
    };
    if !args.service {
        let path = source.path.display();
        output::print(&std::fs::read_to_string(&source.path).with_context(|| format!("reading {path}"))?)?;
        return Ok(0);
    }
    let outcome = units.outcomes().into_iter().find(|outcome| outcome.source.name == source.name);
    match outcome.and_then(|outcome| outcome.service) {
        Some(service) => output::print(&service.unit.to_string())?,
        None => bail!("{} has no service: haulout quadlet check {typed} says why", source.name),
    }
    Ok(0)
}
