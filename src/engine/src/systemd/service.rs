// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this process is to the manager of the service that it is part of, and what it tells it (`sd_notify(3)`).

use std::env;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::UserManager;

/// The variable that names the manager's socket.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";

/// How much more time is asked for,
const EXTENSION: Duration = Duration::from_secs(90);

/// and how often, as long as it is needed.
const INTERVAL: Duration = Duration::from_secs(30);

/// The socket of the manager that wants to hear from this process; nothing where none does.
pub(crate) fn socket() -> Option<String> {
    env::var(SOCKET).ok().filter(|socket| !socket.is_empty())
}

/// Whether this process starts a service that forks.
static FORKS: OnceCell<bool> = OnceCell::const_new();

/// Finds out whether systemd has executed this process to start a service of `Type=forking`: the main process of such a service is one
/// that is left behind in its cgroup, and is named by a file. Asks nobody unless it was systemd that executed it.
pub(crate) async fn look() {
    let look =
        || async { was_executed() && socket().is_none() && type_of_own().await.is_some_and(|kind| kind == "forking") };
    FORKS.get_or_init(look).await;
}

/// What [`look`] found.
pub(crate) fn forks() -> bool {
    FORKS.get().copied().unwrap_or_default()
}

/// Whether one of this process's containers is what its service is already.
static CLAIMED: AtomicBool = AtomicBool::new(false);

/// Whether the container that is started now is the one that the service is: the first that is started for its own sake.
pub(crate) fn claim() -> bool {
    !CLAIMED.swap(true, Ordering::Relaxed)
}

/// Whether systemd executed this very process, and not one that it comes from (systemd.exec(5), `$SYSTEMD_EXEC_PID`).
fn was_executed() -> bool {
    env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string())
}

/// The `Type=` of the service that this process is part of.
async fn type_of_own() -> Option<String> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unit = unit_of(&cgroups)?;
    UserManager::connect().await.ok()?.service_property(unit, "Type").await.ok()
}

/// The service in whose cgroup a process is, of its `/proc/PID/cgroup`.
fn unit_of(cgroups: &str) -> Option<&str> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|part| part.ends_with(".service"))
}

/// Sends `message` to the manager at `socket`: a path, or an abstract name after an `@`.
pub(crate) fn tell(socket: &str, message: &str) -> io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address?).map(drop)
}

/// Something goes on that may take longer than the start of a service may (`TimeoutStartSec=`), such as a pull: the manager, where there is
/// one, gives more time until this is dropped.
#[derive(Debug)]
pub struct MoreTime(Option<JoinHandle<()>>);

impl MoreTime {
    /// From now on. To be called in a runtime.
    pub fn ask() -> Self {
        let ask = |socket: String| async move {
            let message = format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros());
            while let Ok(()) = tell(&socket, &message) {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        Self(socket().map(|socket| tokio::spawn(ask(socket))))
    }
}

impl Drop for MoreTime {
    fn drop(&mut self) {
        if let Some(asking) = self.0.take() {
            asking.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_service_is_the_one_that_a_process_is_part_of() {
        let within = "/user.slice/user-1000.slice/user@1000.service/app.slice";
        assert_eq!(unit_of(&format!("1:cpu:/x.service\n0::{within}/web.service/supervisor\n")), Some("web.service"));
        assert_eq!(unit_of(&format!("0::{within}\n")), Some("user@1000.service"));
        assert_eq!(unit_of("0::/init.scope\n"), None);
    }
}
