// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout inspect`, and what `container inspect` and `image inspect` share with it.

pub mod container;
pub mod image;

use anyhow::{Result, anyhow, bail};
use haulout_engine::{Engine, Error};

use crate::exit::Failures;
use crate::format::{Data, Format, data, render};
use crate::invocation::Invocation;
use crate::{names, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] {CONTAINER|IMAGE} [...]";

/// Display the configuration of object denoted by ID
///
/// Displays the low-level information on an object identified by name or ID.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Format the output to a Go template or json
    #[arg(short, long, default_value = "json")]
    format: String,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Display total file size
    #[arg(short, long)]
    size: bool,
    /// Specify inspect-object type ("all"|"container"|"image")
    #[arg(short, long, default_value = "all")]
    r#type: String,
    names: Vec<String>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container, else an image.
    Any,
    /// A container.
    Container,
    /// An image.
    Image,
    /// Something that there is none of yet: a pod, a network, a volume.
    Other,
}

/// Shows everything about every container or image.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let kind = match args.r#type.as_str() {
        "all" | "" => Kind::Any,
        "container" => Kind::Container,
        "image" => Kind::Image,
        "pod" | "network" | "volume" => Kind::Other,
        other => bail!(
            "invalid type {other:?}: must be \"image\", \"container\", \"pod\", \"network\", \"volume\", or \"all\""
        ),
    };
    show(invocation, kind, args.names, args.latest, args.size, &args.format).await
}

/// Shows `names`; what is not there is said after what is.
pub async fn show(
    invocation: &Invocation,
    kind: Kind,
    mut names: Vec<String>,
    latest: bool,
    size: bool,
    format: &str,
) -> Result<u8> {
    let engine = invocation.engine();
    if latest {
        if !names.is_empty() {
            bail!("--latest and arguments cannot be used");
        }
        names.push(names::latest(&engine.containers()).await?.to_string());
    }
    if names.is_empty() {
        bail!("no names or ids specified");
    }
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for name in &names {
        match one(&engine, kind, name, size).await {
            Ok(data) => found.push(data),
            Err(error) => failures.push(error),
        }
    }
    let format = if format.is_empty() { Format::Json } else { Format::parse(format) };
    match format {
        Format::Json => {
            let json = serde_json::Value::Array(found.iter().map(Data::json).collect());
            output::line(&data::print_json(&json, "     "))?;
        }
        Format::Template { table, text } => output::print(&render("inspect", table, &text, found, None)?)?,
    }
    Failures::of(failures)?;
    Ok(0)
}

async fn one(engine: &Engine, kind: Kind, name: &str, size: bool) -> Result<Data> {
    if matches!(kind, Kind::Any | Kind::Container) {
        match engine.containers().resolve(name).await {
            Ok(id) => return container::data(engine, &id, size).await,
            Err(Error::NoSuchContainer(_)) if kind == Kind::Any => {}
            Err(Error::NoSuchContainer(_)) => bail!("no such container {name}"),
            Err(error) => return Err(error.into()),
        }
    }
    if matches!(kind, Kind::Any | Kind::Image) {
        return match engine.images().inspect(name).await {
            Ok(details) => Ok(image::data(engine, &details)),
            // What cannot even be an image's name is none of any kind.
            Err(_) if kind == Kind::Any => Err(anyhow!("no such object: {name:?}")),
            Err(error) => Err(error.into()),
        };
    }
    bail!("no such object: {name:?}")
}
