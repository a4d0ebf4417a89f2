// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the runtime changes in a running container: paused, let go on, given other limits.

use std::fs;
use std::path::{Path, PathBuf};

use haulout_monitor::frame::{Failure, Frame, Kind};

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
    /// What the runtime reads; removed when it has.
    file: Option<PathBuf>,
}

impl Monitor {
    /// Has the runtime do what `frame` asks for; the answer comes when it has.
    pub fn change(&mut self, client: u64, frame: &Frame) -> Result<(), Failure> {
        self.running_init()?;
        let id = &self.config.id;
        let paused = Path::new(PAUSED).exists();
        let improper = |what: &str| Err(failure(125, format!("\"{id}\" {what}: container state improper")));
        if !self.changes.is_empty() {
            return improper("is being changed by somebody else");
        }
        let (verb, file) = match frame.kind {
            Kind::Pause if paused => return improper("is already paused"),
            Kind::Unpause if !paused => return improper("is not paused, can't unpause"),
            Kind::Pause => ("pause", None),
            Kind::Unpause => ("resume", None),
            _ => {
                let file = PathBuf::from("resources.json");
                fs::write(&file, &frame.payload).map_err(|error| {
                    failure(125, format!("writing the limits for the runtime of container {id}: {error}"))
                })?;
                ("update", Some(file))
            }
        };
        let mut arguments = Vec::new();
        if file.is_some() {
            arguments.extend(["--resources", "resources.json"]);
        }
        let call = Call::start(&self.config, verb, &arguments, Path::new("change.log"), Streams::default())?;
        self.changes.push(Change { call, kind: frame.kind, client, file });
        Ok(())
    }

    /// Whether `pid` was the runtime making a change.
    pub fn change_ended(&mut self, pid: i32, status: i32) -> bool {
        let Some(index) = self.changes.iter().position(|change| change.call.pid == pid) else { return false };
        let change = self.changes.swap_remove(index);
        if let Some(file) = &change.file {
            let _ = fs::remove_file(file);
        }
        let result = change.call.result(status, b"").and_then(|()| {
            let failed = |error| failure(125, format!("noting that the container is paused: {error}"));
            match change.kind {
                Kind::Pause => fs::write(PAUSED, "").map_err(failed),
                Kind::Unpause => fs::remove_file(PAUSED).map_err(failed),
                _ => Ok(()),
            }
        });
        if result.is_ok() {
            match change.kind {
                Kind::Pause => self.event("pause", None),
                Kind::Unpause => self.event("unpause", None),
                _ => self.event("update", None),
            }
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
