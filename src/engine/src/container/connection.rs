// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A connection to a container's monitor: frames both ways, and the descriptors that come with them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use haulout_monitor::config::MAX_PASSED;
use haulout_monitor::frame::{Frame, Kind};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// So much is received at once.
const CHUNK: usize = 64 << 10;

/// The longest path that `sun_path` of unix(7) holds.
const MAX_SUN_PATH: usize = 107;

/// The receiving side.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: Arc<UnixStream>,
    received: BytesMut,
    chunk: Box<[u8]>,
    descriptors: VecDeque<OwnedFd>,
}

/// The sending side. Clones share it; a frame is sent whole only if one of them sends at a time.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    stream: Arc<UnixStream>,
}

/// Connects to the monitor of the container whose runtime folder is `bundle`. Nothing when there is none.
pub(crate) async fn connect(bundle: &Path) -> io::Result<Option<(Receiver, Sender)>> {
    let path = bundle.join("attach");
    let stream = if path.as_os_str().as_bytes().len() > MAX_SUN_PATH {
        let folder = std::fs::File::open(bundle);
        match folder {
            Ok(folder) => {
                use std::os::fd::AsRawFd as _;
                UnixStream::connect(format!("/proc/self/fd/{}/attach", folder.as_raw_fd())).await
            }
            Err(error) => Err(error),
        }
    } else {
        UnixStream::connect(&path).await
    };
    match stream {
        Ok(stream) => {
            let peer = stream.peer_cred()?.uid();
            if peer != rustix::process::geteuid().as_raw() {
                let what = format!("{} is served by user {peer}, who is not the one who asks", path.display());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
            }
            Ok(Some(split(stream)))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Two connected sockets: one for us, one to be given to a monitor as its starter connection.
pub(crate) fn starter() -> io::Result<((Receiver, Sender), OwnedFd)> {
    let (near, far) = std::os::unix::net::UnixStream::pair()?;
    near.set_nonblocking(true)?;
    Ok((split(UnixStream::from_std(near)?), far.into()))
}

fn split(stream: UnixStream) -> (Receiver, Sender) {
    let stream = Arc::new(stream);
    let receiver = Receiver {
        stream: Arc::clone(&stream),
        received: BytesMut::new(),
        chunk: vec![0; CHUNK].into_boxed_slice(),
        descriptors: VecDeque::new(),
    };
    (receiver, Sender { stream })
}

impl Receiver {
    /// The next frame; nothing when the other side has closed. May be cancelled without losing any.
    ///
    /// # Errors
    /// `InvalidData` for what is no frame; `UnexpectedEof` for half a frame.
    pub(crate) async fn next(&mut self) -> io::Result<Option<(Kind, Bytes)>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            self.stream.readable().await?;
            let (stream, chunk, descriptors) = (&self.stream, &mut self.chunk, &mut self.descriptors);
            match self.stream.try_io(Interest::READABLE, || receive(stream.as_fd(), chunk, descriptors)) {
                Ok(0) if self.received.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received.extend_from_slice(&self.chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A monitor that went while we had sent something it did not read.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The oldest descriptor that came.
    pub(crate) fn descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    fn take(&mut self) -> io::Result<Option<(Kind, Bytes)>> {
        let Some(header) = self.received.first_chunk::<5>() else { return Ok(None) };
        let (kind, length) = Frame::parse_header(*header)?;
        if self.received.len() < 5 + length {
            return Ok(None);
        }
        let mut frame = self.received.split_to(5 + length);
        Ok(Some((kind, frame.split_off(5).freeze())))
    }
}

impl Sender {
    /// Sends one frame.
    pub(crate) async fn send(&self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        self.send_with(kind, payload, &[]).await
    }

    /// Sends one frame and descriptors with it. That the other side has gone is heard by who listens to it.
    pub(crate) async fn send_with(&self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut wire = Frame::header(kind, payload.len()).to_vec();
        wire.extend_from_slice(payload);
        let (mut rest, mut descriptors) = (wire.as_slice(), descriptors);
        while !rest.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_io(Interest::WRITABLE, || send(self.stream.as_fd(), rest, descriptors)) {
                Ok(count) => (rest, descriptors) = (&rest[count..], &[]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn receive(socket: BorrowedFd<'_>, chunk: &mut [u8], descriptors: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(chunk)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(got.bytes)
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3 + MAX_PASSED as usize))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn pair() -> ((Receiver, Sender), std::os::unix::net::UnixStream) {
        let (near, far) = starter().unwrap();
        (near, far.into())
    }

    #[tokio::test]
    async fn frames_come_whole_however_they_were_cut() {
        let ((mut receiver, _sender), mut far) = pair();
        let mut wire = Vec::new();
        Frame::new(Kind::Stdout, vec![7; 200_000]).write(&mut wire).unwrap();
        Frame::new(Kind::Done, Vec::new()).write(&mut wire).unwrap();
        let writer = std::thread::spawn(move || {
            for piece in wire.chunks(777) {
                far.write_all(piece).unwrap();
            }
        });
        let (kind, payload) = receiver.next().await.unwrap().unwrap();
        assert_eq!((kind, payload.len(), payload[199_999]), (Kind::Stdout, 200_000, 7));
        assert_eq!(receiver.next().await.unwrap().unwrap().0, Kind::Done);
        assert!(receiver.next().await.unwrap().is_none());
        writer.join().unwrap();
    }

    #[tokio::test]
    async fn half_a_frame_is_an_error_and_no_end() {
        let ((mut receiver, _sender), mut far) = pair();
        far.write_all(&Frame::header(Kind::Stdout, 10)).unwrap();
        drop(far);
        assert_eq!(receiver.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_descriptor_goes_with_its_frame() {
        let ((_receiver, sender), far) = pair();
        far.set_nonblocking(true).unwrap();
        let (mut far_receiver, _far_sender) = split(UnixStream::from_std(far).unwrap());
        let (mut reader, writer) = io::pipe().unwrap();
        sender.send_with(Kind::Exec, b"x", &[writer.as_fd()]).await.unwrap();
        drop(writer);
        assert_eq!(far_receiver.next().await.unwrap().unwrap(), (Kind::Exec, Bytes::from_static(b"x")));
        let mut sent = std::fs::File::from(far_receiver.descriptor().unwrap());
        sent.write_all(b"hello").unwrap();
        drop(sent);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_is_reached_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("x".repeat(120));
        std::fs::create_dir(&bundle).unwrap();
        assert!(connect(&bundle).await.unwrap().is_none());
        let short = folder.path().join("s");
        std::os::unix::fs::symlink(&bundle, &short).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(short.join("attach")).unwrap();
        let (mut receiver, _sender) = connect(&bundle).await.unwrap().unwrap();
        let (mut far, _) = listener.accept().unwrap();
        Frame::new(Kind::Done, Vec::new()).write(&mut far).unwrap();
        assert_eq!(receiver.next().await.unwrap().unwrap().0, Kind::Done);
    }
}
