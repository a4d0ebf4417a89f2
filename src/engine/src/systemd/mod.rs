// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user's systemd over D-Bus (org.freedesktop.systemd1(5)), of root the machine's: a scope for every container.
//!
//! A container that stayed in the cgroup of whoever started it would be killed with that: an app that D-Bus started takes its
//! cgroup along when it ends. The manager is spoken to on its private socket, without a bus daemon between, and on its bus where there
//! is no such socket.

mod bus;
mod private;
pub(crate) mod remains;

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use haulout_monitor::process::is_root_of_machine;
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue, Value};

use bus::Bus;
use private::{Body, Incoming, Private};

use crate::paths::folder_of_login;

/// How long the user manager may take: it is busy at login, and never this busy.
const PATIENCE: Duration = Duration::from_secs(20);

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What a scope is of: the slice that Podman's are in too.
fn slice() -> &'static str {
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

/// Why a scope is not to be had.
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

    /// Makes the transient, delegated scope `unit` with the process `pid` in it, and answers when it is there: the process is in
    /// the scope's cgroup then.
    /// What is in it and has not ended `patience` after it is stopped is killed; after systemd's own when nothing.
    pub async fn start_scope(
        &mut self,
        unit: &str,
        description: &str,
        pid: i32,
        patience: Option<Duration>,
    ) -> Result<(), SystemdError> {
        let pids = vec![u32::try_from(pid).unwrap_or_default()];
        let mut properties: Vec<(&str, Value<'_>)> = vec![
            ("Description", description.into()),
            ("PIDs", pids.into()),
            ("Slice", slice().into()),
            ("Delegate", true.into()),
            ("CollectMode", "inactive-or-failed".into()),
        ];
        if let Some(patience) = patience {
            properties.push(("TimeoutStopUSec", u64::try_from(patience.as_micros()).unwrap_or(u64::MAX).into()));
        }
        let auxiliary: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
        let body = (unit, "fail", properties, auxiliary);
        match tokio::time::timeout(PATIENCE, self.job("StartTransientUnit", unit, &body)).await {
            Ok(Ok(result)) if result == "done" => Ok(()),
            Ok(Ok(result)) => {
                Err(SystemdError::Refused { unit: unit.to_owned(), reason: format!("its job was {result}") })
            }
            Ok(Err(reason)) => Err(SystemdError::Refused { unit: unit.to_owned(), reason }),
            Err(_) => Err(SystemdError::Late { unit: unit.to_owned() }),
        }
    }

    /// Ends the scope `unit`, which may have gone by itself.
    pub async fn stop_scope(&mut self, unit: &str) {
        let stopped = tokio::time::timeout(PATIENCE, self.job("StopUnit", unit, &(unit, "replace"))).await;
        if let Ok(Err(reason)) = stopped {
            tracing::debug!("stopping {unit}: {reason}");
        }
    }

    /// Calls what makes a job, and answers the job's result.
    async fn job<B>(&mut self, method: &str, unit: &str, body: &B) -> Result<String, String>
    where
        B: serde::Serialize + DynamicType,
    {
        match &mut self.way {
            Way::Bus(bus) => bus.call_and_wait(method, body).await,
            Way::Private(private) => {
                let serial = private.call_manager(method, body).await.map_err(|error| error.to_string())?;
                answer(private, serial).await?;
                let removed = |error: io::Error| error.to_string();
                loop {
                    // The job ends after its call was answered: the signal comes later on the one socket.
                    if let Incoming::Signal { member, body } = private.next().await.map_err(removed)?
                        && member == "JobRemoved"
                    {
                        let (_, _, of, result): JobRemoved = body.read().map_err(removed)?;
                        if of == unit {
                            return Ok(result);
                        }
                    }
                }
            }
        }
    }

    /// Its version, to know that it answers.
    pub async fn version(&mut self) -> Result<String, SystemdError> {
        let body = (MANAGER, "Version");
        let value = match &mut self.way {
            Way::Bus(bus) => bus.property(&body).await,
            Way::Private(private) => {
                async {
                    let call = private.call(PROPERTIES, "Get", &body).await;
                    let serial = call.map_err(|error| error.to_string())?;
                    answer(private, serial).await?.read::<OwnedValue>().map_err(|error| error.to_string())
                }
                .await
            }
        };
        value
            .and_then(|value| String::try_from(value).map_err(|error| error.to_string()))
            .map_err(SystemdError::NoManager)
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
        manager.start_scope(&unit, "A test", pid, None).await.unwrap();
        eprintln!("{:?} connected in {connected:?}, made in {:?}", manager.way, began.elapsed());
        assert!(cgroup_of(pid).unwrap().ends_with(&format!("/user.slice/{unit}")), "{:?}", cgroup_of(pid));
        let twice = manager.start_scope(&unit, "A test", pid, None).await.unwrap_err();
        assert!(twice.to_string().contains("was already loaded"), "{twice}");
        assert!(!manager.version().await.unwrap().is_empty());
        process.kill().unwrap();
        process.wait().unwrap();
    }
}
