// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a layer's folder has no place for: everything of its tar but the files' contents, so that the same tar can be put
//! together again, to the byte, without keeping it.
//!
//! `layers/<diffID>/parts` is a Zstandard stream of records. `R` and a length (32 bits, little endian): so many bytes of the tar.
//! `C`, the length of a path, the path, a count of regions, the regions (offset and length, 64 bits), a size: so many bytes which are
//! the content of that file, all of it or those regions. `K`, the length of a path, the path, a number: what was written under
//! that path until here was replaced by a later entry, and is now `kept/NUMBER` beside the layer's folder.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::Path;

/// The file.
pub(crate) const PARTS: &str = "parts";

/// The folder of what was replaced.
pub(crate) const KEPT: &str = "kept";

/// Fast: what there is to pack is mostly zeroes and numbers.
const LEVEL: i32 = 1;

/// Bytes of the tar are written when there are so many.
const RAW: usize = 64 << 10;

/// Longer than any path that is unpacked, and than any run of bytes that is written.
const LENGTH_MAX: u32 = 1 << 24;

/// Writes the file while a layer is unpacked. What fails is told at the end.
pub(super) struct Recorder {
    out: zstd::Encoder<'static, BufWriter<File>>,
    raw: Vec<u8>,
    outcome: io::Result<()>,
}

impl Recorder {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let out = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
        Ok(Self { out, raw: Vec::with_capacity(RAW), outcome: Ok(()) })
    }

    /// Bytes of the tar.
    pub(super) fn raw(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(RAW - self.raw.len()));
            self.raw.extend_from_slice(now);
            bytes = rest;
            if self.raw.len() >= RAW {
                self.flush();
            }
        }
    }

    /// The content of a file, which is in these regions of it; from its beginning on when there are none.
    pub(super) fn content(&mut self, path: &[u8], regions: &[(u64, u64)], size: u64) {
        self.flush();
        let mut record = vec![b'C'];
        put_bytes(&mut record, path);
        record.extend(length(regions.len()));
        for (offset, length) in regions {
            record.extend(offset.to_le_bytes());
            record.extend(length.to_le_bytes());
        }
        record.extend(size.to_le_bytes());
        self.write(&record);
    }

    /// What was written under `path` is kept under a number.
    pub(super) fn replaced(&mut self, path: &[u8], kept: u64) {
        self.flush();
        let mut record = vec![b'K'];
        put_bytes(&mut record, path);
        record.extend(kept.to_le_bytes());
        self.write(&record);
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.outcome?;
        self.out.finish()?.flush()
    }

    fn flush(&mut self) {
        if self.raw.is_empty() {
            return;
        }
        let raw = std::mem::take(&mut self.raw);
        let mut head = vec![b'R'];
        head.extend(length(raw.len()));
        self.write(&head);
        self.write(&raw);
        self.raw = raw;
        self.raw.clear();
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.outcome.is_ok() {
            self.outcome = self.out.write_all(bytes);
        }
    }
}

fn length(length: usize) -> [u8; 4] {
    // Nothing that comes here is longer: paths and regions are bounded where they are read.
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    record.extend(length(bytes.len()));
    record.extend(bytes);
}

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Raw(Vec<u8>),
    Content { path: Vec<u8>, regions: Vec<(u64, u64)>, size: u64 },
    Replaced { path: Vec<u8>, kept: u64 },
}

/// Reads the file.
pub(super) struct Parts(zstd::Decoder<'static, BufReader<File>>);

impl Parts {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(zstd::Decoder::new(File::open(path)?)?))
    }

    fn length(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes)?;
        match u32::from_le_bytes(bytes) {
            length if length <= LENGTH_MAX => Ok(length as usize),
            length => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a length of {length}"))),
        }
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length()?];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Iterator for Parts {
    type Item = io::Result<Part>;

    fn next(&mut self) -> Option<io::Result<Part>> {
        let mut kind = [0];
        match self.0.read(&mut kind) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        Some((|| match kind[0] {
            b'R' => self.bytes().map(Part::Raw),
            b'C' => {
                let path = self.bytes()?;
                let count = self.length()?;
                let mut regions = Vec::new();
                for _ in 0..count {
                    regions.push((self.number()?, self.number()?));
                }
                Ok(Part::Content { path, regions, size: self.number()? })
            }
            b'K' => Ok(Part::Replaced { path: self.bytes()?, kept: self.number()? }),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a record of the kind {other}"))),
        })())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PARTS);
        let mut recorder = Recorder::create(&path).unwrap();
        recorder.raw(b"head");
        recorder.raw(b"er");
        recorder.content(b"a/b", &[], 7);
        recorder.raw(&vec![7; RAW + 1]);
        recorder.replaced(b"a", 3);
        recorder.content(b"a", &[(1, 2), (4, 5)], 7);
        recorder.finish().unwrap();
        let parts: Vec<Part> = Parts::open(&path).unwrap().collect::<io::Result<_>>().unwrap();
        let expected = [
            Part::Raw(b"header".to_vec()),
            Part::Content { path: b"a/b".to_vec(), regions: vec![], size: 7 },
            Part::Raw(vec![7; RAW]),
            Part::Raw(vec![7]),
            Part::Replaced { path: b"a".to_vec(), kept: 3 },
            Part::Content { path: b"a".to_vec(), regions: vec![(1, 2), (4, 5)], size: 7 },
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PARTS);
        for bytes in [&b"X"[..], b"R\xff\xff\xff\xff", b"R\x05\0\0\0abc", b"C\x01\0\0\0a"] {
            std::fs::write(&path, zstd::encode_all(bytes, 1).unwrap()).unwrap();
            assert!(Parts::open(&path).unwrap().collect::<io::Result<Vec<_>>>().is_err(), "{bytes:?}");
        }
        std::fs::write(&path, b"no zstd").unwrap();
        assert!(Parts::open(&path).unwrap().collect::<io::Result<Vec<_>>>().is_err());
    }
}
