// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The signatures of an image in a `dir` (containers-transports(5)): `signature-1`, `signature-2` and so on beside its manifest, as long as
//! there is a next one.
//!
//! A simple one is its message as it is. One of sigstore's begins with a zero byte, the word `sigstore-json` and a newline; a JSON object
//! follows, with what lies in a registry as a layer: the media type, the payload in base64, and annotations.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::sigstore::{PAYLOAD, SIGNATURE};
use super::{Found, SignatureError};

/// How many signatures of a folder are looked at: each may be one run of `gpg`.
const MOST: usize = 128;

/// The bytes of a signature at most.
const LONGEST: u64 = 4 << 20;

/// What the first line of one of sigstore's says after its zero byte.
const FORMAT: &[u8] = b"sigstore-json";

/// One of sigstore's, as it lies in a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attached {
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// The file of the signature `number`, from 1.
pub(in crate::image) fn name(number: usize) -> String {
    format!("signature-{number}")
}

/// All that lie in `folder`. Blocks.
pub(super) fn read(folder: &Path) -> Result<Vec<Found>, SignatureError> {
    let mut found = Vec::new();
    for path in (1..=MOST).map(|number| folder.join(name(number))) {
        let bytes = match read_file(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(source) => {
                return Err(SignatureError::Storage { doing: "reading", place: path.display().to_string(), source });
            }
        };
        let parsed = parse(bytes).map_err(|reason| {
            SignatureError::Rejected(format!("parsing signature {:?}: {reason}", path.display().to_string()))
        })?;
        found.extend(parsed);
    }
    Ok(found)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than signatures are"));
    }
    Ok(bytes)
}

/// The signature that a file is; nothing for what is attached to an image and is none. The reasons are Podman's words.
fn parse(bytes: Vec<u8>) -> Result<Option<Found>, String> {
    let Some(marked) = bytes.strip_prefix(&[0]) else {
        return if bytes.is_empty() { Err("empty signature blob".to_owned()) } else { Ok(Some(Found::Simple(bytes))) };
    };
    let end = marked.iter().position(|byte| *byte == b'\n').ok_or("invalid signature format, missing newline")?;
    let (format, json) = (&marked[..end], &marked[end + 1..]);
    if format != FORMAT {
        return Err(format!("unrecognized signature format {:?}", String::from_utf8_lossy(format)));
    }
    let attached: Attached = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let payload = STANDARD.decode(&attached.payload).map_err(|error| format!("its payload is no base64: {error}"))?;
    let signature = attached.annotations.unwrap_or_default().remove(SIGNATURE);
    match signature {
        Some(signature) if attached.mime_type == PAYLOAD => Ok(Some(Found::Sigstore { payload, signature })),
        _ => Ok(None),
    }
}

/// Writes signatures into `folder`, where there are none. Blocks.
pub(in crate::image) fn write(folder: &Path, signatures: &[Found]) -> Result<(), SignatureError> {
    for (number, signature) in (1..).zip(signatures) {
        let path = folder.join(name(number));
        put(&path, signature).map_err(|source| SignatureError::Storage {
            doing: "writing",
            place: path.display().to_string(),
            source,
        })?;
    }
    Ok(())
}

fn put(path: &Path, signature: &Found) -> io::Result<()> {
    let mut file = File::create(path)?;
    match signature {
        Found::Simple(message) => file.write_all(message),
        Found::Sigstore { payload, signature } => {
            let attached = Attached {
                mime_type: PAYLOAD.to_owned(),
                payload: STANDARD.encode(payload),
                annotations: Some(BTreeMap::from([(SIGNATURE.to_owned(), signature.clone())])),
            };
            file.write_all(&[b"\0", FORMAT, b"\n", serde_json::to_vec(&attached)?.as_slice()].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn texts(found: &[Found]) -> Vec<String> {
        let text = |one: &Found| match one {
            Found::Simple(message) => format!("simple {}", String::from_utf8_lossy(message)),
            Found::Sigstore { payload, signature } => format!("{} by {signature}", String::from_utf8_lossy(payload)),
        };
        found.iter().map(text).collect()
    }

    #[test]
    fn what_is_written_is_read_up_to_the_first_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let sigstore = Found::Sigstore { payload: b"words".to_vec(), signature: "me".into() };
        write(folder.path(), &[Found::Simple(b"message".to_vec()), sigstore]).unwrap();
        fs::write(folder.path().join("signature-4"), "").unwrap();
        assert_eq!(texts(&read(folder.path()).unwrap()), ["simple message", "words by me"]);
        assert_eq!(
            fs::read(folder.path().join("signature-2")).unwrap(),
            b"\0sigstore-json\n{\"mimeType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"payload\":\"d29yZHM=\",\"annotations\":{\"dev.cosignproject.cosign/signature\":\"me\"}}"
        );
    }

    #[test]
    fn what_is_no_signature_is_refused_or_passed_over() {
        for (bytes, words) in [
            (&b""[..], "empty signature blob"),
            (b"\0", "invalid signature format, missing newline"),
            (b"\0foo\n{}", "unrecognized signature format \"foo\""),
            (b"\0sigstore-json\n{", "EOF"),
            (b"\0sigstore-json\n{\"payload\":\"!\"}", "no base64"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("signature-1"), bytes).unwrap();
            let Err(error) = read(folder.path()) else { panic!("{words}: it is read") };
            let error = error.to_string();
            assert!(
                error.starts_with("Source image rejected: parsing signature \"") && error.contains(words),
                "{error}"
            );
        }
        for json in [
            "{}",
            r#"{"mimeType":"x","payload":"","annotations":{}}"#,
            r#"{"mimeType":"application/vnd.dev.cosign.simplesigning.v1+json","annotations":null}"#,
        ] {
            assert!(parse([b"\0sigstore-json\n", json.as_bytes()].concat()).unwrap().is_none(), "{json}");
        }
    }

    #[test]
    fn whatever_is_in_a_file_it_is_a_signature_or_none() {
        haulout_fuzz::feed("signature", |bytes| {
            let _ = parse(bytes.to_vec());
        });
    }
}
