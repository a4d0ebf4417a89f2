// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What systemd does to the services of units: a job for each, its end, and why it was not a good one.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures_util::future::join_all;
use haulout_engine::systemd::journal::Run;
use haulout_engine::systemd::{Job, JobResult, UnitState, UserManager};

use super::{Units, renew, strays};
use crate::exit::Failures;
use crate::output;

/// A unit may pull an image before it runs; systemd's own patience with it is shorter, unless somebody says otherwise.
const PATIENCE: Duration = Duration::from_hours(1);
/// How many of the last lines of a failed unit's journal are told.
const LINES: usize = 12;
/// How systemd says that it does not start a service for now; what it says of how the service failed is still of the last time.
const TOO_OFTEN: &str = "Start request repeated too quickly.";

/// Does `job` to the services of the units of these names, at the same time, and prints the names of those that it went well with.
pub async fn run(job: Job, names: &[String]) -> Result<u8> {
    at_least_one(names)?;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    let units = Units::load();
    for name in names {
        match service(&units, name) {
            Ok(service) => services.push((name, service)),
            Err(error) => failures.push(error),
        }
    }
    if job != Job::Stop {
        refresh(&services.iter().map(|(_, service)| service.clone()).collect::<Vec<_>>()).await?;
    }
    let done = join_all(services.iter().map(|(_, service)| act(job, service))).await;
    for ((name, _), done) in services.iter().zip(done) {
        match done {
            Ok(()) => output::line(name)?,
            Err(error) => failures.push(error),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

/// Refuses a command that names no unit.
pub fn at_least_one(names: &[String]) -> Result<()> {
    if names.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    Ok(())
}

/// Prints the names of units that something was done to.
pub fn tell(names: &[String]) -> Result<u8> {
    for name in names {
        output::line(name)?;
    }
    Ok(0)
}

/// What is said of a name that no unit has.
pub fn unknown(units: &Units, name: &str) -> String {
    if let Some(file) = strays::elsewhere(name) {
        let file = file.display();
        return format!(
            "no unit {name}: nothing reads {file}, because its folder is not searched; haulout quadlet install {file}"
        );
    }
    let folders: Vec<String> = units.path.folders().iter().map(|folder| folder.display().to_string()).collect();
    format!("no unit {name} in {}: haulout quadlet list shows those that there are", folders.join(", "))
}

/// The service of the unit `name`; of a template, that of an instance.
pub fn service(units: &Units, name: &str) -> Result<String> {
    if let Some(source) = units.find(name) {
        if source.name.is_template() {
            bail!("{name} is a template: name an instance of it, such as {}one", source.name.stem());
        }
        return Ok(format!("{}.service", source.service()));
    }
    let stem = haulout_quadlet::UnitName::parse(name)
        .map_or_else(|| name.strip_suffix(".service").unwrap_or(name).to_owned(), |parsed| parsed.stem().to_owned());
    if let Some((base, instance)) = stem.split_once('@')
        && !instance.is_empty()
        && units.find(&format!("{base}@")).is_some()
    {
        return Ok(format!("{base}@{instance}.service"));
    }
    Err(anyhow!(unknown(units, name)))
}

/// Has systemd read services anew that it does not know, or that were changed since it did.
async fn refresh(services: &[String]) -> Result<()> {
    let mut manager = UserManager::connect().await?;
    let mut stale = false;
    for state in manager.units(services).await? {
        stale |= state.load == "not-found" || manager.unit_property(&state.name, "NeedDaemonReload").await?;
    }
    if stale || !haulout_quadlet::rival::is_generated(super::is_of_user()) {
        renew().await?;
    }
    Ok(())
}

async fn act(job: Job, service: &str) -> Result<()> {
    let run = Run::begin(service);
    let mut manager = UserManager::connect().await?;
    match manager.do_job(job, service, PATIENCE).await? {
        JobResult::Done => Ok(()),
        JobResult::Other(result) => {
            let unmet = if result == "dependency" { unmet(&mut manager, service).await } else { Vec::new() };
            let mut why = why(&mut manager, service, &result, &unmet).await;
            // Its own journal says no more than that.
            let culprit = unmet.iter().find(|state| state.active == "failed");
            let run = culprit.map_or(run, |state| run.of(&state.name));
            let lines = run.ended(&mut manager).await.last_lines(LINES).await;
            if lines.iter().any(|line| line.ends_with(TOO_OFTEN)) {
                let user = if super::is_of_user() { " --user" } else { "" };
                why = format!("it failed too often lately; once more: systemctl{user} reset-failed {service}");
            }
            let doing = match job {
                Job::Start => "starting",
                Job::Stop => "stopping",
                Job::Restart => "restarting",
                Job::Reload => "reloading",
            };
            if lines.is_empty() {
                bail!("{doing} {service}: {why}");
            }
            bail!("{doing} {service}: {why}; its journal says:\n    {}", lines.join("\n    "));
        }
    }
}

/// Why a job ended with that word of systemd's (org.freedesktop.systemd1(5), `JobRemoved`).
async fn why(manager: &mut UserManager, service: &str, result: &str, unmet: &[UnitState]) -> String {
    match result {
        "failed" => failure(manager, service).await,
        "timeout" => "it was not ready in time (TimeoutStartSec= of its [Service] section)".to_owned(),
        "dependency" if unmet.is_empty() => "something that it requires did not start".to_owned(),
        "dependency" => format!("it requires {}", unmet.iter().map(how).collect::<Vec<_>>().join(", ")),
        "canceled" => "another job took the place of this one".to_owned(),
        "skipped" => "a condition of its [Unit] section does not hold".to_owned(),
        other => format!("the job was {other}"),
    }
}

/// Why a service failed (systemd.exec(5), `$SERVICE_RESULT`).
async fn failure(manager: &mut UserManager, service: &str) -> String {
    let result: Result<String, _> = manager.service_property(service, "Result").await;
    let status: Result<i32, _> = manager.service_property(service, "ExecMainStatus").await;
    match (result.as_deref(), status) {
        (Ok("exit-code"), Ok(0)) => match manager.failed_command(service).await.ok().flatten() {
            Some((key, status)) => format!("a command of its {key}= exited with status {status}"),
            None => "a command that it runs beside its process failed".to_owned(),
        },
        (Ok("exit-code"), Ok(status)) => format!("its process exited with status {status}"),
        (Ok("signal" | "core-dump"), Ok(signal)) => format!("its process was killed by signal {signal}"),
        (Ok("timeout"), _) => "it was not ready in time (TimeoutStartSec= of its [Service] section)".to_owned(),
        (Ok("oom-kill"), _) => "it was killed for want of memory".to_owned(),
        (Ok("protocol"), _) => "it ended before it was ready".to_owned(),
        (Ok(other), _) => format!("it failed ({other})"),
        (Err(error), _) => format!("it failed ({error})"),
    }
}

/// What a service cannot do without and is not there.
async fn unmet(manager: &mut UserManager, service: &str) -> Vec<UnitState> {
    let mut names: Vec<String> = Vec::new();
    for property in ["Requires", "Requisite", "BindsTo"] {
        names.extend(manager.unit_property::<Vec<String>>(service, property).await.unwrap_or_default());
    }
    let Ok(states) = manager.units(&names).await else { return Vec::new() };
    states.into_iter().filter(|state| state.load != "loaded" || state.active == "failed").collect()
}

/// A unit that is not there, and how it is.
fn how(state: &UnitState) -> String {
    let how = if state.load == "loaded" { &state.active } else { &state.load };
    format!("{}, which is {how}", state.name)
}
