// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout history`.

use anyhow::{Result, bail};
use haulout_engine::image::HistoryEntry;

use crate::format::{Data, Format, Struct, data, render, table};
use crate::invocation::Invocation;
use crate::{output, size, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE";

/// Show history of a specified image
///
/// Displays the history of an image. The information can be printed out in an easy to read, or user specified format, and can be truncated.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Change the output to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Display sizes and dates in human readable format
    #[arg(short = 'H', long, default_value_t = true)]
    human: bool,
    /// Do not truncate the output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Display the numeric IDs only
    #[arg(short, long)]
    quiet: bool,
    images: Vec<String>,
}

const HEADINGS: &[(&str, &str)] = &[
    ("Comment", "COMMENT"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("CreatedSince", "CREATED SINCE"),
    ("ID", "ID"),
    ("Size", "SIZE"),
    ("Tags", "TAGS"),
];

/// Prints a line for every step in which the image was made, the last first.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [image] = args.images.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.images.len());
    };
    let history = invocation.engine().images().history(image).await?;
    let lines: Vec<Line<'_>> = history.iter().map(|entry| Line { entry, args: &args }).collect();
    if args.quiet && args.format.is_none() {
        output::print(&lines.iter().map(|line| line.id() + "\n").collect::<String>())?;
        return Ok(0);
    }
    let text = match args.format.as_deref().map(Format::parse) {
        Some(Format::Json) => {
            let json = serde_json::Value::Array(lines.iter().map(|line| line.json_row().json()).collect());
            data::escape_html(&json.to_string()) + "\n"
        }
        Some(Format::Template { table, text }) => {
            render("history", table, &text, lines.iter().map(Line::template_row).collect::<Vec<_>>(), Some(HEADINGS))?
        }
        None => {
            let rows: Vec<Vec<String>> = lines
                .iter()
                .map(|line| vec![line.id(), line.created(), line.created_by(), line.size(), line.entry.comment.clone()])
                .collect();
            table::table(Some(&["ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"]), &rows)
        }
    };
    output::print(&text)?;
    Ok(0)
}

struct Line<'a> {
    entry: &'a HistoryEntry,
    args: &'a Args,
}

impl Line<'_> {
    fn id(&self) -> String {
        match &self.entry.id {
            None => "<missing>".to_owned(),
            Some(id) if self.args.no_trunc => id.hex(),
            Some(id) => id.hex()[..12].to_owned(),
        }
    }

    fn at(&self) -> Option<i64> {
        self.entry.created.map(|created| i64::try_from(created.as_nanosecond()).unwrap_or(0))
    }

    fn created(&self) -> String {
        match self.at() {
            Some(at) if self.args.human => time::ago(at),
            at => time::rfc3339(at),
        }
    }

    fn created_by(&self) -> String {
        let text = &self.entry.created_by;
        if self.args.no_trunc || text.chars().count() <= 45 {
            return text.clone();
        }
        text.chars().take(42).collect::<String>() + "..."
    }

    fn size(&self) -> String {
        size::human(self.entry.size, 3, "")
    }

    fn json_row(&self) -> Data {
        let id = self.entry.id.map_or_else(|| "<missing>".to_owned(), |id| id.hex());
        let mut row = Struct::of("entities.ImageHistoryLayer")
            .with_as("ID", "id", id)
            .with_as("Created", "created", time::rfc3339(self.at()))
            .with("CreatedBy", self.entry.created_by.clone());
        if !self.entry.names.is_empty() {
            row = row.with_as("Tags", "tags", self.entry.names.clone());
        }
        row = row.with_as("Size", "size", self.entry.size);
        if !self.entry.comment.is_empty() {
            row = row.with_as("Comment", "comment", self.entry.comment.clone());
        }
        row.with_json("Created", time::rfc3339(self.at())).into()
    }

    fn template_row(&self) -> Data {
        Struct::of("images.historyReporter")
            .with("ID", self.id())
            .with("Created", self.created())
            .with("CreatedAt", time::rfc3339(self.at()))
            .with("CreatedSince", self.at().map_or_else(String::new, time::ago))
            .with("CreatedBy", self.created_by())
            .with("Size", self.size())
            .with("Comment", self.entry.comment.clone())
            .with("Tags", self.entry.names.clone())
            .into()
    }
}
