// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Running a command in a running container, through its monitor: no user namespace has to be entered for it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use bytes::Bytes;
use haulout_monitor::frame::{ExecRequest, Kind};
use haulout_monitor::last_run::Exit;
use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process, Spec};
use rustix::fs::FileType;
use rustix::termios::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::{Receiver, Sender};
use super::launch::failure;
use super::session::Request;
use super::status::Monitor;
use super::{ContainerId, Containers, Exec, Output, Session, Status};
use crate::descriptor::watch;
use crate::engine::Error;
use crate::event;
use crate::spec::{capabilities, process::Environment};

/// So much is carried at once.
const CHUNK: usize = 64 << 10;

/// So many chunks wait for who reads slowly.
const WAITING: usize = 16;

type Outputs = mpsc::Sender<Result<Output, Error>>;

impl Containers {
    pub(super) async fn run_exec(&self, id: &ContainerId, exec: Exec) -> Result<Session, Error> {
        let seen = self.look(id).await?;
        if seen.monitor == Monitor::Gone {
            self.reap_if_possible(id).await?;
        }
        if !matches!((&seen.status, seen.monitor), (Status::Running(_), Monitor::Alive(_))) {
            self.record(id).await?;
            return Err(not_running());
        }
        let (bundle, read) = (self.engine.paths().bundle(id), exec_request(&exec));
        let mut request = self.engine.blocking("describing a command", move || read(&bundle)).await?;
        request.passed = self.passed.numbers();
        let Some((receiver, sender)) = self.visit(id).await? else { return Err(not_running()) };
        let failed = |source| Error::Io { doing: format!("running a command in container {id}"), source };
        let streams = if exec.terminal { Streams::default() } else { Streams::make(exec).map_err(failed)? };
        let json = serde_json::to_vec(&request).map_err(|error| failed(error.into()))?;
        let passed = self.passed.copies().map_err(failed)?;
        let descriptors: Vec<_> = streams.far.iter().chain(&passed).map(OwnedFd::as_fd).collect();
        sender.send_with(Kind::Exec, &json, &descriptors).await.map_err(failed)?;
        converse(receiver, sender, request.terminal, request.detach, streams.near).await
    }
}

fn not_running() -> Error {
    Error::WrongState("can only create exec sessions on running containers: container state improper".to_owned())
}

/// What reads the container's specification and makes of it what the monitor is asked for.
fn exec_request(exec: &Exec) -> impl FnOnce(&Path) -> Result<ExecRequest, Error> + Send + 'static {
    let (command, env, user, workdir) =
        (exec.command.clone(), exec.env.clone(), exec.user.clone(), exec.workdir.clone());
    let (terminal, size, privileged, detach) = (exec.terminal, exec.size, exec.privileged, exec.detach);
    move |bundle| {
        let id = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = bundle.join("config.json");
        let failed = |source| Error::Io { doing: format!("reading {}", path.display()), source };
        let bytes = match std::fs::read(&path) {
            // It has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_running()),
            bytes => bytes.map_err(failed)?,
        };
        let spec: Spec = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        let mut process = spec.process().clone().unwrap_or_default();
        let other_user = user.is_some();
        let mut environment = Environment::default();
        for variable in process.env().iter().flatten() {
            // Another user has another home, which the monitor looks up. A name that nobody gave is not told, as with Podman.
            let is_made_up = variable.strip_prefix("HOSTNAME=").is_some_and(|name| id.starts_with(name));
            let is_of_another = other_user && variable.starts_with("HOME=");
            if !is_made_up && !is_of_another {
                environment.set(variable);
            }
        }
        if terminal {
            environment.set("TERM=xterm");
        }
        for (name, value) in &env {
            environment.set(&format!("{name}={value}"));
        }
        process.set_args(Some(command)).set_env(Some(environment.into_variables())).set_terminal(Some(terminal));
        if let Some(workdir) = workdir {
            process.set_cwd(workdir.into());
        }
        if privileged {
            give(&mut process, &capabilities::all());
        } else if other_user
            && let Some(bounding) = process.capabilities().as_ref().and_then(|sets| sets.bounding().clone())
        {
            // What the container's own user has is no measure for another. Who is not root loses them with the exec.
            give(&mut process, &bounding);
        }
        let process = serde_json::to_value(&process).map_err(|error| failed(error.into()))?;
        Ok(ExecRequest { process, user, terminal, size, detach, passed: Vec::new() })
    }
}

fn give(process: &mut Process, capabilities: &Capabilities) {
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(capabilities.clone()))
        .set_effective(Some(capabilities.clone()))
        .set_permitted(Some(capabilities.clone()))
        .set_inheritable(None)
        .set_ambient(None);
    process.set_capabilities(Some(sets));
}

/// A command's standard streams: what the monitor gets, and what is carried here.
#[derive(Default)]
struct Streams {
    far: Vec<OwnedFd>,
    near: Near,
}

/// Our ends. Nothing for what the command has of the caller directly.
#[derive(Default)]
struct Near {
    input: Option<Source>,
    outputs: Vec<(OwnedFd, Sink)>,
}

/// Where a command's input comes from.
enum Source {
    /// The session, to this pipe.
    Session(OwnedFd),
    /// This file, to that pipe.
    File(OwnedFd, OwnedFd),
}

/// Where a command's output goes.
enum Sink {
    Stdout,
    Stderr,
    File(OwnedFd),
}

impl Streams {
    fn make(exec: Exec) -> io::Result<Self> {
        let null = || Ok::<_, io::Error>(OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?));
        let mut near = Near::default();
        let given = exec.stdio.map(|[input, output, error]| (input, output, error));
        let (input, output, error) = match given {
            Some((input, output, error)) => (Some(input), Some(output), Some(error)),
            None => (None, None, None),
        };
        let far_input = match input {
            _ if !exec.interactive || exec.detach => null()?,
            Some(input) if is_harmless(&input)? => input,
            Some(input) => {
                let (reader, writer) = pipe()?;
                near.input = Some(Source::File(input, writer));
                reader
            }
            None => {
                let (reader, writer) = pipe()?;
                near.input = Some(Source::Session(writer));
                reader
            }
        };
        let mut far = vec![far_input];
        for (given, sink) in [(output, Sink::Stdout), (error, Sink::Stderr)] {
            // What the runtime says of a command that it cannot start is told once, by us.
            let is_direct = matches!(sink, Sink::Stdout);
            far.push(match given {
                _ if exec.detach => null()?,
                Some(given) if is_direct && is_device(&given)? => given,
                other => {
                    let (reader, writer) = pipe()?;
                    near.outputs.push((reader, other.map_or(sink, Sink::File)));
                    writer
                }
            });
        }
        Ok(Self { far, near })
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Whether the monitor lets it into a container as a command's input: terminals and files are carried here instead.
fn is_harmless(descriptor: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(descriptor)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    Ok(matches!(kind, FileType::Fifo | FileType::Socket) || is_device(descriptor)?)
}

/// Whether it is `/dev/null` or its like. Only that may be a command's output: a pipe of the caller's would stay open as long as
/// anything that the command left behind, and whoever reads it would wait for that, or for a command whose caller was killed.
fn is_device(descriptor: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(descriptor)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && rustix::fs::major(stat.st_rdev) == 1)
}

/// Waits until the command runs; the rest goes on in a task of its own.
async fn converse(
    mut receiver: Receiver,
    sender: Sender,
    terminal: bool,
    detach: bool,
    near: Near,
) -> Result<Session, Error> {
    let failed = |source| Error::Io { doing: "speaking to a container's monitor".to_owned(), source };
    let gone = || Error::WrongState("the container ended before the command ran: container state improper".to_owned());
    let pid = match receiver.next().await.map_err(failed)? {
        Some((Kind::ExecStarted, pid)) => {
            std::str::from_utf8(&pid).ok().and_then(|pid| pid.parse().ok()).unwrap_or_default()
        }
        Some((Kind::Failed, payload)) => return Err(failure(&payload)),
        _ => return Err(gone()),
    };
    let (outputs, for_session) = mpsc::channel(WAITING);
    let (for_input, requests) = mpsc::channel(WAITING);
    let _ = outputs.try_send(Ok(Output::Started(pid)));
    let mut carriers = Carriers::default();
    if terminal && !detach {
        let master = receiver.descriptor().ok_or_else(gone)?;
        carriers.terminal(master, outputs.clone(), requests).map_err(failed)?;
    } else if !detach {
        carriers.pipes(near, &outputs, requests).map_err(failed)?;
    }
    if !detach {
        tokio::spawn(async move {
            let heard = tokio::select! {
                ended = hear_end(&mut receiver) => ended,
                // Nobody listens any more: the command goes on alone.
                () = outputs.closed() => return,
            };
            carriers.drain().await;
            if let Some(ended) = heard {
                let _ = outputs.send(ended.map(Output::Exited)).await;
            }
            drop(sender);
        });
    }
    Ok(Session::new(for_session, for_input))
}

/// How the command ended; nothing when the monitor went without a word.
async fn hear_end(receiver: &mut Receiver) -> Option<Result<Exit, Error>> {
    loop {
        match receiver.next().await {
            Ok(Some((Kind::ExecExited, status))) => {
                let status = std::str::from_utf8(&status).ok().and_then(|status| status.parse().ok());
                let now = event::now();
                let nanoseconds = u32::try_from(now.rem_euclid(1_000_000_000)).unwrap_or_default();
                return Some(Ok(Exit {
                    status,
                    finished: (now.div_euclid(1_000_000_000), nanoseconds),
                    oom_killed: false,
                    by_user: false,
                }));
            }
            Ok(Some((Kind::Failed, payload))) => return Some(Err(failure(&payload))),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// The tasks that carry bytes between a command and the session or the caller's files.
#[derive(Default)]
struct Carriers {
    outputs: JoinSet<()>,
    inputs: JoinSet<()>,
    ended: tokio_util::sync::CancellationToken,
}

impl Carriers {
    fn terminal(&mut self, master: OwnedFd, outputs: Outputs, requests: mpsc::Receiver<Request>) -> io::Result<()> {
        let writing = end(master.try_clone()?)?;
        self.outputs.spawn(read_all(end(master)?, Sink::Stdout, outputs, self.ended.clone()));
        self.inputs.spawn(write_requests(writing, requests, true));
        Ok(())
    }

    fn pipes(&mut self, near: Near, outputs: &Outputs, requests: mpsc::Receiver<Request>) -> io::Result<()> {
        for (reader, sink) in near.outputs {
            self.outputs.spawn(read_all(end(reader)?, sink, outputs.clone(), self.ended.clone()));
        }
        match near.input {
            Some(Source::Session(writer)) => drop(self.inputs.spawn(write_requests(end(writer)?, requests, false))),
            Some(Source::File(file, writer)) => {
                // Reading a terminal may last for ever, and nothing ends it: a thread that nobody waits for.
                std::thread::spawn(move || copy_blocking(file, writer));
            }
            None => {}
        }
        Ok(())
    }

    /// The command has ended: what it wrote is carried on, what something that it left behind still writes is not waited for.
    async fn drain(mut self) {
        self.ended.cancel();
        while self.outputs.join_next().await.is_some() {}
    }
}

fn end(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    watch(descriptor, Interest::READABLE | Interest::WRITABLE)
}

/// Reads to the end, or once the command has ended as long as there is something.
async fn read_all(from: AsyncFd<OwnedFd>, sink: Sink, outputs: Outputs, ended: tokio_util::sync::CancellationToken) {
    let mut chunk = vec![0; CHUNK];
    loop {
        // First what is there: readiness may not have been noticed yet.
        match rustix::io::read(from.get_ref(), &mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                if !pass(&sink, &chunk[..count], &outputs).await {
                    return;
                }
                continue;
            }
            Err(rustix::io::Errno::AGAIN) if ended.is_cancelled() => return,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            // A terminal whose other side is closed gives EIO.
            Err(_) => return,
        }
        tokio::select! {
            ready = from.readable() => match ready {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => return,
            },
            () = ended.cancelled() => {}
        }
    }
}

async fn pass(sink: &Sink, bytes: &[u8], outputs: &Outputs) -> bool {
    let output = match sink {
        Sink::Stdout => Output::Stdout(Bytes::copy_from_slice(bytes)),
        Sink::Stderr => Output::Stderr(Bytes::copy_from_slice(bytes)),
        Sink::File(file) => {
            let Ok(file) = file.try_clone() else { return false };
            let bytes = bytes.to_vec();
            let written = tokio::task::spawn_blocking(move || io::Write::write_all(&mut File::from(file), &bytes));
            return matches!(written.await, Ok(Ok(())));
        }
    };
    outputs.send(Ok(output)).await.is_ok()
}

async fn write_requests(to: AsyncFd<OwnedFd>, mut requests: mpsc::Receiver<Request>, terminal: bool) {
    while let Some(request) = requests.recv().await {
        match request {
            Request::Bytes(bytes) => {
                if write_all(&to, &bytes).await.is_err() {
                    return;
                }
            }
            Request::Close if terminal => {
                // A terminal's input ends by a character (termios(3), VEOF).
                let _ = write_all(&to, &[4]).await;
            }
            Request::Close => return,
            Request::Resize(columns, rows) if terminal => {
                let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
                let _ = rustix::termios::tcsetwinsize(to.get_ref(), size);
            }
            Request::Resize(..) => {}
        }
    }
}

async fn write_all(to: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = to.writable().await?;
        match ready.try_io(|to| Ok(rustix::io::write(to.get_ref(), bytes)?)) {
            Ok(Ok(count)) => bytes = &bytes[count..],
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

fn copy_blocking(from: OwnedFd, to: OwnedFd) {
    // That the command does not read to the end is its business.
    let _ = io::copy(&mut File::from(from), &mut File::from(to));
}
