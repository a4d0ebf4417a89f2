// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Telling the service manager that the container is ready (`sd_notify(3)`): when it runs, when it is well, or when it says so itself.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use haulout_monitor::config::{NOTIFY_FOLDER, NOTIFY_SOCKET, Notify, NotifyMode};

/// A message is not longer (`NOTIFY_BUFFER_MAX` of systemd is one page).
const LONGEST: usize = 4096;

/// What a container may say of itself. Whose process is the service's, and what descriptors it keeps, is not its to say.
const PASSED_ON: [&str; 6] = ["READY=1", "STATUS=", "STOPPING=1", "WATCHDOG=", "EXTEND_TIMEOUT_USEC=", "ERRNO="];

/// The way to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
    mode: NotifyMode,
    /// Where the container speaks.
    container: Option<UnixDatagram>,
    ready: bool,
}

impl Notifier {
    /// Where the container says that it is ready, its socket is there afterwards. Whose process the service's is was said by whoever
    /// started this one: said from here, at a time when it may still be another's child, the manager would warn of it.
    pub fn begin(notify: &Notify) -> io::Result<Self> {
        let manager = match notify.socket.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&notify.socket)?,
        };
        let container = if notify.mode == NotifyMode::Container { Some(listen()?) } else { None };
        Ok(Self { socket: UnixDatagram::unbound()?, manager, mode: notify.mode, container, ready: false })
    }

    /// The container's process runs.
    pub fn started(&mut self) {
        if self.mode == NotifyMode::Started {
            self.say_ready();
        }
    }

    /// The container is well.
    pub fn healthy(&mut self) {
        if self.mode == NotifyMode::Healthy {
            self.say_ready();
        }
    }

    fn say_ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            self.send(&format!("MAINPID={}\nREADY=1", std::process::id()));
        }
    }

    /// That the manager does not listen is its business.
    fn send(&self, message: &str) {
        let _ = self.socket.send_to_addr(message.as_bytes(), &self.manager);
    }

    /// Where the container speaks.
    pub fn waiting(&self) -> Option<BorrowedFd<'_>> {
        self.container.as_ref().map(|container| container.as_fd())
    }

    /// Passes on what the container says.
    pub fn pass_on(&self, buffer: &mut [u8]) {
        let Some(container) = &self.container else { return };
        let longest = buffer.len().min(LONGEST);
        while let Ok(length) = container.recv(&mut buffer[..longest]) {
            let lines = allowed(&String::from_utf8_lossy(&buffer[..length]));
            if !lines.is_empty() {
                self.send(&lines);
            }
        }
    }
}

/// What of a message is passed on.
fn allowed(message: &str) -> String {
    let lines = message.lines().filter(|line| {
        PASSED_ON.iter().any(|known| if known.ends_with('=') { line.starts_with(known) } else { line == known })
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The container's socket: whoever it runs as may write there.
fn listen() -> io::Result<UnixDatagram> {
    let folder = Path::new(NOTIFY_FOLDER);
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let path = folder.join(NOTIFY_SOCKET);
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_speaks_of_itself_only() {
        assert_eq!(allowed("READY=1\nSTATUS=up\nMAINPID=1\nFDSTORE=1\nREADY=12"), "READY=1\nSTATUS=up");
        assert_eq!(allowed("MAINPID=1"), "");
    }
}
