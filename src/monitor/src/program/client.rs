// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A connection to the monitor: the starter's, or one that came to the socket `attach`.
//!
//! Everything here is non-blocking. What a client is too slow for waits in its outbox, and while anything waits there the
//! container's output is not read: what it writes fills its pipe, as with any reader that is slow. The log has everything
//! that was read, so it is never behind a client.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use haulout_monitor::frame::{Failure, Frame, Kind};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

/// A client that has read nothing for so long, although it should, is gone. Without a limit, one that was stopped or hangs
/// would stop the container.
const PATIENCE: Duration = Duration::from_secs(10);

/// An outbox is not kept larger than this.
const KEPT: usize = 32 << 10;

/// So many descriptors may come with a frame: the standard three, and those that are passed on.
const MAX_DESCRIPTORS: usize = 3 + haulout_monitor::config::MAX_PASSED as usize;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It started the monitor. It may be as slow as it likes, as the reader of a pipe may.
    Starter,
    /// It has not said what it wants, or wanted something that is done.
    Visitor,
    /// It carries output and input.
    Attached,
    /// It is told when the container has ended.
    Waiting,
    /// It runs a command in the container.
    Exec,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// Tells it from every other that there ever was.
    pub number: u64,
    /// What it is for.
    pub role: Role,
    /// Whether it gets the container's output.
    pub attached: bool,
    /// Whether it has sent input.
    pub typed: bool,
    /// Descriptors that came and are not yet used.
    pub descriptors: Vec<OwnedFd>,
    socket: OwnedFd,
    header: Vec<u8>,
    frame: Option<Incoming>,
    outbox: Vec<u8>,
    sent: usize,
    /// Goes with the first byte of the outbox's end; nothing is sent before it after that.
    passing: Option<Passing>,
    stalled: Option<Instant>,
    closing: bool,
}

/// A frame whose payload is not whole.
#[derive(Debug)]
struct Incoming {
    kind: Kind,
    missing: usize,
    payload: Vec<u8>,
}

/// A descriptor that is to go with the byte at `at` of the outbox.
#[derive(Debug)]
struct Passing {
    at: usize,
    descriptor: OwnedFd,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Bytes for the container's input: a part of a frame or all of it.
    Input(&'a [u8]),
    /// Any other frame.
    Frame(Frame),
}

impl Client {
    /// A client on `socket`.
    pub fn new(number: u64, role: Role, socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            number,
            role,
            attached: false,
            typed: false,
            descriptors: Vec::new(),
            socket,
            header: Vec::new(),
            frame: None,
            outbox: Vec::new(),
            sent: 0,
            passing: None,
            stalled: None,
            closing: false,
        })
    }

    /// Sends a frame, now or as soon as the client reads.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) {
        if self.closing {
            return;
        }
        self.outbox.extend_from_slice(&Frame::header(kind, payload.len()));
        self.outbox.extend_from_slice(payload);
        self.flush();
    }

    /// Sends a frame with a descriptor.
    pub fn send_descriptor(&mut self, kind: Kind, payload: &[u8], descriptor: OwnedFd) {
        self.passing = Some(Passing { at: self.outbox.len(), descriptor });
        self.send(kind, payload);
    }

    /// Sends something as JSON.
    pub fn send_json(&mut self, kind: Kind, value: &impl serde::Serialize) {
        if let Ok(payload) = serde_json::to_vec(value) {
            self.send(kind, &payload);
        }
    }

    /// Tells why something was not done, and closes.
    pub fn refuse(&mut self, failure: &Failure) {
        self.send_json(Kind::Failed, failure);
        self.close();
    }

    /// Closes when everything is sent.
    pub fn close(&mut self) {
        self.closing = true;
        self.attached = false;
    }

    /// Whether there is nothing more to do for it.
    pub fn is_done(&self) -> bool {
        self.closing && !self.has_backlog()
    }

    /// Whether it is slower than what is sent to it.
    pub fn has_backlog(&self) -> bool {
        self.sent < self.outbox.len()
    }

    /// How much it has not yet taken.
    pub fn backlog(&self) -> usize {
        self.outbox.len() - self.sent
    }

    /// When the monitor loses patience with it; nothing when it need not.
    pub fn deadline(&self) -> Option<Instant> {
        let patient = self.role == Role::Starter && !self.closing;
        self.stalled.filter(|_| !patient).map(|since| since + PATIENCE)
    }

    /// Sends what waits, as far as it goes. A client that is gone has nothing waiting.
    pub fn flush(&mut self) {
        while self.has_backlog() {
            match self.send_some() {
                Ok(length) => {
                    self.sent += length;
                    self.stalled = None;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return;
                }
                Err(_) => {
                    self.close();
                    self.sent = self.outbox.len();
                }
            }
        }
        self.outbox.clear();
        self.outbox.shrink_to(KEPT);
        self.sent = 0;
        self.stalled = None;
    }

    fn send_some(&mut self) -> Result<usize, Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let Some(passing) = &self.passing else {
            return rustix::net::send(&self.socket, &self.outbox[self.sent..], flags);
        };
        if passing.at > self.sent {
            return rustix::net::send(&self.socket, &self.outbox[self.sent..passing.at], flags);
        }
        let descriptors = [passing.descriptor.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let bytes = io::IoSlice::new(&self.outbox[self.sent..]);
        let sent = rustix::net::sendmsg(&self.socket, &[bytes], &mut control, flags)?;
        self.passing = None;
        Ok(sent)
    }

    /// Makes room in the kernel for what is left to send, so that it can be left there. The kernel allows what it allows.
    pub fn widen(&self) {
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&self.socket, 1 << 20);
    }

    /// Reads what there is, at most a buffer full, and hands each part to `take`. `false` when the client has gone or is
    /// not one of us.
    pub fn receive(&mut self, buffer: &mut [u8], mut take: impl FnMut(&mut Self, Received<'_>)) -> bool {
        let length = match self.receive_some(buffer) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        };
        let mut bytes = &buffer[..length];
        while !bytes.is_empty() {
            let Some(incoming) = &mut self.frame else {
                let (head, rest) = bytes.split_at(bytes.len().min(5 - self.header.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                let Ok(header) = <[u8; 5]>::try_from(self.header.as_slice()) else { continue };
                self.header.clear();
                let Ok((kind, missing)) = Frame::parse_header(header) else { return false };
                self.frame = Some(Incoming { kind, missing, payload: Vec::new() });
                self.hand_over(&mut take);
                continue;
            };
            let (part, rest) = bytes.split_at(bytes.len().min(incoming.missing));
            bytes = rest;
            incoming.missing -= part.len();
            if incoming.kind == Kind::Stdin {
                take(self, Received::Input(part));
            } else {
                incoming.payload.extend_from_slice(part);
            }
            self.hand_over(&mut take);
        }
        true
    }

    /// Hands over the frame if it is whole.
    fn hand_over(&mut self, take: &mut impl FnMut(&mut Self, Received<'_>)) {
        if let Some(Incoming { kind, payload, .. }) = self.frame.take_if(|incoming| incoming.missing == 0)
            && kind != Kind::Stdin
        {
            take(self, Received::Frame(Frame { kind, payload }));
        }
    }

    fn receive_some(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let message = rustix::net::recvmsg(&self.socket, &mut [io::IoSliceMut::new(buffer)], &mut control, flags)?;
        for item in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = item {
                self.descriptors.extend(descriptors);
                self.descriptors.truncate(MAX_DESCRIPTORS);
            }
        }
        Ok(message.bytes)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair(role: Role) -> (Client, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Client::new(1, role, near.into()).unwrap(), far)
    }

    /// Everything that comes, byte strings of input joined.
    fn receive_all(client: &mut Client, buffer: usize) -> (Vec<u8>, Vec<Frame>) {
        let (mut input, mut frames) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; buffer];
        for _ in 0..1000 {
            client.receive(&mut buffer, |_, received| match received {
                Received::Input(bytes) => input.extend_from_slice(bytes),
                Received::Frame(frame) => frames.push(frame),
            });
        }
        (input, frames)
    }

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        for size in [1, 2, 3, 7, 4096] {
            let (mut client, mut far) = pair(Role::Attached);
            for frame in [
                Frame::new(Kind::Stdin, "abc"),
                Frame::resize(80, 24),
                Frame::new(Kind::Go, ""),
                Frame::new(Kind::Stdin, "def"),
            ] {
                frame.write(&mut far).unwrap();
            }
            let (input, frames) = receive_all(&mut client, size);
            assert_eq!(input, b"abcdef");
            assert_eq!(frames, [Frame::resize(80, 24), Frame::new(Kind::Go, "")]);
        }
    }

    #[test]
    fn who_speaks_another_language_is_not_served() {
        let (mut client, mut far) = pair(Role::Visitor);
        far.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        assert!(!client.receive(&mut [0; 64], |_, _| {}));
    }

    #[test]
    fn a_slow_client_gets_every_byte_and_is_waited_for() {
        let (mut client, mut far) = pair(Role::Attached);
        let payload = vec![b'x'; 600 << 10];
        client.send(Kind::Stdout, &payload);
        assert!(client.has_backlog());
        assert!(client.deadline().is_some());
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; (600 << 10) + 5];
            far.read_exact(&mut bytes).unwrap();
            bytes
        });
        while client.has_backlog() {
            client.flush();
        }
        assert_eq!(&reader.join().unwrap()[5..], payload);
        assert!(client.deadline().is_none());
    }

    #[test]
    fn the_starter_may_be_slow_until_the_end() {
        let (mut client, _far) = pair(Role::Starter);
        client.send(Kind::Stdout, &vec![0; 600 << 10]);
        assert!(client.deadline().is_none());
        client.close();
        assert!(client.deadline().is_some());
    }

    #[test]
    fn a_client_that_has_gone_holds_nothing_up() {
        let (mut client, far) = pair(Role::Attached);
        drop(far);
        client.send(Kind::Stdout, b"abc");
        assert!(client.is_done());
    }
}
