// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A layer on its way out: its tar comes from a step, and is packed as it leaves.
//!
//! gzip is done by all processors: each block of the tar becomes a member of its own, and the members follow one another, which is
//! one gzip file (RFC 1952, 2.2) and what seekable layers are made of too. The same tar packed the same way gives the same bytes, on
//! whatever machine.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::step::{Answer, Compression, Step, StepError};
use crate::store::{LayerError, Lease};

/// What is deflated by itself: large enough that the beginning of one costs nothing.
const BLOCK: usize = 512 << 10;

/// As small as other engines' layers: what the next level saves (4 in 100) costs half as much time again.
const GZIP_LEVEL: i32 = 1;

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
pub(crate) struct Packed {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// A layer's bytes, and at their end what they came to.
pub(crate) struct Outgoing {
    pub(crate) bytes: BoxStream<'static, Result<Bytes, Error>>,
    pub(crate) packed: oneshot::Receiver<Packed>,
}

/// Has the layer's tar written to `to`, as it is.
pub(super) async fn write(engine: &Engine, diff_id: Digest, to: OwnedFd) -> Result<(), Error> {
    let (step, lease) = step(engine, diff_id).await?;
    let folder = lease.folder().map_err(reading(diff_id))?;
    let answer = engine.steps().await?.run(&step, vec![to, folder]).await;
    lease.close(engine).await;
    answered(diff_id, answer)
}

/// The step that puts a layer's tar together, and the layer: its files stay until they have been read.
async fn step(engine: &Engine, diff_id: Digest) -> Result<(Step, Lease), Error> {
    let found = engine.state(move |database| {
        let kept = database.kept(&diff_id)?;
        Ok((Lease::take(&kept.layer), kept))
    });
    let (lease, kept) = found.await?;
    let gone = || Error::Packing { layer: diff_id, source: LayerError::Gone };
    let lease = lease.map_err(reading(diff_id))?.ok_or_else(gone)?;
    Ok((Step::Pack { layer: kept.layer, parts: kept.parts, diff_id }, lease))
}

fn reading(layer: Digest) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { doing: format!("reading layer {layer}"), source }
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
pub(crate) async fn outgoing(engine: &Engine, diff_id: Digest, packing: Packing) -> Result<Outgoing, Error> {
    let steps = engine.steps().await?.clone();
    let failed = reading(diff_id);
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
    let (step, lease) = step(engine, diff_id).await?;
    let folder = lease.folder().map_err(&failed)?;
    let engine = engine.clone();
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
        let descriptors = vec![writer, folder];
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
        lease.close(&engine).await;
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
            // Those of gzip's; deflate knows harder ones.
            let level = packing.level.unwrap_or(GZIP_LEVEL).clamp(0, 9);
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

/// A block that is deflated: a whole member.
type Deflated = io::Result<Vec<u8>>;

/// A block to be deflated, and where it goes.
struct Job {
    block: Vec<u8>,
    done: SyncSender<Deflated>,
}

fn gzip(mut from: impl Read, level: i32, to: &mut Outlet) -> io::Result<()> {
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let (jobs, work) = sync_channel::<Job>(workers);
    let work = Arc::new(Mutex::new(work));
    thread::scope(|scope| {
        for _ in 0..workers {
            let work = Arc::clone(&work);
            scope.spawn(move || deflate_all(&work, level));
        }
        let jobs = jobs;
        let mut waiting: VecDeque<Receiver<Deflated>> = VecDeque::new();
        let mut take = |waiting: &mut VecDeque<Receiver<Deflated>>| -> io::Result<()> {
            let Some(next) = waiting.pop_front() else { return Ok(()) };
            to.put(next.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??)
        };
        let mut next = block(&mut from)?;
        loop {
            let (done, outcome) = sync_channel(1);
            jobs.send(Job { block: next, done }).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            waiting.push_back(outcome);
            if waiting.len() > workers * 2 {
                take(&mut waiting)?;
            }
            next = block(&mut from)?;
            if next.is_empty() {
                break;
            }
        }
        drop(jobs);
        while !waiting.is_empty() {
            take(&mut waiting)?;
        }
        Ok(())
    })
}

fn deflate_all(work: &Mutex<Receiver<Job>>, level: i32) {
    let level = CompressionLvl::new(level).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    loop {
        let job = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, done }) = job else { return };
        let _ = done.send(deflate(&mut compressor, &block));
    }
}

/// One member. It has no name, no time and was made on an unknown system: as Go writes it.
fn deflate(compressor: &mut Compressor, block: &[u8]) -> Deflated {
    let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
    let length = compressor.gzip_compress(block, &mut member).map_err(io::Error::other)?;
    member.truncate(length);
    Ok(member)
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
            flate2::read::MultiGzDecoder::new(gzip.as_slice()).read_to_end(&mut out).unwrap();
            assert!(out == bytes, "{} bytes", bytes.len());
            assert_eq!(packed(bytes, Packing::GZIP).1, what);
            let (zstd, _) = packed(bytes, Packing { compression: Compression::Zstd, level: Some(1) });
            assert!(zstd::decode_all(zstd.as_slice()).unwrap() == bytes);
            assert!(packed(bytes, Packing::NONE).0 == bytes);
        }
    }
}
