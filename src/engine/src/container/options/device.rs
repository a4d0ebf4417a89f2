// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--device HOST[:INSIDE][:ACCESS]`.

use std::fs::FileType;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::Device;
use super::words::{Result, refuse, wrong};
use crate::engine::os_words;

/// `HOST[:INSIDE][:ACCESS]`.
pub fn parse(text: &str) -> Result<Device> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_access = |text: &str| {
        let once = |letter: u8| text.bytes().filter(|other| *other == letter).count() == 1;
        !text.is_empty() && text.bytes().all(|letter| b"rwm".contains(&letter) && once(letter))
    };
    let host = parts.first().copied().unwrap_or_default();
    let found = std::fs::metadata(host).map_err(|error| wrong!("stat {host}: {}", os_words(&error)))?;
    let (inside, access) = match parts[1..] {
        [] => (host, "rwm"),
        [inside] if inside.starts_with('/') => (inside, "rwm"),
        [access] if is_access(access) => (host, access),
        [inside, access] if is_access(access) => (inside, access),
        [access] | [_, access] => refuse!("invalid device mode: {access}"),
        _ => refuse!("invalid device specification: {text}"),
    };
    if found.is_dir() {
        if !has_device(Path::new(host)) {
            refuse!("no devices found in {host}: invalid argument");
        }
    } else if !is_device(found.file_type()) {
        refuse!("{host} is not a valid device: not a device node");
    }
    if !Path::new(inside).is_absolute() {
        refuse!("invalid device path: {inside}");
    }
    Ok(Device { host: host.into(), inside: inside.into(), access: access.to_owned() })
}

fn is_device(kind: FileType) -> bool {
    kind.is_char_device() || kind.is_block_device()
}

/// Whether there is a device in a folder, or in a folder in it.
fn has_device(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_type().ok()?, entry.path())))
        .any(|(kind, path)| is_device(kind) || (kind.is_dir() && has_device(&path)))
}

/// Whether it is a device's qualified name, `VENDOR/CLASS=NAME`.
pub fn is_cdi(text: &str) -> bool {
    !text.starts_with('/') && text.split_once('=').is_some_and(|(kind, name)| kind.contains('/') && !name.is_empty())
}
