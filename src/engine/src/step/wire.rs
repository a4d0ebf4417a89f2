// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages between a caller and its zygote: JSON and descriptors over a `SOCK_SEQPACKET` socket.
//!
//! A request carries, in this order, the *reply* socket, the step's own descriptors and the *lifeline*. A request that is too
//! long for one packet travels in a memfd, which then comes first.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use super::{Answer, Step};

/// No request has more descriptors than that, all counted.
pub(super) const MAX_DESCRIPTORS: usize = 64;
/// What is longer goes into a memfd: a packet has to fit into the socket's buffer (208 KiB).
const MAX_INLINE: usize = 64 << 10;
/// No request is longer.
const MAX_REQUEST: u64 = 64 << 20;
/// An answer is cut to fit.
const MAX_ANSWER: usize = 32 << 10;

/// What a packet's first byte says about where the JSON is.
const INLINE: u8 = b'{';
const IN_MEMFD: u8 = b'@';

/// A step, and the file that names the process whose user namespace it is done in.
#[derive(Serialize)]
pub(super) struct RequestRef<'a> {
    pub anchor: &'a PathBuf,
    pub step: &'a Step,
}

/// The same on the zygote's side.
#[derive(Deserialize)]
pub(super) struct Request {
    pub anchor: PathBuf,
    pub step: Step,
}

/// What came over the zygote's socket.
pub(super) enum Received {
    /// A packet.
    Packet(Packet),
    /// Something that is no packet of ours; its descriptors are closed.
    Garbage,
    /// The other end is closed.
    End,
}

/// A request that was not read yet.
pub(super) struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// A request taken apart.
pub(super) struct Parts {
    pub request: Result<Request, String>,
    pub reply: OwnedFd,
    pub descriptors: Vec<OwnedFd>,
    pub lifeline: OwnedFd,
}

/// A socket pair, closed on `execve`.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Packs `request` so that [`send`] can send it: the bytes, and the memfd that they may need.
pub(super) fn pack(request: &RequestRef<'_>) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let json = serde_json::to_vec(request)?;
    if json.len() <= MAX_INLINE {
        return Ok((json, None));
    }
    let memfd = rustix::fs::memfd_create(c"haulout-step", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memfd);
    file.write_all(&json)?;
    Ok((vec![IN_MEMFD], Some(file.into())))
}

/// Sends one packet without waiting: `WouldBlock` when the buffer is full.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one step"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)?;
    Ok(())
}

/// Waits for the next packet.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Received> {
    let mut bytes = vec![0; MAX_INLINE + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if message.bytes == 0 && descriptors.is_empty() {
        return Ok(Received::End);
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Ok(Received::Garbage);
    }
    bytes.truncate(message.bytes);
    Ok(Received::Packet(Packet { bytes, descriptors }))
}

impl Packet {
    /// Takes it apart; nothing when there is nobody to answer.
    pub(super) fn open(self) -> Option<Parts> {
        let mut descriptors = self.descriptors.into_iter();
        let request = match self.bytes.first() {
            Some(&INLINE) => read_request(&self.bytes),
            Some(&IN_MEMFD) => read_memfd(descriptors.next()?),
            _ => Err("it does not begin as one".to_owned()),
        };
        let reply = descriptors.next()?;
        let mut descriptors: Vec<OwnedFd> = descriptors.collect();
        let lifeline = descriptors.pop()?;
        let request = request.map_err(|why| format!("this is no step: {why}"));
        Some(Parts { request, reply, descriptors, lifeline })
    }
}

fn read_request(json: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

fn read_memfd(memfd: OwnedFd) -> Result<Request, String> {
    let mut json = Vec::new();
    let mut file = File::from(memfd);
    // Only a regular file: reading a pipe or a terminal would wait for whoever sent it.
    match file.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_REQUEST => {}
        _ => return Err("its text is in no memfd".to_owned()),
    }
    file.rewind().and_then(|()| file.take(MAX_REQUEST).read_to_end(&mut json)).map_err(|error| error.to_string())?;
    read_request(&json)
}

/// Sends an answer; whoever asked may be gone, and then nobody minds.
pub(super) fn answer(reply: impl AsFd, answer: &Answer) {
    let mut answer = serde_json::to_vec(answer).unwrap_or_default();
    if answer.len() > MAX_ANSWER {
        let text = String::from_utf8_lossy(&answer).chars().take(MAX_ANSWER / 8).collect();
        answer = serde_json::to_vec(&Answer::Failed(text)).unwrap_or_default();
    }
    let _ = rustix::net::send(reply, &answer, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

/// Reads an answer without waiting; nothing when the other end was closed without one.
pub(super) fn read_answer(socket: impl AsFd) -> io::Result<Option<Answer>> {
    let mut bytes = vec![0_u8; MAX_ANSWER];
    let (length, _) = rustix::net::recv(socket, bytes.as_mut_slice(), RecvFlags::DONTWAIT)?;
    if length == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&bytes[..length])?))
}
