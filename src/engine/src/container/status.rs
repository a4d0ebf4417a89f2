// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container is doing, found in the runtime folder, the kernel and `last-run`: nothing of it is in the database.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::{fs, io};

use haulout_monitor::config::CREATED;
use haulout_monitor::last_run::{Exit, LastRun};
use haulout_monitor::process::Process;

use super::{ContainerId, Status};
use crate::paths::Paths;

/// What was seen of a container.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub status: Status,
    pub monitor: Monitor,
    pub last_run: Option<LastRun>,
    /// There was a monitor, and it was killed.
    pub orphaned: bool,
    /// The disk has not taken its end yet.
    pub waits: bool,
}

/// The process beside a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Monitor {
    /// There is none, and nothing of one.
    Absent,
    /// It lives: the container starts, runs or ends.
    Alive(Process),
    /// Its runtime folder is there, but it is not: it was killed, or never came to be.
    Gone,
}

impl Seen {
    /// Looks at one container.
    pub(crate) fn look(paths: &Paths, id: &ContainerId) -> io::Result<Self> {
        let bundle = paths.bundle(id);
        Self::of(&bundle, || bundle.exists(), &paths.container(id), &paths.waiting_end(id))
    }

    fn of(bundle: &Path, bundle_exists: impl FnOnce() -> bool, folder: &Path, waiting: &Path) -> io::Result<Self> {
        let written = Process::read(&bundle.join("monitor.pid"));
        let monitor = match written {
            Some(monitor) if monitor.is_alive() => Monitor::Alive(monitor),
            Some(_) => Monitor::Gone,
            None if bundle_exists() => Monitor::Gone,
            None => Monitor::Absent,
        };
        // As against one that is about to be there: told by the same look, since the next one may find that it is.
        let orphaned = monitor == Monitor::Gone && written.is_some();
        let (made, init) = match monitor {
            // In this order: its monitor writes the second before it takes the first away.
            Monitor::Alive(_) => (
                Process::read(&bundle.join(CREATED)).filter(|process| process.is_alive()),
                Process::read(&bundle.join("init.pid")),
            ),
            _ => (None, None),
        };
        let (last_run, waits) = match init {
            Some(_) => (LastRun::read(folder)?, false),
            None => LastRun::read_with(folder, waiting)?,
        };
        let status = match (init, &last_run) {
            (None, _) if made.is_some() => made.map_or(Status::Created, Status::Initialized),
            // Between the end of its process and `last-run` saying so, it still runs.
            (Some(init), Some(LastRun { exit: Some(exit), .. })) if !init.is_alive() => Status::Exited(exit.clone()),
            (Some(init), _) if bundle.join("paused").exists() => Status::Paused(init),
            (Some(init), _) => Status::Running(init),
            // It is being started: the run is this one.
            (None, Some(LastRun { exit: None, .. })) if matches!(monitor, Monitor::Alive(_)) => Status::Created,
            (None, Some(run)) => Status::Exited(run.exit.clone().unwrap_or_else(|| unseen(run))),
            (None, None) => Status::Created,
        };
        Ok(Self { status, monitor, last_run, orphaned, waits })
    }

    /// When it was last started: seconds since 1970.
    pub(crate) fn started(&self) -> Option<i64> {
        // What was made ready and never started has not been at any time.
        self.last_run.as_ref().map(|run| run.started.0).filter(|started| *started != 0)
    }

    /// How often its policy has restarted it since a user started it.
    pub(crate) fn restarts(&self) -> u32 {
        self.last_run.as_ref().map_or(0, |run| run.restarts)
    }
}

/// An end that nobody saw: its time is not known either, but is not before the start.
fn unseen(run: &LastRun) -> Exit {
    Exit { status: None, finished: run.started, oom_killed: false, by_user: false }
}

/// Looks at many containers, with one look at the runtime folder.
pub(crate) struct Looker<'a> {
    paths: &'a Paths,
    bundles: HashSet<OsString>,
}

impl<'a> Looker<'a> {
    pub(crate) fn new(paths: &'a Paths) -> io::Result<Self> {
        let bundles = match fs::read_dir(paths.bundles()) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashSet::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { paths, bundles })
    }

    pub(crate) fn look(&self, id: &ContainerId) -> io::Result<Seen> {
        let folder = self.paths.container(id);
        if self.bundles.contains(&OsString::from(id.to_string())) {
            return Seen::of(&self.paths.bundle(id), || true, &folder, &self.paths.waiting_end(id));
        }
        let (last_run, waits) = LastRun::read_with(&folder, &self.paths.waiting_end(id))?;
        let status = match &last_run {
            Some(run) => Status::Exited(run.exit.clone().unwrap_or_else(|| unseen(run))),
            None => Status::Created,
        };
        Ok(Seen { status, monitor: Monitor::Absent, last_run, orphaned: false, waits })
    }
}

/// Has the disk take an end that waits for it, if it does now; the container is locked. What waits of an earlier run is forgotten.
pub(crate) fn settle(paths: &Paths, id: &ContainerId) -> io::Result<()> {
    let (folder, waiting) = (paths.container(id), paths.waiting_end(id));
    if let (Some(run), true) = LastRun::read_with(&folder, &waiting)? {
        run.write(&folder)?;
    }
    forget_waiting(paths, id);
    Ok(())
}

/// Forgets an end that waits for the disk.
pub(crate) fn forget_waiting(paths: &Paths, id: &ContainerId) {
    let _ = fs::remove_dir_all(paths.waiting_end(id));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        paths: Paths,
        id: ContainerId,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let paths = Paths::at(folder.path().join("data"), folder.path().join("run"));
            let id = ContainerId::random().unwrap();
            fs::create_dir_all(paths.container(&id)).unwrap();
            Self { _folder: folder, paths, id }
        }

        fn run(&self, exit: Option<Exit>) {
            let run = LastRun { boot_id: "b".into(), started: (10, 0), pid: 1, exit, restarts: 0 };
            run.write(&self.paths.container(&self.id)).unwrap();
        }

        fn process(&self, file: &str, process: Process) {
            fs::create_dir_all(self.paths.bundle(&self.id)).unwrap();
            process.write(&self.paths.bundle(&self.id).join(file)).unwrap();
        }

        fn look(&self) -> Seen {
            let one = Seen::look(&self.paths, &self.id).unwrap();
            let many = Looker::new(&self.paths).unwrap().look(&self.id).unwrap();
            assert_eq!((&one.status, one.monitor), (&many.status, many.monitor));
            one
        }
    }

    fn me() -> Process {
        Process::of(std::process::id().cast_signed()).unwrap()
    }

    fn dead() -> Process {
        Process { start_time: me().start_time + 1, ..me() }
    }

    #[test]
    fn a_container_that_never_ran_is_created() {
        assert_eq!(Place::new().look().status, Status::Created);
    }

    #[test]
    fn a_live_monitor_with_an_init_is_running_whatever_its_last_run_was() {
        let place = Place::new();
        place.run(Some(Exit { status: Some(3), finished: (11, 0), oom_killed: false, by_user: false }));
        place.process("monitor.pid", me());
        assert!(matches!(place.look().status, Status::Exited(_)), "it only starts");
        place.run(None);
        assert_eq!(place.look().status, Status::Created, "it only starts");
        place.run(Some(Exit { status: Some(3), finished: (11, 0), oom_killed: false, by_user: false }));
        place.process("init.pid", me());
        assert_eq!(place.look().status, Status::Running(me()));
        assert_eq!(place.look().monitor, Monitor::Alive(me()));
    }

    #[test]
    fn an_ended_init_runs_until_its_exit_is_known() {
        let place = Place::new();
        place.run(None);
        place.process("monitor.pid", me());
        place.process("init.pid", dead());
        assert_eq!(place.look().status, Status::Running(dead()));
        let exit = Exit { status: Some(3), finished: (11, 0), oom_killed: false, by_user: false };
        place.run(Some(exit.clone()));
        assert_eq!(place.look().status, Status::Exited(exit));
    }

    #[test]
    fn a_killed_monitor_and_a_reboot_leave_an_unknown_status() {
        let place = Place::new();
        place.run(None);
        let unknown = Status::Exited(Exit { status: None, finished: (10, 0), oom_killed: false, by_user: false });
        assert_eq!((place.look().status, place.look().monitor), (unknown.clone(), Monitor::Absent));
        place.process("monitor.pid", dead());
        place.process("init.pid", me());
        assert_eq!((place.look().status, place.look().monitor), (unknown, Monitor::Gone));
        assert!(place.look().orphaned);
    }

    #[test]
    fn an_end_that_the_disk_did_not_take_is_known_and_goes_there() {
        let place = Place::new();
        place.run(None);
        let exit = Exit { status: Some(3), finished: (11, 0), oom_killed: false, by_user: false };
        let run = LastRun { boot_id: "b".into(), started: (10, 0), pid: 1, exit: Some(exit.clone()), restarts: 0 };
        fs::create_dir_all(place.paths.waiting_end(&place.id)).unwrap();
        run.replace(&place.paths.waiting_end(&place.id)).unwrap();
        assert_eq!((place.look().status, place.look().waits), (Status::Exited(exit.clone()), true));
        settle(&place.paths, &place.id).unwrap();
        assert_eq!((place.look().status, place.look().waits), (Status::Exited(exit), false));
        assert_eq!(LastRun::read(&place.paths.container(&place.id)).unwrap(), Some(run));
        assert!(!place.paths.waiting_end(&place.id).exists());
    }

    #[test]
    fn a_monitor_that_is_not_there_yet_was_not_killed() {
        let place = Place::new();
        fs::create_dir_all(place.paths.bundle(&place.id)).unwrap();
        assert_eq!((place.look().monitor, place.look().orphaned), (Monitor::Gone, false));
    }
}
