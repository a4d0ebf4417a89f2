// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout system df`.

use anyhow::{Result, bail};
use haulout_engine::Engine;
use haulout_engine::container::{Summary, tree_size};
use haulout_engine::image::Space;

use crate::format::{Data, Format, Struct, render, table};
use crate::invocation::Invocation;
use crate::{output, rows, size, time};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Show disk usage
///
/// Show how much of the disk images, containers and volumes take, and how much of it could be given back.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Pretty-print images using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Show detailed information on disk usage
    #[arg(short, long)]
    verbose: bool,
    words: Vec<String>,
}

const HEADINGS: &[(&str, &str)] = &[
    ("Active", "ACTIVE"),
    ("RawReclaimable", "RAWRECLAIMABLE"),
    ("RawSize", "RAWSIZE"),
    ("Reclaimable", "RECLAIMABLE"),
    ("Size", "SIZE"),
    ("Total", "TOTAL"),
    ("Type", "TYPE"),
];

/// A container or a volume, and the bytes that it takes.
struct Sized<T> {
    what: T,
    size: u64,
}

/// All there is.
struct Usage {
    images: Vec<Space>,
    containers: Vec<Sized<Summary>>,
    volumes: Vec<Sized<(String, usize)>>,
}

/// Shows a line for each kind of thing, or for each thing.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    if args.verbose && args.format.is_some() {
        bail!("cannot combine --format and --verbose flags");
    }
    let usage = gather(&invocation.engine()).await?;
    if args.verbose {
        output::print(&verbose(&usage))?;
        return Ok(0);
    }
    let lines = lines(&usage);
    let shown = match args.format.as_deref().map(Format::parse) {
        Some(Format::Json) => {
            let rows: Vec<String> = lines.iter().map(|line| format!("    {}", line.data().json())).collect();
            format!("[\n{}\n]\n", rows.join(",\n"))
        }
        Some(Format::Template { table, text }) => {
            let rows: Vec<Data> = lines.iter().map(Line::template).collect();
            render("df", table, &text, rows, Some(HEADINGS))?
        }
        None => {
            let rows: Vec<Vec<String>> = lines
                .iter()
                .map(|line| {
                    vec![
                        line.kind.to_owned(),
                        line.total.to_string(),
                        line.active.to_string(),
                        size::human(line.size, 4, ""),
                        line.reclaimable(),
                    ]
                })
                .collect();
            table::table(Some(&["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]), &rows)
        }
    };
    output::print(&shown)?;
    Ok(0)
}

async fn gather(engine: &Engine) -> Result<Usage> {
    let images = engine.images().space().await?;
    let mut containers = Vec::new();
    for summary in engine.containers().list().await? {
        let size = engine.containers().written(&summary.record).await;
        containers.push(Sized { what: summary, size });
    }
    let volumes = engine.volumes().list().await?.into_iter().map(|volume| {
        let size = tree_size(&engine.paths().volume(&volume.record.name).join("_data"));
        Sized { what: (volume.record.name, volume.containers.len()), size }
    });
    Ok(Usage { images, containers, volumes: volumes.collect() })
}

/// One kind of thing.
struct Line {
    kind: &'static str,
    total: usize,
    active: usize,
    size: u64,
    free: u64,
}

fn lines(usage: &Usage) -> [Line; 3] {
    let used = |space: &&Space| space.summary.containers > 0;
    // What several images share counts once.
    let all: u64 = usage.images.iter().map(|space| space.unique).sum::<u64>() + shared_by_all(&usage.images);
    let active: u64 = usage.images.iter().filter(used).map(|space| space.unique).sum();
    let runs = |container: &&Sized<Summary>| container.what.status.is_started();
    let has_users = |volume: &&Sized<(String, usize)>| volume.what.1 > 0;
    [
        Line {
            kind: "Images",
            total: usage.images.len(),
            active: usage.images.iter().filter(used).count(),
            size: all,
            free: all.saturating_sub(active),
        },
        Line {
            kind: "Containers",
            total: usage.containers.len(),
            active: usage.containers.iter().filter(runs).count(),
            size: usage.containers.iter().map(|container| container.size).sum(),
            free: usage.containers.iter().filter(|one| !runs(one)).map(|container| container.size).sum(),
        },
        Line {
            kind: "Local Volumes",
            total: usage.volumes.len(),
            active: usage.volumes.iter().filter(has_users).count(),
            size: usage.volumes.iter().map(|volume| volume.size).sum(),
            free: usage.volumes.iter().filter(|one| !has_users(one)).map(|volume| volume.size).sum(),
        },
    ]
}

fn shared_by_all(images: &[Space]) -> u64 {
    images.first().map_or(0, |space| space.all_shared)
}

impl Line {
    fn reclaimable(&self) -> String {
        #[allow(clippy::cast_precision_loss, reason = "it is shown without digits")]
        let share = if self.size == 0 { 0.0 } else { self.free as f64 / self.size as f64 * 100.0 };
        format!("{} ({share:.0}%)", size::human(self.free, 4, ""))
    }

    fn data(&self) -> Data {
        Struct::of("*system.dfSummary")
            .with("Type", self.kind)
            .with("Total", self.total)
            .with("Active", self.active)
            .with("RawSize", self.size)
            .with("RawReclaimable", self.free)
            .with("TotalCount", self.total)
            .with("Size", size::human(self.size, 4, ""))
            .with("Reclaimable", self.reclaimable())
            .into()
    }

    fn template(&self) -> Data {
        Struct::of("*system.dfSummary")
            .with("Type", self.kind)
            .with("Total", self.total)
            .with("Active", self.active)
            .with("RawSize", self.size)
            .with("RawReclaimable", self.free)
            .with("Size", size::human(self.size, 4, ""))
            .with("Reclaimable", self.reclaimable())
            .into()
    }
}

fn verbose(usage: &Usage) -> String {
    let images: Vec<Vec<String>> = usage
        .images
        .iter()
        .map(|space| {
            let summary = &space.summary;
            let name = summary.names.first().map_or("<none>:<none>", String::as_str);
            let (repository, tag) = rows::repository_and_tag(name);
            vec![
                repository.to_owned(),
                tag.to_owned(),
                summary.id.hex()[..12].to_owned(),
                time::human(time::now() - summary.created * time::SECOND),
                size::human(space.shared + space.unique, 4, ""),
                size::human(space.shared, 4, ""),
                size::human(space.unique, 4, ""),
                summary.containers.to_string(),
            ]
        })
        .collect();
    let containers: Vec<Vec<String>> = usage
        .containers
        .iter()
        .map(|Sized { what, size: bytes }| {
            let record = &what.record;
            vec![
                record.id.short(),
                record.image_id().chars().take(12).collect(),
                record.command.join(" "),
                record.volumes.len().to_string(),
                size::human(*bytes, 4, ""),
                time::human(time::now() - record.created),
                rows::state(&what.status).to_owned(),
                record.name.to_string(),
            ]
        })
        .collect();
    let volumes: Vec<Vec<String>> = usage
        .volumes
        .iter()
        .map(|Sized { what: (name, links), size: bytes }| {
            vec![name.clone(), links.to_string(), size::human(*bytes, 4, "")]
        })
        .collect();
    let image_heading =
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    let container_heading = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        table::table(Some(&image_heading), &images),
        table::table(Some(&container_heading), &containers),
        table::table(Some(&["VOLUME NAME", "LINKS", "SIZE"]), &volumes),
    )
}
