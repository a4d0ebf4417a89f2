// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume mount` and `unmount`: a volume is a folder, so there is nothing to do but to say where it is.

use anyhow::{Result, bail};
use haulout_engine::userns;

use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "NAME";

/// Mount volume
///
/// Mount a volume and return the mountpoint
#[derive(clap::Args, Debug)]
pub struct Args {
    volumes: Vec<String>,
}

/// Prints where the files are, to whoever can reach them all: in the user namespace.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.volumes.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.volumes.len());
    };
    if !userns::is_root() {
        bail!(
            "cannot run command \"{} volume mount\" in rootless mode, must execute `{0} unshare` first",
            invocation.program
        );
    }
    let details = invocation.engine().volumes().inspect(name).await?;
    output::line(&details.mountpoint.display().to_string())?;
    Ok(0)
}
