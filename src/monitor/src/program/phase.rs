// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How far a container is under its monitor, and until when it stays so.

use std::time::{Duration, Instant};

use haulout_monitor::frame::Failure;
use haulout_monitor::last_run::Exit;

use crate::runtime::Call;

/// Who still holds the container's output open after it ended is listened to until it has said nothing for so long,
const QUIET: Duration = Duration::from_millis(500);

/// and no longer than this.
const LAST_OUTPUT: Duration = Duration::from_secs(10);

/// How far the container is.
#[derive(Debug)]
pub enum Phase {
    /// Its cgroup is waited for.
    Preparing,
    /// The runtime makes it.
    Creating(Call),
    /// It is made; its network and the word to go are waited for.
    Created {
        /// Whether the starter knows.
        told: bool,
    },
    /// The runtime starts its process.
    Starting(Call),
    /// Its process runs.
    Running,
    /// Its process has ended; its output not yet.
    Draining {
        /// When it is given up.
        latest: Instant,
        /// When it is given up if nothing comes until then.
        quiet: Instant,
    },
    /// The runtime forgets it.
    Deleting {
        /// The runtime at work.
        call: Option<Call>,
        /// What there is to tell.
        ending: Ending,
        /// How long to rest before it is started again; nothing when it is not.
        rest: Option<Duration>,
    },
    /// It ended and will be started again.
    Resting {
        /// When.
        until: Instant,
    },
    /// It is over; clients are told.
    Leaving {
        /// When they are not waited for any more.
        latest: Instant,
    },
    /// Nothing is left to do.
    Over,
}

/// How it came to an end.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Its process ended.
    Exited(Exit),
    /// It could not be started.
    Failed(Failure),
    /// Whoever wanted it has gone before it was started.
    Abandoned,
}

impl Phase {
    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// Whether the container's process has ended.
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::Draining { .. } | Self::Deleting { .. } | Self::Resting { .. } | Self::Leaving { .. })
    }

    /// Whether the container's pipes are still the runtime's: until its process is started, nothing that comes from them is
    /// the container's. (And nobody hears from it before he hears that it runs.)
    pub fn is_before_start(&self) -> bool {
        matches!(self, Self::Preparing | Self::Creating(_) | Self::Created { .. } | Self::Starting(_))
    }

    /// When it ends by itself.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Draining { latest, quiet } => Some(*latest.min(quiet)),
            Self::Resting { until } => Some(*until),
            Self::Leaving { latest } => Some(*latest),
            _ => None,
        }
    }

    /// Its process has ended `now`.
    pub fn draining(now: Instant) -> Self {
        Self::Draining { latest: now + LAST_OUTPUT, quiet: now + QUIET }
    }

    /// Output has come.
    pub fn note_output(&mut self) {
        if let Self::Draining { quiet, .. } = self {
            *quiet = Instant::now() + QUIET;
        }
    }
}
