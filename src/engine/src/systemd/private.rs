// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user manager's private socket: D-Bus (D-Bus specification, "Message Protocol" and "Authentication Protocol") from one end to
//! the other, without a bus between.
//!
//! zbus builds the messages; what comes back is read here, because systemd signs with a name that only a bus could give it and zbus
//! 5.19 panics over that.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use zbus::message::Message;
use zbus::zvariant::serialized::{Context, Data};
use zbus::zvariant::{self, DynamicType, LE, OwnedValue};

use super::{MANAGER, MANAGER_PATH};

/// D-Bus lets messages be longer; none that is expected here is.
const MAX_MESSAGE: usize = 1 << 20;

/// Codes of header fields.
const FIELD_MEMBER: u8 = 3;
const FIELD_REPLY_SERIAL: u8 = 5;

/// Types of messages.
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// The fixed beginning of every message, and its header fields.
type Header = (u8, u8, u8, u8, u32, u32, Vec<(u8, OwnedValue)>);

/// A connection.
#[derive(Debug)]
pub(super) struct Private {
    stream: UnixStream,
}

/// A message that came.
pub(super) enum Incoming {
    /// The answer to the call with that serial.
    Return { serial: u32, body: Body },
    /// That call failed, and this is what it says.
    Error { serial: u32, body: Body },
    /// A signal.
    Signal { member: String, body: Body },
    /// Something else.
    Other,
}

/// A message's arguments.
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn read<T: serde::de::DeserializeOwned + zvariant::Type>(&self) -> io::Result<T> {
        let data = Data::new(self.0.as_slice(), Context::new_dbus(LE, 0));
        data.deserialize().map(|(value, _)| value).map_err(invalid)
    }
}

impl Private {
    /// Connects and says who we are.
    pub(super) async fn connect(socket: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(socket).await?;
        let uid = hex::encode(rustix::process::geteuid().as_raw().to_string());
        stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").as_bytes()).await?;
        // One line, and nothing after it: the other side speaks only when it is spoken to.
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = stream.read_u8().await?;
            line.push(byte);
            if line.len() > 256 {
                return Err(invalid("an answer to AUTH that does not end"));
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                String::from_utf8_lossy(&line).trim().to_owned(),
            ));
        }
        Ok(Self { stream })
    }

    /// Calls a method of an object; the answer comes with the serial that this gives.
    pub(super) async fn call<B>(&mut self, path: &str, interface: &str, method: &str, body: &B) -> io::Result<u32>
    where
        B: serde::Serialize + DynamicType,
    {
        let message = Message::method_call(path, method)
            .and_then(|message| message.interface(interface))
            .and_then(|message| message.build(body))
            .map_err(invalid)?;
        self.stream.write_all(message.data()).await?;
        Ok(message.primary_header().serial_num().get())
    }

    /// The same, of the manager's own interface.
    pub(super) async fn call_manager<B>(&mut self, method: &str, body: &B) -> io::Result<u32>
    where
        B: serde::Serialize + DynamicType,
    {
        self.call(MANAGER_PATH, MANAGER, method, body).await
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> io::Result<Incoming> {
        let mut fixed = [0; 16];
        self.stream.read_exact(&mut fixed).await?;
        if fixed[0] != b'l' {
            return Err(invalid("a message of another byte order"));
        }
        let number = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]) as usize;
        let (body_length, fields_length) = (number(4), number(12));
        // The header is padded to a multiple of eight.
        let header_length = (16 + fields_length).next_multiple_of(8);
        if header_length.saturating_add(body_length) > MAX_MESSAGE {
            return Err(invalid("a message longer than any that is expected"));
        }
        let mut header = fixed.to_vec();
        header.resize(header_length, 0);
        self.stream.read_exact(&mut header[16..]).await?;
        let mut body = vec![0; body_length];
        self.stream.read_exact(&mut body).await?;
        let data = Data::new(header.as_slice(), Context::new_dbus(LE, 0));
        let (parsed, _): (Header, _) = data.deserialize().map_err(invalid)?;
        Ok(incoming(parsed, Body(body)))
    }
}

fn incoming((_, kind, _, _, _, _, fields): Header, body: Body) -> Incoming {
    let field = |code: u8| fields.iter().find(|(known, _)| *known == code).map(|(_, value)| value);
    let serial = field(FIELD_REPLY_SERIAL).and_then(|value| u32::try_from(value).ok()).unwrap_or_default();
    match kind {
        METHOD_RETURN => Incoming::Return { serial, body },
        ERROR => Incoming::Error { serial, body },
        SIGNAL => {
            let member = field(FIELD_MEMBER).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default();
            Incoming::Signal { member: member.to_owned(), body }
        }
        _ => Incoming::Other,
    }
}

fn invalid(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}
