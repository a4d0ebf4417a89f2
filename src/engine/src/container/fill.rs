// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Filling a container's new volumes when it is made, not when it is first started: `prepare_volume_on_create` of containers.conf.

use super::base::Base;
use super::lock::Lock;
use super::prepare::{known_volumes, mounts};
use super::start::Filling;
use super::{ContainerId, Containers};
use crate::engine::{Engine, Error, chain};
use crate::spec::asked;
use crate::step::Step;
use crate::store::mapped::Wanted;
use crate::store::podman::Held;
use crate::volume::Mark;

/// What is to be done, and what is held until it is.
struct Ready {
    filling: Filling,
    marks: Vec<Mark>,
    mapped: Option<Wanted>,
    _lock: Lock,
    _held: Option<Held>,
}

impl Containers {
    /// Fills the new volumes of a container that was just made. What cannot be filled now is when it starts.
    pub(super) async fn fill_volumes(&self, id: &ContainerId) {
        if let Err(error) = self.try_to_fill(id).await {
            let why = chain(&error);
            self.engine.warn(format!("the volumes of container {id} are filled when it is started, not now: {why}"));
        }
    }

    async fn try_to_fill(&self, id: &ContainerId) -> Result<(), Error> {
        let (engine, id) = (self.engine.clone(), *id);
        let ready = self.engine.blocking("looking for new volumes", move || ready(&engine, &id)).await?;
        let Some(mut ready) = ready else { return Ok(()) };
        let steps = self.engine.steps().await?;
        if let Some(wanted) = ready.mapped.take() {
            steps.map(&wanted, &mut ready.filling.root).await?;
        }
        steps.run(&Step::Fill(Box::new(ready.filling)), Vec::new()).await?;
        let failed =
            |source| Error::Io { doing: format!("noting that the volumes of container {id} are filled"), source };
        ready.marks.into_iter().try_for_each(Mark::remove).map_err(failed)
    }
}

/// Nothing when there is nothing to fill. Blocks.
fn ready(engine: &Engine, id: &ContainerId) -> Result<Option<Ready>, Error> {
    let paths = engine.paths();
    let lock =
        Lock::take(paths, id).map_err(|source| Error::Io { doing: format!("locking container {id}"), source })?;
    let Some(record) = engine.with_database(|database| Ok(database.container(id)?))? else { return Ok(None) };
    let asked = asked::asked(&record, paths, &known_volumes(engine, &record)?)?;
    let mounts = mounts(engine, &record, &asked)?;
    if mounts.fresh.is_empty() {
        return Ok(None);
    }
    let base = Base::of(engine, &record)?;
    let held = base.hold()?;
    let image = base.configuration()?;
    let image_user = image.config().as_ref().and_then(|config| config.user().clone()).filter(|user| !user.is_empty());
    let mut root = base.root(paths, &record);
    // It is mounted a second time when it is started, which a volatile one cannot be.
    root.volatile = false;
    let filling = Filling {
        root,
        fresh: mounts.fresh,
        user: record.options.user.clone().or(image_user).unwrap_or_default(),
        mapping: record.mapping.clone(),
    };
    let mapped = base.mapped(paths, &record);
    Ok(Some(Ready { filling, marks: mounts.new, mapped, _lock: lock, _held: held }))
}
