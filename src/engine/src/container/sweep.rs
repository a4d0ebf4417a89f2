// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers that were to be removed when they ended (`--rm`), and ended with the machine, or with everybody who could have done so.
//!
//! The first command of a login that makes or removes a container looks for them: their names are free then. It removes what is left of
//! the volumes of containers that were to go with the last login as well.

use std::fs::{self, File};
use std::io;

use super::lock::Lock;
use super::status::{Looker, Monitor, Seen};
use super::{Containers, Record, Status};
use crate::engine::{Engine, Error};
use crate::event;

/// Who has ended only so long ago, in seconds, is being removed by its monitor or by whoever started it.
const RECENT: i64 = 10;

impl Containers {
    /// Removes them, once a login.
    pub(super) async fn sweep(&self) {
        if self.engine.paths().swept().exists() {
            return;
        }
        let engine = self.engine.clone();
        let found = self.engine.blocking("looking for containers that nobody removed", move || left(&engine)).await;
        if self.engine.paths().transient()[0].exists()
            && let Err(error) = self.engine.volumes().tidy().await
        {
            tracing::warn!("removing what transient containers left: {error}");
        }
        for record in found.unwrap_or_default() {
            // Locked, it is somebody's.
            let Ok(Some(lock)) = Lock::try_take(self.engine.paths(), &record.id) else { continue };
            if Seen::look(self.engine.paths(), &record.id).is_ok_and(|seen| is_left(&seen))
                && let Err(error) = Box::pin(self.take_away(&record, lock, true)).await
            {
                tracing::warn!("removing container {}, which ended and was to be removed then: {error}", record.id);
            }
        }
    }
}

/// Those that are to be removed. Blocks. Nobody looks for them again in this login.
fn left(engine: &Engine) -> Result<Vec<Record>, Error> {
    let paths = engine.paths();
    let failed = |source| Error::Io { doing: "looking for containers that nobody removed".to_owned(), source };
    let swept = paths.swept();
    let folder = swept.parent().map_or(Ok(()), fs::create_dir_all);
    match folder.and_then(|()| File::create_new(&swept)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Vec::new()),
        made => drop(made.map_err(failed)?),
    }
    let mut records = engine.with_database(|database| Ok(database.containers()?))?;
    records.retain(|record| record.options.remove);
    let looker = Looker::new(paths).map_err(failed)?;
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
