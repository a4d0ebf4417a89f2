// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout system migrate`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Migrate containers
///
/// Migrate existing containers to a new version. There is nothing to migrate: what containers are made from is read as it was written.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Specify a new runtime for all containers
    #[arg(long)]
    new_runtime: Option<String>,
    words: Vec<String>,
}

/// Gives all containers another runtime, if there is one to give.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    if let Some(runtime) = args.new_runtime.filter(|runtime| !runtime.is_empty()) {
        invocation.engine().migrate(runtime).await?;
    }
    Ok(0)
}
