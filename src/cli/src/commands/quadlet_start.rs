// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet start`, `stop` and `restart`.

use anyhow::Result;
use haulout_engine::systemd::Job;

use crate::invocation::Invocation;
use crate::units::job;

/// What comes after the verb.
pub const USAGE: &str = "UNIT [UNIT...]";

/// Start units
///
/// Have systemd start the services of units, each called by its file (web.container), its service (web.service) or without either ending. A
/// service that is not written yet, or whose unit was changed, is written first. It is waited for until they run or have failed; of one that
/// has failed, what its journal says last is told. An instance of a template is called with its name: web@one.
#[derive(clap::Args, Debug)]
pub struct Args {
    units: Vec<String>,
}

/// Starts them.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    job::run(Job::Start, &args.units).await
}

/// `haulout quadlet stop`.
pub mod stop {
    use super::{Invocation, Job, Result, job};

    /// What comes after the verb.
    pub const USAGE: &str = "UNIT [UNIT...]";

    /// Stop units
    ///
    /// Have systemd stop the services of units, and wait until they have stopped.
    #[derive(clap::Args, Debug)]
    pub struct Args {
        units: Vec<String>,
    }

    /// Stops them.
    pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
        job::run(Job::Stop, &args.units).await
    }
}

/// `haulout quadlet restart`.
pub mod restart {
    use super::{Invocation, Job, Result, job};

    /// What comes after the verb.
    pub const USAGE: &str = "UNIT [UNIT...]";

    /// Restart units
    ///
    /// Have systemd stop the services of units if they run, and start them as their units say now.
    #[derive(clap::Args, Debug)]
    pub struct Args {
        units: Vec<String>,
    }

    /// Starts them anew.
    pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
        job::run(Job::Restart, &args.units).await
    }
}
