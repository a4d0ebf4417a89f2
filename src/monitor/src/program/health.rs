// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's health: its check is run again and again, and what comes of it is written down, told and acted upon.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use haulout_monitor::event;
use haulout_monitor::frame::{ExecRequest, Failure, Kind};
use haulout_monitor::health::{Attempt, Check, Checks, FILE, Health, OnFailure, Outcome, Status};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal};

use crate::change::PAUSED;
use crate::clock::{self, Stamp};
use crate::exec::{Exec, State};
use crate::kernel;
use crate::monitor::Monitor;
use crate::output::{Output, Read};
use crate::phase::Phase;
use crate::requests::not_running;
use crate::runtime::failure;
use crate::spec;

/// No more of an attempt's output is kept in memory, however much is asked for: the rest is read and forgotten.
const MOST_OUTPUT: usize = 64 << 10;

/// What a check that took too long ends with.
const TIMED_OUT: i32 = -1;

/// The checks at work, as long as the container's process runs.
#[derive(Debug)]
pub struct Checker {
    checks: Checks,
    health: Health,
    /// Successes that the startup check still needs; nothing when it is over or there is none.
    startup: Option<u32>,
    /// Failures of the startup check in a row.
    startup_failures: u32,
    since: Instant,
    /// When the next one is due.
    due: Option<Instant>,
    attempt: Option<Run>,
}

/// One attempt under way.
#[derive(Debug)]
struct Run {
    exec: Exec,
    output: Output,
    written: Vec<u8>,
    began: (i64, u32),
    /// When it has taken too long.
    latest: Option<Instant>,
    timed_out: bool,
    /// Who asked for it.
    clients: Vec<u64>,
}

impl Checker {
    fn new(checks: Checks) -> Self {
        let startup = checks.startup.as_ref().map(|startup| startup.successes.max(1));
        let now = Instant::now();
        let mut checker = Self {
            checks,
            health: Health::default(),
            startup,
            startup_failures: 0,
            since: now,
            due: None,
            attempt: None,
        };
        checker.due = Some(now).filter(|_| checker.current().interval > 0);
        checker
    }

    /// The check whose turn it is.
    fn current(&self) -> &Check {
        match (&self.checks.startup, self.startup) {
            (Some(startup), Some(_)) => &startup.check,
            _ => &self.checks.check,
        }
    }

    /// When there is something to do without anything happening.
    fn deadline(&self) -> Option<Instant> {
        match &self.attempt {
            Some(run) => run.latest.filter(|_| !run.timed_out),
            None => self.due,
        }
    }

    fn is_in_start_period(&self) -> bool {
        self.since.elapsed() < Duration::from_nanos(self.checks.check.start_period)
    }

    /// What follows from an attempt of the check whose turn it was. The answer for who asked, and what is to be done now.
    fn judge(&mut self, passed: bool) -> (Outcome, OnFailure) {
        let mut act = OnFailure::None;
        let outcome = match (self.startup, passed) {
            (Some(left), true) => {
                self.startup_failures = 0;
                self.startup = left.checked_sub(1).filter(|left| *left > 0);
                Outcome::Passed
            }
            (Some(_), false) => {
                self.startup_failures += 1;
                let startup = self.checks.startup.as_ref();
                self.startup = startup.map(|startup| startup.successes.max(1));
                let most = startup.map_or(0, |startup| startup.check.retries);
                if most > 0 && self.startup_failures >= most {
                    act = OnFailure::Restart;
                }
                return (Outcome::FailedStartup, act);
            }
            (None, true) => {
                self.health.status = Status::Healthy;
                self.health.failing_streak = 0;
                return (Outcome::Passed, act);
            }
            (None, false) => {
                let excused = self.health.status == Status::Starting && self.is_in_start_period();
                if !excused {
                    self.health.failing_streak = self.health.failing_streak.saturating_add(1);
                    if self.health.failing_streak >= self.checks.check.retries {
                        self.health.status = Status::Unhealthy;
                        act = self.checks.on_failure;
                    }
                }
                Outcome::Failed
            }
        };
        (outcome, act)
    }

    fn remember(&mut self, attempt: Attempt) {
        self.health.log.push(attempt);
        let most = self.checks.max_log_count;
        if most > 0 {
            let superfluous = self.health.log.len().saturating_sub(most);
            self.health.log.drain(..superfluous);
        }
    }

    /// Writes down what is known.
    fn write(&self) {
        // The next attempt writes it again; there is nobody to tell.
        let _ = self.health.write(Path::new(FILE));
        if let Some(log) = &self.checks.log {
            let _ = self.health.write(log);
        }
    }
}

impl Run {
    fn is_of(&self, pid: i32) -> bool {
        match &self.exec.state {
            State::Starting(call) => call.pid == pid,
            State::Running(process) => *process == pid,
        }
    }

    /// Kills the command and what it has started, as far as that stayed in its group.
    fn kill(&self) {
        let State::Running(pid) = self.exec.state else { return };
        let Some(pid) = Pid::from_raw(pid) else { return };
        if rustix::process::getpgid(Some(pid)) == Ok(pid) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }

    fn read(&mut self, buffer: &mut [u8]) {
        while let Read::Bytes(length) = self.output.read(buffer) {
            let room = MOST_OUTPUT.saturating_sub(self.written.len());
            self.written.extend_from_slice(&buffer[..length.min(room)]);
        }
    }
}

impl Monitor {
    /// The container's process runs: from now on its health is looked at.
    pub fn begin_checks(&mut self) {
        let _ = fs::remove_file(self.config.folder.join(FILE));
        self.checker = self.config.health.clone().map(Checker::new);
        if let Some(checker) = &self.checker {
            checker.write();
        }
    }

    /// The container's process has ended: what was known of its health stays in its folder.
    pub fn end_checks(&mut self) {
        let Some(mut checker) = self.checker.take() else { return };
        if let Some(run) = checker.attempt.take() {
            run.kill();
            self.refuse_check(&run.clients, &not_running());
        }
        let _ = checker.health.write(&self.config.folder.join(FILE));
    }

    /// Does what is due.
    pub fn check_health(&mut self) {
        let now = Instant::now();
        let Some(checker) = &mut self.checker else { return };
        if checker.deadline().is_none_or(|deadline| deadline > now) || !matches!(self.phase, Phase::Running) {
            return;
        }
        if let Some(run) = &mut checker.attempt {
            run.timed_out = true;
            run.kill();
        } else if Path::new(PAUSED).exists() {
            // A command in a container that stands still would stand still as well.
            checker.due = Some(now + Duration::from_nanos(checker.current().interval));
        } else {
            // That it could not be run is written down.
            let _ = self.attempt(Vec::new());
        }
    }

    /// When something is due.
    pub fn check_deadline(&self) -> Option<Instant> {
        self.checker.as_ref().filter(|_| matches!(self.phase, Phase::Running)).and_then(Checker::deadline)
    }

    /// What to read while a check is under way.
    pub fn check_output(&self) -> Option<BorrowedFd<'_>> {
        let run = self.checker.as_ref()?.attempt.as_ref()?;
        if run.output.ended { None } else { Some(run.output.as_fd()) }
    }

    /// Whether a check is under way; `starting`: whether the runtime still starts its command.
    pub fn is_checking(&self, starting: bool) -> bool {
        let run = self.checker.as_ref().and_then(|checker| checker.attempt.as_ref());
        run.is_some_and(|run| !starting || matches!(run.exec.state, State::Starting(_)))
    }

    /// Reads what a check writes.
    pub fn read_check(&mut self) {
        let Some(run) = self.checker.as_mut().and_then(|checker| checker.attempt.as_mut()) else { return };
        match run.output.read(&mut self.buffer) {
            Read::Bytes(length) => {
                let room = MOST_OUTPUT.saturating_sub(run.written.len());
                run.written.extend_from_slice(&self.buffer[..length.min(room)]);
            }
            Read::Nothing => {}
            Read::End => run.output.ended = true,
        }
    }

    /// Somebody asks for a check now.
    pub fn asked_for_check(&mut self, client: u64) -> Result<(), Failure> {
        self.running_init()?;
        if Path::new(PAUSED).exists() || !matches!(self.phase, Phase::Running) {
            return Err(not_running());
        }
        let id = &self.config.id;
        let Some(checker) = &mut self.checker else {
            return Err(failure(125, format!("container {id} has no defined healthcheck")));
        };
        match &mut checker.attempt {
            Some(run) => run.clients.push(client),
            None => self.attempt(vec![client])?,
        }
        Ok(())
    }

    /// Begins an attempt.
    fn attempt(&mut self, clients: Vec<u64>) -> Result<(), Failure> {
        let started = self.start_attempt();
        let Some(checker) = &mut self.checker else { return Ok(()) };
        let timeout = checker.current().timeout;
        let latest = if timeout == 0 { None } else { Instant::now().checked_add(Duration::from_nanos(timeout)) };
        match started {
            Ok((exec, output)) => {
                let (written, began) = (Vec::new(), clock::now());
                checker.attempt = Some(Run { exec, output, written, began, latest, timed_out: false, clients });
                Ok(())
            }
            Err(failure) => {
                self.attempted(clock::now(), i32::from(failure.status), failure.message.as_bytes(), &[]);
                Err(failure)
            }
        }
    }

    fn start_attempt(&mut self) -> Result<(Exec, Output), Failure> {
        let init = self.running_init()?;
        let command = self.checker.as_ref().and_then(|checker| checker.current().command()).unwrap_or_default();
        let mut process = spec::process(Path::new("."))
            .map_err(|error| failure(125, format!("reading the container's config.json: {error}")))?;
        process["args"] = command.into();
        let request =
            ExecRequest { process, user: None, terminal: false, size: None, detach: true, passed: Vec::new() };
        let failed = |error: std::io::Error| failure(125, format!("preparing a health check: {error}"));
        let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        rustix::io::ioctl_fionbio(&reader, true).map_err(|error| failed(error.into()))?;
        let error = writer.try_clone().map_err(failed)?;
        self.exec_number += 1;
        let descriptors: Vec<OwnedFd> = vec![null.into(), writer, error];
        let exec = Exec::start(&self.config, init, self.exec_number, &request, descriptors)?;
        Ok((exec, Output::of(reader, crate::log::Stream::Stdout)))
    }

    /// Whether `pid` was a check, or the runtime starting one.
    pub fn check_ended(&mut self, pid: i32, status: i32) -> bool {
        let Some(checker) = &mut self.checker else { return false };
        let Some(mut run) = checker.attempt.take_if(|run| run.is_of(pid)) else { return false };
        let ended = if matches!(run.exec.state, State::Starting(_)) {
            match run.exec.started(status) {
                Ok(pid) => {
                    if run.timed_out {
                        run.kill();
                    }
                    checker.attempt = Some(run);
                    if let Some(status) = self.take_stray(pid) {
                        self.check_ended(pid, status);
                    }
                    return true;
                }
                Err(failure) => {
                    run.written.extend_from_slice(failure.message.as_bytes());
                    i32::from(failure.status)
                }
            }
        } else {
            run.read(&mut self.buffer);
            status
        };
        if !run.timed_out && self.init.as_ref().is_none_or(|init| is_ending(init.pid)) {
            // It was killed because the container ends: that says nothing of its health.
            self.refuse_check(&run.clients, &not_running());
            return true;
        }
        let ended = if run.timed_out { TIMED_OUT } else { ended };
        self.attempted(run.began, ended, &run.written, &run.clients);
        true
    }

    /// An attempt is over.
    fn attempted(&mut self, began: (i64, u32), status: i32, written: &[u8], clients: &[u64]) {
        self.stirred = true;
        let Some(checker) = &mut self.checker else { return };
        let timeout = checker.current().timeout;
        let (outcome, act) = checker.judge(status == 0);
        let most = checker.checks.max_log_size;
        let text = String::from_utf8_lossy(written);
        let output = if most == 0 { text.into_owned() } else { text.chars().take(most).collect() };
        let log = if checker.checks.log_events { output.clone() } else { String::new() };
        checker.remember(Attempt { start: stamp(began), end: stamp(clock::now()), exit_code: status, output });
        let interval = checker.current().interval;
        checker.due = match interval {
            0 => None,
            // The one that it has made way for begins at once.
            _ if outcome == Outcome::Passed
                && checker.startup.is_none()
                && checker.health.status == Status::Starting =>
            {
                Some(Instant::now())
            }
            interval => Instant::now().checked_add(Duration::from_nanos(interval)),
        };
        checker.write();
        let (status_now, failing_streak) = (checker.health.status, checker.health.failing_streak);
        if status_now == Status::Healthy
            && let Some(notifier) = &mut self.notifier
        {
            notifier.healthy();
        }
        self.health_event(event::Health { status: status_now, failing_streak, log });
        let outcome = if status == TIMED_OUT { Outcome::TimedOut(timeout) } else { outcome };
        for number in clients {
            if let Some(client) = self.client(*number) {
                client.send_json(Kind::Done, &outcome);
            }
        }
        self.act_upon(act);
    }

    fn act_upon(&mut self, act: OnFailure) {
        match act {
            OnFailure::None => {}
            OnFailure::Kill => {
                if let Some(init) = &self.init {
                    let _ = kernel::send_signal(&init.pidfd, libc::SIGKILL);
                }
            }
            OnFailure::Stop => {
                self.stopping = true;
                self.ask_to_end();
            }
            OnFailure::Restart => {
                self.restarting = true;
                self.ask_to_end();
            }
        }
    }

    fn refuse_check(&mut self, clients: &[u64], failure: &Failure) {
        for number in clients {
            if let Some(client) = self.client(*number) {
                client.send_json(Kind::Failed, failure);
            }
        }
    }
}

/// Whether the process is about to end: it takes all that are in its pid namespace along.
fn is_ending(pid: i32) -> bool {
    /// `PF_EXITING` of linux/sched.h.
    const EXITING: u64 = 4;
    // proc_pid_stat(5): the flags are the seventh field after the name in parentheses.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & EXITING != 0)
}

fn stamp(moment: (i64, u32)) -> String {
    let mut text = Vec::new();
    Stamp::default().write(moment, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use haulout_monitor::health::Startup;

    use super::*;

    fn checker(checks: Checks) -> Checker {
        let mut checker = Checker::new(checks);
        checker.checks.check.test = vec!["CMD".into(), "true".into()];
        checker
    }

    fn retries(retries: u32) -> Check {
        Check { retries, interval: 1, ..Check::default() }
    }

    #[test]
    fn so_many_failures_in_a_row_make_it_unhealthy_and_one_success_well_again() {
        let mut checker = checker(Checks { check: retries(2), on_failure: OnFailure::Kill, ..Checks::default() });
        assert_eq!(checker.judge(false), (Outcome::Failed, OnFailure::None));
        assert_eq!(checker.health.status, Status::Starting);
        assert_eq!(checker.judge(true), (Outcome::Passed, OnFailure::None));
        assert_eq!((checker.health.status, checker.health.failing_streak), (Status::Healthy, 0));
        assert_eq!(checker.judge(false), (Outcome::Failed, OnFailure::None));
        assert_eq!(checker.health.status, Status::Healthy);
        assert_eq!(checker.judge(false), (Outcome::Failed, OnFailure::Kill));
        assert_eq!((checker.health.status, checker.health.failing_streak), (Status::Unhealthy, 2));
    }

    #[test]
    fn failures_do_not_count_in_the_start_period_until_it_was_well_once() {
        let check = Check { start_period: 3_600_000_000_000, ..retries(1) };
        let mut checker = checker(Checks { check, ..Checks::default() });
        checker.judge(false);
        assert_eq!((checker.health.status, checker.health.failing_streak), (Status::Starting, 0));
        checker.judge(true);
        checker.judge(false);
        assert_eq!(checker.health.status, Status::Unhealthy);
    }

    #[test]
    fn a_startup_check_goes_first_until_it_has_succeeded_so_many_times_and_restarts_what_fails_too_often() {
        let startup = Startup { check: retries(2), successes: 2 };
        let mut checker = checker(Checks { check: retries(1), startup: Some(startup), ..Checks::default() });
        assert_eq!(checker.judge(false), (Outcome::FailedStartup, OnFailure::None));
        assert_eq!(checker.judge(true), (Outcome::Passed, OnFailure::None));
        assert_eq!(checker.judge(false), (Outcome::FailedStartup, OnFailure::None));
        assert_eq!(checker.judge(false), (Outcome::FailedStartup, OnFailure::Restart));
        checker.judge(true);
        checker.judge(true);
        assert_eq!((checker.startup, checker.health.status), (None, Status::Starting));
        assert_eq!(checker.judge(true), (Outcome::Passed, OnFailure::None));
        assert_eq!(checker.health.status, Status::Healthy);
    }

    #[test]
    fn only_the_last_attempts_are_remembered() {
        let mut checker = checker(Checks { max_log_count: 2, ..Checks::default() });
        for exit_code in 0..4 {
            checker.remember(Attempt { start: String::new(), end: String::new(), exit_code, output: String::new() });
        }
        assert_eq!(checker.health.log.iter().map(|attempt| attempt.exit_code).collect::<Vec<_>>(), [2, 3]);
    }
}
