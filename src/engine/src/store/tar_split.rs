// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What Podman keeps of a layer's tar beside its files: `overlay-layers/<id>.tar-split.gz`.
//!
//! Gzip of JSON objects one after the other: `{"type": 2, "payload": BASE64}` are bytes of the tar, `{"type": 1, "name": PATH, "size": N}`
//! stands for the contents of that file (`name_raw`, in base64, for a name that is no UTF-8).

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::StreamDeserializer;
use serde_json::de::IoRead;

use super::parts::Part;

/// The end of such a file's name.
pub(super) const EXTENSION: &str = "tar-split.gz";

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: u32,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    name_raw: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    payload: Option<String>,
}

/// Reads the file.
pub(super) struct TarSplit(StreamDeserializer<'static, IoRead<BufReader<MultiGzDecoder<BufReader<File>>>>, Entry>);

impl TarSplit {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let unpacked = BufReader::new(MultiGzDecoder::new(BufReader::new(File::open(path)?)));
        Ok(Self(serde_json::Deserializer::from_reader(unpacked).into_iter()))
    }
}

impl Iterator for TarSplit {
    type Item = io::Result<Part>;

    fn next(&mut self) -> Option<io::Result<Part>> {
        loop {
            let entry = match self.0.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            // A file without contents is nothing but its header, and may be a whiteout, which is no file.
            if entry.kind != 1 || entry.size.unwrap_or(0) > 0 {
                return Some(part(entry));
            }
        }
    }
}

fn part(entry: Entry) -> io::Result<Part> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let decoded = |text: &str| STANDARD.decode(text).map_err(|error| invalid(error.to_string()));
    match entry.kind {
        2 => Ok(Part::Raw(decoded(&entry.payload.unwrap_or_default())?)),
        1 => {
            let path = match (entry.name_raw, entry.name) {
                (Some(raw), _) => decoded(&raw)?,
                (None, Some(name)) => name.into_bytes(),
                (None, None) => return Err(invalid("contents of a file without a name".to_owned())),
            };
            Ok(Part::Content { path, regions: Vec::new(), size: entry.size.unwrap_or(0) })
        }
        other => Err(invalid(format!("an entry of the type {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(text: &str) -> io::Result<Vec<Part>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar-split.gz");
        let mut packed = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
        TarSplit::open(&path)?.collect()
    }

    #[test]
    fn bytes_and_contents_come_in_their_order_and_files_without_contents_not_at_all() {
        let parts = read(
            "{\"type\":2,\"payload\":\"YWI=\",\"position\":0}\n{\"type\":1,\"name\":\"bin/\",\"payload\":null}\n\
             {\"type\":1,\"name\":\"a\",\"size\":3,\"payload\":\"x\"}\n{\"type\":1,\"name_raw\":\"/w==\",\"size\":1}",
        );
        let content = |path: &[u8], size| Part::Content { path: path.to_vec(), regions: Vec::new(), size };
        assert_eq!(parts.unwrap(), [Part::Raw(b"ab".to_vec()), content(b"a", 3), content(b"\xff", 1)]);
    }

    #[test]
    fn a_broken_file_is_an_error() {
        for text in ["{", "{\"type\":3}", "{\"type\":1,\"size\":2}", "{\"type\":2,\"payload\":\"!\"}", "[]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
