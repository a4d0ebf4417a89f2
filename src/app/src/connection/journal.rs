// SPDX-License-Identifier: GPL-3.0-or-later
//! Of when a journal is read.

use haulout_engine::systemd::journal::Boot as EngineBoot;

/// A time that this computer was on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    pub id: String,
    /// Seconds since 1970.
    pub began: i64,
    /// Seconds since 1970; of this one, now.
    pub ended: i64,
    /// It is on since then.
    pub current: bool,
}

impl From<EngineBoot> for Boot {
    fn from(boot: EngineBoot) -> Self {
        const MICROSECONDS: i64 = 1_000_000;
        Self {
            id: boot.id,
            began: boot.first / MICROSECONDS,
            ended: boot.last / MICROSECONDS,
            current: boot.index == 0,
        }
    }
}

/// Of when lines are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Period {
    /// Whenever.
    #[default]
    All,
    /// Since the computer was switched on.
    ThisBoot,
    /// While it was on that time.
    Boot(Boot),
    /// From then on: seconds since 1970.
    Since(i64),
    /// Since the service was started last.
    Start,
}
