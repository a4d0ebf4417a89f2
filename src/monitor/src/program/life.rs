// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's life under its monitor: prepared, created, started, ended, forgotten; and perhaps once more.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use haulout_monitor::config;
use haulout_monitor::frame::{Failure, Kind};
use haulout_monitor::last_run::{Exit, LastRun};
use haulout_monitor::network::Network;
use haulout_monitor::process::Process;
use haulout_monitor::words;
use rustix::mount::UnmountFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags};

use crate::client::Role;
use crate::clock;
use crate::input::Input;
use crate::kernel::{self, Signal};
use crate::log::Stream;
use crate::monitor::{Awaited, Init, Monitor};
use crate::output::{Output, Read};
use crate::phase::{Ending, Phase};
use crate::runtime::{Call, Streams, failure};
use crate::spec;
use crate::terminal::{self, ConsoleSocket};

/// So long the starter may take to remove the container before somebody else does.
const REMOVAL: Duration = Duration::from_secs(30);

/// What a container that was killed because its time was up ends with, as with Podman.
const TIMED_OUT: i32 = 255;

impl Monitor {
    /// Goes on as far as can be gone without waiting.
    pub fn advance(&mut self) {
        if self.time_is_up_at().is_some_and(|at| at <= Instant::now()) {
            self.time_is_up();
        }
        if self.kill_at.take_if(|at| *at <= Instant::now()).is_some()
            && let Some(init) = &self.init
        {
            let _ = kernel::send_signal(&init.pidfd, libc::SIGKILL);
        }
        self.check_health();
        match &self.phase {
            Phase::Preparing | Phase::Created { .. } | Phase::Resting { .. } if self.giving_up.is_some() => {
                if let Some(ending) = self.giving_up.take() {
                    self.delete(ending, None);
                }
            }
            Phase::Preparing => {
                if let Awaited::Here(_) = self.cgroup {
                    self.create();
                }
            }
            Phase::Created { .. } if self.waits() && self.init.as_ref().is_none_or(|init| init.status.is_some()) => {
                // What was to become its process has been killed.
                self.ended();
            }
            Phase::Created { told } => {
                if self.network.as_ref().is_none_or(Network::is_ready) {
                    if !told {
                        self.phase = Phase::Created { told: true };
                        self.tell_created();
                    }
                    if self.go {
                        self.start();
                    }
                }
            }
            Phase::Running => {
                if self.init.as_ref().is_none_or(|init| init.status.is_some()) {
                    let now = Instant::now();
                    self.phase = Phase::draining(now);
                    self.advance();
                }
            }
            Phase::Draining { latest, quiet } => {
                let now = Instant::now();
                let held_up = self.log.blocked().is_some();
                if self.outputs.is_empty() || *latest <= now || (*quiet <= now && !held_up) {
                    self.ended();
                }
            }
            Phase::Resting { until } => {
                if self.stopping {
                    self.leave(None);
                } else if *until <= Instant::now() {
                    self.event("restart", None);
                    self.create();
                }
            }
            Phase::Leaving { latest } => {
                let all_told = self.clients.is_empty() && self.execs.is_empty();
                if *latest <= Instant::now() || all_told {
                    self.phase = Phase::Over;
                }
                if self.starter().is_none() || self.phase.is_over() {
                    self.clean_up();
                }
            }
            Phase::Creating(_) | Phase::Starting(_) | Phase::Deleting { .. } | Phase::Over => {}
        }
    }

    /// The process of the runtime that is making the container, whose own process is not known yet.
    pub fn maker(&self) -> Option<Pid> {
        match &self.phase {
            Phase::Creating(call) | Phase::Starting(call) if self.init.is_none() => Pid::from_raw(call.pid),
            _ => None,
        }
    }

    /// The runtime has ended, if `pid` is its process.
    pub fn call_ended(&mut self, pid: i32, status: i32) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Creating(call) if call.pid == pid => {
                let said = self.said_by_runtime();
                self.created(call.result(status, &said));
            }
            Phase::Starting(call) if call.pid == pid && self.init.is_none() => {
                let said = if status == 0 { Vec::new() } else { self.said_by_runtime() };
                self.ran(call.result(status, &said));
            }
            Phase::Starting(call) if call.pid == pid => self.started(call.result(status, b"")),
            Phase::Deleting { call: Some(call), ending, rest } if call.pid == pid => {
                if call.result(status, b"").is_err() || self.runtime_knows_it() {
                    self.forget_by_hand();
                }
                self.deleted(ending, rest);
            }
            other => {
                self.phase = other;
                return false;
            }
        }
        true
    }

    /// The container is not to be started: it failed.
    pub fn give_up(&mut self, failure: Failure) {
        self.giving_up.get_or_insert(Ending::Failed(failure));
    }

    /// The container is not to be started: nobody wants it.
    pub fn abandon(&mut self) {
        self.giving_up.get_or_insert(Ending::Abandoned);
    }

    /// Somebody asks the monitor to end: so it asks the container.
    pub fn asked_to_end(&mut self, signal: Signal) {
        self.stopping = true;
        self.kill_later();
        let stop = self.config.stop_signal.unwrap_or(libc::SIGTERM);
        let is_waited_for = self.starter().is_some();
        match &self.init {
            Some(init) if init.since.is_some() => {
                // A service manager that ends a scope tells every process in it; a second signal would be one too many.
                let told = stop == libc::SIGTERM
                    && matches!(self.config.cgroup, config::Cgroup::Scope)
                    && fs::read_to_string(format!("/proc/{}/comm", signal.sender))
                        .is_ok_and(|name| name == "systemd\n");
                if !told {
                    let _ = kernel::send_signal(&init.pidfd, stop);
                }
            }
            // Its process may run already: it is told as soon as that is known.
            _ if matches!(self.phase, Phase::Starting(_)) => self.first_signal = Some(stop),
            // Who starts it hears of it, and sees to what is left.
            _ if is_waited_for => self.give_up(failure(125, "it was asked to end before it ran".to_owned())),
            _ => self.abandon(),
        }
    }

    /// The running container is stopped because of its health.
    pub fn ask_to_end(&mut self) {
        self.kill_later();
        if let Some(init) = &self.init {
            let _ = kernel::send_signal(&init.pidfd, self.config.stop_signal.unwrap_or(libc::SIGTERM));
        }
    }

    /// What does not end when it is asked to is killed in time.
    fn kill_later(&mut self) {
        let patience = self.config.stop_timeout.map(Duration::from_secs);
        self.kill_at = self.kill_at.or(patience.and_then(|patience| Instant::now().checked_add(patience)));
    }

    /// When the container's time is up.
    pub fn time_is_up_at(&self) -> Option<Instant> {
        let init = self.init.as_ref().filter(|init| init.status.is_none() && !init.timed_out)?;
        init.since?.checked_add(Duration::from_secs(self.config.timeout?))
    }

    fn time_is_up(&mut self) {
        if let Some(init) = &mut self.init {
            init.timed_out = true;
            let _ = kernel::send_signal(&init.pidfd, libc::SIGKILL);
        }
    }

    /// What joins the network to the host's has ended by itself.
    pub fn network_ended(&mut self, status: i32) {
        let Some(network) = &self.network else { return };
        if network.is_ready() {
            if !self.phase.is_ending() {
                self.event("network", Some(status));
            }
        } else {
            let complaint = network.complaint(status);
            self.give_up(complaint);
        }
    }

    fn create(&mut self) {
        if let Err(failure) = self.try_create() {
            self.delete(Ending::Failed(failure), None);
        }
    }

    fn try_create(&mut self) -> Result<(), Failure> {
        let failed = |doing: &str, error: std::io::Error| failure(125, format!("{doing}: {error}"));
        if let Awaited::Here(Some(cgroup)) = &self.cgroup {
            spec::set_cgroup(Path::new("."), &cgroup.container())
                .map_err(|error| failed("writing the cgroup into config.json", error))?;
            if let Some(owner) = self.config.root_ids {
                cgroup.give_container(owner);
            }
        }
        if let Some(network) = &mut self.network {
            network.join()?;
        }
        let flags = self.config.create_flags.clone();
        let mut arguments = vec!["--bundle", ".", "--pid-file", "runtime.pid"];
        arguments.extend(flags.iter().map(String::as_str));
        let streams = if self.config.terminal {
            let console = ConsoleSocket::bind(Path::new("console"));
            self.console = Some(console.map_err(|error| failed("making the console socket", error))?);
            arguments.extend(["--console-socket", "console"]);
            Streams::default()
        } else if matches!(self.config.log, config::Log::Passthrough) {
            self.passed_streams()
        } else {
            self.pipes().map_err(|error| failed("making the container's pipes", error.into()))?
        };
        // Once: where the other end of a pipe waits for its end, nobody else may have it.
        let streams = Streams { passed: std::mem::take(&mut self.passed), ..streams };
        if self.runtime_knows_it() {
            // Of a start that failed so badly that it could not forget it.
            self.forget_by_hand();
        }
        let at_once = self.network.is_none() && self.go && self.config.cleanup.is_some();
        let verb = if at_once { "run" } else { "create" };
        if at_once {
            // Nothing is waited for between the two, and nothing has to be on disk before: one process less.
            arguments.push("--detach");
        }
        let call = Call::start(&self.config, verb, &arguments, Path::new("runtime.log"), streams)?;
        self.phase = if at_once { Phase::Starting(call) } else { Phase::Creating(call) };
        Ok(())
    }

    /// The standard streams that were passed on: taken once, so that who waits for their end is not kept waiting by the monitor.
    fn passed_streams(&mut self) -> Streams {
        let mut take = |number: u32| {
            let index = self.passed.iter().position(|(passed, _)| *passed == number)?;
            Some(self.passed.swap_remove(index).1)
        };
        Streams { input: take(0), output: take(1), error: take(2), passed: Vec::new() }
    }

    /// Pipes for the container: its ends are returned, ours do not wait.
    fn pipes(&mut self) -> Result<Streams, rustix::io::Errno> {
        let reading = |stream| -> Result<(Output, OwnedFd), rustix::io::Errno> {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&reader, true)?;
            Ok((Output::of(reader, stream), writer))
        };
        let (stdout, output) = reading(Stream::Stdout)?;
        let (stderr, error) = reading(Stream::Stderr)?;
        let mut input = None;
        if self.config.stdin_open {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&writer, true)?;
            // What was typed before there was a pipe goes first.
            self.input.connect(writer, false);
            input = Some(reader);
        }
        self.outputs = vec![stdout, stderr];
        Ok(Streams { input, output: Some(output), error: Some(error), passed: Vec::new() })
    }

    /// What the runtime wrote to the container's standard error while it made it.
    fn said_by_runtime(&mut self) -> Vec<u8> {
        let error = self.outputs.iter().find(|output| output.stream() == Stream::Stderr);
        match error.map(|output| output.read(&mut self.buffer)) {
            Some(Read::Bytes(length)) => self.buffer[..length].to_vec(),
            _ => Vec::new(),
        }
    }

    fn created(&mut self, result: Result<(), Failure>) {
        match result.and_then(|()| self.take_created()) {
            Ok(init) => {
                self.init = Some(init);
                self.phase = Phase::Created { told: self.go && self.policy.count > 0 };
                self.event("init", None);
            }
            Err(failure) => self.delete(Ending::Failed(failure), None),
        }
    }

    /// Tells the starter that the container is made; who only wanted that is let go.
    fn tell_created(&mut self) {
        if self.held {
            let process = self.init.as_ref().and_then(|init| Process::of(init.pid));
            if let Err(error) = process.map_or(Ok(()), |process| process.write(Path::new(config::CREATED))) {
                return self.give_up(failure(125, format!("noting that the container is made: {error}")));
            }
            self.stirred = true;
        }
        let held = self.held;
        if let Some(starter) = self.starter() {
            starter.send(Kind::Created, b"");
            if held {
                starter.role = Role::Visitor;
                starter.close();
            }
        }
    }

    /// Whether the container is made and waits for somebody to start it.
    pub fn waits(&self) -> bool {
        self.held && matches!(self.phase, Phase::Created { told: true })
    }

    /// The runtime has made it and started its process at once.
    fn ran(&mut self, result: Result<(), Failure>) {
        match result.and_then(|()| self.take_created()) {
            Ok(init) => {
                self.init = Some(init);
                self.event("init", None);
                self.note_start();
                self.started(Ok(()));
            }
            Err(failure) => self.delete(Ending::Failed(failure), None),
        }
    }

    fn take_created(&mut self) -> Result<Init, Failure> {
        let lost = |what: &str| failure(125, format!("the OCI runtime made the container and did not tell its {what}"));
        let pid = fs::read_to_string("runtime.pid").ok().and_then(|text| text.trim().parse().ok());
        let pid: i32 = pid.ok_or_else(|| lost("pid"))?;
        let _ = fs::remove_file("runtime.pid");
        let pidfd = Pid::from_raw(pid).and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        let pidfd = pidfd.ok_or_else(|| lost("process"))?;
        if let Some(console) = self.console.take() {
            let master = console.receive().map_err(|_| lost("terminal"))?;
            if let Some(size) = self.config.terminal_size {
                terminal::resize(&master, size);
            }
            let copy = |master: &OwnedFd| master.try_clone().map_err(|_| lost("terminal"));
            self.outputs = vec![Output::of(copy(&master)?, Stream::Stdout)];
            if self.config.stdin_open {
                self.input.connect(copy(&master)?, true);
            }
            self.master = Some(master);
        }
        if let Some(file) = &self.config.pidfile {
            // With Podman's status, and the words of the OCI runtime, which writes it there.
            fs::write(file, pid.to_string()).map_err(|error| {
                let status = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
                let (path, words) = (file.display(), words(&error));
                failure(status, format!("writing the container's pid: opening file `{path}` for writing: {words}"))
            })?;
        }
        Ok(Init { pid, pidfd, status: None, since: None, timed_out: false })
    }

    fn start(&mut self) {
        let call = Call::start(&self.config, "start", &[], Path::new("runtime.log"), Streams::default());
        match call {
            Ok(call) => self.phase = Phase::Starting(call),
            Err(failure) => return self.delete(Ending::Failed(failure), None),
        }
        // Written to disk while the runtime works.
        self.note_start();
    }

    /// Notes in `last-run` that it runs.
    fn note_start(&mut self) {
        self.last_run.started = clock::now();
        self.last_run.pid = self.init.as_ref().map_or(0, |init| init.pid);
        self.last_run.exit = None;
        self.last_run.restarts = self.policy.count;
        if let Err(error) = self.write_last_run() {
            self.give_up(failure(125, format!("writing last-run in {}: {error}", self.config.folder.display())));
        }
    }

    /// A container that is removed when it ends is not remembered after a power cut.
    fn write_last_run(&self) -> std::io::Result<()> {
        if self.config.cleanup.is_some() {
            return self.last_run.replace(&self.config.folder);
        }
        self.last_run.write(&self.config.folder)
    }

    fn started(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            return self.delete(Ending::Failed(failure), None);
        }
        if let Some(ending) = self.giving_up.take() {
            return self.delete(ending, None);
        }
        self.phase = Phase::Running;
        let Some(init) = &mut self.init else { return };
        init.since = Some(Instant::now());
        let pid = init.pid;
        if let Some(process) = Process::of(pid) {
            let _ = process.write(Path::new("init.pid"));
        }
        // After that: who reads this one first and finds nothing finds the other.
        let _ = fs::remove_file(config::CREATED);
        if let Some(number) = self.first_signal.take() {
            let _ = kernel::send_signal(&init.pidfd, number);
        }
        self.stirred = true;
        self.begin_checks();
        if let Some(notifier) = &mut self.notifier {
            notifier.started();
        }
        self.event("start", None);
        if let Some(starter) = self.starter() {
            starter.send(Kind::Started, pid.to_string().as_bytes());
        }
        if self.config.attach_starter && self.policy.count == 0 {
            self.event("attach", None);
        }
    }

    /// The container's process has ended and all its output was read.
    fn ended(&mut self) {
        self.outputs.clear();
        self.input = if self.config.stdin_open { Input::open() } else { Input::default() };
        self.master = None;
        let _ = fs::remove_file(crate::change::PAUSED);
        self.log.end();
        self.end_checks();
        self.kill_at = None;
        let Some(init) = self.init.take() else { return };
        let status = if init.timed_out { TIMED_OUT } else { init.status.unwrap_or_default() };
        let oom_killed = matches!(&self.cgroup, Awaited::Here(Some(cgroup)) if cgroup.oom_killed());
        let exit = Exit { status: Some(status), finished: clock::now(), oom_killed, by_user: self.by_user };
        let ran = init.since.map(|since| since.elapsed()).unwrap_or_default();
        if init.since.is_none() {
            // It never ran: when it last did, the disk knows.
            let before = LastRun::read(&self.config.folder).ok().flatten();
            self.last_run.started = before.map_or((0, 0), |run| run.started);
        }
        let rest = match (self.stopping || self.held, std::mem::take(&mut self.restarting)) {
            (true, _) => None,
            (false, true) => Some(self.policy.at_once()),
            (false, false) => self.policy.after(status, ran),
        };
        self.delete(Ending::Exited(exit), rest);
    }

    /// Has the runtime forget the container; meanwhile `last-run` goes to the disk and what else can be given back is.
    fn delete(&mut self, ending: Ending, rest: Option<Duration>) {
        if rest.is_none()
            && let Some(network) = &mut self.network
        {
            network.stop();
        }
        let call = Call::start(&self.config, "delete", &["--force"], Path::new("runtime.log"), Streams::default());
        if rest.is_none()
            && let Some(network) = &mut self.network
        {
            // Whoever hears of the end may publish the same ports the next moment.
            network.wait();
        }
        if let Ending::Exited(exit) = &ending {
            self.last_run.exit = Some(exit.clone());
            if self.write_last_run().is_err() {
                // The disk takes no more, or was made read-only. Where not even memory has room, clients are told all the same.
                let waiting = self.config.waiting();
                let _ = fs::create_dir_all(&waiting).and_then(|()| self.last_run.replace(&waiting));
            }
            // Not before: who looks in between would see a run that neither goes on nor has ended.
            let _ = fs::remove_file("init.pid");
            let _ = fs::remove_file(config::CREATED);
            self.event("died", exit.status);
            if rest.is_none() && self.config.cleanup.is_some() {
                // The starter removes the container while the runtime forgets it.
                let exit = exit.clone();
                self.unmount();
                self.tell_starter(&exit);
            }
        }
        if let Ok(call) = call {
            self.phase = Phase::Deleting { call: Some(call), ending, rest };
        } else {
            self.forget_by_hand();
            self.deleted(ending, rest);
        }
    }

    /// Whether the runtime knows a container of that id.
    fn runtime_knows_it(&self) -> bool {
        self.runtime_folder().is_some_and(|folder| folder.exists())
    }

    /// What the runtime cannot forget, since it could not be started, or was killed before it had written everything down (or while it
    /// forgot it).
    fn forget_by_hand(&self) {
        if let Awaited::Here(Some(cgroup)) = &self.cgroup {
            cgroup.kill_container();
        }
        if let Some(folder) = self.runtime_folder() {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// Where the runtime keeps what it knows of the container.
    fn runtime_folder(&self) -> Option<PathBuf> {
        let mut pairs = self.config.runtime.iter().zip(self.config.runtime.iter().skip(1));
        let (_, root) = pairs.find(|(flag, _)| *flag == "--root")?;
        Some(Path::new(root).join(&self.config.id))
    }

    fn deleted(&mut self, ending: Ending, rest: Option<Duration>) {
        if let Awaited::Here(Some(cgroup)) = &self.cgroup {
            cgroup.remove_container();
        }
        self.init = None;
        match (ending, rest) {
            (Ending::Exited(exit), Some(rest)) => {
                self.tell(&exit);
                self.phase = Phase::Resting { until: Instant::now() + rest };
            }
            (ending, _) => self.leave(Some(ending)),
        }
    }

    /// Tells everyone that the container's process has ended.
    fn tell(&mut self, exit: &Exit) {
        // The starter stays to remove the container, if that is its duty.
        let stays = self.config.cleanup.is_some();
        self.tell_starter(exit);
        for client in &mut self.clients {
            client.attached = false;
            match client.role {
                Role::Attached | Role::Waiting => {
                    client.widen();
                    client.send_json(Kind::Exited, exit);
                    client.close();
                }
                Role::Starter if !stays || self.removed => client.close(),
                _ => {}
            }
        }
    }

    /// Tells the starter, once.
    fn tell_starter(&mut self, exit: &Exit) {
        if std::mem::replace(&mut self.starter_told, true) {
            return;
        }
        if let Some(starter) = self.starter() {
            starter.attached = false;
            starter.widen();
            starter.send_json(Kind::Exited, exit);
        }
    }

    /// Unmounts the root filesystem; it need not be mounted.
    fn unmount(&mut self) {
        if let Some(rootfs) = self.config.rootfs.take()
            && rustix::mount::unmount(&rootfs, UnmountFlags::empty()).is_err()
        {
            let _ = rustix::mount::unmount(&rootfs, UnmountFlags::DETACH);
        }
    }

    /// The container is over for good: gives everything back and tells so.
    fn leave(&mut self, ending: Option<Ending>) {
        if let Some(network) = &mut self.network {
            network.stop();
            network.wait();
        }
        self.listener = None;
        if let Awaited::Here(Some(cgroup)) = &self.cgroup {
            cgroup.give_back();
        }
        self.unmount();
        let _ = fs::remove_dir_all(&self.config.bundle);
        self.phase = Phase::Leaving { latest: Instant::now() + REMOVAL };
        if self.held && matches!(ending, Some(Ending::Abandoned)) {
            // It stays to be started another time.
            self.config.cleanup = None;
        }
        match ending {
            Some(Ending::Failed(failure)) => {
                let stays = self.config.cleanup.is_some();
                if let Some(starter) = self.starter() {
                    starter.send_json(Kind::Failed, &failure);
                    if !stays {
                        starter.close();
                    }
                }
            }
            Some(Ending::Exited(exit)) => {
                self.event("cleanup", None);
                self.tell(&exit);
                self.exit = Some(exit);
            }
            Some(Ending::Abandoned) => {}
            None => self.exit = self.last_run.exit.clone(),
        }
        for client in &mut self.clients {
            if matches!(client.role, Role::Visitor | Role::Waiting | Role::Attached) {
                client.close();
            }
        }
    }

    /// Has the container removed (`--rm`) if the starter has not. In a service that is waited for: when the main process has ended its
    /// manager kills what is left.
    fn clean_up(&mut self) {
        if self.removed {
            return;
        }
        let Some(command) = self.config.cleanup.take() else { return };
        let Some((program, arguments)) = command.split_first() else { return };
        let cleaner = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn();
        self.cleaner = cleaner.ok().filter(|_| self.config.notify.is_some());
    }
}
