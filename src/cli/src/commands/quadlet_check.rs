// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet check`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use haulout_quadlet::{Entry, Outcome, Place, Problem, Section, Severity, habits, install};
use serde_json::{Value, json};

use crate::invocation::{Invocation, NOT_YET};
use crate::loaded::{self, Obstacle};
use crate::output;
use crate::units::values::{self, Refusal};
use crate::units::{Named, Units, is_of_user, job, strays};

/// What comes after the verb.
pub const USAGE: &str = "[options] [UNIT|FILE...]";

/// Say what is wrong with units
///
/// Say what is wrong with units, with file, line and column and what to do, and end with status 1 if a unit has no service because of
/// it; what is seldom meant though there is a service, such as a value that run refuses; and why systemd has not loaded one, or has
/// another. Without names all units that there are; a file is checked among those of its folder.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print as this ("json")
    #[arg(long)]
    format: Option<String>,
    #[arg(hide = true)]
    units: Vec<String>,
}

/// Checks them.
pub async fn run(args: Args, _: &Invocation) -> Result<u8> {
    let json = match args.format.as_deref() {
        None => false,
        Some("json") => true,
        Some(other) => bail!("unsupported format {other:?}: only json is supported"),
    };
    let mut told = Vec::new();
    let mut text = String::new();
    if args.units.is_empty() {
        let units = Units::load();
        let outcomes = units.outcomes();
        text = words(&units, &outcomes);
        told.extend(findings(&units, &outcomes));
        misnamed(&units, &mut text, &mut told);
        lacking(&outcomes, &mut text, &mut told);
        refused(&units, &outcomes, &mut text, &mut told);
        loaded(&outcomes, &mut text, &mut told).await;
    }
    for typed in &args.units {
        let Named { mut units, name } = Named::of(typed)?;
        // Of a bundle by its file's name all units; what is wrong with the file as a whole, whether there are any or not.
        let of_file = |path: &Path| path.file_name().is_some_and(|file| file == name.as_str());
        units.found.problems.retain(|(path, _)| of_file(path));
        let one = units.find(&name).map(|source| source.name.clone());
        let mut outcomes = units.outcomes();
        outcomes.retain(|Outcome { source, .. }| {
            one.as_ref().map_or_else(|| of_file(&source.path), |one| source.name == *one)
        });
        if outcomes.is_empty() && units.found.problems.is_empty() {
            bail!("{}", job::unknown(&units, &name));
        }
        text += &words(&units, &outcomes);
        told.extend(findings(&units, &outcomes));
        lacking(&outcomes, &mut text, &mut told);
        refused(&units, &outcomes, &mut text, &mut told);
        if !typed.contains('/') {
            loaded(&outcomes, &mut text, &mut told).await;
        }
    }
    let errors = told.iter().any(|finding| finding["severity"] == "error");
    if json {
        output::line(&serde_json::to_string_pretty(&told)?)?;
    } else {
        output::print(&text)?;
    }
    Ok(u8::from(errors))
}

/// Adds why systemd does not have the services as the units have them. Without a manager that is not known; nor is it of folders that
/// only this command was told of.
async fn loaded(outcomes: &[Outcome<'_>], text: &mut String, told: &mut Vec<Value>) {
    if std::env::var_os("QUADLET_UNIT_DIRS").is_some_and(|said| !said.is_empty()) {
        return;
    }
    let all = match loaded::obstacles(outcomes).await {
        Ok(all) => all,
        Err(error) => return output::warning(&format!("what systemd has of the units is unknown: {error:#}")),
    };
    for (outcome, obstacles) in outcomes.iter().zip(all) {
        for obstacle in obstacles {
            warn(outcome, None, &obstacle, text, told);
        }
    }
}

fn warn(
    outcome: &Outcome<'_>,
    place: Option<&Place>,
    Obstacle { message, hint }: &Obstacle,
    text: &mut String,
    told: &mut Vec<Value>,
) {
    let file = place.map_or(outcome.source.path.as_path(), |place| &place.file);
    let at = place.map_or_else(|| file.display().to_string(), ToString::to_string);
    // A String takes whatever is written.
    let _ = writeln!(text, "{at}: warning: {message}\n    {hint}");
    let (line, column) = (place.map(|place| place.line), place.map(|place| place.column));
    let unit = outcome.source.name.to_string();
    told.push(json!({"unit": unit, "file": file, "line": line, "column": column, "severity": "warning", "message": message, "hint": hint}));
}

/// Adds which files nothing reads because of their names.
fn misnamed(units: &Units, text: &mut String, told: &mut Vec<Value>) {
    for (file, better) in strays::misnamed(units) {
        let (message, hint) = ("nothing reads it: its name is no unit's", format!("call it {better}"));
        // A String takes whatever is written.
        let _ = writeln!(text, "{}: warning: {message}\n    {hint}", file.display());
        told.push(json!({"file": file, "severity": "warning", "message": message, "hint": hint}));
    }
}

/// Adds what the services could not start their containers with.
fn refused(units: &Units, outcomes: &[Outcome<'_>], text: &mut String, told: &mut Vec<Value>) {
    for outcome in outcomes {
        for Refusal { place, message, hint } in values::refusals(outcome, &units.settings) {
            warn(outcome, place.as_ref(), &Obstacle { message, hint: hint.to_owned() }, text, told);
        }
    }
}

/// Adds which services run what podman has and Haulout has not.
fn lacking(outcomes: &[Outcome<'_>], text: &mut String, told: &mut Vec<Value>) {
    for outcome in outcomes {
        let section = outcome.service.as_ref().and_then(|service| service.unit.section("Service"));
        let commands =
            section.into_iter().flat_map(Section::entries).filter(|entry| entry.key.starts_with("ExecStart"));
        let Some(verb) = { commands }.filter_map(verb).find(|verb| NOT_YET.contains(&verb.as_str())) else { continue };
        let service = outcome.source.service();
        let message =
            format!("{service}.service runs haulout {verb}, which Haulout does not have yet: it cannot start");
        let hint = "units of this kind are for Podman until then".to_owned();
        warn(outcome, None, &Obstacle { message, hint }, text, told);
    }
}

/// The verb of a command that runs Haulout.
fn verb(command: &Entry) -> Option<String> {
    let mut words = command.words().into_iter().map(|word| word.text);
    let program = words.next()?;
    if Path::new(&program).file_name()? != "haulout" {
        return None;
    }
    words.find(|word| !word.starts_with('-'))
}

/// What is wrong, a line each and below it what to do.
pub fn words(units: &Units, outcomes: &[Outcome<'_>]) -> String {
    let files =
        units.found.problems.iter().map(|(file, problem)| format!("{}: error: {}\n", file.display(), problem.fault));
    files.chain(outcomes.iter().map(words_of)).collect()
}

fn words_of(outcome: &Outcome<'_>) -> String {
    let mut text = String::new();
    for problem in problems(outcome) {
        let at = problem.place.as_ref().map_or_else(|| outcome.source.path.display().to_string(), ToString::to_string);
        // A String takes whatever is written.
        let _ = writeln!(text, "{at}: {}: {}", severity(&problem), problem.fault);
        if let Some(hint) = problem.fault.hint() {
            let _ = writeln!(text, "    {hint}");
        }
    }
    text
}

/// In the order in which they stand there, those of the whole unit first.
fn problems(outcome: &Outcome<'_>) -> Vec<Problem> {
    let of_unit = outcome.problems.iter().cloned().chain(install::problem(outcome.source));
    let mut problems: Vec<Problem> = of_unit.chain(habits::problems(outcome.source, is_of_user())).collect();
    let at = |problem: &Problem| problem.place.as_ref().map(|place| (place.file.clone(), place.line, place.column));
    problems.sort_by_key(at);
    problems
}

fn severity(problem: &Problem) -> &'static str {
    match problem.fault.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn findings(units: &Units, outcomes: &[Outcome<'_>]) -> Vec<Value> {
    let files = units
        .found
        .problems
        .iter()
        .map(|(file, problem)| json!({"file": file, "severity": "error", "message": problem.fault.to_string()}));
    files.chain(outcomes.iter().flat_map(finding)).collect()
}

fn finding(outcome: &Outcome<'_>) -> Vec<Value> {
    let told = problems(outcome).into_iter().map(|problem| {
        let file = problem.place.as_ref().map_or(outcome.source.path.as_path(), |place| &place.file);
        json!({
            "unit": outcome.source.name.to_string(),
            "file": file,
            "line": problem.place.as_ref().map(|place| place.line),
            "column": problem.place.as_ref().map(|place| place.column),
            "severity": severity(&problem),
            "message": problem.fault.to_string(),
            "hint": problem.fault.hint(),
        })
    });
    told.collect()
}
