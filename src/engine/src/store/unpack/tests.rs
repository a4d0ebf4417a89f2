// SPDX-License-Identifier: Apache-2.0 OR MIT

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::archive::{Archive, Item, checksum};
use super::{Limits, Packed, UnpackError, Unpacked, unpack};
use crate::digest::Digest;
use crate::step::Compression;
use crate::store::pack::{PackError, pack};
use crate::store::parts::{KEPT, PARTS};

/// A layer's folder, with things beside it that must stay as they are.
struct Place {
    folder: TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("diff")).unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "outside").unwrap();
        fs::create_dir(outside.join("a")).unwrap();
        symlink("file", outside.join("link")).unwrap();
        let before = snapshot(&folder.path().join("outside"));
        Self { folder, before }
    }

    fn layer(&self) -> PathBuf {
        self.folder.path().join("diff")
    }

    fn unpack(&self, tar: &[u8]) -> Result<Unpacked, UnpackError> {
        self.unpack_as(tar, Compression::None, &Limits::default())
    }

    fn unpack_as(&self, bytes: &[u8], compression: Compression, limits: &Limits) -> Result<Unpacked, UnpackError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let _ = fs::remove_file(self.folder.path().join(PARTS));
        let _ = fs::remove_dir_all(self.folder.path().join(KEPT));
        // What follows is somebody else's.
        let length = file.stream_position().unwrap();
        file.write_all(b"no tar").unwrap();
        file.rewind().unwrap();
        let packed = Packed { from: file.into(), length, compression };
        let unpacked = unpack(packed, &self.layer(), limits)?;
        self.assert_it_can_be_packed_again(&unpacked);
        Ok(unpacked)
    }

    /// The same tar comes out of it.
    fn assert_it_can_be_packed_again(&self, unpacked: &Unpacked) {
        let mut file = tempfile::tempfile().unwrap();
        match pack(
            self.folder.path(),
            &self.folder.path().join("parts"),
            OwnedFd::from(file.try_clone().unwrap()),
            &unpacked.diff_id,
        ) {
            // An ordinary user's own file without a right to read.
            Err(PackError::File { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => return,
            packed => packed.unwrap(),
        }
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), unpacked.tar_size);
    }

    /// Nothing outside the layer changed, and nothing came to be beside it.
    fn assert_outside_is_as_it_was(&self) {
        assert_eq!(snapshot(&self.folder.path().join("outside")), self.before);
        let mut beside: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        beside.retain(|name| *name != PARTS && *name != KEPT);
        beside.sort();
        assert_eq!(beside, ["diff", "outside"]);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open_up();
    }
}

impl Place {
    /// Folders that an ordinary user may not write to could not be removed.
    fn open_up(&self) {
        let mut left = vec![self.layer()];
        while let Some(path) = left.pop() {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            left.extend(
                entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
            );
        }
    }
}

/// Everything about every file below `folder`.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let target = fs::read_link(&path).unwrap_or_default();
        found.insert(
            path.clone(),
            format!(
                "{:o} {} {} {} {:?} {content:?} {target:?}",
                metadata.mode(),
                metadata.uid(),
                metadata.nlink(),
                metadata.rdev(),
                metadata.modified().unwrap()
            ),
        );
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == 0)
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1000];
    let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

fn is_opaque(path: &Path) -> bool {
    attribute(path, "user.overlay.opaque").as_deref() == Some(b"y")
}

#[test]
fn files_folders_and_links_come_out_as_they_are_in_the_archive() {
    let place = Place::new();
    let long = format!("d/{}/{}", "x".repeat(150), "y".repeat(150));
    let tar = Archive::of([
        Item::folder("./").mode(0o751),
        Item::folder("d/").mode(0o2775),
        Item::file("d/f", "content").mode(0o4751).pax("mtime", "1234567890.123456789"),
        Item::file(&long, "long"),
        Item::symlink("d/l", "/etc/passwd"),
        Item::hardlink("h", "d/f"),
        Item::new(b'6', "d/fifo").mode(0o600),
        Item::folder("locked").mode(0o500),
        Item::file("locked/f", ""),
        Item::folder("dangling/..dots../..."),
    ]);
    let unpacked = place.unpack(&tar).unwrap();
    assert_eq!((unpacked.entries, unpacked.size), (10, 11));
    assert_eq!((unpacked.diff_id, unpacked.tar_size), (Digest::of(&tar), tar.len() as u64));
    let at = |name: &str| place.layer().join(name);
    let mode = |name: &str| fs::symlink_metadata(at(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("."), mode("d"), mode("d/f"), mode("locked")), (0o751, 0o2775, 0o4751, 0o500));
    assert_eq!(fs::read(at("d/f")).unwrap(), b"content");
    assert_eq!(fs::read(at(&long)).unwrap(), b"long");
    assert_eq!(fs::read_link(at("d/l")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::metadata(at("h")).unwrap().ino(), fs::metadata(at("d/f")).unwrap().ino());
    assert!(fs::symlink_metadata(at("d/fifo")).unwrap().file_type().is_fifo());
    assert!(at("dangling/..dots../...").is_dir());
    let time = fs::metadata(at("d/f")).unwrap();
    assert_eq!((time.mtime(), time.mtime_nsec()), (1_234_567_890, 123_456_789));
    for name in [".", "d", "locked", "d/l", "d/fifo"] {
        assert_eq!(fs::symlink_metadata(at(name)).unwrap().mtime(), 1_500_000_000, "{name}");
    }
    place.assert_outside_is_as_it_was();
}

#[test]
fn a_folder_that_is_visited_again_keeps_its_mode_and_time() {
    let place = Place::new();
    let tar = Archive::of([
        Item::folder("a").mode(0o2755),
        Item::file("a/1", ""),
        Item::folder("b"),
        Item::file("a/2", "").mode(0o2711),
        Item::folder("a/sub"),
        Item::file("c/implied", ""),
        Item::folder("c").mode(0o700),
    ]);
    place.unpack(&tar).unwrap();
    for (name, mode) in [("a", 0o2755), ("a/2", 0o2711), ("a/sub", 0o755), ("c", 0o700)] {
        let metadata = fs::metadata(place.layer().join(name)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (mode, 1_500_000_000), "{name}");
    }
}

#[test]
fn the_last_of_two_entries_of_one_name_wins() {
    let place = Place::new();
    let tar = Archive::of([
        Item::file("a", "first"),
        Item::file("a", "second"),
        Item::folder("d"),
        Item::file("d/inner", "x"),
        Item::file("d", "a file now"),
        Item::symlink("l", "nowhere"),
        Item::folder("l"),
        Item::file("l/x", ""),
        Item::file("s", ""),
        Item::symlink("s", "elsewhere"),
    ]);
    place.unpack(&tar).unwrap();
    assert_eq!(fs::read(place.layer().join("a")).unwrap(), b"second");
    assert_eq!(fs::read(place.layer().join("d")).unwrap(), b"a file now");
    assert!(place.layer().join("l/x").is_file());
    assert!(place.layer().join("s").is_symlink());
}

#[test]
fn whiteouts_become_the_kernels() {
    let place = Place::new();
    let tar = Archive::of([
        Item::folder("d"),
        Item::file("d/.wh.gone", ""),
        Item::file("d/kept", ""),
        // In the same layer a whiteout hides only what is below it, whichever comes first.
        Item::file("d/.wh.kept", ""),
        Item::file("d/.wh.again", ""),
        Item::file("d/again", "here"),
        Item::folder("d/folder"),
        Item::file("d/folder/mine", ""),
        Item::file("d/.wh.folder", ""),
        Item::file("d/.wh.later", ""),
        Item::folder("d/later"),
        Item::file("d/.wh.implied", ""),
        Item::file("d/implied/file", ""),
        Item::folder("o"),
        Item::file("o/.wh..wh..opq", ""),
        Item::file(".wh..wh.plnk", "bookkeeping"),
        Item::hardlink("o/.wh.linked", "d/kept"),
    ]);
    place.unpack(&tar).unwrap();
    let at = |name: &str| place.layer().join(name);
    assert!(is_whiteout(&at("d/gone")) && is_whiteout(&at("o/linked")));
    assert!(at("d/kept").is_file() && at("d/again").is_file());
    for opaque in ["o", "d/folder", "d/later", "d/implied"] {
        assert!(is_opaque(&at(opaque)), "{opaque}");
    }
    assert!(!is_opaque(&at("d")));
    assert!(at("d/folder/mine").is_file() && at("d/implied/file").is_file());
    let names: Vec<_> = fs::read_dir(place.layer()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".wh.")), "{names:?}");
}

#[test]
fn what_cannot_be_safe_is_refused_by_name() {
    let refused: Vec<(Item, &str)> = vec![
        (Item::file("/etc/x", ""), "absolute"),
        (Item::file("../outside/file", ""), ".."),
        (Item::file("a/../../outside/file", ""), ".."),
        (Item::folder("a/.."), ".."),
        (Item::file("x", "").pax("path", "../outside/file"), ".."),
        (Item::file("x", "").pax("path", "/outside"), "absolute"),
        (Item::file("x", "").pax("path", "a\0b"), "nul"),
        (Item::file("x", "").pax("GNU.sparse.name", "../x").pax("GNU.sparse.map", "0,0"), ".."),
        (Item::hardlink("h", "../outside/file"), ".."),
        (Item::hardlink("h", "/etc/passwd"), "absolute"),
        (Item::hardlink("h", "nothing"), "nothing|No such file"),
        (Item::hardlink("h", "./"), "itself"),
        (Item::file(".wh...", ""), "hides no name"),
        (Item::file("a/.wh.", ""), "hides no name"),
        (Item::file(".wh..", ""), "hides no name"),
        (Item::symlink("s", ""), "points nowhere"),
        (Item::new(b'Z', "odd"), "unknown type"),
        (Item::file("./", "x"), ""),
        (Item::file("big", "").pax("uid", "4294967295"), "4294967295"),
        (Item::file("big", "").pax("uid", "x"), "broken number"),
        (Item::file("big", "").pax("uid", "-1"), "broken number"),
        (Item::file(format!("{}x", "d/".repeat(300)), ""), "deeper"),
        (Item::file("n".repeat(256), ""), "too long"),
        (Item::file("n/".repeat(2100) + "x", ""), "limit"),
        (Item::file("s", "abc").pax("GNU.sparse.map", "0,3,1,3").pax("GNU.sparse.size", "9"), "holes"),
        (Item::file("s", "abc").pax("GNU.sparse.map", "0,9").pax("GNU.sparse.size", "9"), "holes"),
        (Item::file("s", "abc").pax("GNU.sparse.map", "18446744073709551615,3").pax("GNU.sparse.size", "9"), "holes"),
    ];
    for (item, words) in refused {
        let place = Place::new();
        let name = String::from_utf8_lossy(&item.name).into_owned();
        let result = place.unpack(&Archive::of([item.clone()]));
        if words.is_empty() {
            // The root by another type: taken for what its name says.
            assert!(result.is_ok(), "{item:?}: {result:?}");
            continue;
        }
        let error = result.expect_err(&name).to_string();
        assert!(words.split('|').any(|words| error.contains(words)), "{name}: {error}");
        place.assert_outside_is_as_it_was();
    }
}

#[test]
fn no_link_in_the_archive_leads_out_of_the_layer() {
    let outside = |place: &Place| place.folder.path().join("outside").to_string_lossy().into_owned();
    for target in
        ["../outside", "../../../../../../../../../../tmp", "ABSOLUTE", "/", "..", "/proc/self/cwd", "/proc/1/root"]
    {
        let place = Place::new();
        let target = if target == "ABSOLUTE" { outside(&place) } else { target.to_owned() };
        for through in [
            Item::file("l/file", "overwritten"),
            Item::file("l/new", "new"),
            Item::folder("l/a"),
            Item::file("l/.wh.file", ""),
            Item::file("l/.wh..wh..opq", ""),
            Item::symlink("l/link", "x"),
            Item::hardlink("l/hard", "f"),
            Item::hardlink("h", "l/file"),
            Item::new(b'6', "l/fifo"),
            Item::file("l", "in its place"),
            Item::file("l/outside/file", ""),
        ] {
            let tar = Archive::of([Item::file("f", "mine"), Item::symlink("l", &target), through]);
            place.open_up();
            fs::remove_dir_all(place.layer()).unwrap();
            fs::create_dir(place.layer()).unwrap();
            let _ = place.unpack(&tar);
            place.assert_outside_is_as_it_was();
        }
    }
}

#[test]
fn a_link_to_a_folder_of_the_layer_may_be_gone_through() {
    let place = Place::new();
    let tar = Archive::of([
        Item::folder("usr/lib"),
        Item::symlink("lib", "/usr/lib"),
        Item::file("lib/x", "x"),
        Item::hardlink("y", "lib/x"),
    ]);
    place.unpack(&tar).unwrap();
    assert!(place.layer().join("usr/lib/x").is_file() && place.layer().join("y").is_file());
    assert!(place.layer().join("lib").is_symlink());
}

#[test]
fn attributes_of_the_user_are_set_and_those_of_the_overlay_are_escaped() {
    let place = Place::new();
    let tar = Archive::of([
        Item::file("f", "x")
            .pax("SCHILY.xattr.user.mine", "value")
            .pax("SCHILY.xattr.user.overlay.redirect", "/elsewhere")
            .pax("SCHILY.xattr.trusted.overlay.opaque", "y"),
        Item::folder("d").pax("SCHILY.xattr.user.overlay.opaque", "y"),
    ]);
    place.unpack(&tar).unwrap();
    let file = place.layer().join("f");
    assert_eq!(attribute(&file, "user.mine").as_deref(), Some(b"value".as_slice()));
    assert_eq!(attribute(&file, "user.overlay.redirect"), None);
    assert_eq!(attribute(&file, "user.overlay.overlay.redirect").as_deref(), Some(b"/elsewhere".as_slice()));
    assert_eq!(attribute(&file, "trusted.overlay.opaque"), None);
    assert!(!is_opaque(&place.layer().join("d")));
}

#[test]
fn sparse_files_have_their_holes() {
    let place = Place::new();
    let head = 1_000_000;
    // GNU's old format: the map is in the header.
    let mut header = Item { content: b"head".repeat(128), ..Item::new(b'S', "old") };
    header.content.extend(b"tail".repeat(128));
    let mut archive = Archive::default();
    archive.raw(&header);
    let mut bytes = archive.end();
    {
        let header: &mut [u8; 512] = (&mut bytes[..512]).try_into().unwrap();
        header[257..265].copy_from_slice(b"ustar  \0");
        header[345..500].fill(0);
        for (at, (offset, length)) in [(0, 512), (head, 512)].into_iter().enumerate() {
            let text = format!("{offset:011o}\0{length:011o}\0");
            header[386 + at * 24..386 + (at + 1) * 24].copy_from_slice(text.as_bytes());
        }
        header[483..495].copy_from_slice(format!("{:011o}\0", head + 512).as_bytes());
        checksum(header);
    }
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(Archive::of([
        Item::file("pax01", "headtail").pax("GNU.sparse.map", "0,4,1000000,4").pax("GNU.sparse.size", "2000000"),
        Item {
            content: [format!("{:\0<512}", "2\n0\n4\n1000000\n4\n").as_bytes(), b"headtail"].concat(),
            ..Item::new(b'0', "GNUSparseFile.0/pax10")
        }
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", "pax10")
        .pax("GNU.sparse.realsize", "1000004"),
    ]));
    place.unpack(&bytes).unwrap();
    let old = fs::read(place.layer().join("old")).unwrap();
    assert_eq!(old.len(), head + 512);
    assert!(old.starts_with(b"headhead") && old.ends_with(b"tailtail") && old[512..head].iter().all(|byte| *byte == 0));
    for (name, length) in [("pax01", 2_000_000), ("pax10", 1_000_004)] {
        let file = fs::read(place.layer().join(name)).unwrap();
        assert_eq!(
            (file.len(), &file[..4], &file[1_000_000..1_000_004]),
            (length, &b"head"[..], &b"tail"[..]),
            "{name}"
        );
        assert!(fs::metadata(place.layer().join(name)).unwrap().blocks() * 512 < 100_000, "{name} has no holes");
    }
}

#[test]
fn long_names_of_gnu_tar_are_read() {
    let place = Place::new();
    let long = "n".repeat(120) + "/" + &"m".repeat(120);
    let mut archive = Archive::default();
    let gnu = |archive: &mut Archive, item: &Item| {
        let at = archive.clone().end().len() - 1024;
        archive.raw(item);
        let mut bytes = archive.clone().end();
        bytes.truncate(bytes.len() - 1024);
        let header: &mut [u8; 512] = (&mut bytes[at..at + 512]).try_into().unwrap();
        header[257..265].copy_from_slice(b"ustar  \0");
        checksum(header);
        *archive = Archive::default();
        archive.bytes(&bytes);
    };
    gnu(&mut archive, &Item { content: [long.as_bytes(), b"\0"].concat(), ..Item::new(b'L', "././@LongLink") });
    gnu(&mut archive, &Item::file("cut", "long"));
    place.unpack(&archive.end()).unwrap();
    assert_eq!(fs::read(place.layer().join(long)).unwrap(), b"long");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_packing_gives_the_same_digest_and_is_read_to_its_end() {
    let big: Vec<u8> = (0..3_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let mut tar = Archive::of([Item::file("big", &big), Item::file("small", "x")]);
    // Whatever follows the end of the archive belongs to the digest.
    tar.extend([0; 10240]);
    tar.extend(b"what some tool left behind");
    let (one, two) = tar.split_at(tar.len() / 3);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for (what, packed, compression) in [
        ("none", tar.clone(), Compression::None),
        ("gzip", gzip(&tar), Compression::Gzip),
        ("gzip of two members", [gzip(one), gzip(two)].concat(), Compression::Gzip),
        ("gzip and zeroes", [gzip(&tar), vec![0; 100_000]].concat(), Compression::Gzip),
        ("zstd", zstd(&tar), Compression::Zstd),
        ("zstd of two frames", [zstd(one), zstd(two)].concat(), Compression::Zstd),
    ] {
        let place = Place::new();
        let unpacked = place.unpack_as(&packed, compression, &Limits::default()).expect(what);
        assert_eq!((unpacked.diff_id, unpacked.tar_size), (Digest::of(&tar), tar.len() as u64), "{what}");
        assert_eq!(fs::read(place.layer().join("big")).unwrap(), big, "{what}");
    }
}

#[test]
fn broken_and_cut_streams_are_errors() {
    let big = vec![7; 1_000_000];
    let tar = Archive::of([Item::file("big", &big), Item::file("small", "x")]);
    let packed = gzip(&tar);
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for (what, bytes, compression) in [
        ("cut tar", tar[..500_000].to_vec(), Compression::None),
        ("cut header", tar[..100].to_vec(), Compression::None),
        ("cut gzip", packed[..packed.len() - 20].to_vec(), Compression::Gzip),
        ("flipped gzip", flipped, Compression::Gzip),
        ("gzip and more", [packed.as_slice(), b"more"].concat(), Compression::Gzip),
        ("no gzip", tar.clone(), Compression::Gzip),
        ("no zstd", tar.clone(), Compression::Zstd),
        ("no tar", vec![b'x'; 10_000], Compression::None),
    ] {
        let place = Place::new();
        let result = place.unpack_as(&bytes, compression, &Limits::default());
        assert!(result.is_err(), "{what}: {result:?}");
    }
    // Without the two empty blocks it is whole all the same, and nothing at all is an empty layer.
    let place = Place::new();
    place.unpack(&tar[..tar.len() - 1024]).unwrap();
    assert_eq!(place.unpack(&[]).unwrap().entries, 0);
}

#[test]
fn limits_are_kept() {
    let tar = Archive::of((0..20).map(|number| Item::file(format!("f{number}"), "0123456789")));
    let limits = Limits::default();
    for (what, limits) in [
        ("entries", Limits { entries: 10, ..limits.clone() }),
        ("bytes of tar", Limits { tar_size: 4096, ..limits.clone() }),
        ("bytes of files", Limits { size: 100, ..limits.clone() }),
    ] {
        let error = Place::new().unpack_as(&tar, Compression::None, &limits).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        // Where it was, and how it is raised.
        assert!(error.contains("at its entry \"f") && error.contains("haulout/config.toml"), "{error}");
    }
    // A bomb stops where the limit is, not where it ends.
    let bomb = gzip(&Archive::of([Item::file("zeroes", vec![0; 50 << 20])]));
    let error = Place::new().unpack_as(&bomb, Compression::Gzip, &Limits { tar_size: 1 << 20, ..limits.clone() });
    assert!(error.unwrap_err().to_string().contains("bytes of tar"));
    // A chain of sparse headers that never ends.
    let mut endless = Archive::default();
    endless.raw(&Item::new(b'S', "endless"));
    let mut bytes = endless.end();
    bytes.truncate(512);
    let header: &mut [u8; 512] = (&mut bytes[..512]).try_into().unwrap();
    header[257..265].copy_from_slice(b"ustar  \0");
    header[345..500].fill(0);
    header[482] = 1;
    header[483..495].copy_from_slice(b"00000000000\0");
    checksum(header);
    let mut extension = [0; 512];
    extension[504] = 1;
    for _ in 0..10_000 {
        bytes.extend(extension);
    }
    let error = Place::new().unpack(&bytes).unwrap_err().to_string();
    assert!(error.contains("limit"), "{error}");
}

#[test]
fn an_owner_that_cannot_be_given_is_named_with_what_to_do() {
    if rustix::process::getuid().is_root() {
        // Root may give a file to anyone; but not to an id that is none.
        return;
    }
    let place = Place::new();
    let mut item = Item::file("d/f", "");
    (item.uid, item.gid) = (70_000, 5);
    let error = place.unpack(&Archive::of([item])).unwrap_err().to_string();
    assert!(error.contains("d/f"), "{error}");
}

#[test]
fn a_device_is_left_out_and_a_made_up_whiteout_too() {
    let place = Place::new();
    let tar = Archive::of([
        Item { device: (0, 0), ..Item::new(b'3', "whiteout") },
        Item { device: (0, 0), ..Item::new(b'4', "block") },
        Item::file("after", "x"),
    ]);
    place.unpack(&tar).unwrap();
    assert!(!place.layer().join("whiteout").exists() && !is_whiteout(&place.layer().join("whiteout")));
    assert!(place.layer().join("after").is_file());
}

#[test]
fn a_header_that_says_more_than_its_entry_has_is_read_as_podman_reads_it() {
    // A link with a size has no content: what follows is the next entry.
    let place = Place::new();
    let mut archive = Archive::default();
    archive.raw(&Item::file("f", "x"));
    let mut bytes = archive.end();
    bytes.truncate(1024);
    let mut link = Archive::default();
    link.raw(&Item { content: b"12345".to_vec(), ..Item::symlink("l", "f") });
    bytes.extend(&link.end()[..512]);
    bytes.extend(Archive::of([Item::file("after", "x")]));
    assert_eq!(place.unpack(&bytes).unwrap().entries, 3);
    assert!(place.layer().join("after").is_file());
}

prop_compose! {
    /// Names that are hostile more often than not.
    fn name()(parts in prop::collection::vec(prop::sample::select(vec![
        "a", "b", "c", "..", ".", "", "l", "outside", "file", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh...", ".wh..",
        "diff", "\0", "...", "é",
    ]), 1..5), absolute in prop::bool::weighted(0.1)) -> String {
        format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
    }
}

prop_compose! {
    fn item()(
        name in name(),
        link in name(),
        up in 0..6_usize,
        kind in prop::sample::select(b"00000111222255555634SxLKgZ\0".to_vec()),
        mode in 0..0o10000_u32,
        content in prop::collection::vec(any::<u8>(), 0..600),
        key in prop::sample::select(vec![
            "", "", "", "path", "linkpath", "size", "uid", "mtime", "GNU.sparse.map", "GNU.sparse.name", "GNU.sparse.size",
            "SCHILY.xattr.user.overlay.redirect", "SCHILY.xattr.user.x",
        ]),
        value in name(),
    ) -> Item {
        let mut item = Item { mode, content, ..Item::new(kind, name) };
        item.link = format!("{}{link}", "../".repeat(up)).into_bytes();
        if kind != b'0' && kind != b'S' && content_less(kind) {
            item.content.clear();
        }
        if !key.is_empty() {
            item.pax.push((key.to_owned(), value.into_bytes()));
        }
        item
    }
}

fn content_less(kind: u8) -> bool {
    b"123456".contains(&kind)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_an_archive_says_nothing_outside_the_layer_changes(
        items in prop::collection::vec(item(), 1..12),
        absolute in any::<bool>(),
    ) {
        let place = Place::new();
        let mut items = items;
        if absolute {
            // Links to the true outside.
            let outside = place.folder.path().join("outside").to_string_lossy().into_owned();
            items.insert(0, Item::symlink("l", &outside));
            items.insert(1, Item::symlink("a", format!("{outside}/a")));
        }
        let mut archive = Archive::default();
        for item in &items {
            archive.add(item);
        }
        let _ = place.unpack(&archive.end());
        place.assert_outside_is_as_it_was();
        prop_assert!(place.layer().is_dir());
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..3000),
        kind in any::<u8>(),
        seal in any::<bool>(),
    ) {
        if seal && bytes.len() >= 512 {
            let header: &mut [u8; 512] = (&mut bytes[..512]).try_into().unwrap();
            header[257..265].copy_from_slice(b"ustar\x0000");
            header[156] = kind;
            for (at, length) in [(100, 8), (108, 8), (116, 8), (136, 12), (329, 8), (337, 8)] {
                header[at..at + length].fill(b'0');
            }
            checksum(header);
        }
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let place = Place::new();
            let _ = place.unpack_as(&bytes, compression, &Limits { tar_size: 1 << 24, ..Limits::default() });
            place.assert_outside_is_as_it_was();
        }
    }

    #[test]
    fn a_tree_of_ordinary_files_comes_out_as_it_went_in(
        files in prop::collection::btree_map("[a-c]{1,2}(/[a-c]{1,2}){0,3}/f[0-9]", prop::collection::vec(any::<u8>(), 0..2000), 1..20),
    ) {
        let place = Place::new();
        let tar = Archive::of(files.iter().map(|(name, content)| Item::file(name, content)));
        let unpacked = place.unpack(&tar).unwrap();
        prop_assert_eq!(unpacked.size, files.values().map(|content| content.len() as u64).sum::<u64>());
        for (name, content) in &files {
            let path = place.layer().join(name);
            prop_assert_eq!(&fs::read(&path).unwrap(), content);
            prop_assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        }
    }
}

#[test]
fn whatever_is_in_a_tar_nothing_outside_is_touched() {
    let limits = Limits { entries: 1000, tar_size: 1 << 24, ..Limits::default() };
    haulout_fuzz::feed("tar", |bytes| {
        let place = Place::new();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let _ = place.unpack_as(bytes, compression, &limits);
            place.assert_outside_is_as_it_was();
        }
    });
}
