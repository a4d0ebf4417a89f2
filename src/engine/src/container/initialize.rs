// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two halves of a start, one at a time: making a container ready, and starting the one that waits.

use std::time::Duration;

use haulout_monitor::frame::{Kind, StartRequest};

use super::launch::{Launched, hear_start};
use super::prepare::Attach;
use super::status::{Monitor, Seen};
use super::{ContainerId, Containers, Record, Status};
use crate::engine::Error;

impl Containers {
    pub(super) async fn initialize_one(&self, id: &ContainerId) -> Result<(), Error> {
        let record = self.record(id).await?;
        let made = || {
            let what = format!("container {id} has already been created in runtime: container state improper");
            Err(Error::WrongState(what))
        };
        if self.look(id).await?.status.process().is_some() {
            return made();
        }
        self.dependencies_run(&record).await?;
        match self.launch(id, Attach { held: true, ..Attach::default() }, None).await? {
            Some(_) => Ok(()),
            None => made(),
        }
    }

    /// Podman's rule: who is only made ready does not start others.
    async fn dependencies_run(&self, record: &Record) -> Result<(), Error> {
        let mut missing = Vec::new();
        for other in record.dependencies() {
            let id = self.resolve(other).await?;
            if !self.look(&id).await?.status.is_started() {
                missing.push(id.to_string());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(",");
        Err(Error::WrongState(format!(
            "some dependencies of container {} are not started: {missing}: container state improper",
            record.id
        )))
    }

    /// Starts a container that waits, under its lock. Nothing when it waits no more: it is to be looked at again.
    pub(super) async fn start_waiting(&self, record: &Record, attach: Attach) -> Result<Option<Launched>, Error> {
        let id = record.id;
        let failed = |source| Error::Io { doing: format!("speaking to the monitor of container {id}"), source };
        let Some((mut receiver, sender)) = self.visit(&id).await? else {
            // It ends.
            tokio::time::sleep(Duration::from_millis(5)).await;
            return Ok(None);
        };
        let request = StartRequest { attach: attach.attached, size: attach.size };
        let payload = serde_json::to_vec(&request).map_err(|error| failed(error.into()))?;
        sender.send(Kind::Start, &payload).await.map_err(failed)?;
        match hear_start(&id, &mut receiver).await {
            Ok(pid) => Ok(Some(Launched { record: record.clone(), receiver, sender, pid })),
            Err(error) => match self.look(&id).await? {
                // Somebody has killed what waited.
                Seen { status: Status::Initialized(_), .. } | Seen { monitor: Monitor::Gone, .. } => Ok(None),
                _ => Err(error),
            },
        }
    }
}
