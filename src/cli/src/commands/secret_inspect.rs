// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout secret inspect`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use haulout_engine::secret::Record;

use crate::exit::Failures;
use crate::format::{Data, Format, Struct, data as json, render};
use crate::invocation::Invocation;
use crate::{output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] SECRET [SECRET...]";

/// Inspect a secret
///
/// Display detail information on one or more secrets
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Format inspect output using Go template
    #[arg(short, long)]
    format: Option<String>,
    /// Print inspect output in human-readable format
    #[arg(long)]
    pretty: bool,
    /// Display the secret
    #[arg(long)]
    showsecret: bool,
    secrets: Vec<String>,
}

/// Shows everything about every one; what is not there is said after what is.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.secrets.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    if args.format.is_some() && args.pretty {
        bail!("--format and --pretty cannot be used together");
    }
    let secrets = invocation.engine().secrets();
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &args.secrets {
        let one = async {
            let record = secrets.inspect(name).await?;
            let hidden = if args.showsecret { Some(secrets.reveal(&record.id).await?) } else { None };
            Ok::<_, haulout_engine::Error>((record, hidden))
        };
        match one.await.context("inspecting secret") {
            Ok(one) => found.push(one),
            Err(error) => failures.push(error),
        }
    }
    let all = || found.iter().map(|(record, hidden)| data(record, hidden.as_deref()));
    if args.pretty {
        output::print(&found.iter().map(|(record, _)| pretty(record)).collect::<String>())?;
    } else {
        match args.format.as_deref().map(Format::parse) {
            None | Some(Format::Json) => {
                let all = serde_json::Value::Array(all().map(|one| one.json()).collect());
                output::line(&json::print_json(&all, "    "))?;
            }
            Some(Format::Template { table, text }) => {
                output::print(&render("inspect", table, &text, all().collect::<Vec<_>>(), None)?)?;
            }
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

fn data(record: &Record, hidden: Option<&[u8]>) -> Data {
    let driver = Struct::of("types.SecretDriverSpec").with("Name", &record.driver).with("Options", &record.options);
    let spec =
        Struct::of("types.SecretSpec").with("Name", &record.name).with("Driver", driver).with("Labels", &record.labels);
    Struct::of("*types.SecretInfoReport")
        .with("ID", &record.id)
        .with("CreatedAt", Data::Time(Some(record.created)))
        .with("UpdatedAt", Data::Time(Some(record.updated)))
        .with("Spec", spec)
        .with_omitted("SecretData", "SecretData", String::from_utf8_lossy(hidden.unwrap_or_default()).into_owned())
        .into()
}

fn pretty(record: &Record) -> String {
    let mut text = format!("ID:              {}\nName:              {}\n", record.id, record.name);
    if !record.labels.is_empty() {
        text.push_str("Labels:\n");
    }
    for (key, value) in &record.labels {
        let value = if value.is_empty() { String::new() } else { format!("={value}") };
        let _ = writeln!(text, " - {key}{value}");
    }
    let _ = writeln!(text, "Driver:            {}", record.driver);
    let _ = writeln!(text, "Created at:        {}", time::go_string(Some(record.created)));
    let _ = writeln!(text, "Updated at:        {}", time::go_string(Some(record.updated)));
    text
}
