// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copying files between the host, containers and tars (`cp`).
//!
//! The bytes go from file to file in one step inside the user namespace; nothing is packed on the way. Whatever is in a
//! container is opened from the descriptor of its root, and no link leads out of that.

pub(crate) mod child;
mod resolve;
mod tree;
mod untar;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use haulout_monitor::process::Process;
use serde::{Deserialize, Serialize};

use super::files::{Held, Place};
use super::{ContainerId, Containers};
use crate::engine::Error;
use crate::event;
use crate::step::{Step, StepError};
use crate::userns::modes::Mapping;

/// Where files come from or go to.
#[derive(Debug)]
pub enum End {
    /// A path on the host: absolute; and as it was given, for messages.
    Host(PathBuf, String),
    /// A path in a container, from its working folder when it is not absolute; and what the container was called.
    Container(ContainerId, String, String),
    /// A tar, which may be packed when it is read.
    Tar(OwnedFd),
}

impl End {
    fn container(&self) -> Option<ContainerId> {
        match self {
            Self::Container(id, ..) => Some(*id),
            _ => None,
        }
    }

    /// What the step is told of it.
    fn side(&self, held: &BTreeMap<ContainerId, Held>) -> Result<Side, Error> {
        Ok(match self {
            Self::Host(path, given) => Side::Host { path: path.clone(), given: given.clone() },
            Self::Tar(_) => Side::Tar,
            Self::Container(id, name, path) => {
                let files = held.get(id).ok_or_else(|| Error::NoSuchContainer(name.clone()))?;
                let (place, user, workdir) = (Box::new(files.place.clone()), files.user.clone(), files.workdir.clone());
                Side::Container { place, name: name.clone(), path: path.clone(), user, workdir }
            }
        })
    }
}

/// How they are copied.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CopyOptions {
    /// What goes into a container becomes its user's, and what comes out the caller's; else owners stay.
    pub archive: bool,
    /// Folders may take the place of what is none, and the other way round.
    pub overwrite: bool,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { archive: true, overwrite: false }
    }
}

/// One side of the step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Side {
    Host {
        path: PathBuf,
        given: String,
    },
    Container {
        place: Box<Place>,
        /// What the container was called.
        name: String,
        path: String,
        /// As whom its processes run.
        user: String,
        /// Where a path that is not absolute begins.
        workdir: PathBuf,
    },
    /// The files of a volume: out of them, too, no link may lead.
    Volume {
        path: PathBuf,
        name: String,
    },
    Tar,
}

impl Side {
    /// The map of a container that has its own.
    fn mapping(&self) -> Option<&Mapping> {
        match self {
            Self::Container { place, .. } => place.mapping(),
            _ => None,
        }
    }
}

/// The step.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    pub(crate) from: Side,
    pub(crate) to: Side,
    /// Whether both are the same container, whose root is opened once: nobody may mount it twice.
    pub(crate) within: bool,
    pub(crate) options: CopyOptions,
}

impl Job {
    /// Where programs have mounted the containers' roots.
    pub(crate) fn mounted_by_programs(&self) -> impl Iterator<Item = &Path> {
        [&self.from, &self.to].into_iter().filter_map(|side| match side {
            Side::Container { place, .. } => place.mounted_by_program(),
            _ => None,
        })
    }

    pub(crate) fn lives_with(&self) -> Option<Process> {
        let monitor = |side: &Side| match side {
            Side::Container { place, .. } => place.monitor(),
            _ => None,
        };
        monitor(&self.from).or_else(|| monitor(&self.to))
    }
}

impl Containers {
    pub(super) async fn copy_files(&self, from: End, to: End, options: CopyOptions) -> Result<(), Error> {
        let steps = self.engine.steps().await?;
        let within = from.container().is_some() && from.container() == to.container();
        loop {
            let held = self.hold_ends([&from, &to]).await?;
            let [source, target] = [&from, &to].map(|end| end.side(&held));
            let tars = [&from, &to].into_iter().filter_map(|end| match end {
                End::Tar(descriptor) => Some(descriptor.try_clone()),
                _ => None,
            });
            let tars = tars.collect::<Result<Vec<_>, _>>();
            let tars = tars.map_err(|source| Error::Io { doing: "copying a tar".to_owned(), source })?;
            let step = Step::Copy(Box::new(Job { from: source?, to: target?, within, options }));
            match steps.run(&step, tars).await {
                Err(StepError::Ended) => continue,
                done => done?,
            };
            for files in held.values() {
                self.is_still_there(files).await?;
                event::append(self.engine.paths(), &files.record.event("copy", None));
            }
            return Ok(());
        }
    }

    /// Holds the containers of both ends, always in the same order: two who hold one each would wait for one another.
    async fn hold_ends(&self, ends: [&End; 2]) -> Result<BTreeMap<ContainerId, Held>, Error> {
        let mut ids: Vec<ContainerId> = ends.into_iter().filter_map(End::container).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut held = BTreeMap::new();
        for id in ids {
            held.insert(id, self.hold(&id).await?);
        }
        Ok(held)
    }
}
