// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ends that no monitor tells, because it was killed itself.

use std::collections::BTreeMap;

use haulout_monitor::process::Process;
use tokio::task::JoinSet;

use super::{Event, end_of};
use crate::container::ContainerId;
use crate::container::status::{Monitor, Seen};
use crate::engine::Engine;

/// The monitors of running containers: that one was killed is seen by nobody but those who watch its process.
#[derive(Default)]
pub(super) struct Monitors {
    watches: JoinSet<(ContainerId, Option<Event>)>,
    watched: BTreeMap<ContainerId, Process>,
}

impl Monitors {
    pub(super) fn watch(&mut self, engine: &Engine, id: ContainerId) {
        let Ok(seen) = Seen::look(engine.paths(), &id) else { return };
        let process = match seen.monitor {
            Monitor::Alive(process) if self.watched.get(&id) == Some(&process) => return,
            Monitor::Alive(process) => Some(process),
            Monitor::Gone => None,
            Monitor::Absent => return,
        };
        if let Some(process) = process {
            self.watched.insert(id, process);
        }
        let engine = engine.clone();
        self.watches.spawn(async move {
            if let Some(process) = process {
                end_of(process).await;
            }
            (id, unseen_end(&engine, id).await)
        });
    }

    /// An end that nobody but us has seen, and that nobody else will tell. Waits for ever when there is nothing to wait for.
    pub(super) async fn next(&mut self) -> Option<Event> {
        match self.watches.join_next().await {
            Some(Ok((id, event))) => {
                self.watched.remove(&id);
                event
            }
            Some(Err(_)) => None,
            None => std::future::pending().await,
        }
    }
}

/// A monitor has ended. When it was killed: gives back what it held, which others hear of from the log. Where that cannot be done,
/// the event is made up.
async fn unseen_end(engine: &Engine, id: ContainerId) -> Option<Event> {
    let seen = Seen::look(engine.paths(), &id).ok()?;
    if seen.monitor != Monitor::Gone {
        return None;
    }
    match engine.containers().reap(&id).await {
        Ok(_) => None,
        Err(error) => {
            tracing::warn!("giving back what the killed monitor of {id} held: {error}");
            let record = engine.containers().record(&id).await.ok()?;
            Some(record.event("died", None))
        }
    }
}
