// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers that were to be removed when they ended (`--rm`), and ended with the machine, or with everybody who could have done so.
//!
//! The first command of a login that makes or removes a container looks for them: their names are free then. It removes what is left of
//! the volumes of containers that were to go with the last login as well.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use super::lock::Lock;
use super::status::{Looker, Monitor, Seen};
use super::{Containers, Record, Status};
use crate::engine::{Engine, Error, chain};
use crate::event;

/// Who has ended only so long ago, in seconds, is being removed by its monitor or by whoever started it.
const RECENT: i64 = 10;

const LOOKING: &str = "looking for containers that nobody removed";

impl Containers {
    /// Removes them, once a login.
    pub(super) async fn sweep(&self) {
        if let Err(error) = self.try_sweep().await {
            tracing::warn!("{LOOKING}: {}", chain(&error));
        }
    }

    /// What could not be removed is told, and not tried again by every command.
    async fn try_sweep(&self) -> Result<(), Error> {
        let failed = |source| Error::Io { doing: LOOKING.to_owned(), source };
        let Some(turn) = Turn::take(&self.engine.paths().swept()).map_err(failed)? else { return Ok(()) };
        let engine = self.engine.clone();
        let found = self.engine.blocking(LOOKING, move || left(&engine)).await?;
        if self.engine.paths().transient()[0].exists()
            && let Err(error) = self.engine.volumes().tidy().await
        {
            tracing::warn!("removing what transient containers left: {error}");
        }
        for record in found {
            // Locked, it is somebody's.
            let Ok(Some(lock)) = Lock::try_take(self.engine.paths(), &record.id) else { continue };
            if Seen::look(self.engine.paths(), &record.id).is_ok_and(|seen| is_left(&seen))
                && let Err(error) = Box::pin(self.take_away(&record, lock, true)).await
            {
                tracing::warn!("removing container {}, which ended and was to be removed then: {error}", record.id);
            }
        }
        turn.done().map_err(failed)
    }
}

/// Whose turn it is to look, while he has the file locked; that somebody has looked is written in it when he has removed what he found.
/// Killed in between, he leaves the turn to the next.
struct Turn(File);

impl Turn {
    /// Nothing when somebody has looked, or is at it.
    fn take(swept: &Path) -> io::Result<Option<Self>> {
        let is_done = |length: io::Result<Metadata>| length.is_ok_and(|found| found.len() > 0);
        if is_done(fs::metadata(swept)) {
            return Ok(None);
        }
        if let Some(folder) = swept.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(swept)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) if is_done(file.metadata()) => Ok(None),
            Ok(()) => Ok(Some(Self(file))),
        }
    }

    fn done(mut self) -> io::Result<()> {
        self.0.write_all(b"done\n")
    }
}

/// Those that are to be removed. Blocks.
fn left(engine: &Engine) -> Result<Vec<Record>, Error> {
    let mut records = engine.with_database(|database| Ok(database.containers()?))?;
    records.retain(|record| record.options.remove);
    let failed = |source| Error::Io { doing: LOOKING.to_owned(), source };
    let looker = Looker::new(engine.paths()).map_err(failed)?;
    records.retain(|record| looker.look(&record.id).is_ok_and(|seen| is_left(&seen)));
    Ok(records)
}

fn is_left(seen: &Seen) -> bool {
    let Some(run) = &seen.last_run else { return false };
    let last = run.exit.as_ref().map_or(run.started.0, |exit| exit.finished.0);
    let is_recent = (last - event::now() / 1_000_000_000).abs() < RECENT;
    let of_this_boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").is_ok_and(|id| id.trim() == run.boot_id);
    matches!(seen.status, Status::Exited(_)) && seen.monitor == Monitor::Absent && !(is_recent && of_this_boot)
}

#[cfg(test)]
mod tests {
    use haulout_monitor::last_run::{Exit, LastRun};

    use super::*;

    #[test]
    fn whose_turn_it_is_to_look_has_it_alone_and_leaves_it_when_he_does_not_come_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let swept = folder.path().join("run/swept");
        let killed = Turn::take(&swept).unwrap().unwrap();
        assert!(Turn::take(&swept).unwrap().is_none());
        drop(killed);
        Turn::take(&swept).unwrap().unwrap().done().unwrap();
        assert!(Turn::take(&swept).unwrap().is_none());
    }

    #[test]
    fn one_is_left_when_it_ended_with_the_machine_or_a_while_ago() {
        let now = event::now() / 1_000_000_000;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
        let exit = |finished| Exit { status: Some(0), finished: (finished, 0), oom_killed: false, by_user: false };
        let seen = |boot_id: &str, finished, monitor| Seen {
            status: Status::Exited(exit(finished)),
            monitor,
            last_run: Some(LastRun {
                boot_id: boot_id.to_owned(),
                started: (finished - 1, 0),
                pid: 1,
                exit: Some(exit(finished)),
                restarts: 0,
            }),
            orphaned: false,
            waits: false,
        };
        assert!(is_left(&seen("another", now, Monitor::Absent)));
        assert!(is_left(&seen(&boot_id, now - 100, Monitor::Absent)));
        assert!(!is_left(&seen(&boot_id, now, Monitor::Absent)));
        assert!(!is_left(&seen("another", now, Monitor::Gone)));
        let never = Seen { status: Status::Created, last_run: None, ..seen("another", now, Monitor::Absent) };
        assert!(!is_left(&never));
    }
}
