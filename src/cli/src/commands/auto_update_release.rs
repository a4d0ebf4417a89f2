// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update release`.

use anyhow::{Result, anyhow, bail};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::units;

/// What comes after the verb.
pub const USAGE: &str = "UNIT [UNIT...]";

/// Update units again that are held
///
/// Ends what `hold` began.
#[derive(clap::Args, Debug)]
pub struct Args {
    units: Vec<String>,
}

/// Releases them.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.units.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    let updates = invocation.engine().updates();
    let mut failures = Vec::new();
    for unit in &args.units {
        if !updates.release(&units::service(unit)).await? {
            failures.push(anyhow!("{unit} is not held"));
        }
    }
    Failures::of(failures)?;
    Ok(0)
}
