// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the runtime changes in a running container: it is paused and let go on, its limits become others.

use std::path::Path;
use std::{fs, io};

use haulout_monitor::config::Restart;
use haulout_monitor::frame::{Failure, Health, Kind, Update};

use crate::monitor::Monitor;
use crate::phase::Phase;
use crate::runtime::{Call, Streams, failure};

/// In the bundle as long as the container is paused.
pub const PAUSED: &str = "paused";

/// In the bundle while the runtime reads the container's new limits.
const RESOURCES: &str = "resources.json";

/// A change that the runtime is making.
#[derive(Debug)]
pub struct Change {
    call: Call,
    kind: Kind,
    /// Who asked for it.
    client: u64,
    /// What else changes with it.
    also: Also,
}

/// What the monitor changes by itself: the restart policy, the health check.
#[derive(Debug, Default)]
struct Also {
    restart: Option<Restart>,
    health: Option<Health>,
}

impl Monitor {
    /// Has the runtime do it; the answer comes when it has.
    pub fn change(&mut self, client: u64, kind: Kind) -> Result<(), Failure> {
        self.running_init()?;
        self.nobody_else_changes_it()?;
        let id = &self.config.id;
        let paused = Path::new(PAUSED).exists();
        let improper = |what: &str| Err(failure(125, format!("\"{id}\" {what}: container state improper")));
        let verb = match kind {
            Kind::Pause if paused => return improper("is already paused"),
            Kind::Unpause if !paused => return improper("is not paused, can't unpause"),
            Kind::Pause => "pause",
            _ => "resume",
        };
        if kind == Kind::Pause {
            // Before it is: one that is frozen and not noted, for want of room, could not be let go on.
            fs::write(PAUSED, "").map_err(|error| noting(&error))?;
        }
        let call = Call::start(&self.config, verb, &[], Path::new("change.log"), Streams::default());
        let call = call.inspect_err(|_| forget(kind))?;
        self.changes.push(Change { call, kind, client, also: Also::default() });
        Ok(())
    }

    /// Changes limits and restart policy; whether that is done: if not, the answer comes when the runtime has done it.
    pub fn update(&mut self, client: u64, payload: &[u8]) -> Result<bool, Failure> {
        let update: Update = serde_json::from_slice(payload)
            .map_err(|error| failure(125, format!("reading what is to be changed in the container: {error}")))?;
        let also = Also { restart: update.restart, health: update.health };
        let Some(resources) = update.resources else {
            self.change_also(also);
            return Ok(true);
        };
        // The cgroup of one that waits is there as well.
        if !self.waits() {
            self.running_init()?;
        }
        self.nobody_else_changes_it()?;
        fs::write(RESOURCES, resources.to_string())
            .map_err(|error| failure(125, format!("writing the container's new limits: {error}")))?;
        let call = Call::start(
            &self.config,
            "update",
            &["--resources", RESOURCES],
            Path::new("change.log"),
            Streams::default(),
        )?;
        self.changes.push(Change { call, kind: Kind::Update, client, also });
        Ok(false)
    }

    fn change_also(&mut self, also: Also) {
        if let Some(restart) = also.restart {
            self.policy.change(restart);
        }
        if let Some(health) = also.health {
            self.config.health = match health {
                Health::Checked(checks) => Some(*checks),
                Health::Unchecked => None,
            };
            if matches!(self.phase, Phase::Running) {
                self.end_checks();
                self.begin_checks();
            }
        }
    }

    fn nobody_else_changes_it(&self) -> Result<(), Failure> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let id = &self.config.id;
        Err(failure(125, format!("\"{id}\" is being changed by somebody else: container state improper")))
    }

    /// Whether `pid` was the runtime making a change.
    pub fn change_ended(&mut self, pid: i32, status: i32) -> bool {
        let Some(index) = self.changes.iter().position(|change| change.call.pid == pid) else { return false };
        let change = self.changes.swap_remove(index);
        let result = change.call.result(status, b"").inspect_err(|_| forget(change.kind));
        let result = result.and_then(|()| match change.kind {
            Kind::Unpause => fs::remove_file(PAUSED).map_err(|error| noting(&error)),
            _ => Ok(()),
        });
        let result = match self.running_init() {
            // Whatever the runtime says of it.
            Err(_) if result.is_err() => {
                let verb = match change.kind {
                    Kind::Pause => "pause",
                    Kind::Update => "update",
                    _ => "unpause",
                };
                Err(failure(125, format!("\"exited\" is not running, can't {verb}: container state improper")))
            }
            _ => result,
        };
        match (&result, change.kind) {
            (_, Kind::Update) => {
                let _ = fs::remove_file(RESOURCES);
            }
            (Ok(()), Kind::Pause) => self.event("pause", None),
            (Ok(()), _) => self.event("unpause", None),
            (Err(_), _) => {}
        }
        if result.is_ok() {
            self.change_also(change.also);
        }
        if let Some(client) = self.client(change.client) {
            match &result {
                Ok(()) => client.send(Kind::Done, b""),
                Err(failure) => client.send_json(Kind::Failed, failure),
            }
        }
        true
    }
}

fn noting(error: &io::Error) -> Failure {
    failure(125, format!("noting whether the container is paused: {error}"))
}

/// What was to be paused, and could not be, is not noted as paused.
fn forget(kind: Kind) {
    if kind == Kind::Pause {
        let _ = fs::remove_file(PAUSED);
    }
}
