// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What slirp4netns is told on its socket (slirp4netns(1), API SOCKET).

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::failure;
use crate::config::Forward;
use crate::frame::Failure;

/// Its socket, in the bundle, which is the monitor's working folder: the whole path may be longer than a socket's may be.
pub(super) const SOCKET: &str = "slirp.sock";

/// The interface that it makes.
pub(super) const INTERFACE: &str = "tap0";

/// It answers at once, or never will.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer is a line.
const LONGEST: u64 = 4096;

/// The ports that are to be forwarded, and whereto.
#[derive(Clone, Debug)]
pub(super) struct Forwards {
    pub(super) guest: Ipv4Addr,
    pub(super) ports: Vec<Forward>,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    desc: String,
}

impl Forwards {
    pub(super) fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Has them forwarded. The words of a failure begin as Podman's.
    pub(super) fn publish(&self) -> Result<(), Failure> {
        for forward in &self.ports {
            let refused = self.ask(forward).map_err(|error| {
                failure(126, format!("asking slirp4netns to forward port {}: {error}", forward.host))
            })?;
            if let Some(words) = refused {
                let why = obstacle(forward).map(|why| format!(": {why}")).unwrap_or_default();
                let words = format!("from slirp4netns while setting up port redirection: map[desc:{words}]{why}");
                return Err(failure(126, words));
            }
        }
        Ok(())
    }

    /// What it says against it, if anything.
    fn ask(&self, forward: &Forward) -> io::Result<Option<String>> {
        let request = json!({"execute": "add_hostfwd", "arguments": {
            "proto": if forward.udp { "udp" } else { "tcp" },
            "host_addr": forward.address,
            "host_port": forward.host,
            "guest_addr": self.guest,
            "guest_port": forward.container,
        }});
        let mut stream = UnixStream::connect(SOCKET)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.to_string().as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut text = String::new();
        stream.take(LONGEST).read_to_string(&mut text)?;
        let answer: Answer = serde_json::from_str(&text)?;
        Ok(answer.error.map(|error| error.desc))
    }
}

/// What the kernel says to whoever wants the port, which slirp4netns does not tell.
fn obstacle(forward: &Forward) -> Option<String> {
    let address = SocketAddr::new(forward.address, forward.host);
    if !address.is_ipv4() {
        return Some("slirp4netns forwards ports of IPv4 addresses only; pasta does others as well".to_owned());
    }
    let (protocol, bound) = if forward.udp {
        ("udp", UdpSocket::bind(address).map(drop))
    } else {
        ("tcp", TcpListener::bind(address).map(drop))
    };
    let error = bound.err()?.to_string();
    let words = error.split(" (os error").next().unwrap_or(&error).to_lowercase();
    Some(format!("listen {protocol} {address}: bind: {words}"))
}
