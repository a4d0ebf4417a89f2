// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use haulout_engine::image::PullOptions;
use haulout_engine::systemd::{Job, UserManager};
use haulout_engine::update::RunOptions;
use haulout_engine::update::timer::NOTICE;

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::{output, updates};

/// How long starting what notifies may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Auto update containers according to their auto-update policy
///
/// Pulls newer images of the containers that have the label io.containers.autoupdate, and restarts the units that these run in. A unit whose
/// container does not stay up with the new image, or is not healthy, goes back to the old one. Other commands: history, apply, rollback,
/// hold, release, enable, disable (see their --help).
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Path to the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// Check for pending updates
    #[arg(long)]
    dry_run: bool,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Rollback to previous image if update fails
    #[arg(long, default_value = "true")]
    rollback: bool,
    /// Require HTTPS and verify certificates when contacting registries
    #[arg(long)]
    tls_verify: Option<bool>,
    /// As the timer runs it: within the windows for updates only, and what it does is notified
    #[arg(long, hide = true)]
    unattended: bool,
    #[arg(hide = true)]
    words: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    let options = RunOptions {
        dry_run: args.dry_run,
        roll_back: args.rollback,
        access: access(args.authfile, args.tls_verify)?,
        unattended: args.unattended,
        units: Vec::new(),
    };
    let engine = invocation.engine();
    let shown = updates::show(&engine, engine.updates().run(options), args.format.as_deref()).await;
    if args.unattended && !engine.updates().untold().await?.is_empty() {
        notify().await;
    }
    shown
}

/// Has a process of its own notify: it waits until somebody answers. That nobody can is no reason for the run to fail.
async fn notify() {
    let started = async {
        let mut manager = UserManager::connect().await?;
        manager.do_job(Job::Restart, NOTICE, PATIENCE).await
    };
    if let Err(error) = started.await {
        output::warning(&format!("nobody is notified: {error}"));
    }
}

/// How registries are spoken to.
pub fn access(auth_file: Option<PathBuf>, tls_verify: Option<bool>) -> Result<PullOptions> {
    if let Some(path) = &auth_file {
        std::fs::metadata(path).map_err(|error| {
            anyhow!("credential file is not accessible: faccessat {}: {}", path.display(), os_words(&error))
        })?;
    }
    Ok(PullOptions { auth_file, tls_verify, ..PullOptions::default() })
}
