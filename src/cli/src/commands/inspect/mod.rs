// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout inspect`, and what `container inspect` and `image inspect` share with it.

pub mod container;
mod health;
pub mod image;

use anyhow::{Result, bail};
use haulout_engine::digest::Digest;
use haulout_engine::{Engine, Error};

use super::volume_ls;
use crate::exit::Failures;
use crate::format::{Data, Format, data, render};
use crate::invocation::Invocation;
use crate::{names, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] {CONTAINER|IMAGE|VOLUME} [...]";

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
    /// Specify inspect-object type ("image", "container", "volume" or "all")
    #[arg(short, long, default_value = "all")]
    r#type: String,
    names: Vec<String>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A container, else an image, else a volume.
    Any,
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network: there is none yet.
    Network,
    /// A pod: there is none yet.
    Pod,
}

/// Shows everything about every container, image or volume.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let kind = match args.r#type.as_str() {
        "all" | "" => Kind::Any,
        "container" => Kind::Container,
        "image" => Kind::Image,
        "volume" => Kind::Volume,
        "network" => Kind::Network,
        "pod" => Kind::Pod,
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
            bail!("--latest and arguments cannot be used together");
        }
        match names::latest(&engine.containers()).await {
            Ok(id) => names.push(id.to_string()),
            Err(error) => {
                if matches!(format, "" | "json") {
                    output::line("[]")?;
                }
                return Err(error.context("no containers to inspect"));
            }
        }
    }
    if names.is_empty() {
        bail!("no names or ids specified");
    }
    if size && !matches!(kind, Kind::Any | Kind::Container) {
        bail!("size is not supported for type {:?}", kind.name());
    }
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for name in &names {
        match one(&engine, kind, name, size).await {
            Ok(data) => found.push(data),
            Err(error) if matches!(error.downcast_ref(), Some(Error::NoName)) => return Err(error),
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
        match engine.images().inspect(name).await {
            Ok(details) => {
                let parents = engine.images().lineage().await?.parents(&details.summary.id);
                let parent = parents.first().map(Digest::hex).unwrap_or_default();
                return Ok(image::data(&details, &parent, engine.paths().driver()));
            }
            // What cannot even be an image's name may be that of something else.
            Err(_) if kind == Kind::Any => {}
            Err(error) => return Err(error.into()),
        }
    }
    if matches!(kind, Kind::Any | Kind::Volume) {
        match engine.volumes().inspect(name).await {
            Ok(details) => return Ok(volume_ls::data(&details)),
            Err(_) if kind == Kind::Any => {}
            Err(Error::NoSuchVolume(name)) => bail!("no such volume {name}"),
            Err(error) => return Err(error.into()),
        }
    }
    match kind {
        Kind::Network => bail!("network {name}: unable to find network with name or ID {name}: network not found"),
        Kind::Pod => bail!("no such pod {name}"),
        _ => bail!("no such object: {name:?}"),
    }
}

impl Kind {
    /// What `--type` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Any => "all",
            Self::Container => "container",
            Self::Image => "image",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Pod => "pod",
        }
    }
}
