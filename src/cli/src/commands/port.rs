// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout port`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::Publish;
use haulout_engine::container::{Status, Summary};

use crate::invocation::Invocation;
use crate::{names, output, rows};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [PORT]";

/// List port mappings or a specific mapping for the container
///
/// List port mappings for the container, or look up the public-facing port that leads to one of its ports.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Display port information for all containers
    #[arg(short, long)]
    all: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    words: Vec<String>,
}

/// One published port.
struct Mapping {
    container: u16,
    protocol: &'static str,
    host: String,
}

/// Prints where the published ports of running containers are on the host.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.all && args.latest {
        bail!("--all and --latest cannot be used together");
    }
    if args.all && !args.words.is_empty() {
        bail!("no arguments are needed with --all");
    }
    let containers = invocation.engine().containers();
    if args.all {
        let list = containers.list().await?;
        for summary in list.iter().filter(|summary| matches!(summary.status, Status::Running(_))) {
            for mapping in mappings(summary) {
                output::line(&format!("{}\t{}", summary.record.id.short(), mapping.line()))?;
            }
        }
        return Ok(0);
    }
    let (name, port) = match args.words.as_slice() {
        [] if args.latest => (None, None),
        [port] if args.latest => (None, Some(port)),
        [name] if !args.latest => (Some(name), None),
        [name, port] if !args.latest => (Some(name), Some(port)),
        [] => bail!("you must supply a running container name or id"),
        _ => bail!("`{}` accepts at most 2 arguments", invocation.path),
    };
    let id = names::one(&containers, name, args.latest, "you must supply a running container name or id").await?;
    let wanted = port.map(|text| wanted(text)).transpose()?;
    let summary = containers.inspect(&id).await?.summary;
    if !matches!(summary.status, Status::Running(_)) {
        return Ok(0);
    }
    let mappings = mappings(&summary);
    let (Some((number, protocol)), Some(text)) = (wanted, port) else {
        for mapping in &mappings {
            output::line(&mapping.line())?;
        }
        return Ok(0);
    };
    if mappings.is_empty() {
        return Ok(0);
    }
    let found = mappings.iter().find(|mapping| mapping.container == number && mapping.protocol == protocol);
    output::line(&found.ok_or_else(|| anyhow!("failed to find published port {text:?}"))?.host)?;
    Ok(0)
}

/// `PORT[/PROTOCOL]`.
fn wanted(text: &str) -> Result<(u16, String)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number = number.parse().map_err(|error: std::num::ParseIntError| {
        let why =
            if *error.kind() == std::num::IntErrorKind::PosOverflow { "value out of range" } else { "invalid syntax" };
        anyhow!("strconv.ParseUint: parsing {number:?}: {why}")
    })?;
    Ok((number, protocol.to_owned()))
}

fn mappings(summary: &Summary) -> Vec<Mapping> {
    rows::sorted(&summary.record.ports).into_iter().flat_map(each).collect()
}

/// Every port of a range by itself.
fn each(published: &Publish) -> Vec<Mapping> {
    let address = published.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
    let address = if address.contains(':') { format!("[{address}]") } else { address };
    let first = published.host.unwrap_or(0);
    (0..published.count)
        .map(|offset| Mapping {
            container: published.container.saturating_add(offset),
            protocol: published.protocol.name(),
            host: format!("{address}:{}", first.saturating_add(offset)),
        })
        .collect()
}

impl Mapping {
    fn line(&self) -> String {
        format!("{}/{} -> {}", self.container, self.protocol, self.host)
    }
}
