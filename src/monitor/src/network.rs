// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's network: a namespace that the monitor holds by a descriptor, joined to the host's by pasta or slirp4netns.
//!
//! No part of a start takes longer, and nothing is needed for it but the user namespace. So it begins in the process that becomes the
//! monitor, before its root is mounted, and the monitor goes on with it: [`Network::begin`], then [`Network::take_over`].

mod kernel;
mod slirp;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::config::{self, NETWORK};
use crate::frame::Failure;
use crate::process::is_root_of_machine;
use slirp::Forwards;

/// Where the helper writes something when it is ready: a FIFO, so that there is nothing to watch or ask again.
const READY: &str = "network.ready";

/// What the helper says.
const WORDS: &str = "network.log";

/// What joins the namespace to the host's.
#[derive(Clone, Debug)]
enum Helper {
    /// pasta, which is told of ports by its arguments.
    Pasta(Vec<String>),
    /// slirp4netns, which is told of them when it is ready.
    Slirp(Vec<String>, Forwards),
}

impl Helper {
    /// The one that `network` wants, if it wants any.
    fn of(network: &config::Network) -> Option<Self> {
        match network {
            config::Network::Runtime => None,
            config::Network::Pasta { command } => Some(Self::Pasta(command.clone())),
            config::Network::Slirp { command, guest, forwards } => {
                Some(Self::Slirp(command.clone(), Forwards { guest: *guest, ports: forwards.clone() }))
            }
        }
    }

    fn command(&self) -> &[String] {
        match self {
            Self::Pasta(command) | Self::Slirp(command, _) => command,
        }
    }

    /// Its name, and the package that has it.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Pasta(_) => ("pasta", "passt"),
            Self::Slirp(..) => ("slirp4netns", "slirp4netns"),
        }
    }
}

/// The network, while the container lives.
#[derive(Debug)]
pub struct Network {
    /// Holds the namespace.
    _namespace: OwnedFd,
    bundle: PathBuf,
    /// Where the helper finds the namespace.
    path: PathBuf,
    /// Where it is mounted, if it is.
    mounted: Option<PathBuf>,
    helper: Helper,
    /// The helper's process, as long as it runs.
    process: Option<i32>,
    ready: Ready,
}

#[derive(Debug)]
enum Ready {
    /// The helper writes here.
    Not(File),
    Yes,
}

impl Network {
    /// Makes the namespace, which `netns` in the bundle leads to, and starts the helper; nothing if `network` wants none. The namespace is
    /// the user namespace's of descriptor `userns`, else of the one that this process is in.
    ///
    /// # Errors
    /// What could not be made, or started.
    pub fn start(bundle: &Path, network: &config::Network, userns: Option<i32>) -> Result<Option<Self>, Failure> {
        Helper::of(network).map(|helper| Self::join_new(bundle, helper, make_namespace(userns)?)).transpose()
    }

    /// The same in the process that is going to be the monitor and has the numbers [`NETWORK`] free.
    ///
    /// # Errors
    /// The same.
    pub fn begin(bundle: &Path, network: &config::Network, userns: Option<i32>) -> Result<Option<Self>, Failure> {
        let Some(helper) = Helper::of(network) else { return Ok(None) };
        let placing = |error: io::Error| failure(125, format!("keeping the container's network open: {error}"));
        let [namespace, ready] = NETWORK;
        let namespace = kernel::place(make_namespace(userns)?, namespace).map_err(placing)?;
        let mut begun = Self::join_new(bundle, helper, namespace)?;
        if let Ready::Not(fifo) = std::mem::replace(&mut begun.ready, Ready::Yes) {
            begun.ready = Ready::Not(kernel::place(fifo.into(), ready).map_err(placing)?.into());
        }
        Ok(Some(begun))
    }

    /// The helper's process: for [`config::Config::helper`].
    pub fn helper(&self) -> Option<i32> {
        self.process
    }

    /// Goes on with what the program that this process was before has begun, whose helper is the process `helper`.
    ///
    /// # Errors
    /// It was not left here.
    pub fn take_over(bundle: &Path, network: &config::Network, helper: i32) -> Result<Option<Self>, Failure> {
        let Some(kind) = Helper::of(network) else { return Ok(None) };
        let [namespace, ready] = NETWORK.map(kernel::take);
        let lost = |error: io::Error| failure(125, format!("going on with the container's network: {error}"));
        let (namespace, ready) = (namespace.map_err(lost)?, ready.map_err(lost)?);
        let netns = bundle.join("netns");
        let mounted = is_root_of_machine().then(|| netns.clone());
        Ok(Some(Self {
            path: mounted.clone().unwrap_or_else(|| path_of(&namespace)),
            _namespace: namespace,
            bundle: bundle.to_owned(),
            mounted,
            helper: kind,
            process: Some(helper),
            ready: Ready::Not(ready.into()),
        }))
    }

    fn join_new(bundle: &Path, helper: Helper, namespace: OwnedFd) -> Result<Self, Failure> {
        let path = path_of(&namespace);
        let netns = bundle.join("netns");
        let failed = |error: io::Error| failure(125, format!("making {}: {error}", netns.display()));
        let _ = fs::remove_file(&netns);
        let mut network = Self {
            _namespace: namespace,
            bundle: bundle.to_owned(),
            path,
            mounted: None,
            helper,
            process: None,
            ready: Ready::Yes,
        };
        if is_root_of_machine() {
            // The helper gives capabilities away before it opens the namespace, and may not look into a process then that has them
            // all. The mount is seen by nobody else: it is in the monitor's own mount namespace.
            File::create(&netns).and_then(|_| Ok(mount_bind(&network.path, &netns)?)).map_err(failed)?;
            network.mounted = Some(netns.clone());
            network.path = netns;
        } else {
            symlink(&network.path, &netns).map_err(failed)?;
        }
        network.join()?;
        Ok(network)
    }

    /// Starts the helper again if it has ended.
    pub fn join(&mut self) -> Result<(), Failure> {
        if self.process.is_some() {
            return Ok(());
        }
        let (name, package) = self.helper.names();
        let setting_up = |error: io::Error| failure(125, format!("setting up {name}: {error}"));
        let fifo = make_fifo(&self.bundle.join(READY)).map_err(setting_up)?;
        let words = self.bundle.join(WORDS);
        let words = OpenOptions::new().append(true).create(true).mode(0o600).open(words).map_err(setting_up)?;
        let Some((program, arguments)) = self.helper.command().split_first() else {
            return Err(failure(125, format!("setting up {name}: no program is named")));
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(words).current_dir(&self.bundle);
        match &self.helper {
            Helper::Pasta(_) => {
                command.args(["--foreground", "--pid", READY, "--netns"]).arg(&self.path);
            }
            Helper::Slirp(..) => {
                let _ = fs::remove_file(self.bundle.join(slirp::SOCKET));
                // Of its own standard streams only this one says nothing else.
                command.args(["--ready-fd=0", "--api-socket", slirp::SOCKET, "--netns-type=path"]);
                command.arg(&self.path).arg(slirp::INTERFACE).stdin(fifo.try_clone().map_err(setting_up)?);
            }
        }
        kernel::keep_close(&mut command);
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failure(
                125,
                format!(
                    "could not find {program}, the network namespace can't be configured: install the package {package}"
                ),
            ),
            _ => setting_up(error),
        })?;
        self.process = Some(child.id().cast_signed());
        self.ready = Ready::Not(fifo);
        Ok(())
    }

    /// Whether the network is there.
    pub fn is_ready(&self) -> bool {
        matches!(self.ready, Ready::Yes)
    }

    /// What to wait for until it is.
    pub fn waiting(&self) -> Option<BorrowedFd<'_>> {
        match &self.ready {
            Ready::Not(fifo) => Some(fifo.as_fd()),
            Ready::Yes => None,
        }
    }

    /// Reads what the helper has written, and tells slirp4netns of the ports.
    ///
    /// # Errors
    /// A port that cannot be had.
    pub fn read(&mut self) -> Result<(), Failure> {
        if let Ready::Not(fifo) = &mut self.ready
            && fifo.read(&mut [0; 32]).is_ok_and(|length| length > 0)
        {
            let _ = fs::remove_file(self.bundle.join(READY));
            if let Helper::Slirp(_, forwards) = &self.helper {
                forwards.publish()?;
            }
            self.ready = Ready::Yes;
        }
        Ok(())
    }

    /// Whether `pid` was the helper, which has now ended.
    pub fn ended(&mut self, pid: i32) -> bool {
        let was = self.process == Some(pid);
        if was {
            self.process = None;
        }
        was
    }

    /// Waits for the end of the helper after [`Network::stop`] if it holds ports until then. The kernel takes its time with its namespaces.
    pub fn wait(&mut self) {
        if !self.holds_ports() {
            return;
        }
        if let Some(pid) = self.process.take().and_then(Pid::from_raw) {
            let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
        }
    }

    /// Whether the helper listens on the host: pasta does unless it is told of no ports.
    fn holds_ports(&self) -> bool {
        match &self.helper {
            Helper::Pasta(command) => {
                let none = |flag: &str| command.windows(2).any(|pair| pair[0] == flag && pair[1] == "none");
                !(none("-t") && none("-u"))
            }
            Helper::Slirp(_, forwards) => !forwards.is_empty(),
        }
    }

    /// Why the helper ended before it was ready.
    pub fn complaint(&self, status: i32) -> Failure {
        let words = fs::read(self.bundle.join(WORDS)).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let words = words.trim_end();
        let program = self.helper.command().first().map_or("", String::as_str);
        let message = match self.helper {
            Helper::Pasta(_) => format!("setting up Pasta: pasta failed with exit code {status}:\n{words}"),
            Helper::Slirp(..) => format!("{program} failed: {words:?}"),
        };
        failure(126, message)
    }

    /// Ends the helper, for good.
    pub fn stop(&mut self) {
        if let Some(pid) = self.process.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        if let Some(netns) = self.mounted.take() {
            let _ = unmount(&netns, UnmountFlags::DETACH);
        }
    }
}

impl Drop for Network {
    /// What is mounted cannot be removed with the bundle, and whoever hears that a start has failed may want its ports the next moment.
    fn drop(&mut self) {
        self.stop();
        self.wait();
    }
}

fn make_namespace(userns: Option<i32>) -> Result<OwnedFd, Failure> {
    kernel::make(userns).map_err(|error| failure(125, format!("making the container's network namespace: {error}")))
}

/// Where others find what this process has open.
fn path_of(namespace: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd()))
}

fn make_fifo(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Open for both ways, so that the helper's opening need not wait and its closing is no end of file.
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)
}

fn failure(status: u8, message: impl Into<String>) -> Failure {
    Failure { status, message: message.into() }
}
