// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Another name for a container.

use haulout_monitor::frame::Kind;

use super::{ContainerId, ContainerName, Containers};
use crate::engine::Error;
use crate::event;
use crate::state::Added;

impl Containers {
    pub(super) async fn rename_one(&self, id: &ContainerId, name: ContainerName) -> Result<(), Error> {
        let (wanted, new) = (*id, name.clone());
        let renamed = self.engine.state(move |database| {
            database.change_container(&wanted, |record| {
                record.name = new.clone();
                record.options.name = Some(new);
            })
        });
        match renamed.await? {
            Some(Added::NameInUse(holder)) => {
                return Err(Error::Invalid(format!(
                    "renaming container {id}: the container name \"{name}\" is already in use by {holder}: that name is already in use"
                )));
            }
            Some(_) => {}
            None => return Err(Error::NoSuchContainer(id.to_string())),
        }
        // Its monitor tells what happens to it under that name from now on.
        if let Some((_, sender)) = self.visit(id).await? {
            let _ = sender.send(Kind::Renamed, name.as_str().as_bytes()).await;
        }
        event::append(self.engine.paths(), &self.record(id).await?.event("rename", None));
        Ok(())
    }
}
