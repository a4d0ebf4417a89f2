// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives for the tests, made by hand: no builder would write hostile ones.

use std::io::Write;

/// A tar that is being made.
#[derive(Clone, Default)]
pub(super) struct Archive(Vec<u8>);

/// One entry of it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub name: Vec<u8>,
    pub kind: u8,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: u64,
    pub link: Vec<u8>,
    pub content: Vec<u8>,
    /// Records of its extended header.
    pub pax: Vec<(String, Vec<u8>)>,
    pub device: (u32, u32),
}

impl Item {
    pub fn new(kind: u8, name: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            kind,
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_500_000_000,
            link: Vec::new(),
            content: Vec::new(),
            pax: Vec::new(),
            device: (0, 0),
        }
    }

    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self { content: content.as_ref().to_vec(), ..Self::new(b'0', name) }
    }

    pub fn folder(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name)
    }

    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'2', name) }
    }

    pub fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'1', name) }
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }
}

impl Archive {
    pub fn of(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
        let mut archive = Self::default();
        for item in items {
            archive.add(&item);
        }
        archive.end()
    }

    pub fn add(&mut self, item: &Item) {
        let mut pax = item.pax.clone();
        if item.name.len() > 100 {
            pax.push(("path".to_owned(), item.name.clone()));
        }
        if item.link.len() > 100 {
            pax.push(("linkpath".to_owned(), item.link.clone()));
        }
        if !pax.is_empty() {
            let mut records = Vec::new();
            for (key, value) in &pax {
                records.extend(record(key, value));
            }
            self.raw(&Item { content: records, ..Item::new(b'x', "pax") });
        }
        self.raw(item);
    }

    /// Header and content as they are, no extended header.
    pub fn raw(&mut self, item: &Item) {
        self.0.extend(header(item));
        self.0.extend(&item.content);
        self.pad();
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    fn pad(&mut self) {
        let length = self.0.len().next_multiple_of(512);
        self.0.resize(length, 0);
    }
}

/// pax(1): `LENGTH KEY=VALUE\n`, the length counting itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key.as_bytes(), b"=", value, b"\n"].concat()
}

fn put(header: &mut [u8; 512], at: usize, length: usize, bytes: &[u8]) {
    let length = bytes.len().min(length);
    header[at..at + length].copy_from_slice(&bytes[..length]);
}

fn octal(header: &mut [u8; 512], at: usize, length: usize, value: u64) {
    let mut text = Vec::new();
    write!(text, "{value:0width$o}", width = length - 1).unwrap();
    put(header, at, length, &text);
}

fn header(item: &Item) -> [u8; 512] {
    let mut header = [0; 512];
    put(&mut header, 0, 100, &item.name);
    octal(&mut header, 100, 8, u64::from(item.mode));
    octal(&mut header, 108, 8, item.uid & 0o777_7777);
    octal(&mut header, 116, 8, item.gid & 0o777_7777);
    octal(&mut header, 124, 12, item.content.len() as u64);
    octal(&mut header, 136, 12, item.mtime);
    header[156] = item.kind;
    put(&mut header, 157, 100, &item.link);
    put(&mut header, 257, 8, b"ustar\x0000");
    octal(&mut header, 329, 8, u64::from(item.device.0));
    octal(&mut header, 337, 8, u64::from(item.device.1));
    checksum(&mut header);
    header
}

pub(super) fn checksum(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    header[148..156].copy_from_slice(text.as_bytes());
}
