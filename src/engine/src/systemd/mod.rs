// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user's systemd over D-Bus (org.freedesktop.systemd1(5)), of root the machine's: a scope for every container, and how
//! units are.
//!
//! A container that stayed in the cgroup of whoever started it would be killed with that: an app that D-Bus started takes its
//! cgroup along when it ends. The manager is spoken to on its private socket, without a bus daemon between, and on its bus where there
//! is no such socket.

mod bus;
mod changes;
pub mod journal;
pub mod login;
mod own;
mod polkit;
mod private;
pub(crate) mod remains;
pub(crate) mod service;
mod unit;

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use haulout_monitor::process::is_root_of_machine;
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue, Value};

use bus::Bus;
pub use changes::{UnitChange, changes};
pub use own::{OwnUnits, OwnUnitsError};
use private::{Body, Incoming, Private};
pub use service::MoreTime;
pub use unit::{Job, JobResult};

use crate::paths::folder_of_login;

/// How long the user manager may take: it is busy at login, and never this busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long is waited before it is connected to again.
const REST: Duration = Duration::from_millis(100);

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What a scope is of: the slice that Podman's are in too.
pub fn slice() -> &'static str {
    if is_root_of_machine() { "machine.slice" } else { "user.slice" }
}

/// The path, below the cgroup2 mount, of the cgroup in which the manager has its slices.
pub(crate) fn cgroup_of_manager() -> String {
    let uid = rustix::process::getuid().as_raw();
    if is_root_of_machine() { String::new() } else { format!("user.slice/user-{uid}.slice/user@{uid}.service") }
}

/// The arguments of the signal `JobRemoved`: number, path, unit, result.
type JobRemoved = (u32, OwnedObjectPath, String, String);

/// The user's systemd, or root's.
#[derive(Debug)]
pub struct UserManager {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Private(Private),
    Bus(Bus),
}

/// Why it is not known how a job ended.
enum NoResult {
    /// There is none: the manager's words.
    Refused(String),
    /// The connection ended before it did.
    Lost(String),
}

/// Why the manager did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemdError {
    /// There is none, or it does not answer.
    #[error("no systemd manager answers ({0})")]
    NoManager(String),
    /// It refused.
    #[error("systemd did not make {unit}: {reason}")]
    Refused {
        /// The unit.
        unit: String,
        /// What it says.
        reason: String,
    },
    /// It could not, or would not.
    #[error("{doing}, systemd says: {reason}")]
    Failed {
        /// What it was to do.
        doing: &'static str,
        /// What it says.
        reason: String,
    },
    /// It took too long.
    #[error("systemd did not make {unit} within {} seconds", PATIENCE.as_secs())]
    Late {
        /// The unit.
        unit: String,
    },
}

impl UserManager {
    /// Connects to it.
    pub async fn connect() -> Result<Self, SystemdError> {
        let (private, bus) = addresses()?;
        if let Ok(Ok(private)) = tokio::time::timeout(PATIENCE, Private::connect(&private)).await {
            return Ok(Self { way: Way::Private(private) });
        }
        match tokio::time::timeout(PATIENCE, Bus::connect(&bus)).await {
            Ok(bus) => Ok(Self { way: Way::Bus(bus.map_err(|error| SystemdError::NoManager(error.to_string()))?) }),
            Err(_) => Err(SystemdError::NoManager("the bus is silent".to_owned())),
        }
    }

    /// Connects to it after it let go of a connection: it may be executing itself anew, and is there again in a moment.
    pub(crate) async fn connect_within(patience: Duration) -> Result<Self, SystemdError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            tokio::time::sleep(REST).await;
            match Self::connect().await {
                Err(error) if tokio::time::Instant::now() >= until => return Err(error),
                Err(_) => {}
                connected => return connected,
            }
        }
    }

    /// Makes the transient, delegated scope `unit` with the process `pid` in it, and answers when it is there: the process is in
    /// the scope's cgroup then.
    /// What is in it and has not ended `patience` after it is stopped is killed; after systemd's own when nothing. It is in the slice
    /// `parent`, or in the usual one.
    pub async fn start_scope(
        &mut self,
        unit: &str,
        description: &str,
        pid: i32,
        patience: Option<Duration>,
        parent: Option<&str>,
    ) -> Result<(), SystemdError> {
        let pids = vec![u32::try_from(pid).unwrap_or_default()];
        let mut properties: Vec<(&str, Value<'_>)> = vec![
            ("Description", description.into()),
            ("PIDs", pids.into()),
            ("Slice", parent.unwrap_or(slice()).into()),
            ("Delegate", true.into()),
            ("CollectMode", "inactive-or-failed".into()),
        ];
        if let Some(patience) = patience {
            properties.push(("TimeoutStopUSec", u64::try_from(patience.as_micros()).unwrap_or(u64::MAX).into()));
        }
        let auxiliary: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
        let body = (unit, "fail", properties, auxiliary);
        match tokio::time::timeout(PATIENCE, self.job("StartTransientUnit", &body)).await {
            Ok(Ok(result)) if result == "done" => Ok(()),
            Ok(Ok(result)) => {
                Err(SystemdError::Refused { unit: unit.to_owned(), reason: format!("its job was {result}") })
            }
            Ok(Err(NoResult::Refused(reason) | NoResult::Lost(reason))) => {
                Err(SystemdError::Refused { unit: unit.to_owned(), reason })
            }
            Err(_) => Err(SystemdError::Late { unit: unit.to_owned() }),
        }
    }

    /// Puts a process into the scope `unit`: one that a process of it had started before there was the scope.
    pub async fn attach(&mut self, unit: &str, pid: u32) -> Result<(), SystemdError> {
        self.ask(MANAGER_PATH, MANAGER, "AttachProcessesToUnit", &(unit, "", vec![pid]))
            .await
            .map_err(|reason| SystemdError::Refused { unit: unit.to_owned(), reason })
    }

    /// Ends the scope `unit`, which may have gone by itself.
    pub async fn stop_scope(&mut self, unit: &str) {
        let stopped = tokio::time::timeout(PATIENCE, self.job("StopUnit", &(unit, "replace"))).await;
        if let Ok(Err(NoResult::Refused(reason) | NoResult::Lost(reason))) = stopped {
            tracing::debug!("stopping {unit}: {reason}");
        }
    }

    /// Calls what makes a job, and answers the job's result.
    async fn job<B>(&mut self, method: &str, body: &B) -> Result<String, NoResult>
    where
        B: serde::Serialize + DynamicType,
    {
        match &mut self.way {
            Way::Bus(bus) => bus.call_and_wait(method, body).await.map_err(NoResult::Refused),
            Way::Private(private) => {
                let refused = |error: io::Error| NoResult::Refused(error.to_string());
                let lost = |error: io::Error| NoResult::Lost(error.to_string());
                let serial = private.call_manager(method, body).await.map_err(refused)?;
                let answer = answer(private, serial).await.map_err(NoResult::Refused)?;
                let job: OwnedObjectPath = answer.read().map_err(refused)?;
                loop {
                    // The job ends after its call was answered: the signal comes later on the one socket.
                    if let Incoming::Signal { member, body } = private.next().await.map_err(lost)?
                        && member == "JobRemoved"
                    {
                        let (_, ended, _, result): JobRemoved = body.read().map_err(lost)?;
                        if ended == job {
                            return Ok(result);
                        }
                    }
                }
            }
        }
    }

    /// Its version, to know that it answers.
    pub async fn version(&mut self) -> Result<String, SystemdError> {
        let value: OwnedValue =
            self.ask(MANAGER_PATH, PROPERTIES, "Get", &(MANAGER, "Version")).await.map_err(SystemdError::NoManager)?;
        String::try_from(value).map_err(|error| SystemdError::NoManager(error.to_string()))
    }

    /// Has it read all units anew, generators included.
    pub async fn reload(&mut self) -> Result<(), SystemdError> {
        self.ask(MANAGER_PATH, MANAGER, "Reload", &())
            .await
            .map_err(|reason| SystemdError::Failed { doing: "reading units anew", reason })
    }

    /// How the units of these names are; those that it does not know have [`UnitState::load`] `not-found`. Of templates (`web@.service`)
    /// nothing is said: only their instances are in some state.
    pub async fn units(&mut self, names: &[String]) -> Result<Vec<UnitState>, SystemdError> {
        let names: Vec<&String> = names.iter().filter(|name| !name.contains("@.")).collect();
        let listed: Vec<Listed> = self
            .ask(MANAGER_PATH, MANAGER, "ListUnitsByNames", &(names,))
            .await
            .map_err(|reason| SystemdError::Failed { doing: "listing units", reason })?;
        Ok(listed.into_iter().map(UnitState::from).collect())
    }

    /// The same for who follows [`changes`]: [`Self::units`] has systemd read what it has not in memory, which is a change to the units
    /// that those name, and who asks at each change would ask for ever. What is wrong with a unit that is not in memory is not found.
    pub async fn states(&mut self, names: &[String]) -> Result<Vec<UnitState>, SystemdError> {
        // A slice: an array would be a structure on the bus.
        const ANY: &[&str] = &[];
        let failed = |reason| SystemdError::Failed { doing: "listing units", reason };
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.contains("@.")).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let listed: Vec<Listed> =
            self.ask(MANAGER_PATH, MANAGER, "ListUnitsByPatterns", &(ANY, &names)).await.map_err(failed)?;
        let mut states: Vec<UnitState> = listed.into_iter().map(UnitState::from).collect();
        let others: Vec<&str> =
            names.into_iter().filter(|name| states.iter().all(|state| state.name != *name)).collect();
        if others.is_empty() {
            return Ok(states);
        }
        let wanted: Vec<String> = others.iter().flat_map(|name| [(*name).to_owned(), template(name)]).collect();
        let files: Vec<(String, String)> =
            self.ask(MANAGER_PATH, MANAGER, "ListUnitFilesByPatterns", &(ANY, wanted)).await.map_err(failed)?;
        states.extend(others.into_iter().map(|name| UnitState::of_file(name, &files)));
        Ok(states)
    }

    /// The instances of a template (`web@.service`) that are in memory: those that run, and that have failed.
    pub async fn instances(&mut self, template: &str) -> Result<Vec<UnitState>, SystemdError> {
        const ANY: &[&str] = &[];
        let pattern = template.replacen("@.", "@*.", 1);
        let listed: Vec<Listed> =
            self.ask(MANAGER_PATH, MANAGER, "ListUnitsByPatterns", &(ANY, vec![pattern]))
                .await
                .map_err(|reason| SystemdError::Failed { doing: "listing the instances of a template", reason })?;
        Ok(listed.into_iter().map(UnitState::from).collect())
    }

    /// Calls a method, and answers what it gives.
    async fn ask<B, T>(&mut self, path: &str, interface: &str, method: &str, body: &B) -> Result<T, String>
    where
        B: serde::Serialize + DynamicType,
        T: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        let asked = async {
            match &mut self.way {
                Way::Bus(bus) => bus.ask(path, interface, method, body).await,
                Way::Private(private) => {
                    let serial =
                        private.call(path, interface, method, body).await.map_err(|error| error.to_string())?;
                    answer(private, serial).await?.read().map_err(|error| error.to_string())
                }
            }
        };
        let late = |_| format!("no answer within {} seconds", PATIENCE.as_secs());
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }
}

/// What `ListUnitsByNames` says of a unit (org.freedesktop.systemd1(5)).
type Listed = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// How a unit is, in systemd's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitState {
    /// Its name.
    pub name: String,
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub active: String,
    /// What that means for its kind: `running`, `dead`, `exited`, …
    pub sub: String,
}

impl UnitState {
    /// How one is that is not in memory, by the files there are and their states (org.freedesktop.systemd1(5), `ListUnitFiles`).
    fn of_file(name: &str, files: &[(String, String)]) -> Self {
        let template = template(name);
        let file = files.iter().find(|(path, _)| {
            let file = path.rsplit('/').next().unwrap_or(path);
            file == name || file == template
        });
        let load = match file.map(|(_, state)| state.as_str()) {
            None => "not-found",
            Some("masked" | "masked-runtime") => "masked",
            Some("bad") => "bad-setting",
            Some(_) => "loaded",
        };
        Self { name: name.to_owned(), load: load.to_owned(), active: "inactive".to_owned(), sub: "dead".to_owned() }
    }
}

/// The template of an instance; of other units, itself.
fn template(name: &str) -> String {
    match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((base, _)), Some((_, kind))) => format!("{base}@.{kind}"),
        _ => name.to_owned(),
    }
}

impl From<Listed> for UnitState {
    fn from((name, _, load, active, sub, ..): Listed) -> Self {
        Self { name, load, active, sub }
    }
}

/// The answer to the call `serial`.
async fn answer(private: &mut Private, serial: u32) -> Result<Body, String> {
    loop {
        match private.next().await.map_err(|error| error.to_string())? {
            Incoming::Return { serial: of, body } if of == serial => return Ok(body),
            Incoming::Error { serial: of, body } if of == serial => {
                return Err(body.read::<(String,)>().map_or_else(|_| "no reason given".to_owned(), |(text,)| text));
            }
            _ => {}
        }
    }
}

/// The manager's private socket, and the address of its bus.
fn addresses() -> Result<(PathBuf, String), SystemdError> {
    let bus_at = |socket: PathBuf| format!("unix:path={}", socket.display());
    if is_root_of_machine() {
        return Ok(("/run/systemd/private".into(), bus_at("/run/dbus/system_bus_socket".into())));
    }
    let Some(runtime) = folder_of_login() else {
        return Err(SystemdError::NoManager(
            "the user is neither logged in nor does linger: loginctl enable-linger".to_owned(),
        ));
    };
    let bus = std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap_or_else(|_| bus_at(runtime.join("bus")));
    Ok((runtime.join("systemd/private"), bus))
}

/// The path of the cgroup that a process is in, below the cgroup2 mount.
pub fn cgroup_of(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    #[ignore = "needs a systemd user manager"]
    async fn a_scope_holds_the_process_it_was_made_for_and_is_made_once() {
        let mut process = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = process.id().cast_signed();
        let unit = format!("haulout-test-{pid}.scope");
        let began = Instant::now();
        let mut manager = UserManager::connect().await.unwrap();
        let connected = began.elapsed();
        manager.start_scope(&unit, "A test", pid, None, None).await.unwrap();
        eprintln!("{:?} connected in {connected:?}, made in {:?}", manager.way, began.elapsed());
        assert!(cgroup_of(pid).unwrap().ends_with(&format!("/user.slice/{unit}")), "{:?}", cgroup_of(pid));
        let twice = manager.start_scope(&unit, "A test", pid, None, None).await.unwrap_err();
        assert!(twice.to_string().contains("was already loaded"), "{twice}");
        assert!(!manager.version().await.unwrap().is_empty());
        process.kill().unwrap();
        process.wait().unwrap();
    }
    /// Unit files of tests in the folder of the runtime directory, which systemd looks in too.
    struct Files(PathBuf, Vec<PathBuf>);

    impl Files {
        fn new() -> Self {
            let folder = folder_of_login().unwrap().join("systemd/user");
            fs::create_dir_all(&folder).unwrap();
            Self(folder, Vec::new())
        }

        fn path(&mut self, name: &str) -> PathBuf {
            self.1.push(self.0.join(name));
            self.0.join(name)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            for path in &self.1 {
                let _ = fs::remove_file(path);
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs a systemd user manager"]
    async fn asking_for_the_states_of_units_loads_none_of_them() {
        let prefix = format!("haulout-test-{}", std::process::id());
        let name = |rest: &str| format!("{prefix}-{rest}.service");
        let mut files = Files::new();
        // One that names another: when it is loaded, that is a change to the other, and so it went on for ever.
        let text = format!("[Unit]\nAfter={}\n[Service]\nExecStart=true\n", name("named"));
        for file in ["plain", "template@"] {
            fs::write(files.path(&name(file)), &text).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", files.path(&name("masked"))).unwrap();
        let mut manager = UserManager::connect().await.unwrap();
        manager.reload().await.unwrap();
        let mut watcher = Private::connect(&addresses().unwrap().0).await.unwrap();

        let asked = ["plain", "template@one", "masked", "nowhere"].map(name);
        let mut states = manager.states(&asked).await.unwrap();
        // What is asked for by `units` is loaded, and the watcher hears of it: first of what stands for the end of the look before.
        let fence = name("fence");
        manager.units(std::slice::from_ref(&fence)).await.unwrap();
        assert_eq!(new_units(&mut watcher, &prefix, std::slice::from_ref(&fence)).await, std::slice::from_ref(&fence));
        let mut loaded = manager.units(&asked).await.unwrap();
        new_units(&mut watcher, &prefix, &asked).await;

        // And it knows the same of them.
        states.sort_by(|one, other| one.name.cmp(&other.name));
        loaded.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(states, loaded);
        let loads: Vec<&str> = states.iter().map(|state| state.load.as_str()).collect();
        assert_eq!(loads, ["masked", "not-found", "loaded", "loaded"]);
    }

    /// The units whose names begin so and that are new to the manager, until all of `wanted` are.
    async fn new_units(watcher: &mut Private, prefix: &str, wanted: &[String]) -> Vec<String> {
        let mut names = Vec::new();
        while !wanted.iter().all(|name| names.contains(name)) {
            let heard = tokio::time::timeout(PATIENCE, watcher.next()).await.expect("the manager tells of what is new");
            if let Incoming::Signal { member, body } = heard.unwrap()
                && member == "UnitNew"
            {
                let (name, _): (String, OwnedObjectPath) = body.read().unwrap();
                names.extend(Some(name).filter(|name| name.starts_with(prefix)));
            }
        }
        names
    }
}
