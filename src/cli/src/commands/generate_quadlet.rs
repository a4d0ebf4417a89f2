// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout generate quadlet`.

use anyhow::{Context as _, Result, bail};
use haulout_engine::update::UNIT;
use serde_json::json;

use super::quadlet_from_run;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Print the unit that runs what a container runs
///
/// Prints the unit that makes and runs a container like one that is there, from the command line that made it. Nothing is installed:
/// haulout quadlet install does that.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print its name, its text and what is to be looked at in this format (json)
    #[arg(long, value_name = "string")]
    format: Option<String>,
    containers: Vec<String>,
}

/// Prints it.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if let Some(other) = args.format.as_deref().filter(|format| *format != "json") {
        bail!("unsupported format {other:?}: only json is supported");
    }
    let [container] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    let containers = invocation.engine().containers();
    let id = containers.resolve(container).await?;
    let record = containers.inspect(&id).await?.summary.record;
    let command = &record.options.create_command;
    if command.is_empty() {
        bail!("container {} was made without a command line: there is nothing to make a unit of", record.name);
    }
    let folder = match &record.options.create_folder {
        Some(folder) => folder.clone(),
        None => std::env::current_dir().context("finding the folder that this runs in")?,
    };
    let mut written = quadlet_from_run::written(command, &folder)
        .with_context(|| format!("reading the command that made container {}", record.name))?;
    if written.unit.last("Container", "ContainerName").is_none() {
        written
            .notes
            .push(format!("the container's name, {}, was made up: the unit's container has another", record.name));
    }
    if let Some(unit) = record.options.labels.get(UNIT) {
        written.notes.push(format!("container {} is of a unit already: {unit}", record.name));
    }
    if args.format.is_some() {
        let name = written.name.to_string();
        output::print(&format!(
            "{}\n",
            json!({"name": name, "text": written.unit.to_string(), "notes": written.notes})
        ))?;
        return Ok(0);
    }
    quadlet_from_run::print(&written)
}
