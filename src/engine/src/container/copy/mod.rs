// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copying files between the host, containers and tars (`cp`).
//!
//! The bytes go from file to file in one step inside the user namespace; nothing is packed on the way. Whatever is in a
//! container is opened from the descriptor of its root, and no link leads out of that.

pub(crate) mod child;
mod resolve;
mod tree;
mod untar;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use haulout_monitor::process::Process;
use serde::{Deserialize, Serialize};

use super::files::Place;
use super::{ContainerId, Containers};
use crate::engine::Error;
use crate::event;
use crate::step::Step;
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
    pub(crate) options: CopyOptions,
}

impl Job {
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
        let mut descriptors = Vec::new();
        let mut held = Vec::new();
        let mut sides = Vec::new();
        if let (End::Container(one, ..), End::Container(other, ..)) = (&from, &to)
            && one == other
        {
            return Err(Error::Invalid("copying within one container is not supported".to_owned()));
        }
        for end in [from, to] {
            sides.push(match end {
                End::Host(path, given) => Side::Host { path, given },
                End::Tar(descriptor) => {
                    descriptors.push(descriptor);
                    Side::Tar
                }
                End::Container(id, name, path) => {
                    let files = self.hold(&id).await?;
                    let (place, user, workdir) =
                        (Box::new(files.place.clone()), files.user.clone(), files.workdir.clone());
                    held.push(files);
                    Side::Container { place, name, path, user, workdir }
                }
            });
        }
        let Ok([from, to]) = <[Side; 2]>::try_from(sides) else { return Err(Error::Cancelled("copying")) };
        let step = Step::Copy(Box::new(Job { from, to, options }));
        self.engine.steps().await?.run(&step, descriptors).await?;
        for files in held {
            event::append(self.engine.paths(), &files.record.event("copy", None));
        }
        Ok(())
    }
}
