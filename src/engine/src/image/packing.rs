// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A layer on its way out: its tar comes from a step, and is packed as it leaves.
//!
//! gzip is done by all processors: blocks of the tar are deflated each by itself and put one after the other, which is one gzip
//! stream (RFC 1951 and 1952). The same tar packed the same way gives the same bytes, on whatever machine.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use flate2::{Compress, Crc, FlushCompress, Status};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::step::{Answer, Compression, Step, StepError};
use crate::store::LayerError;

/// What is deflated by itself: large enough that the end of one costs nothing.
const BLOCK: usize = 512 << 10;

/// As hard as is usual for layers: what the next levels save costs twice the time.
const GZIP_LEVEL: u32 = 4;

/// So many packed pieces may wait for whoever sends them.
const AHEAD: usize = 16;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// With what.
    pub compression: Compression,
    /// How hard; the usual when nothing.
    pub level: Option<i32>,
}

impl Packing {
    /// As it lies.
    pub const NONE: Self = Self { compression: Compression::None, level: None };
    /// gzip, as hard as is usual.
    pub const GZIP: Self = Self { compression: Compression::Gzip, level: None };
}

/// What a layer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// A layer's bytes, and at their end what they came to.
pub(super) struct Outgoing {
    pub(super) bytes: BoxStream<'static, Result<Bytes, Error>>,
    pub(super) packed: oneshot::Receiver<Packed>,
}

/// Has the layer's tar written to `to`, as it is.
pub(super) async fn write(engine: &Engine, diff_id: Digest, to: OwnedFd) -> Result<(), Error> {
    let step = Step::Pack { layer: engine.paths().layers().join(diff_id.hex()), diff_id };
    answered(diff_id, engine.steps().await?.run(&step, vec![to]).await)
}

fn answered(layer: Digest, answer: Result<Answer, StepError>) -> Result<(), Error> {
    match answer {
        Ok(Answer::Done) => Ok(()),
        Ok(answer) => {
            Err(Error::Packing { layer, source: LayerError::Unpack(format!("unexpected answer {answer:?}")) })
        }
        Err(StepError::Failed(words)) => Err(Error::Packing { layer, source: LayerError::Unpack(words) }),
        Err(error) => Err(error.into()),
    }
}

/// The layer's tar, packed. Dropped, it leaves nothing behind.
pub(super) async fn outgoing(engine: &Engine, diff_id: Digest, packing: Packing) -> Result<Outgoing, Error> {
    let steps = engine.steps().await?.clone();
    let failed = |source| Error::Io { doing: format!("reading layer {diff_id}"), source };
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
    let step = Step::Pack { layer: engine.paths().layers().join(diff_id.hex()), diff_id };
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let (done, packed) = oneshot::channel();
    let outlet = Outlet { sender, hash: Sha256::new(), size: 0 };
    thread::Builder::new()
        .name("packing".to_owned())
        .spawn(move || {
            let outcome = pack(File::from(reader), packing, outlet);
            // One who has gone does not want to know.
            let _ = done.send(outcome);
        })
        .map_err(failed)?;
    let (tell, told) = oneshot::channel();
    let bytes = async_stream::try_stream! {
        let descriptors = vec![writer];
        let mut step = std::pin::pin!(steps.run(&step, descriptors));
        let mut answer = None;
        loop {
            tokio::select! {
                ended = &mut step, if answer.is_none() => answer = Some(ended),
                chunk = receiver.recv() => match chunk {
                    Some(chunk) => yield chunk,
                    None => break,
                },
            }
        }
        let answer = match answer {
            Some(answer) => answer,
            None => step.await,
        };
        answered(diff_id, answer)?;
        let packed = packed.await.map_err(|_| Error::Cancelled("packing a layer"))?;
        let _ = tell.send(packed.map_err(|source| Error::Io { doing: format!("packing layer {diff_id}"), source })?);
    };
    Ok(Outgoing { bytes: bytes.boxed(), packed: told })
}

/// Where packed bytes go.
struct Outlet {
    sender: mpsc::Sender<Bytes>,
    hash: Sha256,
    size: u64,
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes.to_vec())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outlet {
    fn put(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.hash.update(&bytes);
        self.size += bytes.len() as u64;
        self.sender.blocking_send(bytes.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn end(self) -> Packed {
        Packed { digest: Digest::from_bytes(self.hash.finalize().into()), size: self.size }
    }
}

fn pack(from: impl Read, packing: Packing, mut to: Outlet) -> io::Result<Packed> {
    match packing.compression {
        Compression::None => {
            let mut from = from;
            loop {
                let block = block(&mut from)?;
                if block.is_empty() {
                    return Ok(to.end());
                }
                to.put(block)?;
            }
        }
        Compression::Gzip => {
            let level = packing.level.map_or(flate2::Compression::new(GZIP_LEVEL), |level| {
                flate2::Compression::new(u32::try_from(level.clamp(0, 9)).unwrap_or_default())
            });
            gzip(from, level, &mut to)?;
            Ok(to.end())
        }
        Compression::Zstd => {
            let level = packing.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            let mut encoder = zstd::Encoder::new(io::BufWriter::with_capacity(BLOCK, to), level)?;
            let mut from = from;
            io::copy(&mut from, &mut encoder)?;
            let out = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            Ok(out.end())
        }
    }
}

/// The next block, full unless it is the last; empty at the end.
fn block(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(BLOCK);
    from.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
    Ok(block)
}

/// A block that is deflated.
type Deflated = io::Result<(Vec<u8>, Crc)>;

/// A block to be deflated, and where it goes.
struct Job {
    block: Vec<u8>,
    last: bool,
    done: SyncSender<Deflated>,
}

fn gzip(mut from: impl Read, level: flate2::Compression, to: &mut Outlet) -> io::Result<()> {
    // No name, no time, made on an unknown system: as Go writes it.
    to.put(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?;
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let (jobs, work) = sync_channel::<Job>(workers);
    let work = Arc::new(Mutex::new(work));
    let mut crc = Crc::new();
    thread::scope(|scope| {
        for _ in 0..workers {
            let work = Arc::clone(&work);
            scope.spawn(move || deflate_all(&work, level));
        }
        let jobs = jobs;
        let mut waiting: VecDeque<Receiver<Deflated>> = VecDeque::new();
        let mut take = |waiting: &mut VecDeque<Receiver<_>>| -> io::Result<()> {
            let Some(next) = waiting.pop_front() else { return Ok(()) };
            let (bytes, of_block): (Vec<u8>, Crc) =
                next.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
            crc.combine(&of_block);
            to.put(bytes)
        };
        let mut next = block(&mut from)?;
        loop {
            // Whether a block is the last is known with the one after it.
            let after = if next.len() == BLOCK { block(&mut from)? } else { Vec::new() };
            let last = after.is_empty();
            let (done, outcome) = sync_channel(1);
            let job = Job { block: std::mem::replace(&mut next, after), last, done };
            jobs.send(job).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            waiting.push_back(outcome);
            if waiting.len() > workers * 2 {
                take(&mut waiting)?;
            }
            if last {
                break;
            }
        }
        drop(jobs);
        while !waiting.is_empty() {
            take(&mut waiting)?;
        }
        Ok::<(), io::Error>(())
    })?;
    to.put([crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat())
}

fn deflate_all(work: &Mutex<Receiver<Job>>, level: flate2::Compression) {
    let mut compress = Compress::new(level, false);
    loop {
        let job = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, last, done }) = job else { return };
        let _ = done.send(deflate(&mut compress, &block, last));
    }
}

fn deflate(compress: &mut Compress, block: &[u8], last: bool) -> Deflated {
    compress.reset();
    let mut crc = Crc::new();
    crc.update(block);
    let mut out = Vec::with_capacity(block.len() + block.len() / 8 + 1024);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let read = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let status = compress.compress_vec(&block[read.min(block.len())..], &mut out, flush)?;
        let full = out.len() == out.capacity();
        let all = compress.total_in() == block.len() as u64;
        if (last && status == Status::StreamEnd) || (!last && all && !full) {
            return Ok((out, crc));
        }
        out.reserve(out.capacity());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8], packing: Packing) -> (Vec<u8>, Packed) {
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        let outlet = Outlet { sender, hash: Sha256::new(), size: 0 };
        thread::scope(|scope| {
            let packing = scope.spawn(move || pack(bytes, packing, outlet).unwrap());
            let mut all = Vec::new();
            while let Some(chunk) = receiver.blocking_recv() {
                all.extend(chunk);
            }
            (all, packing.join().unwrap())
        })
    }

    #[test]
    fn what_is_packed_is_unpacked_to_the_same_and_packed_again_to_the_same() {
        let noise: Vec<u8> = (0..3 * BLOCK as u64 + 77).map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[0]).collect();
        for bytes in [&b""[..], b"x", &noise[..BLOCK], &noise[..=BLOCK], &noise] {
            let (gzip, what) = packed(bytes, Packing::GZIP);
            assert_eq!(what, Packed { digest: Digest::of(&gzip), size: gzip.len() as u64 });
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut out).unwrap();
            assert!(out == bytes, "{} bytes", bytes.len());
            assert_eq!(packed(bytes, Packing::GZIP).1, what);
            let (zstd, _) = packed(bytes, Packing { compression: Compression::Zstd, level: Some(1) });
            assert!(zstd::decode_all(zstd.as_slice()).unwrap() == bytes);
            assert!(packed(bytes, Packing::NONE).0 == bytes);
        }
    }
}
