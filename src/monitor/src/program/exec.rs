// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands that are run in the running container beside its own (`exec`).

use std::fs::{self, File};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use haulout_monitor::config::Config;
use haulout_monitor::frame::{ExecRequest, Failure};
use haulout_monitor::user;
use rustix::fs::FileType;
use serde_json::{Value, json};

use crate::runtime::{Call, Streams, failure};
use crate::spec;
use crate::terminal::ConsoleSocket;

/// One command.
#[derive(Debug)]
pub struct Exec {
    /// The connection that asked for it, as long as it is there.
    pub client: Option<u64>,
    /// How far it is.
    pub state: State,
    /// Its terminal's master. The client has its own; this one is read when the client has gone, so that the command
    /// is not held up.
    pub master: Option<OwnedFd>,
    files: Files,
    console: Option<ConsoleSocket>,
}

/// How far a command is.
#[derive(Debug)]
pub enum State {
    /// The runtime starts it.
    Starting(Call),
    /// It runs, by this pid.
    Running(i32),
}

/// The names that the command's files have in the bundle, which is the working folder.
#[derive(Debug)]
struct Files {
    process: PathBuf,
    pid: PathBuf,
}

impl Exec {
    /// Has the runtime start what `request` asks for, in the container whose first process is `init`.
    pub fn start(
        config: &Config,
        init: i32,
        number: u64,
        request: &ExecRequest,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<Self, Failure> {
        let name = |extension: &str| PathBuf::from(format!("exec-{number}.{extension}"));
        let files = Files { process: name("json"), pid: name("pid") };
        let failed = |doing: &str, error: &dyn std::fmt::Display| failure(125, format!("{doing} a command: {error}"));
        let standard = descriptors.len().saturating_sub(request.passed.len());
        let passed = request.passed.iter().copied().zip(descriptors.split_off(standard)).collect();
        let streams = Streams { passed, ..streams(descriptors)? };
        let process = process(init, request)?;
        fs::write(&files.process, process.to_string())
            .map_err(|error| failed(&format!("writing in {} for", config.bundle.display()), &error))?;
        let console = if request.terminal {
            Some(ConsoleSocket::bind(&name("tty")).map_err(|error| failed("making a terminal for", &error))?)
        } else {
            None
        };
        let (process_file, pid_file, tty) = (text(&files.process), text(&files.pid), format!("exec-{number}.tty"));
        let mut arguments = vec!["--detach", "--process", &process_file, "--pid-file", &pid_file];
        if console.is_some() {
            arguments.extend(["--console-socket", &tty]);
        }
        let call = Call::start(config, "exec", &arguments, &name("log"), streams)?;
        Ok(Self { client: None, state: State::Starting(call), master: None, files, console })
    }

    /// The runtime has ended with `status`: the command's pid, and its terminal.
    pub fn started(&mut self, status: i32) -> Result<i32, Failure> {
        let State::Starting(call) = &self.state else { return Err(failure(125, "a command was started twice")) };
        call.result(status, b"")?;
        let lost = |what: &str| failure(125, format!("the OCI runtime started a command and did not tell its {what}"));
        let pid = fs::read_to_string(&self.files.pid).ok().and_then(|text| text.trim().parse().ok());
        let pid = pid.ok_or_else(|| lost("pid"))?;
        if let Some(console) = self.console.take() {
            self.master = Some(console.receive().map_err(|_| lost("terminal"))?);
        }
        self.state = State::Running(pid);
        self.files.remove();
        Ok(pid)
    }

    /// What to read and forget, once nobody else reads it.
    pub fn abandoned(&self) -> Option<BorrowedFd<'_>> {
        if self.client.is_some() { None } else { self.master.as_ref().map(|master| master.as_fd()) }
    }
}

impl Files {
    fn remove(&self) {
        let _ = fs::remove_file(&self.process);
        let _ = fs::remove_file(&self.pid);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.remove();
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Standard input, output and error as they came; `/dev/null` for those that did not come.
///
/// Only pipes, sockets and memory devices such as `/dev/null` go into a container. A terminal would let what runs there type
/// into it, a folder would lead out of the root, and a file could be opened again through `/proc/self/fd` for more than it
/// was opened for.
fn streams(descriptors: Vec<OwnedFd>) -> Result<Streams, Failure> {
    for (descriptor, name) in descriptors.iter().zip(["input", "output", "error"]) {
        let stat = rustix::fs::fstat(descriptor)
            .map_err(|error| failure(125, format!("looking at the command's standard {name}: {error}")))?;
        let harmless = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo | FileType::Socket => true,
            FileType::CharacterDevice => rustix::fs::major(stat.st_rdev) == 1,
            _ => false,
        };
        if !harmless {
            return Err(failure(125, format!("the command's standard {name} must be a pipe, a socket or /dev/null")));
        }
    }
    let mut descriptors = descriptors.into_iter();
    Ok(Streams { input: descriptors.next(), output: descriptors.next(), error: descriptors.next(), passed: Vec::new() })
}

/// The `process` of the OCI runtime specification, with the user looked up.
fn process(init: i32, request: &ExecRequest) -> Result<Value, Failure> {
    let reading = |error: std::io::Error| failure(125, format!("reading the container's config.json: {error}"));
    let own = spec::user(Path::new(".")).map_err(reading)?;
    let wanted = match &request.user {
        Some(user) => user.clone(),
        None => own["uid"].as_u64().unwrap_or_default().to_string(),
    };
    let root = File::open(format!("/proc/{init}/root"))
        .map_err(|error| failure(125, format!("opening the container's root: {error}")))?;
    // 255 is what Podman's exec ends with for a user that is not there.
    let found = user::resolve(root.as_fd(), &wanted).map_err(|error| failure(255, error.to_string()))?;
    let mut process = request.process.clone();
    process["terminal"] = request.terminal.into();
    if let Some((columns, rows)) = request.size {
        process["consoleSize"] = json!({"height": rows, "width": columns});
    }
    process["user"] = match &request.user {
        Some(_) => {
            let mut user = json!({"uid": found.uid, "gid": found.gid, "additionalGids": found.additional_gids});
            if let Some(umask) = own.get("umask") {
                user["umask"] = umask.clone();
            }
            user
        }
        None => own,
    };
    let is_home = |variable: &Value| variable.as_str().is_some_and(|text| text.starts_with("HOME="));
    if let Some(environment) = process["env"].as_array_mut()
        && !environment.iter().any(is_home)
    {
        environment.push(format!("HOME={}", found.home).into());
    }
    Ok(process)
}
