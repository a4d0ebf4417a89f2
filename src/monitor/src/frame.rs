// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The frames on a monitor's sockets: one byte of kind, four bytes of length (little endian), the payload.
//!
//! Two kinds of connection speak them. The *starter* is the socket that a monitor is born with (descriptor 3);
//! any number of others come to the socket `attach` in the container's runtime folder. What such a connection is for, its
//! first frame says: [`Kind::Attach`], [`Kind::Wait`], [`Kind::Exec`], [`Kind::Start`], [`Kind::Signal`], [`Kind::Stopping`] or what changes
//! it ([`Kind::Pause`] and the like); all but the first three may be followed by any of them. The path of the socket may be longer than `sun_path`: connect through
//! `/proc/self/fd/FOLDER/attach`.
//!
//! The starter sends `Cgroup` and `Go`, in either order and as early as it likes; the monitor waits for what it needs.
//! When it closes before `Started`, nothing is started, if that can still be helped. One that sends `Hold` instead of `Go` is let go
//! after `Created`; the container then waits for somebody who sends `Start` on a connection to `attach`, which is the starter from then on.

use std::io::{self, Read, Write};

/// No frame is longer; whoever sends one is not one of us.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To the monitor: bytes for the container's standard input.
    Stdin = 1,
    /// To the monitor: no more input will come.
    CloseStdin = 2,
    /// To the monitor: the terminal's size, columns then rows, two little-endian `u16`.
    Resize = 3,
    /// To the monitor, on the starter: the cgroup scope is there; the payload is its path below the cgroup2 mount
    /// (`/user.slice/…/haulout-ID.scope`), or empty where there is none to be had.
    Cgroup = 4,
    /// To the monitor, on the starter: start the container's process now.
    Go = 5,
    /// To the monitor: a user asks it to stop; it is not to be restarted.
    Stopping = 6,
    /// To the monitor, the first frame of a connection of its own: run a command in the container; an [`ExecRequest`] as
    /// JSON. Without a terminal, three descriptors come with it (`SCM_RIGHTS`): its standard input, output and error.
    Exec = 7,
    /// To the monitor: send the container's process a signal; its number in decimal. Answered by `Done` or `Failed` (then
    /// the connection stays open).
    Signal = 8,
    /// To the monitor, the first frame: carry output and input on this connection from now on. Answered by `Started`.
    Attach = 9,
    /// To the monitor: say `Exited` on this connection when the container has ended.
    Wait = 10,
    /// To the monitor, on the starter, after `Exited`: the container is removed, nobody has to clean up after it. The monitor closes
    /// the connection when everything else is given back as well. When the starter closes without it, [`crate::config::Config::cleanup`] is started.
    Removed = 11,
    /// To the monitor: stop all processes of the container where they are (the runtime's `pause`). Answered by `Done` or `Failed`.
    Pause = 12,
    /// To the monitor: let them go on. Answered by `Done` or `Failed`.
    Unpause = 13,
    /// To the monitor: the container has another name now, the payload.
    Renamed = 14,
    /// To the monitor: check the container's health now. Answered by `Done` with a [`crate::health::Outcome`] as JSON, or by `Failed`.
    CheckHealth = 15,
    /// To the monitor: the container's limits or its restart policy are others now; an [`Update`] as JSON. Answered by `Done` or `Failed`.
    Update = 32,
    /// To the monitor, on the starter instead of `Go`: make the container and let it wait. The monitor writes [`crate::config::CREATED`],
    /// says `Created` and closes the connection.
    Hold = 33,
    /// To the monitor, the first frame: start the container that waits; a [`StartRequest`] as JSON. The connection is the starter's from then on.
    Start = 34,
    /// From the monitor, on the starter: the container is created; `Go` starts it.
    Created = 16,
    /// From the monitor: the container's process runs; the payload is its pid in decimal.
    Started = 17,
    /// From the monitor: it could not be started (or what was asked for could not be done); a [`Failure`] as JSON. The
    /// connection closes after it, unless it answers `Signal`.
    Failed = 18,
    /// From the monitor: bytes of the container's standard output (and of everything when it has a terminal).
    Stdout = 19,
    /// From the monitor: bytes of the container's standard error.
    Stderr = 20,
    /// From the monitor: it ended; a [`crate::last_run::Exit`] as JSON. All its output came before, and `last-run` is on
    /// disk. Its root filesystem is unmounted, its network gone and its runtime folder removed, unless its policy starts
    /// it again. The connection closes after it. Only a starter with [`crate::config::Config::cleanup`] is told earlier, when the root
    /// filesystem is unmounted, so that it removes the container while the rest is given back: see `Removed`.
    Exited = 21,
    /// From the monitor: the command of an `Exec` runs; its pid in decimal. Closing the connection then does not end it. With a terminal, one descriptor comes with it
    /// (`SCM_RIGHTS`): the master of its terminal.
    ExecStarted = 22,
    /// From the monitor: the command of an `Exec` ended; its exit status in decimal.
    ExecExited = 23,
    /// From the monitor: what was asked for is done.
    Done = 24,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        use Kind::{
            Attach, Cgroup, CheckHealth, CloseStdin, Created, Done, Exec, ExecExited, ExecStarted, Exited, Failed, Go,
            Hold, Pause, Removed, Renamed, Resize, Signal, Start, Started, Stderr, Stdin, Stdout, Stopping, Unpause,
            Update, Wait,
        };
        [Stdin, CloseStdin, Resize, Cgroup, Go, Stopping, Exec, Signal, Attach, Wait, Removed]
            .into_iter()
            .chain([Pause, Unpause, Renamed, CheckHealth, Update, Hold, Start])
            .chain([Created, Started, Failed, Stdout, Stderr, Exited, ExecStarted, ExecExited, Done])
            .find(|kind| *kind as u8 == byte)
    }
}

/// Why a container could not be started.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// 127: the command was not found in the container; 126: it cannot be executed; 125: anything else.
    pub status: u8,
    /// What happened, in the words of whoever failed.
    pub message: String,
}

/// How a container that waits is started.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct StartRequest {
    /// Whether its output and input go over this connection.
    pub attach: bool,
    /// The terminal's size, columns then rows.
    pub size: Option<(u16, u16)>,
}

/// What is to be otherwise in a running container.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Update {
    /// The `linux.resources` of the OCI runtime specification (config-linux.md), as far as they are to be others.
    pub resources: Option<serde_json::Value>,
    /// When it is started again by itself.
    pub restart: Option<crate::config::Restart>,
    /// How its health is checked.
    #[serde(default)]
    pub health: Option<Health>,
}

/// How a container's health is checked from now on.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Not.
    Unchecked,
    /// So, from the beginning: what was learned before is forgotten.
    Checked(Box<crate::health::Checks>),
}

/// A command to run in the container.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ExecRequest {
    /// The `process` of the OCI runtime specification (config.md), whole but for the user: its arguments, environment, working
    /// folder, capabilities.
    pub process: serde_json::Value,
    /// `user[:group]` as written; resolved by the monitor in the container's own `/etc/passwd`. The container's own when nothing.
    pub user: Option<String>,
    /// Whether it has a terminal; its first size, columns then rows.
    pub terminal: bool,
    /// The terminal's size.
    pub size: Option<(u16, u16)>,
    /// Under which numbers it gets the descriptors that come after the standard three (or instead of them, with a terminal).
    #[serde(default)]
    pub passed: Vec<u32>,
    /// Whether it goes on when the connection is closed and nobody waits for its status.
    pub detach: bool,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it says.
    pub kind: Kind,
    /// With what.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of `kind` with `payload`.
    pub fn new(kind: Kind, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, payload: payload.into() }
    }

    /// The terminal's new size.
    pub fn resize(columns: u16, rows: u16) -> Self {
        let mut payload = columns.to_le_bytes().to_vec();
        payload.extend(rows.to_le_bytes());
        Self::new(Kind::Resize, payload)
    }

    /// Columns and rows, when this is a [`Kind::Resize`] of the right length.
    pub fn size(&self) -> Option<(u16, u16)> {
        let [a, b, c, d] = *self.payload.as_slice() else { return None };
        (self.kind == Kind::Resize).then(|| (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
    }

    /// The five bytes before a payload of `length`.
    pub fn header(kind: Kind, length: usize) -> [u8; 5] {
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        [kind as u8, length[0], length[1], length[2], length[3]]
    }

    /// Kind and payload length of a header.
    ///
    /// # Errors
    /// `InvalidData` for a kind that is not known or a payload over [`MAX_PAYLOAD`].
    pub fn parse_header(header: [u8; 5]) -> io::Result<(Kind, usize)> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let kind = Kind::from_byte(header[0]).ok_or_else(|| bad("a frame of an unknown kind"))?;
        let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(bad("a frame longer than a frame may be"));
        }
        Ok((kind, length))
    }

    /// Writes it in one call.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut wire = Self::header(self.kind, self.payload.len()).to_vec();
        wire.extend_from_slice(&self.payload);
        to.write_all(&wire)
    }

    /// Reads the next one; nothing at the end of the stream.
    ///
    /// # Errors
    /// As [`Frame::parse_header`]; `UnexpectedEof` when the stream ends inside a frame.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = [0; 5];
        loop {
            match from.read(&mut header[..1]) {
                Ok(0) => return Ok(None),
                Ok(_) => break from.read_exact(&mut header[1..])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let (kind, length) = Self::parse_header(header)?;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        Ok(Some(Self { kind, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_is_frames_or_refused() {
        haulout_fuzz::feed("frame", |mut bytes| {
            while let Ok(Some(frame)) = Frame::read(&mut bytes) {
                let _ = frame.size();
                let mut again = Vec::new();
                frame.write(&mut again).unwrap();
                let again = Frame::read(&mut again.as_slice()).unwrap().unwrap();
                assert_eq!((again.kind, again.payload), (frame.kind, frame.payload));
            }
        });
    }
}
