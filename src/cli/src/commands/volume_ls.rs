// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume ls`.

use std::collections::BTreeMap;

use anyhow::Result;
use haulout_engine::volume::Details;

use crate::format::{self, Data, Struct, table};
use crate::invocation::Invocation;
use crate::{filter, output};

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// List volumes
///
/// List all available volumes. The output of the volumes can be filtered and the output format can be changed to JSON or a user specified Go template.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Filter volume output
    #[arg(short, long)]
    filter: Vec<String>,
    /// Format volume output using Go template
    #[arg(long)]
    format: Option<String>,
    /// Do not print headers
    #[arg(short, long)]
    noheading: bool,
    /// Print volume output in quiet mode
    #[arg(short, long)]
    quiet: bool,
}

const HEADINGS: &[(&str, &str)] = &[
    ("Anonymous", "ANONYMOUS"),
    ("CreatedAt", "CREATED AT"),
    ("Driver", "DRIVER"),
    ("GID", "GID"),
    ("Labels", "LABELS"),
    ("MountCount", "MOUNT COUNT"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Name", "VOLUME NAME"),
    ("NeedsChown", "NEEDS CHOWN"),
    ("NeedsCopyUp", "NEEDS COPY UP"),
    ("Options", "OPTIONS"),
    ("Scope", "SCOPE"),
    ("UID", "UID"),
];

/// Prints the list.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let list = invocation.engine().volumes().list().await?;
    let filter = filter::Volumes::parse(&args.filter, &list)?;
    let list: Vec<&Details> = list.iter().filter(|volume| filter.holds(volume)).collect();
    if args.quiet && args.format.is_none() {
        output::print(&list.iter().map(|volume| volume.record.name.clone() + "\n").collect::<String>())?;
        return Ok(0);
    }
    let headings = (!args.noheading).then_some(HEADINGS);
    let shown = match format::list(args.format.as_deref(), list.iter().map(|volume| data(volume)), headings)? {
        Some(shown) => shown,
        None if list.is_empty() => String::new(),
        None => {
            let rows: Vec<Vec<String>> =
                list.iter().map(|volume| vec![volume.record.driver().to_owned(), volume.record.name.clone()]).collect();
            table::table((!args.noheading).then_some(&["DRIVER", "VOLUME NAME"]), &rows)
        }
    };
    output::print(&shown)?;
    Ok(0)
}

/// A volume under podman's names.
pub fn data(details: &Details) -> Data {
    let record = &details.record;
    let mut options: BTreeMap<String, String> = record.options.clone();
    for (key, value) in [("UID", record.uid()), ("GID", record.gid())] {
        if let Some(value) = value {
            options.insert(key.to_owned(), value.to_string());
        }
    }
    if let Some(size) = record.mount_options().find_map(|word| word.strip_prefix("size=")) {
        options.insert("SIZE".to_owned(), size.to_owned());
    }
    let owned = record.uid().is_some() || record.gid().is_some();
    Struct::of("*define.InspectVolumeData")
        .with("Name", &record.name)
        .with("Driver", record.driver())
        .with("Mountpoint", details.mountpoint.display().to_string())
        .with("CreatedAt", Data::Time(Some(record.created)))
        .with("Labels", record.labels.clone())
        .with("Scope", "local")
        .with("Options", options)
        .with_omitted("UID", "UID", record.uid().unwrap_or(0))
        .with_omitted("GID", "GID", record.gid().unwrap_or(0))
        .with_omitted("Anonymous", "Anonymous", record.anonymous)
        .with("MountCount", details.running)
        .with_omitted("NeedsCopyUp", "NeedsCopyUp", details.is_new)
        .with_omitted("NeedsChown", "NeedsChown", details.is_new && !owned)
        .with_omitted("Timeout", "Timeout", 0)
        .with_omitted("StorageID", "StorageID", "")
        .with("LockNumber", 0)
        .into()
}
