// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates made by themselves: `haulout-auto-update.timer` of the user's systemd, or of root's the machine's.
//!
//! The units are installed with the programs, or written into the folder of the user's own units where they are not.

use std::path::Path;
use std::time::Duration;

use super::settings::{UpdateSettings, UpdateSettingsError, Window};
use crate::systemd::{Job, JobResult, OwnUnits, OwnUnitsError, SystemdError, UnitState, UserManager};
use crate::userns;

/// What runs updates every day.
const TIMER: &str = "haulout-auto-update.timer";

/// What it starts.
const SERVICE: &str = "haulout-auto-update.service";

/// What tells of them.
pub const NOTICE: &str = "haulout-auto-update-notice.service";

/// The units as they are installed.
const UNITS: [(&str, &str); 4] = [
    (SERVICE, include_str!("../../../../data/systemd/haulout-auto-update.service")),
    (TIMER, include_str!("../../../../data/systemd/haulout-auto-update.timer")),
    (NOTICE, include_str!("../../../../data/systemd/haulout-auto-update-notice.service")),
    (
        "haulout-user-wait-network-online.service",
        include_str!("../../../../data/systemd/haulout-user-wait-network-online.service"),
    ),
];

/// What has the timer run when the windows begin.
const DROP_IN: &str = "haulout-auto-update.timer.d/windows.conf";

/// The longest random delay, in seconds.
const DELAY: i64 = 900;

const PATIENCE: Duration = Duration::from_mins(1);

/// When updates are made by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Whether they are at all, now and at later logins.
    pub on: bool,
    /// When the next run is: microseconds since 1970; nothing when there is none.
    pub next: Option<i64>,
    /// When the last one was.
    pub last: Option<i64>,
    /// Whether one runs now.
    pub runs: bool,
}

/// Why the timer is not as it was to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimerError {
    /// config.toml.
    #[error(transparent)]
    Settings(#[from] UpdateSettingsError),
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// A unit could not be written or removed.
    #[error(transparent)]
    Own(#[from] OwnUnitsError),
    /// It did not start.
    #[error("starting {TIMER}: its job was {0}")]
    NotStarted(String),
}

/// How it is.
pub async fn schedule() -> Result<Schedule, TimerError> {
    let mut manager = UserManager::connect().await?;
    let states = manager.states(&[TIMER.to_owned(), SERVICE.to_owned()]).await?;
    let state = |name: &str| states.iter().find(|state| state.name == name);
    let runs = state(SERVICE).is_some_and(|state| state.active == "activating" && !is_put_off(state));
    if state(TIMER).is_none_or(|state| state.active != "active") {
        return Ok(Schedule { runs, ..Schedule::default() });
    }
    let next = time(&mut manager, "NextElapseUSecRealtime").await;
    let last = time(&mut manager, "LastTriggerUSec").await;
    Ok(Schedule { on: true, next, last, runs })
}

/// Whether a run has failed and is made again later (systemd.service(5), `Restart=`).
fn is_put_off(state: &UnitState) -> bool {
    state.sub == "auto-restart"
}

/// A time that the timer knows. 0 and the largest number mean never (org.freedesktop.systemd1(5)).
async fn time(manager: &mut UserManager, property: &str) -> Option<i64> {
    let at: u64 = manager.timer_property(TIMER, property).await.ok()?;
    if at == 0 { None } else { i64::try_from(at).ok() }
}

/// Has updates made by themselves, now and from every login on. `bin` is the folder of the programs.
pub async fn enable(bin: &Path) -> Result<(), TimerError> {
    let settings = UpdateSettings::load()?;
    let mut manager = UserManager::connect().await?;
    let own = OwnUnits::find()?;
    for (name, text) in UNITS {
        let known = manager.units(&[name.to_owned()]).await?.first().is_some_and(|unit| unit.load != "not-found");
        if !known || own.has(name) {
            own.write(name, &text.replace("@bindir@", &bin.display().to_string()))?;
        }
    }
    if settings.windows.is_empty() {
        own.remove(DROP_IN)?;
    } else {
        own.write(DROP_IN, &calendar(&settings.windows))?;
    }
    let mut wanted = vec![TIMER];
    if !userns::is_root() {
        wanted.push(NOTICE);
    }
    manager.enable(&wanted, true).await?;
    own.sync_links()?;
    // After the links, as systemctl does: until then systemd holds what it knows of all units for outdated.
    manager.reload().await?;
    // Started anew, so that it has new windows.
    match manager.do_job(Job::Restart, TIMER, PATIENCE).await? {
        JobResult::Done => Ok(()),
        JobResult::Other(word) => Err(TimerError::NotStarted(word)),
    }
}

/// Has them not made by themselves any more.
pub async fn disable() -> Result<(), TimerError> {
    let mut manager = UserManager::connect().await?;
    // Where nobody has switched it on, they may not even be there.
    for state in manager.units(&[TIMER, NOTICE, SERVICE].map(str::to_owned)).await? {
        if state.active == "active" || is_put_off(&state) {
            manager.do_job(Job::Stop, &state.name, PATIENCE).await?;
        }
        if state.load != "not-found" {
            manager.enable(&[&state.name], false).await?;
        }
    }
    let own = OwnUnits::find()?;
    for (name, _) in UNITS.into_iter().chain([(DROP_IN, "")]) {
        own.remove(name)?;
    }
    own.sync_links()?;
    Ok(manager.reload().await?)
}

/// The timer's events: the beginning of each window, and not so much later that it is over.
fn calendar(windows: &[Window]) -> String {
    let shortest = windows.iter().map(Window::minutes).min().unwrap_or(DELAY);
    let delay = DELAY.min(shortest * 60 / 2);
    let events: String = windows.iter().map(|window| ["OnCalendar=", &window.beginning(), "\n"].concat()).collect();
    format!("[Timer]\nOnCalendar=\n{events}RandomizedDelaySec={delay}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_runs_when_windows_begin_and_not_after_they_end() {
        let windows: Vec<Window> = ["Sat,Sun", "02:00-02:10"].map(|text| text.parse().unwrap()).into();
        assert_eq!(
            calendar(&windows),
            "[Timer]\nOnCalendar=\nOnCalendar=Sat,Sun 00:00\nOnCalendar=Mon,Tue,Wed,Thu,Fri,Sat,Sun 02:00\nRandomizedDelaySec=300\n"
        );
    }
}
