// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unpacking a layer: a tar (OCI image specification, layer.md) into a folder that overlay can mount.
//!
//! Nothing in the archive is trusted. Every name is taken apart and opened one folder at a time, from the descriptor of the
//! layer's folder, no link followed but inside it; what cannot be safe is refused with the entry's name. Whiteouts
//! (`.wh.NAME`) become what the kernel's overlay has for them: a character device 0/0, and the attribute `user.overlay.opaque`.
//!
//! Two threads: one inflates and hashes, one reads the tar and writes files.

mod entry;
mod stream;
mod tree;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use super::parts::{self, Recorder};
use crate::digest::Digest;
use crate::step::Compression;
use entry::Entry;
use serde::{Deserialize, Serialize};
use stream::{Blocks, Hashed, StreamError};
use tar_core::parse::{ParseError, ParseEvent, Parser};
use tree::Tree;

/// What an archive may not exceed (the user may raise it: [`crate::config::limits`]), and whose its files may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of the tar, whatever it was packed to.
    pub tar_size: u64,
    /// Bytes of the files, holes not counted.
    pub size: u64,
    /// Bytes of the files of all layers of an image that come at once.
    pub image: u64,
    /// Bytes of the layers that came before this one.
    #[serde(default)]
    pub before: u64,
    /// Bytes of a name.
    pub name: u32,
    /// Folders above an entry.
    pub depth: usize,
    /// Bytes of an entry's extended headers.
    pub extended: u32,
    /// Whether owners that the user namespace does not have become its root (`ignore_chown_errors` of storage.conf), instead of
    /// being refused.
    #[serde(default)]
    pub any_owner: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 16_000_000,
            tar_size: 1 << 40,
            size: 1 << 40,
            image: 4 << 40,
            before: 0,
            name: 4095,
            depth: 256,
            extended: 1 << 20,
            any_owner: false,
        }
    }
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the tar.
    pub diff_id: Digest,
    /// Its bytes.
    pub tar_size: u64,
    /// The bytes of the files.
    pub size: u64,
    /// How many entries it has.
    pub entries: u64,
}

/// Where a tar goes wrong and how. Of what does not even begin as one there is nothing to say.
fn after(entries: u64, last: &str, source: &ParseError) -> String {
    match source {
        ParseError::Header(_) if entries == 0 => String::new(),
        source => format!(": after entry {entries} ({last:?}): {source}"),
    }
}

/// Why a layer cannot be unpacked. Names the entry, where there is one.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The compressed stream is broken, or reading it failed.
    #[error("reading the layer: {0}")]
    Stream(io::Error),
    /// The tar is broken.
    #[error("the layer is no tar{}", after(*entries, last, source))]
    Tar {
        /// How many entries came before.
        entries: u64,
        /// The last of them.
        last: String,
        /// What is wrong.
        source: ParseError,
    },
    /// It ends inside an entry.
    #[error("the layer ends in the middle of {}", if .0.is_empty() { "its first entry: it is no tar, or cut off".to_owned() } else { format!("{:?}", .0) })]
    Short(String),
    /// An entry that cannot be safe or makes no sense.
    #[error("the layer's entry {name:?} {why}")]
    Refused {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// Too much of something.
    #[error(
        "the layer is over the limit of {limit} {what} at its entry {entry:?}: {key} below [limits] in ~/.config/haulout/config.toml raises it"
    )]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
        /// Where it was noticed; the one before, where its own name is not known.
        entry: String,
        /// What the setting is called.
        key: &'static str,
    },
    /// An owner that the user namespace does not have. Begins with podman's words.
    #[error(
        "potentially insufficient UIDs or GIDs available in user namespace (requested {uid}:{gid} for /{name}): the user has no \
         subordinate id for that: Check /etc/subuid and /etc/subgid, add ids as root (usermod --add-subuids FIRST-LAST \
         --add-subgids FIRST-LAST USER), stop the containers and end the process haulout-anchor"
    )]
    Unmapped {
        /// The entry.
        name: String,
        /// Its user.
        uid: u64,
        /// Its group.
        gid: u64,
    },
    /// Writing an entry.
    #[error("unpacking {name:?}: {doing}: {source}")]
    Write {
        /// The entry.
        name: String,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder.
    #[error("unpacking into {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A tar on its way in.
#[derive(Debug)]
pub struct Packed {
    /// Where it comes from.
    pub from: OwnedFd,
    /// How many bytes of that it is, if that does not end before.
    pub length: u64,
    /// What it is packed with.
    pub compression: Compression,
}

/// Unpacks the tar that `packed` carries into the empty folder `into`, and reads it to its end. What `into` has no place for goes
/// beside it, so that [`super::pack`] can put the same tar together again. Nothing is synced.
///
/// # Errors
/// What stopped it; the folder holds a part of the layer then.
pub fn unpack(packed: Packed, into: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let parts = into.with_file_name(parts::PARTS);
    let unrecorded = |source| UnpackError::Folder { path: into.with_file_name(parts::PARTS), source };
    let recorder = Recorder::create(&parts).map_err(unrecorded)?;
    let mut tree = Tree::open(into, limits)?;
    let (blocks, filled) = mpsc::sync_channel(stream::BLOCKS);
    let (empty, recycled) = mpsc::channel();
    let most = limits.tar_size;
    let source = std::thread::spawn(move || stream::pump(packed, most, &blocks, &recycled));
    let mut blocks = Blocks::new(filled, empty, Some(recorder));
    let written = write(&mut blocks, &mut tree, limits);
    if !matches!(written, Ok(_) | Err(UnpackError::Short(_))) {
        // Not waited for: it may be waiting itself, for bytes that come slowly, and ends when it finds nobody who wants them.
        return Err(written.err().unwrap_or(UnpackError::Short(String::new())));
    }
    let drained = blocks.drain();
    // A broken stream shows on this side as one that ends too soon: its own words are the better ones.
    match source.join() {
        Ok(Ok(())) => {}
        Ok(Err(StreamError::Io(error))) => return Err(UnpackError::Stream(error)),
        Ok(Err(StreamError::TooLong)) => {
            let entry = match written {
                Ok((_, last)) | Err(UnpackError::Short(last)) => last,
                Err(_) => String::new(),
            };
            return Err(UnpackError::Limit { what: "bytes of tar", limit: most, entry, key: "tar-size" });
        }
        Ok(Err(StreamError::Closed)) | Err(_) => return Err(UnpackError::Stream(io::ErrorKind::BrokenPipe.into())),
    }
    let (entries, _) = written?;
    let Hashed { diff_id, tar_size } = drained.map_err(unrecorded)?;
    let size = tree.finish()?;
    Ok(Unpacked { diff_id, tar_size, size, entries })
}

/// Reads entries and writes them, to the end of the archive. Answers how many there were, and the name of the last.
fn write(blocks: &mut Blocks, tree: &mut Tree<'_>, limits: &Limits) -> Result<(u64, String), UnpackError> {
    let mut parser = Parser::new(tar_core::parse::Limits {
        max_metadata_size: limits.extended,
        max_path_len: Some(limits.name),
        ..tar_core::parse::Limits::default()
    });
    // Only of times before 1970 and the like: `Entry` looks again at the values that matter.
    parser.set_ignore_pax_errors(true);
    parser.set_allow_empty_path(true);
    let mut entries = 0;
    let mut last = String::new();
    let mut needed = tar_core::HEADER_SIZE;
    // The sparse map of an entry may come on top of its extended headers.
    let most = limits.extended as usize * 2 + (1 << 20);
    loop {
        let bytes = blocks.at_least(needed);
        let short = bytes.len() < needed;
        let event = parser.parse(bytes).map_err(|source| UnpackError::Tar { entries, last: last.clone(), source })?;
        let (consumed, entry) = match event {
            ParseEvent::NeedData { min_bytes } => {
                if short {
                    // An archive may end without its two empty blocks, but not within a header.
                    return if bytes.iter().all(|byte| *byte == 0) {
                        Ok((entries, last))
                    } else {
                        Err(UnpackError::Short(last))
                    };
                }
                if min_bytes > most {
                    let what = "bytes of headers of the entry after it,";
                    return Err(UnpackError::Limit { what, limit: most as u64, entry: last, key: "headers" });
                }
                needed = min_bytes.max(bytes.len() + 1);
                continue;
            }
            ParseEvent::End { .. } => return Ok((entries, last)),
            // As podman: what a global header says of all entries is not for us.
            ParseEvent::GlobalExtensions { consumed, .. } => (consumed, None),
            ParseEvent::Entry { consumed, entry } => (consumed, Some(Entry::read(&entry, None)?)),
            ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size } => {
                (consumed, Some(Entry::read(&entry, Some((sparse_map, real_size)))?))
            }
        };
        blocks.consume(consumed);
        needed = tar_core::HEADER_SIZE;
        let Some(entry) = entry else { continue };
        entries += 1;
        if entries > limits.entries {
            let limit = limits.entries;
            return Err(UnpackError::Limit { what: "entries", limit, entry: entry.name, key: "entries" });
        }
        tree.write(&entry, blocks)?;
        last = entry.name;
    }
}

#[cfg(test)]
mod archive;
#[cfg(test)]
mod tests;
