// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout images`.

use anyhow::{Result, bail};
use haulout_engine::digest::Digest;
use haulout_engine::image::{Lineage, Summary};

use crate::format::{Data, Format, Struct, data, render, table};
use crate::invocation::Invocation;
use crate::{filter, output, rows, size, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] [IMAGE]";

/// List images in local storage
///
/// Lists images previously pulled to the system or created on the system.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long)]
    filter: Vec<String>,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Display the image name history
    #[arg(long)]
    history: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Do not print column headings
    #[arg(short, long)]
    noheading: bool,
    /// Display only image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Sort by created, id, repository, size, tag
    #[arg(long, default_value = "created")]
    sort: String,
    names: Vec<String>,
}

const NONE: &str = "<none>";

/// Prints the list: a line for every name of every image.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.names.len() > 1 {
        bail!("accepts at most 1 arg(s), received {}", args.names.len());
    }
    if !args.names.is_empty() && !args.filter.is_empty() {
        bail!("cannot specify an image and a filter(s)");
    }
    if !["created", "id", "repository", "size", "tag"].contains(&args.sort.as_str()) {
        bail!("{:?} is not a valid field for sorting. Choose from: created, id, repository, size, tag", args.sort);
    }
    let engine = invocation.engine();
    let mut list = engine.images().list().await?;
    let manifest_lists = engine.manifest_lists().summaries().await?;
    let mut filter = filter::Images::parse(&args.filter, &engine, &list).await?.with_lists(&manifest_lists);
    list.extend(manifest_lists);
    if let Some(name) = args.names.first() {
        filter = filter.named(name);
    }
    let lineage = engine.images().lineage().await?;
    let asked = args.filter.iter().any(|filter| filter.starts_with("intermediate"));
    let shown = |image: &&Summary| filter.holds(image) && (args.all || asked || !lineage.is_intermediate(&image.id));
    let mut lines: Vec<Line> = list.iter().filter(shown).flat_map(|image| lines_of(&args, image, &lineage)).collect();
    sort(&mut lines, &args.sort);
    output::print(&show(&args, &lines)?)?;
    Ok(0)
}

fn show(args: &Args, lines: &[Line<'_>]) -> Result<String> {
    if args.quiet {
        let mut ids: Vec<String> = lines.iter().map(Line::id).collect();
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        return Ok(ids.into_iter().map(|id| id + "\n").collect());
    }
    match args.format.as_deref().map(Format::parse) {
        Some(Format::Json) => {
            let json = serde_json::Value::Array(lines.iter().map(|line| line.json_row().json()).collect());
            Ok(data::escape_html(&data::print_json(&json, "    ")) + "\n")
        }
        Some(Format::Template { table, text }) => {
            let headings = (!args.noheading).then_some(HEADINGS);
            Ok(render("images", table, &text, lines.iter().map(Line::template_row).collect::<Vec<_>>(), headings)?)
        }
        None => Ok(plain(args, lines)),
    }
}

fn plain(args: &Args, lines: &[Line<'_>]) -> String {
    let mut heading = vec!["REPOSITORY", "TAG"];
    if args.digests {
        heading.push("DIGEST");
    }
    heading.extend(["IMAGE ID", "CREATED", "SIZE"]);
    if args.history {
        heading.push("HISTORY");
    }
    // Only where there is one.
    let read_only = lines.iter().any(|line| line.image.read_only);
    if read_only {
        heading.push("R/O");
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let mut row = vec![line.repository.to_owned(), line.tag.to_owned()];
            if args.digests {
                row.push(line.image.digest.to_string());
            }
            row.extend([line.id(), time::ago(line.image.created * time::SECOND), size::human(line.image.size, 3, " ")]);
            if args.history {
                row.push(history(line.image).join(", "));
            }
            if read_only {
                row.push(line.image.read_only.to_string());
            }
            row
        })
        .collect();
    table::table((!args.noheading).then_some(&heading), &rows)
}

/// The words above the columns of `--format 'table …'`.
const HEADINGS: &[(&str, &str)] = &[
    ("Arch", "ARCH"),
    ("Containers", "CONTAINERS"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedTime", "CREATED"),
    ("Dangling", "DANGLING"),
    ("Digest", "DIGEST"),
    ("History", "HISTORY"),
    ("ID", "IMAGE ID"),
    ("Labels", "LABELS"),
    ("Names", "NAMES"),
    ("Os", "OS"),
    ("ParentId", "PARENT ID"),
    ("ReadOnly", "R/O"),
    ("RepoDigests", "REPO DIGESTS"),
    ("RepoTags", "REPO TAGS"),
    ("Repository", "REPOSITORY"),
    ("SharedSize", "SHARED SIZE"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
    ("VirtualSize", "VIRTUAL SIZE"),
];

/// One name of one image.
struct Line<'a> {
    image: &'a Summary,
    repository: &'a str,
    tag: &'a str,
    /// What it was built upon.
    parent: String,
    whole: bool,
}

fn lines_of<'a>(args: &Args, image: &'a Summary, lineage: &Lineage) -> Vec<Line<'a>> {
    let parent = lineage.parents(&image.id).first().map(Digest::hex).unwrap_or_default();
    let line = |(repository, tag)| Line { image, repository, tag, parent: parent.clone(), whole: args.no_trunc };
    if image.names.is_empty() {
        // One that was fetched by digest belongs to a repository, but has no tag.
        let repository = image.repo_digests.first().and_then(|name| name.split_once('@'));
        return vec![line((repository.map_or(NONE, |(repository, _)| repository), NONE))];
    }
    image.names.iter().map(|name| line(rows::repository_and_tag(name))).collect()
}

/// The names in the order in which they were given.
fn history(image: &Summary) -> Vec<String> {
    image.names.iter().rev().cloned().collect()
}

impl Line<'_> {
    fn id(&self) -> String {
        if self.whole { self.image.id.to_string() } else { self.image.id.hex()[..12].to_owned() }
    }

    fn json_row(&self) -> Data {
        let image = self.image;
        let mut row = Struct::of("entities.ImageSummary")
            .with("Id", image.id.hex())
            .with("ParentId", self.parent.clone())
            .with("RepoTags", Data::List(None))
            .with("RepoDigests", Data::list_or_nil(image.repo_digests.clone()))
            .with("Size", image.size)
            .with("SharedSize", 0)
            .with("VirtualSize", image.size)
            .with("Labels", Data::map_or_nil(&image.labels))
            .with("Containers", image.containers)
            .with_omitted("ReadOnly", "ReadOnly", image.read_only);
        if image.names.is_empty() && image.repo_digests.is_empty() {
            row = row.with("Dangling", true);
        }
        row.with("Digest", image.digest.to_string())
            .with("History", history(image))
            .with_omitted("Names", "Names", image.names.clone())
            .with("Created", image.created)
            .with("CreatedAt", Data::Time(Some(image.created * time::SECOND)))
            .into()
    }

    fn template_row(&self) -> Data {
        let image = self.image;
        let created = image.created * time::SECOND;
        Struct::of("images.imageReporter")
            .with_as("Repository", "repository", self.repository)
            .with_as("Tag", "tag", self.tag)
            .with_hidden("ID", self.id())
            .with("Id", image.id.hex())
            .with("ParentId", self.parent.clone())
            .with("RepoTags", image.names.clone())
            .with("RepoDigests", image.repo_digests.clone())
            .with_json("Created", image.created)
            .with_hidden("Created", time::ago(created))
            .with_hidden("CreatedAt", time::go_string(Some(created)))
            .with_hidden("CreatedSince", time::ago(created))
            .with_hidden("CreatedTime", time::go_string(Some(created)))
            .with_json("Size", image.size)
            .with_hidden("Size", size::human(image.size, 3, " "))
            .with("SharedSize", 0)
            .with("VirtualSize", image.size)
            .with("Labels", Data::map_or_nil(&image.labels))
            .with("Containers", image.containers)
            .with_omitted("ReadOnly", "ReadOnly", image.read_only)
            .with_omitted("Dangling", "Dangling", image.names.is_empty() && image.repo_digests.is_empty())
            .with("Digest", image.digest.to_string())
            .with_json("History", history(image))
            .with_hidden("History", history(image).join(", "))
            .with_omitted("Names", "Names", image.names.clone())
            .with_hidden("IsManifestList", Data::Nil)
            .with_hidden("Os", "")
            .with_hidden("Arch", "")
            .into()
    }
}

fn sort(lines: &mut [Line<'_>], key: &str) {
    match key {
        "id" => lines.sort_by_key(|line| line.image.id),
        "repository" => lines.sort_by_key(|line| line.repository),
        "size" => lines.sort_by_key(|line| line.image.size),
        "tag" => lines.sort_by_key(|line| line.tag),
        _ => lines.sort_by_key(|line| std::cmp::Reverse(line.image.created)),
    }
}
