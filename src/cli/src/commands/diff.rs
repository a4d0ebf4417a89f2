// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout diff` and `haulout container diff`.

use anyhow::{Result, bail};
use haulout_engine::Error;
use haulout_engine::container::{Change, ChangeKind};

use crate::format::data;
use crate::invocation::Invocation;
use crate::{names, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Inspect changes to the container's file systems
///
/// Displays changes to the container filesystem, compared to its image.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Change the output format (json)
    #[arg(long)]
    format: Option<String>,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    containers: Vec<String>,
}

/// Prints every path that is new (A), other (C) or gone (D).
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let missing = format!("{:?} requires a name, id, or the \"--latest\" flag", invocation.path);
    if args.containers.len() > 1 {
        bail!("`{}` accepts at most one argument", invocation.path);
    }
    let json = match args.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => bail!("only supported value for '--format' is 'json'"),
    };
    let engine = invocation.engine();
    let containers = engine.containers();
    let changes = match names::one(&containers, args.containers.first(), args.latest, &missing).await {
        Ok(id) => containers.changes(&id).await?,
        Err(error) => match error.downcast() {
            Ok(Error::NoSuchContainer(name)) if invocation.path.ends_with("container diff") => {
                bail!("{name} not found: container not known")
            }
            // It may be an image.
            Ok(Error::NoSuchContainer(name)) => match engine.images().changes(&name, None).await {
                Err(Error::NoSuchImage(_)) => bail!("{name} not found: layer not known"),
                changes => changes?,
            },
            Ok(error) => return Err(error.into()),
            Err(error) => return Err(error),
        },
    };
    show(&changes, json)
}

/// Prints changes.
pub fn show(changes: &[Change], json: bool) -> Result<u8> {
    if json {
        return print_json(changes);
    }
    let mut text = String::new();
    for change in changes {
        let letter = match change.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Changed => 'C',
            ChangeKind::Deleted => 'D',
        };
        text.push(letter);
        text.push(' ');
        text.push_str(&change.path.to_string_lossy());
        text.push('\n');
    }
    output::print(&text)?;
    Ok(0)
}

fn print_json(changes: &[Change]) -> Result<u8> {
    let mut shown = serde_json::Map::new();
    for (name, kind) in
        [("changed", ChangeKind::Changed), ("added", ChangeKind::Added), ("deleted", ChangeKind::Deleted)]
    {
        let paths: Vec<String> = changes
            .iter()
            .filter(|change| change.kind == kind)
            .map(|change| change.path.to_string_lossy().into_owned())
            .collect();
        if !paths.is_empty() {
            shown.insert(name.to_owned(), paths.into());
        }
    }
    output::line(&data::print_json(&serde_json::Value::Object(shown), "     "))?;
    Ok(0)
}
