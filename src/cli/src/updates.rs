// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a run of updates prints: how far it is on standard error, then a row for every container.

use std::collections::HashMap;

use anyhow::{Result, bail};
use futures_util::StreamExt as _;
use haulout_engine::Engine;
use haulout_engine::Error;
use haulout_engine::update::{Outcome, Policy, Report, Run, RunProgress};

use crate::exit::{ENGINE, Failure};
use crate::format::{self, Data, Struct, table};
use crate::progress::Shown;
use crate::{output, terminal};

const HEADINGS: &[(&str, &str)] = &[
    ("Unit", "UNIT"),
    ("Container", "CONTAINER"),
    ("ContainerID", "CONTAINER ID"),
    ("ContainerName", "CONTAINER NAME"),
    ("Image", "IMAGE"),
    ("Policy", "POLICY"),
    ("Updated", "UPDATED"),
    ("From", "FROM"),
    ("To", "TO"),
    ("Reason", "REASON"),
];

/// Shows a run until its end; the exit status.
pub async fn show(
    engine: &Engine,
    progress: impl futures_util::Stream<Item = Result<RunProgress, Error>> + Unpin,
    format: Option<&str>,
) -> Result<u8> {
    check(format)?;
    let run = follow(progress, false).await?;
    for warning in engine.take_warnings() {
        output::warning(&warning);
    }
    for note in &run.notes {
        output::warning(note);
    }
    print(&run, format)?;
    for report in &run.reports {
        if let Some(reason) =
            report.reason.as_deref().filter(|reason| !run.errors.iter().any(|error| error.ends_with(reason)))
        {
            output::warning(&format!("{}: {}: {reason}", report.unit, report.outcome.as_str()));
        }
    }
    match run.errors.as_slice() {
        [] => Ok(0),
        [error] => Err(Failure { status: ENGINE, message: error.clone() }.into()),
        errors => {
            let bullets: Vec<String> = errors.iter().map(|error| format!("\t* {error}")).collect();
            let message = format!("{} errors occurred:\n{}", errors.len(), bullets.join("\n"));
            Err(Failure { status: ENGINE, message }.into())
        }
    }
}

/// Refuses a format that cannot show what a run does, before anything is restarted. That it names a field that there is not shows only
/// when it is used.
fn check(format: Option<&str>) -> Result<()> {
    let report = Report {
        container: "0".repeat(64).parse()?,
        name: "name".parse()?,
        image: String::new(),
        unit: String::new(),
        policy: Policy::Registry,
        outcome: Outcome::Current,
        from: None,
        to: None,
        reason: None,
    };
    format::list_of("auto-update", format, std::iter::once(row(&report)), Some(HEADINGS))?;
    Ok(())
}

/// Follows a run to its end, showing how far it is unless it is to be `quiet`.
pub async fn follow(
    mut progress: impl futures_util::Stream<Item = Result<RunProgress, Error>> + Unpin,
    quiet: bool,
) -> Result<Run> {
    let mut pulls: HashMap<String, Shown> = HashMap::new();
    let say = |words: String| {
        // For people only: what is no terminal has what Podman says.
        if !quiet && terminal::is_error() {
            output::error(&format!("{words}\n"));
        }
    };
    while let Some(step) = progress.next().await {
        match step? {
            RunProgress::Waiting => say("Waiting for another run of auto-update to end...".to_owned()),
            RunProgress::Checking { .. } => {}
            RunProgress::Pulling { image, progress } => {
                pulls.entry(image).or_insert_with(|| Shown::new(quiet)).step(progress);
            }
            RunProgress::Restarting(unit) => say(format!("Restarting {unit}...")),
            RunProgress::Judging(unit) => say(format!("Seeing whether {unit} stays up...")),
            RunProgress::RollingBack { unit, reason } => say(format!("Rolling {unit} back: {reason}")),
            RunProgress::Done(run) => return Ok(run),
        }
    }
    bail!("the engine ended without saying what it did")
}

fn print(run: &Run, format: Option<&str>) -> Result<()> {
    if run.reports.is_empty() {
        return Ok(());
    }
    let listed = format::list_of("auto-update", format, run.reports.iter().map(row), Some(HEADINGS))?;
    let shown = listed.unwrap_or_else(|| {
        let rows: Vec<_> = run
            .reports
            .iter()
            .map(|report| {
                let (policy, updated) = (report.policy.as_str().to_owned(), report.outcome.as_str().to_owned());
                // Podman's table has an empty column before the first.
                vec![String::new(), report.unit.clone(), container(report), report.image.clone(), policy, updated]
            })
            .collect();
        table::table(Some(&["", "UNIT", "CONTAINER", "IMAGE", "POLICY", "UPDATED"]), &rows)
    });
    output::print(&shown)?;
    Ok(())
}

fn container(report: &Report) -> String {
    format!("{} ({})", report.container.short(), report.name)
}

fn row(report: &Report) -> Data {
    let digest = |digest: &Option<haulout_engine::digest::Digest>| digest.map_or_else(String::new, |it| it.to_string());
    Struct::of("main.autoUpdateOutput")
        .with("Unit", report.unit.as_str())
        .with("Container", container(report))
        .with("ContainerName", report.name.to_string())
        .with("ContainerID", report.container.to_string())
        .with("Image", report.image.as_str())
        .with("Policy", report.policy.as_str())
        .with("Updated", report.outcome.as_str())
        .with_omitted("From", "From", digest(&report.from))
        .with_omitted("To", "To", digest(&report.to))
        .with_omitted("Reason", "Reason", report.reason.clone().unwrap_or_default())
        .into()
}
