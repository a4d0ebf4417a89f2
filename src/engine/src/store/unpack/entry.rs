// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One entry of a layer: what it asks for, checked before anything is touched.

use tar_core::parse::ParsedEntry;
use tar_core::{EntryType, PaxExtensions, SparseEntry};

use super::UnpackError;

/// What an entry asks for.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name as the archive has it, for messages.
    pub name: String,
    /// The folder that it goes into, from the layer's root: names with `/` between, none of them `..`; empty for the root.
    pub parent: Vec<u8>,
    /// Its name in there; empty for the root itself.
    pub base: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits.
    pub mode: u32,
    /// Its user, in the container.
    pub uid: u64,
    /// Its group, in the container.
    pub gid: u64,
    /// When its content changed: seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Extended attributes that are to be set, under the names that they are set by.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// The bytes in the archive that are its content.
    pub size: u64,
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum Kind {
    File,
    /// A file with holes: where its bytes go, and how long it is.
    Sparse(Vec<SparseEntry>, u64),
    Folder,
    Symlink(Vec<u8>),
    /// Another name for a file of this layer: its folder and name.
    Hardlink(Vec<u8>, Vec<u8>),
    Fifo,
    /// Block or character device, major and minor number.
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
    /// Hides what is below it in other layers; [`Entry::base`] is the name that it hides.
    Whiteout,
    /// Hides everything that other layers have in its folder.
    Opaque,
    /// Nothing that a layer of ours has (another engine's bookkeeping).
    Nothing,
}

/// AUFS's prefixes: `.wh.NAME` hides NAME, `.wh..wh.…` is for itself.
const WHITEOUT: &[u8] = b".wh.";
const META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl Entry {
    pub(super) fn read(parsed: &ParsedEntry<'_>, sparse: Option<(Vec<SparseEntry>, u64)>) -> Result<Self, UnpackError> {
        let name = String::from_utf8_lossy(&parsed.path).into_owned();
        let refuse = |why: &str| UnpackError::Refused { name: name.clone(), why: why.to_owned() };
        let (parent, base) = split(&parsed.path).map_err(refuse)?;
        let mut entry = Self {
            parent,
            base,
            kind: Kind::File,
            mode: parsed.mode & 0o7777,
            uid: parsed.uid,
            gid: parsed.gid,
            mtime: (i64::try_from(parsed.mtime).unwrap_or(i64::MAX), 0),
            xattrs: Vec::new(),
            size: parsed.size,
            name: String::new(),
        };
        if let Some(pax) = parsed.pax {
            entry.extend(pax).map_err(refuse)?;
        }
        entry.kind = kind(parsed, sparse, &entry.base).map_err(|why| refuse(&why))?;
        if has_no_content(parsed.entry_type) {
            entry.size = 0;
        }
        if let Kind::Whiteout = entry.kind {
            entry.base.drain(..WHITEOUT.len());
            if matches!(entry.base.as_slice(), b"" | b"." | b"..") {
                return Err(refuse("hides no name"));
            }
        }
        if entry.base.is_empty() && !matches!(entry.kind, Kind::Folder) {
            return Err(refuse("has no name"));
        }
        entry.name = name;
        Ok(entry)
    }

    /// What the extended header says that the parser leaves out or passes over.
    fn extend(&mut self, pax: &[u8]) -> Result<(), &'static str> {
        for record in PaxExtensions::new(pax) {
            let record = record.map_err(|_| "has a broken extended header")?;
            let Ok(key) = record.key() else { continue };
            match key {
                "mtime" => {
                    if let Some(mtime) = record.value().ok().and_then(time) {
                        self.mtime = mtime;
                    }
                }
                // A broken number would leave the header's, which is another one.
                "uid" | "gid" | "size" => {
                    if record.value().ok().and_then(|value| value.parse::<u64>().ok()).is_none() {
                        return Err("has a broken number in its extended header");
                    }
                }
                _ => {
                    if let Some(attribute) = key.strip_prefix("SCHILY.xattr.")
                        && let Some(attribute) = attribute_name(attribute)
                    {
                        self.xattrs.push((attribute, record.value_bytes().to_vec()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// As podman's reader (Go's) has it: these have no content, whatever their size says.
fn has_no_content(kind: EntryType) -> bool {
    use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    matches!(kind, Link | Symlink | Char | Block | Directory | Fifo)
}

fn kind(parsed: &ParsedEntry<'_>, sparse: Option<(Vec<SparseEntry>, u64)>, base: &[u8]) -> Result<Kind, String> {
    let target = || match &parsed.link_target {
        Some(target) if target.contains(&0) => Err("points to a name with a nul in it".to_owned()),
        Some(target) => Ok(target.to_vec()),
        None => Err("points nowhere".to_owned()),
    };
    if base.starts_with(META) {
        return Ok(if base == OPAQUE { Kind::Opaque } else { Kind::Nothing });
    }
    if base.starts_with(WHITEOUT) {
        return Ok(Kind::Whiteout);
    }
    if let Some((map, length)) = sparse {
        check_sparse(&map, length, parsed.size)?;
        return Ok(Kind::Sparse(map, length));
    }
    let device =
        |block| Ok(Kind::Device { block, major: parsed.dev_major.unwrap_or(0), minor: parsed.dev_minor.unwrap_or(0) });
    match parsed.entry_type {
        // Before POSIX, a folder was a file whose name ends so.
        EntryType::Regular if parsed.path.ends_with(b"/") => Ok(Kind::Folder),
        EntryType::Regular | EntryType::Continuous => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Folder),
        EntryType::Symlink => target().map(Kind::Symlink),
        EntryType::Link => {
            let target = target()?;
            let shown = String::from_utf8_lossy(&target);
            let (parent, base) = split(&target).map_err(|why| format!("is a link to {shown:?}, which {why}"))?;
            if base.is_empty() {
                return Err(format!("is a link to {shown:?}, which is the layer itself"));
            }
            Ok(Kind::Hardlink(parent, base))
        }
        EntryType::Fifo => Ok(Kind::Fifo),
        EntryType::Char => device(false),
        EntryType::Block => device(true),
        other => Err(format!("is of the unknown type {:?}", char::from(other.to_byte()))),
    }
}

/// Takes a name apart: folder and last name. Nothing that could lead out is let through.
fn split(path: &[u8]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    if path.contains(&0) {
        return Err("has a nul in its name");
    }
    if path.starts_with(b"/") {
        return Err("has an absolute name");
    }
    let mut parent = Vec::with_capacity(path.len());
    let mut base: &[u8] = b"";
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => continue,
            b".." => return Err("leads out of its folder (..)"),
            _ => {}
        }
        if !base.is_empty() {
            if !parent.is_empty() {
                parent.push(b'/');
            }
            parent.extend_from_slice(base);
        }
        base = name;
    }
    Ok((parent, base.to_vec()))
}

/// The regions are in order, do not overlap, end within the file, and have as many bytes as the archive.
fn check_sparse(map: &[SparseEntry], length: u64, stored: u64) -> Result<(), String> {
    let mut end = 0;
    let mut bytes: u64 = 0;
    for region in map {
        let next = region.offset.checked_add(region.length).filter(|next| *next <= length);
        let (Some(next), true) = (next, region.offset >= end) else {
            return Err("has holes that do not fit together".to_owned());
        };
        end = next;
        bytes += region.length;
    }
    if bytes != stored || i64::try_from(length).is_err() {
        return Err("has other bytes than its holes leave".to_owned());
    }
    Ok(())
}

/// The name by which an attribute is set; nothing for one that an image may not have.
///
/// `user.overlay.*` would steer the kernel's overlay: it is escaped as the kernel does it (overlayfs.rst, "Nesting overlayfs
/// mounts"), so that it shows in the container under its own name. `trusted.*` is the machine's, and security labels too, but for
/// file capabilities.
fn attribute_name(name: &str) -> Option<String> {
    if name.contains('\0') {
        return None;
    }
    if let Some(rest) = name.strip_prefix("user.overlay.") {
        return Some(format!("user.overlay.overlay.{rest}"));
    }
    let allowed = name.starts_with("user.") || name == "security.capability" || name.starts_with("system.posix_acl_");
    allowed.then(|| name.to_owned())
}

/// `[-]SECONDS[.FRACTION]`: seconds and nanoseconds since 1970.
fn time(text: &str) -> Option<(i64, u32)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds >= 0)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.get(..9).unwrap_or(fraction);
    let nanoseconds: u32 = format!("{digits:0<9}").parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_those_that_lead_out_are_refused() {
        let is = |path: &str, parent: &str, base: &str| {
            assert_eq!(split(path.as_bytes()), Ok((parent.into(), base.into())), "{path}");
        };
        is("./a//b/./c/", "a/b", "c");
        is("a", "", "a");
        is("./", "", "");
        is("...", "", "...");
        for bad in ["/a", "//", "..", "a/../b", "a/..", "../a", "a\0b"] {
            assert!(split(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_before_1970_and_with_fractions_are_read() {
        assert_eq!(time("12.5"), Some((12, 500_000_000)));
        assert_eq!(time("12.1234567899"), Some((12, 123_456_789)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("-3"), Some((-3, 0)));
        for bad in ["", "x", "1.x", "--1", "-", "99999999999999999999"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn attributes_that_steer_the_kernel_are_escaped_or_left_out() {
        assert_eq!(attribute_name("user.overlay.opaque").as_deref(), Some("user.overlay.overlay.opaque"));
        assert_eq!(attribute_name("user.mine").as_deref(), Some("user.mine"));
        assert_eq!(attribute_name("security.capability").as_deref(), Some("security.capability"));
        for bad in ["trusted.overlay.redirect", "security.selinux", "user.a\0b", "nonsense", ""] {
            assert_eq!(attribute_name(bad), None, "{bad}");
        }
    }
}
