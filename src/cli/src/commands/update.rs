// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout update`.

use anyhow::{Result, bail};
use haulout_engine::container::update::Changes;

use crate::invocation::Invocation;
use crate::options::{self, HealthChangeFlags, LimitFlags};
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Update an existing container
///
/// Updates the configuration of an existing container, allowing changes to resource limits, to its restart policy and to its health check.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    health: HealthChangeFlags,
    /// Restart policy to apply when a container exits ("always"|"no"|"never"|"on-failure"|"unless-stopped")
    #[arg(long)]
    restart: Option<String>,
    containers: Vec<String>,
}

/// Changes the container, and prints its id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [container] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    let restart = args.restart.as_deref().map(options::restart).transpose()?;
    let changes = Changes { limits: args.limits.limits()?, restart, health: args.health.changes()? };
    let containers = invocation.engine().containers();
    let id = containers.resolve(container).await?;
    containers.update(&id, changes).await?;
    output::line(&id.to_string())?;
    Ok(0)
}
