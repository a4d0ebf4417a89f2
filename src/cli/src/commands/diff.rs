// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout diff` and `haulout container diff`.

use anyhow::{Result, bail};
use haulout_engine::container::{Change, ChangeKind, Root};
use haulout_engine::{Engine, Error};

use crate::format::data;
use crate::invocation::Invocation;
use crate::{names, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] {CONTAINER|IMAGE} [{CONTAINER|IMAGE}]";

/// Display the changes to the object's file system
///
/// Displays changes on a container or image's filesystem. The container or image will be compared to its parent layer or the second
/// argument when given.
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
    let json = match args.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => bail!("only supported value for '--format' is 'json'"),
    };
    let engine = invocation.engine();
    let containers = engine.containers();
    let images_too = !invocation.path.ends_with("container diff");
    let (first, second) = match args.containers.as_slice() {
        [] => (None, None),
        [one] => (Some(one), None),
        [one, other] => (Some(one), Some(other)),
        more => bail!("accepts between 1 and 2 arg(s), received {}", more.len()),
    };
    if args.latest && first.is_some() {
        bail!("--latest and containers cannot be used together");
    }
    let one = match first {
        Some(name) => root(&engine, name, images_too).await?,
        None => Root::Container(names::one(&containers, None, args.latest, &missing).await?),
    };
    let changes = match second {
        Some(name) => containers.differences(&one, &root(&engine, name, images_too).await?).await?,
        None => match &one {
            Root::Container(id) => containers.changes(id).await?,
            Root::Image(name) => engine.images().changes(name, None).await?,
        },
    };
    show(&changes, json)
}

/// What a name stands for: a container, or else an image if that may be.
async fn root(engine: &Engine, name: &str, images_too: bool) -> Result<Root> {
    match engine.containers().resolve(name).await {
        Ok(id) => Ok(Root::Container(id)),
        Err(Error::NoSuchContainer(name)) if !images_too => bail!("{name} not found: container not known"),
        Err(Error::NoSuchContainer(name)) => match engine.images().resolve(&name).await {
            Ok(_) => Ok(Root::Image(name)),
            Err(Error::NoSuchImage(_)) => bail!("{name} not found: layer not known"),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
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
