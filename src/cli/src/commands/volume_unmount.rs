// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume unmount`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "NAME";

/// Unmount volume
///
/// Unmount a volume
#[derive(clap::Args, Debug)]
pub struct Args {
    volumes: Vec<String>,
}

/// Prints its name if it is there: none is ever mounted but in a container.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.volumes.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.volumes.len());
    };
    let details = invocation.engine().volumes().inspect(name).await?;
    output::line(&details.record.name)?;
    Ok(0)
}
