// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clients ask the monitor for.

use std::path::Path;
use std::{fs, io};

use haulout_monitor::cgroup::Cgroup;
use haulout_monitor::frame::{ExecRequest, Failure, Frame, Kind, StartRequest};

use crate::change::PAUSED;
use crate::client::{Client, Received, Role};
use crate::exec::Exec;
use crate::kernel;
use crate::monitor::{Awaited, Monitor};
use crate::phase::Phase;
use crate::runtime::failure;
use crate::terminal;

impl Monitor {
    /// Reads what a client has sent and does it.
    pub fn serve(&mut self, number: u64) {
        let Some(index) = self.clients.iter().position(|client| client.number == number) else { return };
        // The client and the buffer are taken out as long as the monitor works for them.
        let mut client = self.clients.swap_remove(index);
        let mut buffer = std::mem::take(&mut self.buffer);
        let stays = client.receive(&mut buffer, |client, received| match received {
            Received::Input(bytes) => {
                if client.attached {
                    client.typed = true;
                    self.input.send(bytes);
                }
            }
            Received::Frame(frame) => self.answer(client, &frame),
        });
        self.buffer = buffer;
        if stays {
            self.clients.push(client);
        } else {
            self.left(&client);
        }
    }

    /// A client's connection is at its end.
    pub fn left(&mut self, client: &Client) {
        self.stirred = true;
        // As Podman has it: the container reads end of file when the one who typed has gone.
        if client.typed || (client.role == Role::Starter && self.config.attach_starter) {
            self.input.close();
        }
        for exec in &mut self.execs {
            exec.client.take_if(|number| *number == client.number);
        }
        // Who gives the word early and does not stay to see it kept has been killed, and perhaps did not tell the cgroup.
        let nothing_runs = self.phase.is_before_start() && !matches!(self.phase, Phase::Starting(_));
        if client.role == Role::Starter && nothing_runs {
            self.abandon();
        }
    }

    fn answer(&mut self, client: &mut Client, frame: &Frame) {
        match frame.kind {
            Kind::Cgroup if client.role == Role::Starter => self.take_cgroup(&frame.payload),
            Kind::Go if client.role == Role::Starter => self.go = true,
            Kind::Hold if client.role == Role::Starter => self.held = true,
            Kind::Start if client.role == Role::Visitor => self.start_waiting(client, &frame.payload),
            Kind::Removed if client.role == Role::Starter => {
                self.removed = true;
                // Before, the runtime's state and the runtime folder are still there: the end of the connection tells that they are not.
                if matches!(self.phase, Phase::Leaving { .. }) {
                    client.close();
                }
            }
            Kind::Attach if client.role == Role::Visitor => self.attach(client),
            Kind::Wait => match &self.exit {
                Some(exit) => {
                    client.send_json(Kind::Exited, exit);
                    client.close();
                }
                None if client.role == Role::Visitor => client.role = Role::Waiting,
                None => {}
            },
            Kind::Exec if client.role == Role::Visitor => self.exec(client, &frame.payload),
            Kind::Stopping => self.user_stops(),
            Kind::Signal => match self.signal(&frame.payload) {
                Ok(()) => {
                    // As Podman has it, whatever the signal was.
                    self.by_user = true;
                    client.send(Kind::Done, b"");
                }
                Err(failure) => client.send_json(Kind::Failed, &failure),
            },
            Kind::Pause | Kind::Unpause => {
                if let Err(failure) = self.change(client.number, frame.kind) {
                    client.send_json(Kind::Failed, &failure);
                }
            }
            Kind::CheckHealth => {
                if let Err(failure) = self.asked_for_check(client.number) {
                    client.send_json(Kind::Failed, &failure);
                }
            }
            Kind::Update => match self.update(client.number, &frame.payload) {
                Ok(true) => client.send(Kind::Done, b""),
                Ok(false) => {}
                Err(failure) => client.send_json(Kind::Failed, &failure),
            },
            Kind::Renamed => self.config.name = String::from_utf8_lossy(&frame.payload).into_owned(),
            Kind::CloseStdin if client.attached => self.input.close(),
            Kind::Resize if client.attached => {
                if let (Some(size), Some(master)) = (frame.size(), &self.master) {
                    terminal::resize(master, size);
                }
            }
            // What makes no sense here is what a newer engine may say.
            _ => {}
        }
    }

    fn take_cgroup(&mut self, path: &[u8]) {
        if matches!(self.cgroup, Awaited::Not) {
            match enter_scope(path) {
                Ok(cgroup) => self.cgroup = Awaited::Here(cgroup),
                Err(failure) => self.give_up(failure),
            }
        }
    }

    /// Starts the container that waits, for `client`.
    fn start_waiting(&mut self, client: &mut Client, payload: &[u8]) {
        let request = serde_json::from_slice::<StartRequest>(payload)
            .map_err(|error| failure(125, format!("reading how the container is to be started: {error}")));
        match request {
            Ok(request) if self.waits() && !self.stopping => {
                self.held = false;
                self.go = true;
                self.config.attach_starter = request.attach;
                client.role = Role::Starter;
                client.attached = request.attach;
                if let (Some(size), Some(master)) = (request.size, &self.master) {
                    terminal::resize(master, size);
                }
            }
            Ok(_) => {
                client.refuse(&failure(125, "the container does not wait to be started: container state improper"));
            }
            Err(failure) => client.refuse(&failure),
        }
    }

    /// A user wants the container to end. One that waits hears of no signal but one: its process is still the runtime's.
    fn user_stops(&mut self) {
        self.stopping = true;
        self.by_user = true;
        if self.waits()
            && let Some(init) = &self.init
        {
            let _ = kernel::send_signal(&init.pidfd, libc::SIGKILL);
        }
    }

    fn attach(&mut self, client: &mut Client) {
        if self.waits() {
            client.refuse(&not_running());
        } else if let Some(exit) = &self.exit {
            client.send_json(Kind::Exited, exit);
            client.close();
        } else if let Some(init) = &self.init {
            client.role = Role::Attached;
            client.attached = true;
            client.send(Kind::Started, init.pid.to_string().as_bytes());
            self.event("attach", None);
        } else {
            client.refuse(&not_running());
        }
    }

    fn signal(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let number = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
        let number: i32 = number.ok_or_else(|| failure(125, "a signal that is no number"))?;
        if self.phase.is_before_start() {
            // The runtime would complain of a process that has gone before it was started.
            self.first_signal = Some(number);
            return Ok(());
        }
        match &self.init {
            Some(init) if init.status.is_none() => kernel::send_signal(&init.pidfd, number).map_err(|error| {
                failure(125, format!("sending signal {number} to container {}: {error}", self.config.id))
            }),
            _ => Err(not_running()),
        }
    }

    fn exec(&mut self, client: &mut Client, payload: &[u8]) {
        let descriptors = std::mem::take(&mut client.descriptors);
        let started = self.running_init().and_then(|init| {
            let request: ExecRequest = serde_json::from_slice(payload)
                .map_err(|error| failure(125, format!("reading what to run in the container: {error}")))?;
            self.exec_number += 1;
            Exec::start(&self.config, init, self.exec_number, &request, descriptors)
        });
        match started {
            Ok(mut exec) => {
                client.role = Role::Exec;
                exec.client = Some(client.number);
                self.execs.push(exec);
            }
            Err(failure) => client.refuse(&self.of_state(failure)),
        }
    }

    /// Why a command could not be started: where the container does not run any more, or stands still, that, whatever the
    /// runtime says of it.
    pub fn of_state(&self, failure: Failure) -> Failure {
        if self.running_init().is_ok() && !Path::new(PAUSED).exists() {
            return failure;
        }
        // The status is that of Podman's exec.
        self::failure(255, "can only create exec sessions on running containers: container state improper")
    }

    /// The container's process, which runs: it may have ended without anybody having taken note yet.
    pub fn running_init(&self) -> Result<i32, Failure> {
        match &self.init {
            Some(init) if init.status.is_none() && init.since.is_some() && has_memory(init.pid) => Ok(init.pid),
            _ => Err(not_running()),
        }
    }
}

/// Whether the process is more than what the kernel still has to clear away: of one that ends, its program goes first.
fn has_memory(pid: i32) -> bool {
    !fs::read_link(format!("/proc/{pid}/exe")).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The cgroup at `path`, divided; none when there is none to be had.
fn enter_scope(path: &[u8]) -> Result<Option<Cgroup>, Failure> {
    if path.is_empty() {
        return Ok(None);
    }
    Cgroup::divide(&String::from_utf8_lossy(path))
        .map(Some)
        .map_err(|error| failure(125, format!("dividing the container's scope: {error}")))
}

/// What is answered where only a running container will do.
pub fn not_running() -> Failure {
    failure(125, "the container is not running: container state improper")
}
