// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update rollback`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;
use crate::{units, updates};

/// What comes after the verb.
pub const USAGE: &str = "[options] UNIT";

/// Go back to what a unit ran before its last update
///
/// Goes back to the image that a unit ran before its last update, with all units that were updated with it because they have the same image.
/// The image that is taken back is not tried again by itself: a newer one is.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    units: Vec<String>,
}

/// Goes back.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [unit] = args.units.as_slice() else { bail!("accepts 1 arg(s), received {}", args.units.len()) };
    let engine = invocation.engine();
    updates::show(&engine, engine.updates().roll_back(&units::service(unit)), args.format.as_deref()).await
}
