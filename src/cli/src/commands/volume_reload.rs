// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume reload`.

use anyhow::Result;

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "";

/// Reload all volumes from volume plugins
///
/// There are no volume plugins here: there is nothing to do.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// There are no plugins to ask.
#[allow(clippy::unused_async, reason = "as every verb is")]
pub async fn run(_: Args, _: &Invocation) -> Result<u8> {
    Ok(0)
}
