// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet sync`.

mod watch;

use anyhow::{Result, bail};
use haulout_quadlet::Changes;
use haulout_quadlet::rival::{self, Maker};

use crate::commands::quadlet_check;
use crate::exit::{ENGINE, Failure};
use crate::invocation::Invocation;
use crate::output;
use crate::units::{self, Units};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Write the services of your units, for who cannot install the generator
///
/// Write a service for each unit into ~/.config/systemd/user, with the links that start it, remove those whose units are gone, and have
/// systemd read them. What somebody else wrote there is left alone. A unit with a mistake keeps the service that it had.
///
/// With --watch, systemd does it by itself from now on: haulout-quadlet-sync.path has it watch the folders of your units, and nothing of
/// haulout's runs meanwhile. What --watch has begun, --no-watch ends.
///
/// Where the generator is installed it makes the services, and systemd is told to run it; those that were written before go.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Do not have systemd read the services
    #[arg(long)]
    no_reload: bool,
    /// From now on do the same whenever a unit changes, at this login and later ones
    #[arg(long, conflicts_with = "no_watch")]
    watch: bool,
    /// Do it only when asked again
    #[arg(long)]
    no_watch: bool,
}

/// Writes them.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    if let Maker::Podman(by) = rival::maker(units::is_of_user()) {
        if let Some((file, why)) = rival::broken_choice(units::is_of_user()) {
            bail!("{} does not say who makes the services: {why}", file.display());
        }
        let choice = "to have Haulout make them, write quadlet = \"haulout\" to ~/.config/haulout/config.toml";
        let message = format!("{} makes the services of these units; {choice}", by.display());
        return Err(Failure { status: ENGINE, message }.into());
    }
    if args.no_watch {
        watch::end().await?;
    }
    let generator = rival::own(units::is_of_user());
    if let Some(by) = &generator {
        output::line(&format!("{} makes the services of these units", by.display()))?;
    }
    let watched = args.watch || watch::is_on()?;
    let (mut mistakes, mut foreign) = (String::new(), Vec::new());
    loop {
        let units = Units::load();
        let outcomes = units.outcomes();
        let found = quadlet_check::words(&units, &outcomes);
        if found != mistakes {
            output::error(&found);
            mistakes = found;
        }
        let changes = if generator.is_some() { units::retire()? } else { units::sync(&units, &outcomes)? };
        output::print(&told(&changes))?;
        if !args.no_reload && (generator.is_some() || changes.are_to_be_told()) {
            units::tell().await?;
        }
        // While systemd reloads it does not watch, and what came into a new folder came before that was watched.
        let again = watched && (watch::over(&units.found.watched).await? || changes.any());
        if changes.foreign != foreign {
            foreign = changes.foreign;
            for file in &foreign {
                output::warning(&format!("{} is somebody else's: it is left as it is", file.display()));
            }
        }
        if !again {
            let broken = !units.found.problems.is_empty() || outcomes.iter().any(|outcome| outcome.service.is_none());
            return Ok(u8::from(!foreign.is_empty() || broken));
        }
    }
}

fn told(changes: &Changes) -> String {
    let lines = |verb: &str, names: &[String]| names.iter().map(|name| [verb, name, "\n"].concat()).collect::<String>();
    lines("wrote ", &changes.written) + &lines("removed ", &changes.removed)
}
