// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout healthcheck run`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;
use haulout_engine::container::health::Outcome;

use crate::invocation::Invocation;
use crate::{output, time};

/// What comes after the verb.
pub const USAGE: &str = "CONTAINER";

/// What a check that has failed ends with.
const FAILED: u8 = 1;

/// Run the health check of a container
///
/// Run the health check of a container
#[derive(clap::Args, Debug)]
pub struct Args {
    containers: Vec<String>,
}

/// Checks one container now: 0 when it is well.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    let containers = invocation.engine().containers();
    let id = containers.resolve(name).await.map_err(|error| match error {
        Error::NoSuchContainer(_) | Error::NoName => {
            anyhow!("unable to look up {name} to perform a health check: {error}")
        }
        error => error.into(),
    })?;
    match containers.check_health(&id).await? {
        Outcome::Passed => Ok(0),
        Outcome::Failed => {
            output::line("unhealthy")?;
            Ok(FAILED)
        }
        Outcome::FailedStartup => {
            output::line("starting")?;
            Ok(FAILED)
        }
        Outcome::TimedOut(after) => {
            let after = time::go_duration(i64::try_from(after).unwrap_or(i64::MAX));
            bail!("healthcheck command exceeded timeout of {after}")
        }
    }
}
