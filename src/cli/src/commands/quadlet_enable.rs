// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet enable` and `disable`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use haulout_engine::systemd::Job;
use haulout_engine::systemd::login::{self, LingerError};
use haulout_engine::userns::subid::Owner;
use haulout_quadlet::own::Before;
use haulout_quadlet::{OwnFolder, edit, install};

use crate::exit::Failures;
use crate::invocation::Invocation;
use crate::output;
use crate::polkit::Agent;
use crate::units::{self, Units, job};

/// What comes after the verb.
pub const USAGE: &str = "[options] UNIT [UNIT...]";

/// Have units start by themselves
///
/// Write WantedBy=default.target into the [Install] section of units, and leave the rest of them as it is: systemctl cannot enable what a
/// generator makes. They start at login then; so that they start at boot, and go on after a logout, your services are kept without a login as
/// well (loginctl enable-linger). Where that is not allowed to you, a warning says so, and they start at login all the same.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Start them now as well
    #[arg(long)]
    now: bool,
    /// From login to logout only: leave lingering as it is
    #[arg(long)]
    no_linger: bool,
    units: Vec<String>,
}

/// Has them start by themselves.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    change(&args.units, true)?;
    units::renew().await.context("the units are changed, but systemd has not read them")?;
    if units::is_of_user() && !args.no_linger {
        linger().await;
    }
    if args.now {
        return job::run(Job::Start, &args.units).await;
    }
    job::tell(&args.units)
}

/// Keeps the user's services without a login, or says why not and how to.
async fn linger() {
    if let Err(error) = set_lingering().await {
        let user = Owner::current().name;
        output::warning(&format!(
            "the units start at login, not at boot: {error}; as root: loginctl enable-linger {user}"
        ));
    }
}

/// The same. A password that polkit wants is asked for by the desktop, or where there is none in the terminal.
async fn set_lingering() -> Result<(), LingerError> {
    let done = login::set_lingering(true).await;
    if !matches!(done, Err(LingerError::NobodyAsks)) {
        return done;
    }
    match Agent::of_terminal().await {
        Some(_agent) => login::set_lingering(true).await,
        None => done,
    }
}

/// Writes it into the files of the units: of all or of none, as far as can be told before.
fn change(names: &[String], on: bool) -> Result<()> {
    job::at_least_one(names)?;
    let folder = OwnFolder::at(units::source_folder()?);
    let units = Units::load();
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match changed(&units, &folder, name, on) {
            Ok(change) => changes.extend(change),
            Err(error) => failures.push(error),
        }
    }
    Failures::of(failures)?;
    for (path, before, after) in changes {
        folder.write(&path, &after, Before::Text(&before))?;
    }
    Ok(())
}

/// The file of a unit, what it says and what it is to say; nothing when it says so.
fn changed(units: &Units, folder: &OwnFolder, name: &str, on: bool) -> Result<Option<(PathBuf, String, String)>> {
    let Some(source) = units.find(name) else { bail!("{}", job::unknown(units, name)) };
    let path = &source.path;
    if install::starts_by_itself(source) == on {
        return Ok(None);
    }
    if path.extension().is_some_and(|end| end == "quadlets") {
        bail!("{name} is in {} with other units: edit that", path.display());
    }
    if !folder.holds(path) {
        bail!(
            "{} is not in your own folder of units, {}: put a copy of it there",
            path.display(),
            folder.path().display()
        );
    }
    let before = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let after = install::with_start(&before, on);
    if after == before {
        // One of its drop-ins says so.
        bail!("{} does not say that {name} starts by itself: a drop-in in {}.d does", path.display(), path.display());
    }
    if on && source.name.is_template() && edit::values(&after, "Install", "DefaultInstance").is_empty() {
        bail!("{name} is a template: DefaultInstance= in its [Install] section has to say which instance starts");
    }
    Ok(Some((path.clone(), before, after)))
}

/// `haulout quadlet disable`.
pub mod disable {
    use anyhow::Context as _;

    use super::{Invocation, Job, Result, change, job, units};

    /// What comes after the verb.
    pub const USAGE: &str = "[options] UNIT [UNIT...]";

    /// Do not have units start by themselves
    ///
    /// Take default.target out of the [Install] section of units, and leave the rest of them as it is. Whether your services are kept without a
    /// login stays as it is: others may need it.
    #[derive(clap::Args, Debug)]
    pub struct Args {
        /// Stop them now as well
        #[arg(long)]
        now: bool,
        units: Vec<String>,
    }

    /// Has them wait for somebody to start them.
    pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
        change(&args.units, false)?;
        units::renew().await.context("the units are changed, but systemd has not read them")?;
        if args.now {
            return job::run(Job::Stop, &args.units).await;
        }
        job::tell(&args.units)
    }
}
