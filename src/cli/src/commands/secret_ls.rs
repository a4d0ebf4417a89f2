// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout secret ls`.

use anyhow::Result;
use haulout_engine::secret::Record;

use crate::format::{self, Data, Struct, table};
use crate::invocation::Invocation;
use crate::{filter, output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// List secrets
///
/// List all secrets that there are.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Filter secret output
    #[arg(short, long)]
    filter: Vec<String>,
    /// Format secret output using Go template
    #[arg(long)]
    format: Option<String>,
    /// Do not print headers
    #[arg(short, long)]
    noheading: bool,
    /// Print secret IDs only
    #[arg(short, long)]
    quiet: bool,
}

const HEADINGS: &[(&str, &str)] =
    &[("CreatedAt", "CREATED"), ("Driver", "DRIVER"), ("ID", "ID"), ("Name", "NAME"), ("UpdatedAt", "UPDATED")];

/// Prints the list.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let filter = filter::Secrets::parse(&args.filter)?;
    let mut list = invocation.engine().secrets().list().await?;
    list.retain(|record| filter.holds(record));
    if args.quiet && args.format.is_none() {
        output::print(&list.iter().map(|record| record.id.clone() + "\n").collect::<String>())?;
        return Ok(0);
    }
    let headings = (!args.noheading).then_some(HEADINGS);
    let listed = format::list(args.format.as_deref(), list.iter().map(row), headings)?;
    let shown = listed.unwrap_or_else(|| {
        let rows = list.iter().map(|record| {
            let (created, updated) = (time::ago(record.created), time::ago(record.updated));
            vec![record.id.clone(), record.name.clone(), record.driver.clone(), created, updated]
        });
        let headings = ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"];
        table::table((!args.noheading).then_some(&headings), &rows.collect::<Vec<_>>())
    });
    output::print(&shown)?;
    Ok(0)
}

fn row(record: &Record) -> Data {
    Struct::of("*types.SecretListReport")
        .with("ID", &record.id)
        .with("Name", &record.name)
        .with("Driver", &record.driver)
        .with("CreatedAt", time::ago(record.created))
        .with("UpdatedAt", time::ago(record.updated))
        .into()
}
