// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the runtime changes in a running container: it is paused and let go on.

use std::fs;
use std::path::Path;

use haulout_monitor::frame::{Failure, Kind};

use crate::monitor::Monitor;
use crate::runtime::{Call, Streams, failure};

/// In the bundle as long as the container is paused.
pub const PAUSED: &str = "paused";

/// A change that the runtime is making.
#[derive(Debug)]
pub struct Change {
    call: Call,
    kind: Kind,
    /// Who asked for it.
    client: u64,
}

impl Monitor {
    /// Has the runtime do it; the answer comes when it has.
    pub fn change(&mut self, client: u64, kind: Kind) -> Result<(), Failure> {
        self.running_init()?;
        let id = &self.config.id;
        let paused = Path::new(PAUSED).exists();
        let improper = |what: &str| Err(failure(125, format!("\"{id}\" {what}: container state improper")));
        if !self.changes.is_empty() {
            return improper("is being changed by somebody else");
        }
        let verb = match kind {
            Kind::Pause if paused => return improper("is already paused"),
            Kind::Unpause if !paused => return improper("is not paused, can't unpause"),
            Kind::Pause => "pause",
            _ => "resume",
        };
        let call = Call::start(&self.config, verb, &[], Path::new("change.log"), Streams::default())?;
        self.changes.push(Change { call, kind, client });
        Ok(())
    }

    /// Whether `pid` was the runtime making a change.
    pub fn change_ended(&mut self, pid: i32, status: i32) -> bool {
        let Some(index) = self.changes.iter().position(|change| change.call.pid == pid) else { return false };
        let change = self.changes.swap_remove(index);
        let result = change.call.result(status, b"").and_then(|()| {
            let failed = |error| failure(125, format!("noting that the container is paused: {error}"));
            match change.kind {
                Kind::Pause => fs::write(PAUSED, "").map_err(failed),
                _ => fs::remove_file(PAUSED).map_err(failed),
            }
        });
        if result.is_ok() {
            self.event(if change.kind == Kind::Pause { "pause" } else { "unpause" }, None);
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
