// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stopping and starting in one.

use super::prepare::Attach;
use super::status::Monitor;
use super::{ContainerId, Containers, Status};
use crate::engine::Error;
use crate::event;

impl Containers {
    pub(super) async fn restart_one(&self, id: &ContainerId, seconds: Option<u64>) -> Result<(), Error> {
        let record = self.record(id).await?;
        // Held until it runs again: whoever would remove it because it has ended finds it running.
        let lock = self.lock(id).await?;
        let seen = self.look(id).await?;
        if matches!(seen.status, Status::Paused(_)) {
            return Err(Error::WrongState(
                "unable to restart a container in a paused or unknown state: container state improper".to_owned(),
            ));
        }
        event::append(self.engine.paths(), &record.event("restart", None));
        if let Status::Initialized(_) = seen.status {
            // It has nothing to end yet.
            return self.launch(id, Attach::default(), Some(lock)).await.map(drop);
        }
        self.end(id, &record, seconds).await?;
        if self.look(id).await?.monitor == Monitor::Gone {
            self.reap_locked(&record).await?;
        }
        self.launch(id, Attach::default(), Some(lock)).await.map(drop)
    }
}
