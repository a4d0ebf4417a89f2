// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The step's side of a copy: what is copied where, by the rules of `cp` (podman-cp(1)).

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};

use haulout_monitor::user;
use rustix::io::Errno;

use super::resolve::{Found, Root, shown};
use super::tree::Copier;
use super::{Job, Side, untar};
use crate::step::Failure;
use crate::store::tar::{Kind, Writer};

/// Does it. `tar` is the archive, if there is one.
pub(crate) fn copy(job: &Job, tar: Option<OwnedFd>) -> Result<(), Failure> {
    match (&job.from, &job.to) {
        (Side::Tar, to) => {
            let to = Root::open(to)?;
            let into = to.find()?.filter(Found::is_folder);
            let into = into.ok_or("destination must be a directory when copying from stdin")?;
            let owner = owner(&job.to, &to, job.options.archive)?;
            let copier = Copier::new(owner, job.options.overwrite).between(None, job.to.mapping());
            Ok(untar::unpack(tar.ok_or("the step lacks a descriptor")?, &to, &into, copier)?)
        }
        (from, Side::Tar) => {
            let from = Root::open(from)?;
            let source = from.find()?.ok_or_else(|| from.missing())?;
            let writer = Writer::new(tar.ok_or("the step lacks a descriptor")?, Kind::Tree);
            Ok(pack(&from, &source, writer.mapped(job.from.mapping()))?)
        }
        (from, to) => {
            let from = Root::open(from)?;
            let source = from.find()?.ok_or_else(|| from.missing())?;
            let target = if job.within { from.again(to)? } else { Root::open(to)? };
            let owner = owner(to, &target, job.options.archive)?;
            let copier = Copier::new(owner, job.options.overwrite).between(job.from.mapping(), to.mapping());
            Ok(place(&from, &source, &target, copier)?)
        }
    }
}

/// Whose files become that are copied to `side`; nothing when they stay whose they are.
fn owner(side: &Side, root: &Root, archive: bool) -> Result<Option<(u32, u32)>, String> {
    match side {
        _ if !archive => Ok(None),
        Side::Container { user, .. } => {
            let found = user::resolve(root.fd.as_fd(), user).map_err(|error| error.to_string())?;
            Ok(Some((found.uid, found.gid)))
        }
        // Root in the user namespace is the caller.
        _ => Ok(Some((0, 0))),
    }
}

fn place(from: &Root, source: &Found, to: &Root, mut copier: Copier) -> Result<(), String> {
    let failed = |errno: Errno| to.failed(errno);
    let there = to.find()?;
    let base = from.base();
    if !source.is_folder() {
        return match (&there, base) {
            (Some(there), Some(base)) if there.is_folder() => {
                copier.one(source, &there.folder().map_err(failed)?, &base)
            }
            (None, _) if to.says_folder() => Err(to.missing()),
            _ => {
                let (folder, name) = to.place()?;
                copier.one(source, &folder_to_write(&folder).map_err(failed)?, &name)
            }
        };
    }
    let contents = source.folder().map_err(|errno| from.failed(errno))?;
    match (there, base) {
        (Some(there), base) if there.is_folder() => {
            let into = there.folder().map_err(failed)?;
            match base {
                Some(base) => copier.folder(&contents, &source.stat, &into, &base),
                None => copier.contents(&contents, &into),
            }
        }
        (Some(_), _) if !copier.overwrites() => {
            Err("destination must be a directory when copying a directory".to_owned())
        }
        _ => {
            let (folder, name) = to.place()?;
            copier.folder(&contents, &source.stat, &folder_to_write(&folder).map_err(failed)?, &name)
        }
    }
}

fn folder_to_write(folder: &OwnedFd) -> Result<OwnedFd, Errno> {
    super::resolve::reopen(folder.as_fd(), rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY)
}

/// Writes what is at `source` as a tar.
fn pack(from: &Root, source: &Found, mut writer: Writer) -> Result<(), String> {
    let failed = |errno: Errno| from.failed(errno);
    let (folder, name) = match from.base() {
        // The folder itself is called by its name, whatever link led there.
        Some(base) if source.is_folder() => {
            let contents = source.folder().map_err(failed)?;
            let path = base.to_bytes();
            let written = writer.folder(&contents, &source.stat, path).and_then(|()| writer.finish());
            return written.map_err(|error| error.to_string());
        }
        None => {
            let contents = source.folder().map_err(failed)?;
            let written = writer.contents(contents.as_fd(), b"").and_then(|()| writer.finish());
            return written.map_err(|error| error.to_string());
        }
        Some(_) => from.place()?,
    };
    let path: CString = name.clone();
    let written = writer.entry(folder.as_fd(), &name, path.to_bytes()).and_then(|()| writer.finish());
    written.map_err(|error| format!("{}: {error}", shown(path.to_bytes())))
}
