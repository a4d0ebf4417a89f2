// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tar's bytes: inflated by one thread, handed over in blocks to the other, which hashes them before it uses them. So
//! both have about as much to do: inflating alone takes as long as hashing and writing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use sha2::{Digest as _, Sha256};

use super::Packed;
use crate::digest::Digest;
use crate::step::Compression;
use crate::store::parts::Recorder;

/// The bytes of a block: a multiple of a tar's own blocks, so that headers seldom lie across two.
const BLOCK: usize = 256 << 10;
/// How many wait between the threads.
pub(super) const BLOCKS: usize = 4;
/// How much of the compressed stream is read at once; the pipe it comes from is made as large.
const READ: usize = 256 << 10;

/// What the whole stream came to.
pub(super) struct Hashed {
    pub diff_id: Digest,
    pub tar_size: u64,
}

/// Why the stream ended too soon.
#[derive(Debug)]
pub(super) enum StreamError {
    /// The other thread wants no more.
    Closed,
    /// It could not be read or inflated.
    Io(io::Error),
    /// There is more of it than there may be.
    TooLong,
}

/// Inflates `packed` to its end, and sends it in blocks that are full but for the last.
pub(super) fn pump(
    packed: Packed,
    limit: u64,
    blocks: &SyncSender<Vec<u8>>,
    recycled: &Receiver<Vec<u8>>,
) -> Result<(), StreamError> {
    let _ = rustix::pipe::fcntl_setpipe_size(&packed.from, READ * 4);
    let mut source = Source::open(packed).map_err(StreamError::Io)?;
    let mut tar_size = 0;
    loop {
        let mut block = recycled.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let length = fill(&mut source, &mut block).map_err(StreamError::Io)?;
        block.truncate(length);
        tar_size += length as u64;
        if tar_size > limit {
            // What may still be there shows how far it came.
            let beyond = usize::try_from(tar_size - limit).unwrap_or(length);
            block.truncate(length.saturating_sub(beyond));
            let _ = blocks.send(block);
            return Err(StreamError::TooLong);
        }
        if length > 0 && blocks.send(block).is_err() {
            return Err(StreamError::Closed);
        }
        if length < BLOCK {
            return Ok(());
        }
    }
}

/// Reads until `block` is full or the stream ends.
fn fill(source: &mut Source, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match source.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The stream as it comes.
type Input = io::Take<File>;

/// The stream, inflated.
enum Source {
    Plain(Input),
    Gzip(Box<Gzip>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Input>>>),
}

impl Source {
    fn open(packed: Packed) -> io::Result<Self> {
        let input = File::from(packed.from).take(packed.length);
        Ok(match packed.compression {
            Compression::None => Self::Plain(input),
            Compression::Gzip => {
                let member = flate2::bufread::GzDecoder::new(BufReader::with_capacity(READ, input));
                Self::Gzip(Box::new(Gzip(Some(member))))
            }
            Compression::Zstd => {
                Self::Zstd(Box::new(zstd::Decoder::with_buffer(BufReader::with_capacity(READ, input))?))
            }
        })
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(into),
            Self::Gzip(gzip) => gzip.read(into),
            Self::Zstd(decoder) => decoder.read(into),
        }
    }
}

/// The members of a gzip stream, one after the other; zeroes may follow the last (gzip(1) allows them: tapes have them).
/// The present member, or nothing after the last.
struct Gzip(Option<flate2::bufread::GzDecoder<BufReader<Input>>>);

impl Gzip {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.0 else { return Ok(0) };
            match member.read(into)? {
                0 if !into.is_empty() => {}
                length => return Ok(length),
            }
            let Some(member) = self.0.take() else { return Ok(0) };
            let mut rest = member.into_inner();
            match rest.fill_buf()?.first() {
                None => return Ok(0),
                Some(0) => return zeroes(&mut rest).map(|()| 0),
                Some(_) => self.0 = Some(flate2::bufread::GzDecoder::new(rest)),
            }
        }
    }
}

/// Reads to the end, and allows only zeroes.
fn zeroes(rest: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "something that is no gzip follows the gzip"));
        }
        let length = bytes.len();
        if length == 0 {
            return Ok(());
        }
        rest.consume(length);
    }
}

/// The blocks, as one stream of bytes.
pub(super) struct Blocks {
    filled: Receiver<Vec<u8>>,
    empty: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    hash: Sha256,
    tar_size: u64,
    /// Where everything goes that is not a file's content.
    parts: Option<Recorder>,
    /// Whether what is consumed now is a file's content.
    content: bool,
}

impl Blocks {
    pub(super) fn new(filled: Receiver<Vec<u8>>, empty: Sender<Vec<u8>>, parts: Option<Recorder>) -> Self {
        Self { filled, empty, block: Vec::new(), at: 0, hash: Sha256::new(), tar_size: 0, parts, content: false }
    }

    /// What is consumed from here on is the content of the file `path`, in these regions of it (nothing: from its beginning on).
    pub(super) fn begin_content(&mut self, path: impl FnOnce() -> Vec<u8>, regions: &[(u64, u64)], size: u64) {
        if let Some(parts) = &mut self.parts
            && size > 0
        {
            parts.content(&path(), regions, size);
            self.content = true;
        }
    }

    /// It is no more.
    pub(super) fn end_content(&mut self) {
        self.content = false;
    }

    /// What was written under `path`, or below it, is now what `kept` has under that number.
    pub(super) fn replaced(&mut self, path: &[u8], kept: u64) {
        if let Some(parts) = &mut self.parts {
            parts.replaced(path, kept);
        }
    }

    /// Whether it is to be put together again: then nothing of it may get lost.
    pub(super) fn is_recorded(&self) -> bool {
        self.parts.is_some()
    }

    /// The bytes that come next, in one piece: at least so many, fewer only at the end of the stream.
    pub(super) fn at_least(&mut self, count: usize) -> &[u8] {
        if self.block.len() - self.at < count {
            let mut joined = self.block.split_off(self.at.min(self.block.len()));
            self.recycle();
            while joined.len() < count {
                let Some(next) = self.next() else { break };
                if joined.is_empty() {
                    joined = next;
                } else {
                    joined.extend_from_slice(&next);
                    let _ = self.empty.send(next);
                }
            }
            self.block = joined;
            self.at = 0;
        }
        &self.block[self.at..]
    }

    /// Up to `count` bytes of what comes next, as they lie there; none at the end of the stream.
    pub(super) fn some(&mut self, count: usize) -> &[u8] {
        if self.at >= self.block.len() {
            self.recycle();
            self.block = self.next().unwrap_or_default();
            self.at = 0;
        }
        let end = self.block.len().min(self.at.saturating_add(count));
        &self.block[self.at..end]
    }

    /// Goes on behind `count` bytes that were looked at.
    pub(super) fn consume(&mut self, count: usize) {
        let end = (self.at + count).min(self.block.len());
        if let Some(parts) = &mut self.parts
            && !self.content
        {
            parts.raw(&self.block[self.at..end]);
        }
        self.at = end;
    }

    /// Skips `count` bytes; `false` when the stream ends before.
    pub(super) fn skip(&mut self, mut count: u64) -> bool {
        while count > 0 {
            let length = self.some(usize::try_from(count).unwrap_or(usize::MAX)).len();
            if length == 0 {
                return false;
            }
            self.consume(length);
            count -= length as u64;
        }
        true
    }

    /// Reads what is left: what the whole stream came to.
    pub(super) fn drain(mut self) -> io::Result<Hashed> {
        self.consume(self.block.len());
        while let Some(block) = self.next() {
            if let Some(parts) = &mut self.parts {
                parts.raw(&block);
            }
            let _ = self.empty.send(block);
        }
        if let Some(parts) = self.parts {
            parts.finish()?;
        }
        Ok(Hashed { diff_id: Digest::from_bytes(self.hash.finalize().into()), tar_size: self.tar_size })
    }

    /// The next block; nothing at the end of the stream.
    fn next(&mut self) -> Option<Vec<u8>> {
        let block = self.filled.recv().ok()?;
        self.hash.update(&block);
        self.tar_size += block.len() as u64;
        Some(block)
    }

    fn recycle(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.at = 0;
        if block.capacity() >= BLOCK {
            let _ = self.empty.send(block);
        }
    }
}
