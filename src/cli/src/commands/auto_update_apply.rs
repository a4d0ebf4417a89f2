// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update apply`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use haulout_engine::update::RunOptions;

use super::auto_update::access;
use crate::invocation::Invocation;
use crate::{units, updates};

/// What comes after the verb.
pub const USAGE: &str = "[options] UNIT [UNIT...]";

/// Update these units now
///
/// Updates these units now, though they are held, are only to be notified, or were rolled back from this very image.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Path of the authentication file
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Rollback to previous image if update fails
    #[arg(long, default_value = "true")]
    rollback: bool,
    /// Require HTTPS and verify certificates when contacting registries
    #[arg(long)]
    tls_verify: Option<bool>,
    units: Vec<String>,
}

/// Updates them.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.units.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    let options = RunOptions {
        roll_back: args.rollback,
        access: access(args.authfile, args.tls_verify)?,
        units: args.units.iter().map(|unit| units::service(unit)).collect(),
        ..RunOptions::default()
    };
    let engine = invocation.engine();
    updates::show(&engine, engine.updates().run(options), args.format.as_deref()).await
}
