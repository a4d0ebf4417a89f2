// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume inspect`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::Error;

use super::volume_ls::data;
use crate::exit::Failures;
use crate::format::{Data, Format, data as json, render};
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] VOLUME [VOLUME...]";

/// Display detailed information on one or more volumes
///
/// Display detailed information on one or more volumes. Use a Go template to change the format from JSON.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Inspect all volumes
    #[arg(short, long)]
    all: bool,
    /// Format volume output using Go template
    #[arg(short, long, default_value = "json")]
    format: String,
    volumes: Vec<String>,
}

/// Shows everything about every volume; what is not there is said after what is.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.all != args.volumes.is_empty() {
        bail!("provide one or more volume names or use --all");
    }
    let volumes = invocation.engine().volumes();
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    if args.all {
        found.extend(volumes.list().await?.iter().map(data));
    }
    for name in &args.volumes {
        match volumes.inspect(name).await {
            Ok(details) => found.push(data(&details)),
            Err(Error::NoSuchVolume(name)) => failures.push(anyhow!("no such volume {name}")),
            Err(error @ Error::NoName) => bail!("inspecting volume {name}: {error}"),
            Err(error) => failures.push(error.into()),
        }
    }
    match Format::parse(&args.format) {
        Format::Json => {
            let all = serde_json::Value::Array(found.iter().map(Data::json).collect());
            output::line(&json::print_json(&all, "     "))?;
        }
        Format::Template { table, text } => output::print(&render("inspect", table, &text, found, None)?)?,
    }
    Failures::of(failures)?;
    Ok(0)
}
