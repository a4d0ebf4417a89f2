// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this process tells the manager of the service that it is (`sd_notify(3)`).

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::task::JoinHandle;

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
