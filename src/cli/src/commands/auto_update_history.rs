// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update history`.

use anyhow::{Result, bail};
use haulout_engine::digest::Digest;
use haulout_engine::update::Entry;

use crate::format::{self, Data, Struct, table};
use crate::invocation::Invocation;
use crate::{output, time, units};

/// What comes after the verb.
pub const USAGE: &str = "[options] [UNIT]";

/// Show what auto-update did
///
/// Shows the updates of one unit or of all, the newest first: from which digest to which, what became of it, and why.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Format using JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Show the last so many
    #[arg(short = 'n', long, value_name = "NUMBER")]
    last: Option<usize>,
    units: Vec<String>,
}

const HEADINGS: &[(&str, &str)] = &[
    ("Began", "BEGAN"),
    ("Unit", "UNIT"),
    ("Image", "IMAGE"),
    ("From", "FROM"),
    ("To", "TO"),
    ("Updated", "UPDATED"),
    ("Reason", "REASON"),
];

/// Shows it.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.units.len() > 1 {
        bail!("accepts at most 1 arg(s), received {}", args.units.len());
    }
    let unit = args.units.first().map(|unit| units::service(unit));
    let mut entries = invocation.engine().updates().history(unit.as_deref()).await?;
    entries.truncate(args.last.unwrap_or(usize::MAX));
    let listed = format::list(args.format.as_deref(), entries.iter().map(row), Some(HEADINGS))?;
    let shown = listed.unwrap_or_else(|| {
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| {
                vec![
                    time::minute(entry.began),
                    entry.unit.clone(),
                    entry.image.clone(),
                    short(&entry.from.digest),
                    short(&entry.to.digest),
                    entry.outcome.as_str().to_owned(),
                    entry.reason.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let headings = HEADINGS.iter().map(|(_, heading)| *heading).collect::<Vec<_>>();
        table::table(Some(&headings), &rows)
    });
    output::print(&shown)?;
    Ok(0)
}

fn short(digest: &Digest) -> String {
    digest.hex()[..12].to_owned()
}

fn row(entry: &Entry) -> Data {
    let row = Struct::of("update.Entry")
        .with("Unit", entry.unit.as_str())
        .with("Container", entry.container.as_str())
        .with("Image", entry.image.as_str())
        .with("Policy", entry.policy.as_str())
        .with("From", entry.from.digest.to_string())
        .with("To", entry.to.digest.to_string())
        .with("Updated", entry.outcome.as_str())
        .with("Reason", entry.reason.clone().unwrap_or_default())
        .with("ByHand", entry.backwards)
        .with("Began", Data::Time(Some(entry.began)));
    row.with("Ended", Data::Time(entry.ended)).into()
}
