// SPDX-License-Identifier: GPL-3.0-or-later
//! Quadlet's units and the user's systemd, for the user who runs this process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use async_channel::Sender;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use haulout_engine::Error;
use haulout_engine::container::LogLine;
use haulout_engine::systemd::journal::{Reading, Run};
use haulout_engine::systemd::login::{self, LingerError};
use haulout_engine::systemd::{self, Job, JobResult, SystemdError, UnitState, UserManager};
use haulout_engine::userns::subid::Owner;
use haulout_engine::watch::Folders;
use haulout_quadlet::own::{Before, OwnError};
use haulout_quadlet::rival::{self, Maker as Rival};
use haulout_quadlet::search::Found;
use haulout_quadlet::{
    OwnFolder, SearchPath, ServiceFolder, Settings, Severity, Source, UnitName, generate, habits, install,
};

use super::crowd::Crowd;
use super::{
    Activity, Boot, Checked, Failure, Maker, PastBoot, Period, Problem, Reason, Unit, UnitAction, UnitText, UnitWrite,
    Units,
};

/// A unit may pull an image before it runs; systemd's own patience with it is shorter, unless somebody says otherwise.
const PATIENCE: Duration = Duration::from_hours(1);
/// What changes within this time is one change.
const TOGETHER: Duration = Duration::from_millis(150);
/// How many of the last lines of a failed unit's journal belong to what is said of its failure.
const LINES_OF_FAILURE: usize = 12;
/// How many are a second.
const MICROSECONDS: i64 = 1_000_000;

/// All units, how their services are, and what holds for all of them.
pub async fn list() -> Result<Units, Failure> {
    let mut list = blocking(read).await?;
    let names: Vec<String> = list.iter().map(|unit| unit.service.clone()).collect();
    // Without a manager there are units all the same.
    if let Ok(mut manager) = UserManager::connect().await
        && let Ok(states) = manager.states(&names).await
    {
        let mut states: HashMap<String, UnitState> =
            states.into_iter().map(|state| (state.name.clone(), state)).collect();
        for unit in &mut list {
            let state = states.remove(&unit.service);
            // A template is in no state.
            unit.activity = state.map_or(Activity::Inactive, |state| activity(&state.load, &state.active, &state.sub));
        }
    }
    let boot = match login::lingers().await {
        Ok(true) => Boot::Yes,
        Ok(false) => Boot::No,
        Err(_) => Boot::Unknown,
    };
    let maker = match rival::maker(true) {
        Rival::Podman(path) => Maker::Podman(path.display().to_string()),
        Rival::Alone | Rival::Chosen => Maker::Haulout,
    };
    Ok(Units { list, boot, maker })
}

/// What a unit's file says, and its service as systemd has it now.
pub async fn text(name: String) -> Result<UnitText, Failure> {
    blocking(move || {
        let found = SearchPath::of_environment(true).load();
        let source = find(&found, &name)?;
        let text = fs::read_to_string(&source.path).map_err(|error| io(&source.path, &error))?;
        Ok(UnitText { text, service: installed(&source.service()) })
    })
    .await?
}

/// What would become of the unit if it said `text`, among the units that there are.
pub async fn check(name: String, text: String) -> Result<Checked, Failure> {
    blocking(move || {
        let Some(name) = UnitName::parse(&name) else { return Err(invalid(&name)) };
        let mut found = SearchPath::of_environment(true).load();
        let known = found.sources.iter().position(|source| source.name == name);
        let (path, folder) = if let Some(index) = known {
            let source = found.sources.remove(index);
            (source.path, source.folder)
        } else {
            let own = own_folder()?;
            (own.path_of(&name), fs::canonicalize(own.path()).unwrap_or_else(|_| own.path().to_owned()))
        };
        let (unit, problems) = haulout_quadlet::Unit::parse(&text, &Arc::from(path.as_path()), 1);
        found.sources.push(Source { path, folder, name: name.clone(), unit, problems });
        let outcomes = generate(&found.sources, &Settings::of_environment(true));
        let outcome = outcomes.into_iter().find(|outcome| outcome.source.name == name);
        let outcome = outcome.ok_or_else(|| invalid(&name.to_string()))?;
        let of_unit = outcome.problems.iter().cloned().chain(install::problem(outcome.source));
        let problems = of_unit.chain(habits::problems(outcome.source, true));
        Ok(Checked {
            problems: problems.map(|found| problem(&found, &outcome.source.path)).collect(),
            service: outcome.service.map(|service| service.unit.to_string()),
        })
    })
    .await?
}

/// Writes a unit's file, and has its service made.
pub async fn write(write: UnitWrite) -> Result<(), Failure> {
    blocking(move || {
        let Some(name) = UnitName::parse(&write.name) else { return Err(invalid(&write.name)) };
        let folder = own_folder()?;
        let found = SearchPath::of_environment(true).load();
        let known = found.sources.iter().find(|source| source.name == name);
        let path = known.map_or_else(|| folder.path_of(&name), |source| source.path.clone());
        let before = write.before.as_deref().map_or(Before::Nothing, Before::Text);
        folder.write(&path, &write.text, before).map_err(|error| own(&error))
    })
    .await??;
    make_services().await
}

/// Stops a unit's service, removes its file and has systemd forget it.
pub async fn remove(name: String, text: String) -> Result<(), Failure> {
    let (path, service) = blocking({
        let name = name.clone();
        move || {
            let found = SearchPath::of_environment(true).load();
            find(&found, &name).map(|source| (source.path.clone(), format!("{}.service", source.service())))
        }
    })
    .await??;
    let folder = own_folder()?;
    if !folder.holds(&path) {
        return Err(own(&OwnError::NotOwn { path, folder: folder.path().to_owned() }));
    }
    if let Ok(mut manager) = UserManager::connect().await {
        // What is not loaded cannot be stopped, and need not be.
        let _ = manager.do_job(Job::Stop, &service, PATIENCE).await;
    }
    blocking(move || folder.remove(&path, &text).map_err(|error| own(&error))).await??;
    make_services().await
}

/// Does it to a service. What its journal says of a failure goes with it.
pub async fn act(service: String, action: UnitAction) -> Result<(), Failure> {
    let job = match action {
        UnitAction::Start => Job::Start,
        UnitAction::Stop => Job::Stop,
        UnitAction::Restart => Job::Restart,
    };
    let run = Run::begin(&service);
    let mut manager = UserManager::connect().await.map_err(|error| failure(&error))?;
    match manager.do_job(job, &service, PATIENCE).await {
        Ok(JobResult::Done) => Ok(()),
        Ok(JobResult::Other(result)) => {
            let details = run.ended(&mut manager).await.last_lines(LINES_OF_FAILURE).await;
            Err(Failure { details, reason: Reason::UnitFailed(result) })
        }
        Err(error @ SystemdError::Failed { .. }) => Err(said(Reason::NotLoaded, &error)),
        Err(error) => Err(failure(&error)),
    }
}

/// The lines of a service of a period: its last, then what comes, unless the period is over.
pub async fn journal(service: &str, tail: usize, period: Period) -> BoxStream<'static, Result<LogLine, Error>> {
    let all = Reading { follow: true, ..Reading::last(tail) };
    let reading = match period {
        Period::All => all,
        Period::ThisBoot => Reading { boot: Some("0".to_owned()), ..all },
        Period::Boot(boot) => Reading { boot: Some(boot.id), follow: boot.current, ..all },
        Period::Since(since) => Reading { since: Some(since.saturating_mul(MICROSECONDS)), ..all },
        Period::Start => Reading { since: started(service).await, ..all },
    };
    systemd::journal::lines(service, &reading)
}

/// When a service was started last, in microseconds since 1970; nothing of one that was not since the boot.
async fn started(service: &str) -> Option<i64> {
    let mut manager = UserManager::connect().await.ok()?;
    let began: u64 = manager.unit_property(service, "InactiveExitTimestamp").await.ok()?;
    i64::try_from(began).ok().filter(|began| *began > 0)
}

/// The times that this computer was on: the newest first.
pub async fn boots() -> Result<Vec<PastBoot>, Failure> {
    let boots = systemd::journal::boots().await?;
    Ok(boots.into_iter().rev().map(PastBoot::from).collect())
}

/// Has services started at boot that start at login, or not any more.
pub async fn start_at_boot(on: bool) -> Result<(), Failure> {
    let Err(error) = login::set_lingering(on).await else { return Ok(()) };
    let reason = match &error {
        LingerError::NobodyAsks => Reason::NobodyAsks,
        LingerError::NotAnswered => Reason::NotAnswered,
        LingerError::Forbidden => Reason::Forbidden,
        _ => Reason::Other,
    };
    let mut failure = said(reason, &error);
    let verb = if on { "enable-linger" } else { "disable-linger" };
    failure.details.push(format!("sudo loginctl {verb} {}", Owner::current().name));
    Err(failure)
}

/// What the user's systemd does with units, whether it is there already or not.
pub(super) fn changes_of_systemd() -> impl Stream<Item = Result<(), Infallible>> + Send + 'static {
    systemd::changes().map(|_| Ok(()))
}

/// Sends whenever something about units changed: what systemd does with them, or their files. Without the one the other is followed.
pub async fn changes(sender: Sender<Result<(), Failure>>) {
    let mut crowd = Crowd::new(TOGETHER).with(changes_of_systemd());
    if let Ok(folders) = Folders::watch(SearchPath::of_environment(true).folders().to_vec()) {
        crowd = crowd.with(folders.changes());
    }
    crowd.tell(sender).await;
}

/// Has whoever makes the services make them, and systemd read them. Where that is us, and systemd cannot call our generator, they are
/// written here.
async fn make_services() -> Result<(), Failure> {
    let by_hand = blocking(|| !rival::is_generated(true)).await?;
    let folder = ServiceFolder::of_environment(true).ok_or_else(|| own(&OwnError::NoHome))?;
    if by_hand {
        let folder = folder.clone();
        let synced = blocking(move || {
            let found = SearchPath::of_environment(true).load();
            folder.sync_outcomes(&found, &generate(&found.sources, &Settings::of_environment(true)))
        });
        synced.await?.map_err(|error| said(Reason::System, &error))?;
    }
    let mut manager = UserManager::connect().await.map_err(|error| failure(&error))?;
    manager.reload().await.map_err(|error| failure(&error))?;
    if by_hand {
        blocking(move || folder.told()).await?.map_err(|error| said(Reason::System, &error))?;
    }
    Ok(())
}

fn read() -> Vec<Unit> {
    let found = SearchPath::of_environment(true).load();
    let folder = own_folder().ok();
    let mut list: Vec<Unit> = generate(&found.sources, &Settings::of_environment(true))
        .into_iter()
        .map(|outcome| {
            let source = outcome.source;
            let of_unit = outcome.problems.iter().cloned().chain(install::problem(source));
            let problems = of_unit.chain(habits::problems(source, true));
            Unit {
                name: source.name.to_string(),
                kind: source.kind(),
                service: format!("{}.service", source.service()),
                description: source.unit.last("Unit", "Description").map(|entry| entry.unquoted().to_owned()),
                path: source.path.display().to_string(),
                own: is_own(folder.as_ref(), &source.path, &source.name),
                activity: Activity::Unknown,
                at_login: install::starts_by_itself(source),
                template: source.name.is_template(),
                problems: problems.map(|found| problem(&found, &source.path)).collect(),
            }
        })
        .collect();
    list.extend(found.problems.iter().filter_map(|(path, found)| unreadable(path, found)));
    list
}

/// Whether it is a file of the user's own with that unit alone in it.
fn is_own(folder: Option<&OwnFolder>, path: &Path, name: &UnitName) -> bool {
    folder.is_some_and(|folder| folder.holds(path)) && path.file_name().is_some_and(|file| *file == *name.to_string())
}

/// A file that is named like a unit and cannot be read.
fn unreadable(path: &Path, found: &haulout_quadlet::Problem) -> Option<Unit> {
    let name = UnitName::parse(path.file_name()?.to_str()?)?;
    Some(Unit {
        name: name.to_string(),
        kind: name.kind(),
        service: format!("{}{}.service", name.stem(), name.kind().service_suffix()),
        description: None,
        path: path.display().to_string(),
        own: false,
        activity: Activity::NotLoaded,
        at_login: false,
        template: name.is_template(),
        problems: vec![problem(found, path)],
    })
}

fn activity(load: &str, active: &str, sub: &str) -> Activity {
    match (load, active) {
        ("not-found", "inactive") => Activity::NotLoaded,
        (_, "active" | "reloading" | "refreshing") if sub == "exited" => Activity::Done,
        (_, "active" | "reloading" | "refreshing") => Activity::Running,
        (_, "activating") => Activity::Starting,
        (_, "deactivating") => Activity::Stopping,
        (_, "failed") => Activity::Failed,
        (_, "inactive") => Activity::Inactive,
        _ => Activity::Unknown,
    }
}

fn problem(found: &haulout_quadlet::Problem, path: &Path) -> Problem {
    let place = found.place.as_ref();
    let here = place.filter(|place| *place.file == *path);
    Problem {
        error: found.fault.severity() == Severity::Error,
        at: here.map(|place| (place.line, place.column)),
        file: place.filter(|place| *place.file != *path).map(ToString::to_string),
        key: found.fault.missing_key().map(str::to_owned),
        // Podman's words name the file, which whoever looks at it knows.
        text: found.fault.to_string().replace(&format!(" in {}", path.display()), ""),
        hint: found.fault.hint(),
    }
}

fn find<'a>(found: &'a Found, name: &str) -> Result<&'a Source, Failure> {
    let source = found.sources.iter().find(|source| source.name.to_string() == name);
    source.ok_or_else(|| Failure { reason: Reason::Gone, details: vec![name.to_owned()] })
}

/// A service's text where systemd finds it first (systemd.unit(5), "User Unit Search Path").
fn installed(service: &str) -> Option<String> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)?;
    let by_hand = ServiceFolder::of_environment(true)?.path().to_owned();
    let folders = [runtime.join("systemd/generator.early"), by_hand, runtime.join("systemd/generator")];
    folders.iter().find_map(|folder| fs::read_to_string(folder.join(format!("{service}.service"))).ok())
}

fn own_folder() -> Result<OwnFolder, Failure> {
    OwnFolder::of_environment(true).map_err(|error| own(&error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| said(Reason::Other, &error))
}

fn own(error: &OwnError) -> Failure {
    let reason = match error {
        OwnError::Exists(_) => Reason::Exists,
        OwnError::Changed(_) => Reason::Changed,
        OwnError::NotOwn { .. } => Reason::NotOwn,
        _ => Reason::System,
    };
    said(reason, error)
}

fn failure(error: &SystemdError) -> Failure {
    let reason = match error {
        SystemdError::NoManager(_) => Reason::NoManager,
        _ => Reason::Other,
    };
    said(reason, error)
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure { reason: Reason::System, details: vec![format!("reading {}", path.display()), error.to_string()] }
}

fn invalid(name: &str) -> Failure {
    Failure { reason: Reason::Invalid, details: vec![format!("{name} is no name of a unit")] }
}

/// What `error` says, and what it comes of.
pub(super) fn said(reason: Reason, error: &dyn std::error::Error) -> Failure {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string);
    Failure { reason, details: [error.to_string()].into_iter().chain(causes).collect() }
}

#[cfg(test)]
mod tests {
    use super::activity;
    use crate::connection::Activity;

    #[test]
    fn what_systemd_says_of_a_service_is_one_of_few_things_to_a_person() {
        assert_eq!(activity("loaded", "active", "running"), Activity::Running);
        assert_eq!(activity("loaded", "active", "exited"), Activity::Done);
        assert_eq!(activity("not-found", "inactive", "dead"), Activity::NotLoaded);
        // Its unit is gone, and it still has to be told that it failed.
        assert_eq!(activity("not-found", "failed", "failed"), Activity::Failed);
    }
}
