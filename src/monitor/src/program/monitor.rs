// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monitor: everything that it holds, and the loop in which it lives.
//!
//! What to wait for follows from what there is, anew each time round: nobody's output is read while somebody is behind with it,
//! nobody's input while the container is behind.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use haulout_monitor::cgroup::Cgroup;
use haulout_monitor::config::{self, Config};
use haulout_monitor::event::{self, Event, Kind as EventKind};
use haulout_monitor::frame::{Failure, Kind};
use haulout_monitor::last_run::{Exit, LastRun};
use haulout_monitor::network::Network;
use haulout_monitor::words;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::Mode;
use rustix::process::{WaitOptions, WaitStatus};

use crate::change::Change;
use crate::client::{Client, Role};
use crate::clock;
use crate::exec::{Exec, State};
use crate::health::Checker;
use crate::input::Input;
use crate::kernel::{self, Signals};
use crate::log::Log;
use crate::notify::Notifier;
use crate::output::{Output, Read};
use crate::phase::Phase;
use crate::restart::Policy;
use crate::runtime::failure;
use crate::terminal::ConsoleSocket;

/// So much is read at once.
const BUFFER: usize = 16 << 10;

/// When the container has ended, what is left of its output is collected for slow clients up to so much.
const LAST_WORDS: usize = 1 << 20;

/// A container's monitor.
pub struct Monitor {
    pub config: Config,
    pub phase: Phase,
    /// Why the container is not to be started after all.
    pub giving_up: Option<crate::phase::Ending>,
    pub clients: Vec<Client>,
    pub cgroup: Awaited,
    pub network: Option<Network>,
    pub log: Log,
    pub input: Input,
    pub outputs: Vec<Output>,
    /// The container's terminal.
    pub master: Option<OwnedFd>,
    pub console: Option<ConsoleSocket>,
    pub init: Option<Init>,
    pub execs: Vec<Exec>,
    pub exec_number: u64,
    pub changes: Vec<Change>,
    /// What looks after its health, as long as its process runs.
    pub checker: Option<Checker>,
    /// The service manager that is told of it.
    pub notifier: Option<Notifier>,
    /// What its process gets beside the standard three.
    pub passed: Vec<(u32, OwnedFd)>,
    pub policy: Policy,
    pub last_run: LastRun,
    /// How the container ended, once it is over for good.
    pub exit: Option<Exit>,
    /// The starter said that the container is to be started.
    pub go: bool,
    /// The container is to be made and to wait for somebody else to start it.
    pub held: bool,
    /// A user wants it to end.
    pub stopping: bool,
    /// Whether a user wanted that.
    pub by_user: bool,
    /// It is stopped only to be started again.
    pub restarting: bool,
    /// When the container is killed after the monitor was asked to end.
    pub kill_at: Option<Instant>,
    /// What the container's process is sent as soon as it runs: somebody wanted it to end while it was being started.
    pub first_signal: Option<i32>,
    /// The starter was told of the end.
    pub starter_told: bool,
    /// The starter removed the container.
    pub removed: bool,
    /// What removes it (`--rm`) and is waited for.
    pub cleaner: Option<Child>,
    pub listener: Option<UnixListener>,
    pub buffer: Vec<u8>,
    /// It did something that it does seldom, and has memory to give back.
    pub stirred: bool,
    signals: Signals,
    next_client: u64,
    /// Processes that ended before anybody knew whose they were, and their statuses.
    strays: Vec<(i32, i32)>,
}

/// The container's cgroup.
#[derive(Debug)]
pub enum Awaited {
    /// The starter has not told it yet.
    Not,
    /// The one there is, if there is one.
    Here(Option<Cgroup>),
}

/// The container's first process.
#[derive(Debug)]
pub struct Init {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// How it ended.
    pub status: Option<i32>,
    /// Since when it runs; nothing before it is started.
    pub since: Option<Instant>,
    /// It was killed because its time was up.
    pub timed_out: bool,
}

/// Something to wait for.
#[derive(Clone, Copy, Debug)]
enum Source {
    Signals,
    Listener,
    Client(u64),
    Output(usize),
    Input,
    Network,
    Log,
    Abandoned(usize),
    Check,
    Notify,
}

impl Monitor {
    /// A monitor of the container of `config`, in the bundle that is the working folder. Clients are still to come.
    pub fn new(config: Config, signals: Signals) -> Result<Self, Failure> {
        let passed = kernel::passed(&config.passed);
        // First: whatever fails now ends what has begun of it.
        let network = match config.helper {
            Some(helper) => Network::take_over(&config.bundle, &config.network, helper)?,
            None => Network::start(&config.bundle, &config.network, config.userns)?,
        };
        let listener =
            listen().map_err(|error| failure(125, format!("listening on the container's socket: {error}")))?;
        let log = Log::open(&config).map_err(|error| failure(125, format!("opening the container's log: {error}")))?;
        if let Some(file) = &config.monitor_pidfile {
            // With Podman's status, and conmon's words.
            fs::write(file, std::process::id().to_string()).map_err(|error| {
                let (path, words) = (file.display(), words(&error));
                failure(126, format!("Failed to write conmon pidfile: Failed to create file {path}: {words}"))
            })?;
        }
        let notifier = config.notify.as_ref().map(Notifier::begin).transpose();
        let notifier = notifier
            .map_err(|error| failure(125, format!("making the container's socket for its service manager: {error}")))?;
        // Last: what is made here goes with a container that there is.
        let cgroup = match &config.cgroup {
            config::Cgroup::Scope => Awaited::Not,
            config::Cgroup::Split => match Cgroup::divide_own() {
                Ok(cgroup) => Awaited::Here(Some(cgroup)),
                Err(error) => return Err(failure(125, format!("dividing the service's cgroup: {error}"))),
            },
            config::Cgroup::Beside { parent } => match Cgroup::make(parent.as_deref(), &config.id) {
                Ok(cgroup) => Awaited::Here(Some(cgroup)),
                Err(error) => {
                    let hint =
                        "without systemd (cgroup_manager = \"cgroupfs\") it has to be in one that the user may divide";
                    return Err(failure(126, format!("{error} ({hint}; --cgroups=disabled does without one)")));
                }
            },
            config::Cgroup::Disabled => Awaited::Here(None),
        };
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let last_run = LastRun { boot_id: boot_id.trim().to_owned(), started: (0, 0), pid: 0, exit: None, restarts: 0 };
        let input = if config.stdin_open { Input::open() } else { Input::default() };
        Ok(Self {
            phase: Phase::Preparing,
            giving_up: None,
            clients: Vec::new(),
            cgroup,
            network,
            log,
            input,
            outputs: Vec::new(),
            master: None,
            console: None,
            init: None,
            execs: Vec::new(),
            exec_number: 0,
            changes: Vec::new(),
            checker: None,
            notifier,
            passed,
            policy: Policy::new(config.restart.clone()),
            last_run,
            exit: None,
            go: false,
            held: false,
            stopping: false,
            by_user: false,
            restarting: false,
            kill_at: None,
            first_signal: None,
            starter_told: false,
            removed: false,
            cleaner: None,
            listener: Some(listener),
            buffer: vec![0; BUFFER],
            stirred: false,
            signals,
            next_client: 0,
            strays: Vec::new(),
            config,
        })
    }

    /// Serves the one that started it.
    pub fn serve_starter(&mut self, socket: OwnedFd) {
        self.welcome(socket, Role::Starter);
        if let Some(starter) = self.clients.last_mut() {
            starter.attached = self.config.attach_starter;
        }
    }

    /// Lives until the container has ended for good. Answers the container's exit status: systemd takes this process for the main
    /// one of a service, and its end for the service's.
    pub fn run(mut self) -> u8 {
        loop {
            self.advance();
            if matches!(self.phase, Phase::Leaving { .. }) {
                // It may have begun to leave just now: who has been told everything by then would not be heard of again.
                self.part_from_clients();
                self.advance();
            }
            if self.phase.is_over() {
                if let Some(mut cleaner) = self.cleaner {
                    let _ = cleaner.wait();
                }
                let exit = self.last_run.exit.as_ref().and_then(|exit| exit.status);
                return exit.and_then(|status| u8::try_from(status).ok()).unwrap_or_default();
            }
            if self.stirred && self.is_at_rest() {
                self.stirred = false;
                kernel::give_back_memory();
            }
            for source in self.wait() {
                match source {
                    Source::Signals => self.take_signals(),
                    Source::Listener => self.accept(),
                    Source::Client(number) => {
                        if let Some(client) = self.client(number) {
                            client.flush();
                        }
                        self.serve(number);
                    }
                    Source::Output(index) => self.pass_on(index),
                    Source::Input => self.input.flush(),
                    Source::Network => {
                        if let Some(Err(failure)) = self.network.as_mut().map(Network::read) {
                            self.give_up(failure);
                        }
                    }
                    Source::Log => self.log.flush(),
                    Source::Notify => {
                        if let Some(notifier) = &self.notifier {
                            notifier.pass_on(&mut self.buffer);
                        }
                    }
                    Source::Check => self.read_check(),
                    Source::Abandoned(index) => self.forget_output(index),
                }
            }
            self.outputs.retain(|output| !output.ended);
            self.part_from_clients();
        }
    }

    /// Whether nothing goes on but the container itself.
    fn is_at_rest(&self) -> bool {
        let starting = self.execs.iter().any(|exec| matches!(exec.state, State::Starting(_)));
        (matches!(self.phase, Phase::Running) || self.waits())
            && !starting
            && !self.is_checking(false)
            && !self.clients.iter().any(Client::has_backlog)
    }

    /// The client of that number.
    pub fn client(&mut self, number: u64) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.number == number)
    }

    /// The client that started this monitor, while it is there.
    pub fn starter(&mut self) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.role == Role::Starter)
    }

    /// Appends to the event log. That cannot be helped where it fails.
    pub fn event(&self, action: &str, exit: Option<i32>) {
        self.append(action, exit, None);
    }

    /// Appends what a check of its health came to.
    pub fn health_event(&self, health: event::Health) {
        if !self.config.quiet_health {
            self.append("health_status", None, Some(health));
        }
    }

    fn append(&self, action: &str, exit: Option<i32>, health: Option<event::Health>) {
        let event = Event {
            id: self.config.id.clone(),
            name: self.config.name.clone(),
            image: Some(self.config.image.clone()),
            exit,
            health,
            labels: self.config.labels.clone(),
            ..Event::of(EventKind::Container, action, clock::nanoseconds(clock::now()))
        };
        let _ = self.config.events.append(&event);
    }

    /// The status of a process that ended before it was known.
    pub fn take_stray(&mut self, pid: i32) -> Option<i32> {
        let index = self.strays.iter().position(|(stray, _)| *stray == pid)?;
        Some(self.strays.swap_remove(index).1)
    }

    /// Waits until something can be done or a time has come.
    fn wait(&self) -> Vec<Source> {
        let mut sources = Vec::with_capacity(8);
        let mut polled = Vec::with_capacity(8);
        let mut add = |source, descriptor, flags| {
            sources.push(source);
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
        };
        add(Source::Signals, self.signals.as_fd(), PollFlags::IN);
        if let Some(listener) = &self.listener {
            add(Source::Listener, listener.as_fd(), PollFlags::IN);
        }
        for client in &self.clients {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::OUT, client.has_backlog());
            flags.set(PollFlags::IN, !(client.attached && self.input.is_blocked()));
            // One that nothing is wanted of is left out: it would report its end again and again.
            if !flags.is_empty() {
                add(Source::Client(client.number), client.as_fd(), flags);
            }
        }
        if !self.phase.is_before_start() && !self.is_output_held_up() {
            for (index, output) in self.outputs.iter().enumerate() {
                add(Source::Output(index), output.as_fd(), PollFlags::IN);
            }
        }
        if let Some(input) = self.input.blocked() {
            add(Source::Input, input, PollFlags::OUT);
        }
        if let Some(fifo) = self.network.as_ref().and_then(Network::waiting) {
            add(Source::Network, fifo, PollFlags::IN);
        }
        if let Some(journal) = self.log.blocked() {
            add(Source::Log, journal, PollFlags::OUT);
        }
        if let Some(container) = self.notifier.as_ref().and_then(Notifier::waiting) {
            add(Source::Notify, container, PollFlags::IN);
        }
        if let Some(output) = self.check_output() {
            add(Source::Check, output, PollFlags::IN);
        }
        for (index, exec) in self.execs.iter().enumerate() {
            if let Some(master) = exec.abandoned() {
                add(Source::Abandoned(index), master, PollFlags::IN);
            }
        }
        let timeout = self.deadline().map(until);
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(_) => return Vec::new(),
        }
        let ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let ready: Vec<_> = ready.zip(&sources).filter(|(ready, _)| *ready).map(|(_, source)| *source).collect();
        ready
    }

    /// The next moment at which something is to be done by itself.
    fn deadline(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(Client::deadline).min();
        [clients, self.phase.deadline(), self.time_is_up_at(), self.kill_at, self.check_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether somebody is behind with the container's output.
    fn is_output_held_up(&self) -> bool {
        let most = if self.phase.is_ending() { LAST_WORDS } else { 0 };
        self.log.blocked().is_some() || self.clients.iter().any(|client| client.attached && client.backlog() > most)
    }

    /// Reads what an output has and gives it to the log and to every client that is attached.
    fn pass_on(&mut self, index: usize) {
        let Some(output) = self.outputs.get_mut(index) else { return };
        match output.read(&mut self.buffer) {
            Read::Bytes(length) => {
                let bytes = &self.buffer[..length];
                self.log.write(output.stream(), bytes);
                for client in self.clients.iter_mut().filter(|client| client.attached) {
                    client.send(output.kind(), bytes);
                }
                self.phase.note_output();
            }
            Read::Nothing => {}
            Read::End => output.ended = true,
        }
    }

    /// Reads the terminal of a command that nobody reads any more.
    fn forget_output(&mut self, index: usize) {
        if let Some(exec) = self.execs.get_mut(index)
            && let Some(master) = &exec.master
            && !matches!(rustix::io::read(master, &mut self.buffer), Ok(1..) | Err(rustix::io::Errno::AGAIN))
        {
            exec.master = None;
        }
    }

    fn accept(&mut self) {
        let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) else { return };
        // The folder is the user's alone; this is for the day when it is not.
        let own = rustix::process::geteuid();
        if rustix::net::sockopt::socket_peercred(&stream).is_ok_and(|peer| peer.uid == own) {
            self.welcome(stream.into(), Role::Visitor);
        }
    }

    fn welcome(&mut self, socket: OwnedFd, role: Role) {
        self.next_client += 1;
        if let Ok(client) = Client::new(self.next_client, role, socket) {
            self.clients.push(client);
        }
    }

    /// Lets those clients go that have got everything, and those that were too slow for too long.
    fn part_from_clients(&mut self) {
        let now = Instant::now();
        let mut index = 0;
        while let Some(client) = self.clients.get(index) {
            if client.is_done() || client.deadline().is_some_and(|deadline| deadline <= now) {
                let client = self.clients.swap_remove(index);
                self.left(&client);
            } else {
                index += 1;
            }
        }
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            if signal.number == libc::SIGCHLD {
                self.take_ended();
            } else {
                self.asked_to_end(signal);
            }
        }
    }

    /// Takes note of every process that has ended.
    fn take_ended(&mut self) {
        // The container's process may end before its pid is known: it is left a zombie until it can be named.
        if let Some(maker) = self.maker() {
            let Ok(Some((_, status))) = rustix::process::waitpid(Some(maker), WaitOptions::NOHANG) else { return };
            self.call_ended(maker.as_raw_nonzero().get(), shell_status(status));
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let (pid, status) = (pid.as_raw_nonzero().get(), shell_status(status));
            let known = self.call_ended(pid, status) || self.exec_ended(pid, status);
            if known || self.change_ended(pid, status) || self.check_ended(pid, status) {
                continue;
            }
            if let Some(init) = self.init.as_mut().filter(|init| init.pid == pid) {
                init.status = Some(status);
            } else if self.network.as_mut().is_some_and(|network| network.ended(pid)) {
                self.network_ended(status);
            } else {
                self.strays.push((pid, status));
            }
        }
        if !self.is_checking(true) && !self.execs.iter().any(|exec| matches!(exec.state, State::Starting(_))) {
            self.strays.clear();
        }
    }

    /// Whether `pid` was a command in the container, or the runtime starting one.
    fn exec_ended(&mut self, pid: i32, status: i32) -> bool {
        let position = self.execs.iter().position(|exec| match &exec.state {
            State::Starting(call) => call.pid == pid,
            State::Running(process) => *process == pid,
        });
        let Some(index) = position else { return false };
        if matches!(self.execs[index].state, State::Starting(_)) {
            self.exec_started(index, status);
        } else {
            self.exec_over(index, status);
        }
        true
    }

    fn exec_started(&mut self, index: usize, status: i32) {
        let exec = &mut self.execs[index];
        let client = exec.client;
        match exec.started(status) {
            Ok(pid) => {
                let master = exec.master.as_ref().and_then(|master| master.try_clone().ok());
                if let Some(client) = client.and_then(|number| self.client(number)) {
                    let payload = pid.to_string();
                    match master {
                        Some(master) => client.send_descriptor(Kind::ExecStarted, payload.as_bytes(), master),
                        None => client.send(Kind::ExecStarted, payload.as_bytes()),
                    }
                }
                self.event("exec", None);
                if let Some(status) = self.take_stray(pid) {
                    self.exec_over(index, status);
                }
            }
            Err(failure) => {
                let failure = self.of_state(failure);
                self.execs.swap_remove(index);
                if let Some(client) = client.and_then(|number| self.client(number)) {
                    client.refuse(&failure);
                }
            }
        }
    }

    fn exec_over(&mut self, index: usize, status: i32) {
        let exec = self.execs.swap_remove(index);
        self.event("exec_died", Some(status));
        if let Some(client) = exec.client.and_then(|number| self.client(number)) {
            client.send(Kind::ExecExited, status.to_string().as_bytes());
            client.close();
        }
    }
}

/// The status as a shell has it: 128 and the signal for a signal.
fn shell_status(status: WaitStatus) -> i32 {
    match status.terminating_signal() {
        Some(signal) => 128 + signal,
        None => status.exit_status().unwrap_or_default(),
    }
}

/// From now until `deadline`, a little longer rather than a little shorter.
fn until(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
}

/// The socket `attach` in the working folder, for the user alone.
fn listen() -> std::io::Result<UnixListener> {
    let path = Path::new("attach");
    let _ = fs::remove_file(path);
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
