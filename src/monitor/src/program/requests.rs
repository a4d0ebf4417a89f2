// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clients ask the monitor for.

use haulout_monitor::frame::{ExecRequest, Failure, Frame, Kind};

use crate::cgroup::Cgroup;
use crate::client::{Client, Received, Role};
use crate::exec::Exec;
use crate::kernel;
use crate::life::Phase;
use crate::monitor::{Awaited, Monitor};
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
            Kind::Stopping => self.stopping = true,
            Kind::Signal => match self.signal(&frame.payload) {
                Ok(()) => client.send(Kind::Done, b""),
                Err(failure) => client.send_json(Kind::Failed, &failure),
            },
            Kind::Pause | Kind::Unpause => {
                if let Err(failure) = self.change(client.number, frame.kind) {
                    client.send_json(Kind::Failed, &failure);
                }
            }
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

    fn attach(&mut self, client: &mut Client) {
        if let Some(exit) = &self.exit {
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

    fn signal(&self, payload: &[u8]) -> Result<(), Failure> {
        let number = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
        let number: i32 = number.ok_or_else(|| failure(125, "a signal that is no number"))?;
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
            Err(failure) => client.refuse(&failure),
        }
    }

    pub fn running_init(&self) -> Result<i32, Failure> {
        match &self.init {
            Some(init) if init.status.is_none() => Ok(init.pid),
            _ => Err(not_running()),
        }
    }
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

fn not_running() -> Failure {
    failure(125, "the container is not running: container state improper")
}
