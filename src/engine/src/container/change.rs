// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a running container's monitor has the runtime change: paused, let go on, other limits.

use haulout_monitor::frame::{Failure, Kind};

use super::status::Monitor;
use super::{ContainerId, Containers, Status};
use crate::engine::Error;

impl Containers {
    pub(super) async fn pause_one(&self, id: &ContainerId) -> Result<(), Error> {
        match self.running(id).await? {
            Status::Running(_) => self.change(id, Kind::Pause, &[]).await,
            Status::Paused(_) => improper(&format!("\"{id}\" is already paused")),
            Status::Initialized(_) => improper("\"initialized\" is not running, can't pause"),
            Status::Created => improper("\"created\" is not running, can't pause"),
            Status::Exited(_) => improper("\"exited\" is not running, can't pause"),
        }
    }

    pub(super) async fn unpause_one(&self, id: &ContainerId) -> Result<(), Error> {
        match self.running(id).await? {
            Status::Paused(_) => self.change(id, Kind::Unpause, &[]).await,
            _ => improper(&format!("\"{id}\" is not paused, can't unpause")),
        }
    }

    /// What it is doing; of one whose monitor was killed what it held is given back first.
    pub(super) async fn running(&self, id: &ContainerId) -> Result<Status, Error> {
        self.record(id).await?;
        let seen = self.look(id).await?;
        if seen.monitor == Monitor::Gone && self.reap_if_possible(id).await? {
            return Ok(self.look(id).await?.status);
        }
        Ok(seen.status)
    }

    /// Has the monitor do it, and waits until it has.
    pub(super) async fn change(&self, id: &ContainerId, kind: Kind, payload: &[u8]) -> Result<(), Error> {
        let ended = || improper(&format!("container {id} has ended"));
        let failed = |source| Error::Io { doing: format!("speaking to the monitor of container {id}"), source };
        let Some((mut receiver, sender)) = self.visit(id).await? else { return ended() };
        sender.send(kind, payload).await.map_err(failed)?;
        match receiver.next().await.map_err(failed)? {
            Some((Kind::Done, _)) => Ok(()),
            Some((Kind::Failed, payload)) => match serde_json::from_slice::<Failure>(&payload) {
                Ok(failure) => Err(Error::WrongState(failure.message)),
                Err(error) => Err(failed(error.into())),
            },
            _ => ended(),
        }
    }
}

fn improper(what: &str) -> Result<(), Error> {
    Err(Error::WrongState(format!("{what}: container state improper")))
}
