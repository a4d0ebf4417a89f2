// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet from-run`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Command;
use haulout_quadlet::{Flag, Written, from_run};

use super::VERBS;
use crate::invocation::Invocation;
use crate::{commands, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] COMMAND [ARG...]";

/// Print the unit that runs what a command line runs
///
/// Prints the unit of a `podman run` (or docker run, or haulout run) command, given as one word or as its words after `--`. Nothing is
/// installed: haulout quadlet install does that.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Prints it.
#[allow(clippy::unused_async, reason = "as every verb is")]
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let words = match args.command.as_slice() {
        [line] => shell_words::split(line).with_context(|| format!("reading {line:?}"))?,
        words => words.to_vec(),
    };
    let folder = std::env::current_dir().context("finding the folder that this runs in")?;
    print(&written(&words, &folder)?)
}

/// The unit of a command line.
pub fn written(words: &[String], folder: &Path) -> Result<Written> {
    Ok(from_run(words, folder, &flags()?)?)
}

/// What says which flag of `run` a name is.
pub fn flags() -> Result<impl Fn(&str) -> Option<Flag>> {
    let Some(verb) = VERBS.iter().find(|verb| verb.names[0] == "run") else { bail!("there is no run") };
    let command = commands::command(verb);
    Ok(move |name: &str| flag(&command, name))
}

/// Flags of Podman's `run` that ours has not (yet): what they become of in a unit is known all the same.
const OF_PODMAN: [&str; 2] = ["pod", "pod-id-file"];

/// A flag of `run`.
fn flag(command: &Command, name: &str) -> Option<Flag> {
    if OF_PODMAN.contains(&name) {
        return Some(Flag { long: name.to_owned(), takes_value: true });
    }
    let arg = command.get_arguments().filter(|arg| !arg.is_positional()).find(|arg| {
        let alias = arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name));
        let short = name.chars().count() == 1 && arg.get_short() == name.chars().next();
        short || alias || (name.len() > 1 && arg.get_long() == Some(name))
    })?;
    // A switch may be given its value only by `=`.
    let takes_value = arg.get_action().takes_values() && !arg.is_require_equals_set();
    // One that is called otherwise here is what Podman calls it.
    let long = arg.get_long().unwrap_or(name);
    Some(Flag { long: if long == "net" { "network".to_owned() } else { long.to_owned() }, takes_value })
}

/// Prints a unit, and on standard error what is to be looked at.
pub fn print(written: &Written) -> Result<u8> {
    output::print(&format!("# {}\n{}", written.name, written.unit))?;
    for note in &written.notes {
        output::warning(note);
    }
    Ok(0)
}
