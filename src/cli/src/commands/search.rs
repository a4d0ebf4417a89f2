// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout search`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::config::Folders;
use haulout_engine::config::registries::Registries;
use haulout_engine::image::reference::Reference;
use haulout_engine::image::{PullOptions, SearchResult};

use crate::format::{Data, Format, Struct, data, render, table};
use crate::invocation::Invocation;
use crate::output;
use crate::registry::Access;

/// What comes after the verb.
pub const USAGE: &str = "[options] TERM";

/// Search registry for image
///
/// Search registries for a given image. Can search all the default registries or a specific registry.
/// Users can limit the number of results, and filter the output based on certain conditions.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    /// List stars, official and automated columns (Docker compatibility)
    #[arg(long)]
    compatible: bool,
    /// Filter output based on conditions provided
    #[arg(short, long)]
    filter: Vec<String>,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Limit the number of results
    #[arg(long, default_value_t = 0)]
    limit: i64,
    /// List the tags of the input registry
    #[arg(long)]
    list_tags: bool,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    terms: Vec<String>,
}

/// As many as are asked for when nobody says how many.
const LIMIT: usize = 25;

/// The longest description that is shown.
const DESCRIPTION_MAX: usize = 44;

/// What was found, and where.
struct Found {
    index: String,
    name: String,
    result: SearchResult,
    tag: String,
}

#[derive(Default)]
struct Filter {
    stars: u64,
    official: Option<bool>,
    automated: Option<bool>,
}

/// Asks the registries.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [term] = args.terms.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.terms.len());
    };
    if args.list_tags && !args.filter.is_empty() {
        bail!("filters are not applicable to list tags result");
    }
    let options = args.access.options()?;
    let filter = filter(&args.filter)?;
    let limit = usize::try_from(args.limit).ok().filter(|limit| *limit > 0);
    let (mut found, failures) = if args.list_tags {
        (tags(term, limit, &options, invocation).await?, Vec::new())
    } else {
        search(term, limit.unwrap_or(LIMIT), &options, invocation).await?
    };
    found.retain(|found| {
        found.result.star_count >= filter.stars
            && filter.official.is_none_or(|official| found.result.is_official == official)
            && filter.automated.is_none_or(|automated| found.result.is_automated == automated)
    });
    if !found.is_empty() || failures.is_empty() {
        output::print(&show(&args, &found)?)?;
    }
    if failures.is_empty() {
        return Ok(0);
    }
    let count =
        if failures.len() == 1 { "1 error occurred".to_owned() } else { format!("{} errors occurred", failures.len()) };
    let lines: Vec<String> = failures.iter().map(|failure| format!("\t* {failure}\n")).collect();
    bail!("{count}:\n{}\n", lines.concat())
}

/// Registry and rest of a term; the registry is nothing when all of them are to be asked.
fn split(term: &str) -> (Option<&str>, &str) {
    let term = term.strip_prefix("docker://").unwrap_or(term);
    match term.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, term),
    }
}

async fn search(
    term: &str,
    limit: usize,
    options: &PullOptions,
    invocation: &Invocation,
) -> Result<(Vec<Found>, Vec<String>)> {
    let (registry, term) = split(term);
    let registries = match registry {
        Some(registry) => vec![registry.to_owned()],
        None => Registries::read(&Folders::from_environment())?.searched().to_vec(),
    };
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for registry in registries {
        let host = registry.split('/').next().unwrap_or(&registry).to_owned();
        match invocation.engine().images().search(&host, term, limit, options).await {
            Ok(results) => found.extend(results.into_iter().take(limit).map(|result| {
                let name = match host.as_str() {
                    "docker.io" if !result.name.contains('/') => format!("docker.io/library/{}", result.name),
                    host => format!("{host}/{}", result.name),
                };
                Found { index: host.clone(), name, result, tag: String::new() }
            })),
            Err(error) => {
                let text = format!("{:#}", anyhow::Error::from(error));
                let told = text.starts_with("couldn't search");
                failures.push(if told { text } else { format!("couldn't search registry {host:?}: {text}") });
            }
        }
    }
    Ok((found, failures))
}

async fn tags(term: &str, limit: Option<usize>, options: &PullOptions, invocation: &Invocation) -> Result<Vec<Found>> {
    let (registry, rest) = split(term);
    let registry = match registry {
        Some(registry) => registry.to_owned(),
        None => match Registries::read(&Folders::from_environment())?.searched().first() {
            Some(registry) => registry.clone(),
            None => bail!("reference must be a docker reference"),
        },
    };
    let full: Reference = format!("{registry}/{rest}").parse()?;
    let name = full.repository_name();
    let tags = invocation.engine().images().tags(&name, options).await.map_err(|error| {
        anyhow!("1 error occurred:\n\t* getting repository tags: {:#}\n\n", anyhow::Error::from(error))
    })?;
    let one = |tag| Found { index: registry.clone(), name: name.clone(), result: SearchResult::default(), tag };
    Ok(tags.into_iter().take(limit.unwrap_or(usize::MAX)).map(one).collect())
}

fn filter(texts: &[String]) -> Result<Filter> {
    let mut filter = Filter::default();
    for text in texts {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let yes = value != "false";
        match key {
            "stars" if !text.contains('=') => bail!("invalid filter [{text:?}], should be stars=<value>"),
            "stars" => match value.parse() {
                Ok(stars) => filter.stars = stars,
                Err(_) => {
                    bail!("incorrect value type for stars filter: strconv.Atoi: parsing {value:?}: invalid syntax")
                }
            },
            "is-official" => filter.official = Some(yes),
            "is-automated" => filter.automated = Some(yes),
            _ => bail!("invalid filter type {text:?}"),
        }
    }
    Ok(filter)
}

fn show(args: &Args, found: &[Found]) -> Result<String> {
    const HEADINGS: &[(&str, &str)] = &[
        ("Automated", "AUTOMATED"),
        ("Description", "DESCRIPTION"),
        ("Index", "INDEX"),
        ("Name", "NAME"),
        ("Official", "OFFICIAL"),
        ("Stars", "STARS"),
        ("Tag", "TAG"),
    ];
    match args.format.as_deref().map(Format::parse) {
        Some(Format::Json) if args.list_tags => {
            let mut list = Vec::new();
            if let Some(first) = found.first() {
                let tags: Vec<&str> = found.iter().map(|found| found.tag.as_str()).collect();
                list.push(serde_json::json!({"Name": first.name, "Tags": tags}));
            }
            Ok(data::print_json(&serde_json::Value::Array(list), "    ") + "\n")
        }
        Some(Format::Json) => {
            let json = serde_json::Value::Array(found.iter().map(|found| row(found, args).json()).collect());
            Ok(data::escape_html(&data::print_json(&json, "    ")) + "\n")
        }
        Some(Format::Template { table, text }) => {
            let rows: Vec<Data> = found.iter().map(|found| row(found, args)).collect();
            Ok(render("search", table, &text, rows, Some(HEADINGS))?)
        }
        None if found.is_empty() => Ok(String::new()),
        None => {
            let mut heading = vec!["NAME"];
            heading.push(if args.list_tags { "TAG" } else { "DESCRIPTION" });
            if args.compatible && !args.list_tags {
                heading.extend(["STARS", "OFFICIAL", "AUTOMATED"]);
            }
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|found| {
                    if args.list_tags {
                        return vec![found.name.clone(), found.tag.clone()];
                    }
                    let mut row = vec![found.name.clone(), description(found, args)];
                    if args.compatible {
                        row.push(found.result.star_count.to_string());
                        row.push(mark(found.result.is_official).to_owned());
                        row.push(mark(found.result.is_automated).to_owned());
                    }
                    row
                })
                .collect();
            Ok(table::table(Some(&heading), &rows))
        }
    }
}

fn mark(yes: bool) -> &'static str {
    if yes { "[OK]" } else { "" }
}

fn description(found: &Found, args: &Args) -> String {
    let text = found.result.description.replace('\n', " ");
    if args.no_trunc || text.chars().count() <= DESCRIPTION_MAX {
        return text;
    }
    text.chars().take(DESCRIPTION_MAX).collect::<String>() + "..."
}

fn row(found: &Found, args: &Args) -> Data {
    Struct::of("registry.SearchResult")
        .with("Index", found.index.clone())
        .with("Name", found.name.clone())
        .with("Description", description(found, args))
        .with("Stars", found.result.star_count)
        .with("Official", mark(found.result.is_official))
        .with("Automated", mark(found.result.is_automated))
        .with("Tag", found.tag.clone())
        .into()
}
