// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update notice`: the desktop notification of what runs that nobody asked for did, or found.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use haulout_engine::Engine;
use haulout_engine::update::{Entry, Outcome, Run, RunOptions};
use notify_rust::{Notification, NotificationResponse, Timeout, Urgency};
use tokio::process::Command;

use crate::invocation::Invocation;
use crate::{output, updates};

/// What comes after the verb.
pub const USAGE: &str = "";

/// Notify of updates that nobody was told of
#[derive(clap::Args, Debug)]
pub struct Args {}

/// How long somebody may take to answer.
const PATIENCE: Duration = Duration::from_hours(12);

/// The actions: what a server answers, and what people read.
const SHOW: (&str, &str) = ("show", "Show");
const UPDATE: (&str, &str) = ("update", "Update now");
const ROLL_BACK: (&str, &str) = ("roll-back", "Roll back");

/// Tells, and does what somebody answers.
pub async fn run(_: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let entries = engine.updates().untold().await?;
    if entries.is_empty() {
        return Ok(0);
    }
    // The app tells in its own way where it runs, and knows who has seen what.
    if call_app("tell-updates", false).await? {
        return Ok(0);
    }
    let handle = match notification(&entries).show_async().await {
        Ok(handle) => handle,
        // Nobody is at a desktop: at the next login it is told.
        Err(error) => {
            output::warning(&format!("nobody shows notifications: {error}"));
            return Ok(0);
        }
    };
    let mut answer = None;
    let waited = handle.wait_for_action_async(|response| answer = Some(response.clone()));
    let _ = tokio::time::timeout(PATIENCE, waited).await;
    let Some(answer) = answer else { return Ok(0) };
    let (pending, updated) = (units(&entries, Outcome::Pending), units(&entries, Outcome::Updated));
    engine.updates().told(entries).await?;
    match answer {
        NotificationResponse::Action(action) if action == UPDATE.0 => update(&engine, pending).await,
        NotificationResponse::Action(action) if action == ROLL_BACK.0 => roll_back(&engine, updated).await,
        NotificationResponse::Action(_) | NotificationResponse::Default => show().await,
        _ => Ok(0),
    }
}

/// The units of which that is so.
fn units(entries: &[Entry], outcome: Outcome) -> Vec<String> {
    let units: BTreeSet<_> = entries.iter().filter(|entry| entry.outcome == outcome).map(|entry| &entry.unit).collect();
    units.into_iter().cloned().collect()
}

fn notification(entries: &[Entry]) -> Notification {
    let pending = units(entries, Outcome::Pending);
    let updated = units(entries, Outcome::Updated);
    let (back, failed) = (units(entries, Outcome::RolledBack), units(entries, Outcome::Failed));
    let bad = !back.is_empty() || !failed.is_empty();
    let line = |words: &str, units: &[String]| match units {
        [] => String::new(),
        units => format!("{words} {}\n", units.join(", ")),
    };
    let body = [
        line("Updated:", &updated),
        line("An update is there:", &pending),
        line("Rolled back:", &back),
        line("Could not be updated:", &failed),
    ]
    .concat();
    let summary = match (bad, pending.is_empty()) {
        (true, _) => "Some containers could not be updated",
        (false, true) => "Containers were updated",
        (false, false) => "Updates for containers",
    };
    let mut notification = Notification::new();
    notification.appname("Haulout").icon("org.haulout.Haulout").summary(summary).body(&escaped(body.trim_end()));
    notification.timeout(Timeout::Never).urgency(if bad { Urgency::Critical } else { Urgency::Normal });
    notification.action("default", SHOW.1).action(SHOW.0, SHOW.1);
    if !pending.is_empty() {
        notification.action(UPDATE.0, UPDATE.1);
    }
    if !updated.is_empty() {
        notification.action(ROLL_BACK.0, ROLL_BACK.1);
    }
    notification
}

/// As the body of a notification has it (Desktop Notifications specification, "Markup").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

async fn update(engine: &Engine, units: Vec<String>) -> Result<u8> {
    let options = RunOptions { units, ..RunOptions::default() };
    let run = updates::follow(engine.updates().run(options), true).await?;
    tell("Containers were updated", &run).await
}

async fn roll_back(engine: &Engine, units: Vec<String>) -> Result<u8> {
    let mut all = Run::default();
    for unit in units {
        // One that went back with another is back already.
        match updates::follow(engine.updates().roll_back(&unit), true).await {
            Ok(run) => {
                all.reports.extend(run.reports);
                all.errors.extend(run.errors);
            }
            Err(_) if all.reports.iter().any(|report| report.unit == unit) => {}
            Err(error) => all.errors.push(format!("{error:#}")),
        }
    }
    tell("Containers were rolled back", &all).await
}

/// Tells what came of an answer.
async fn tell(done: &str, run: &Run) -> Result<u8> {
    let lines = run.reports.iter().map(|report| format!("{}: {}", report.unit, report.outcome.as_str()));
    let body: Vec<String> = lines.chain(run.errors.iter().cloned()).collect();
    let mut notification = Notification::new();
    notification.appname("Haulout").icon("org.haulout.Haulout").body(&escaped(&body.join("\n")));
    notification.summary(if run.errors.is_empty() { done } else { "Some containers could not be updated" });
    notification.show_async().await.context("showing a notification")?;
    Ok(0)
}

/// Shows the page of updates in the app.
async fn show() -> Result<u8> {
    if !call_app("show-updates", true).await? {
        bail!("the app cannot be shown: is haulout-app installed?");
    }
    Ok(0)
}

/// Has the app do something, if it runs or is to be started for that; whether it does.
async fn call_app(action: &str, starts: bool) -> Result<bool> {
    let start = if starts { "--auto-start=yes" } else { "--auto-start=no" };
    let call = ["--user", start, "call", "org.haulout.Haulout", "/org/haulout/Haulout"];
    let action = ["org.freedesktop.Application", "ActivateAction", "sava{sv}", action, "0", "0"];
    let called = Command::new("busctl").args(call).args(action).output().await.context("running busctl")?;
    Ok(called.status.success())
}
