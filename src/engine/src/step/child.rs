// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The child that does one step.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};

use super::wire::{self, Request};
use super::{Answer, Failure, Step, apart, fork, reap, remove};
use crate::container::{changes, copy, files, start};
use crate::store::driver::vfs;
use crate::store::{mapped, pack, unpack};
use crate::userns::{self, anchor};

/// Does it, answers, and ends; or ends with the zygote, which is the process `zygote`.
pub(super) fn run(request: Request, reply: &OwnedFd, descriptors: Vec<OwnedFd>, zygote: Pid) -> ! {
    let keep: Vec<RawFd> = descriptors.iter().chain([reply]).map(AsRawFd::as_raw_fd).collect();
    fork::close_all_but(&keep);
    let answer = perform(request, reply, descriptors, zygote).unwrap_or_else(Answer::from);
    wire::answer(reply, &answer);
    fork::exit(0)
}

fn perform(request: Request, reply: &OwnedFd, descriptors: Vec<OwnedFd>, zygote: Pid) -> Result<Answer, Failure> {
    let Request { anchor, step } = request;
    if let Step::Reap(remains) = step {
        // The container may live in another namespace than the anchor's: its own is joined, if any.
        return Ok(reap::reap(&remains).map(|()| Answer::Done)?);
    }
    die_with(zygote);
    let joined = match step.lives_with() {
        // The namespace of a running container is its monitor's: the anchor may have been made anew since.
        Some(process) if !userns::is_root() => {
            if !anchor::join_process(process) {
                return Err(Failure::Ended);
            }
            anchor::Joined::default()
        }
        _ => anchor::join(&anchor).map_err(|error| error.to_string())?,
    };
    // Once more: a change of credentials has the kernel forget it.
    die_with(zygote);
    // Modes are as they are said.
    let _ = rustix::process::umask(rustix::fs::Mode::empty());
    let mounted = step.mounted_by_programs();
    if mounted.is_empty() {
        return act(step, joined, descriptors);
    }
    apart::enter()?;
    let done = act(step, joined, descriptors);
    fork::close_all_but(&[reply.as_raw_fd()]);
    apart::leave(&mounted);
    done
}

/// Does it, in the user namespace.
fn act(step: Step, joined: anchor::Joined, descriptors: Vec<OwnedFd>) -> Result<Answer, Failure> {
    let mut descriptors = descriptors.into_iter();
    let mut descriptor = || descriptors.next().ok_or(Failure::from("the step lacks a descriptor"));
    match step {
        Step::Anchor => Ok(Answer::Anchor {
            pid: joined.anchor.map_or(0, |anchor| anchor.pid),
            made: joined.made,
            warning: joined.warning,
        }),
        Step::Unpack { into, compression, length, limits } => {
            let from = unpack::Packed { from: descriptor()?, length: length.unwrap_or(u64::MAX), compression };
            let unpacked = unpack::unpack(from, &into, &limits).map_err(|error| error.to_string())?;
            Ok(Answer::Unpacked {
                diff_id: unpacked.diff_id,
                tar_size: unpacked.tar_size,
                size: unpacked.size,
                entries: unpacked.entries,
            })
        }
        Step::Pack { layer, parts, diff_id } => {
            let (to, held) = (descriptor()?, descriptor().ok());
            let (layer, parts) = match &held {
                Some(folder) => through(folder, &layer, parts),
                None => (layer, parts),
            };
            pack::pack(&layer, &parts, to, &diff_id).map_err(|error| error.to_string())?;
            Ok(Answer::Done)
        }
        Step::Remove { path } => {
            remove::remove(&path).map_err(|error| error.to_string())?;
            Ok(Answer::Done)
        }
        Step::Own { path, uid, gid } => {
            std::os::unix::fs::chown(&path, uid, gid)
                .map_err(|error| format!("giving {} to another user: {error}", path.display()))?;
            Ok(Answer::Done)
        }
        Step::Flatten { lower, into } => {
            let _lock = descriptors.next();
            let layers: Vec<OwnedFd> = descriptors.collect();
            let lower = if layers.is_empty() { lower } else { within(&layers, &lower) };
            vfs::copy(&lower, &into, true).map_err(|error| error.to_string())?;
            Ok(Answer::Done)
        }
        Step::Map(wanted) => {
            mapped::make(&wanted).map_err(|error| error.to_string())?;
            Ok(Answer::Done)
        }
        Step::Fill(filling) => {
            start::child::fill(&filling)?;
            Ok(Answer::Done)
        }
        Step::Start(plan) => {
            let (starter, lock) = (descriptor()?, descriptor()?);
            Ok(start::child::begin(*plan, &starter, &lock, &descriptors.collect::<Vec<_>>())?)
        }
        Step::Reap(_) => Ok(Answer::Done),
        step => reach(step, descriptors.collect()),
    }
}

/// What reaches into a container's files.
fn reach(step: Step, descriptors: Vec<OwnedFd>) -> Result<Answer, Failure> {
    let mut descriptors = descriptors.into_iter();
    match step {
        Step::Copy(job) => copy::child::copy(&job, descriptors.next())?,
        Step::Export(place) => files::export(&place, descriptors.next())?,
        Step::Commit { root, mapping } => files::commit(&root, mapping.as_ref(), descriptors.next())?,
        Step::Changes { upper, lower } => changes::list(&upper, &lower, descriptors.next())?,
        Step::Compare { ours, theirs } => changes::list_differences(&ours, &theirs, descriptors.next())?,
        _ => return Err("this is no step that reaches into a container".into()),
    }
    Ok(Answer::Done)
}

/// Folders by the descriptors of the folders that they are in.
fn within(layers: &[OwnedFd], lower: &[PathBuf]) -> Vec<PathBuf> {
    let here = |layer: &OwnedFd| PathBuf::from(format!("/proc/self/fd/{}", layer.as_raw_fd()));
    layers.iter().zip(lower).map(|(layer, path)| here(layer).join(path.file_name().unwrap_or_default())).collect()
}

/// A layer's folder, and what is kept of its tar, by a descriptor of that folder.
fn through(folder: &OwnedFd, layer: &Path, parts: PathBuf) -> (PathBuf, PathBuf) {
    let here = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let parts = parts.strip_prefix(layer).map(|below| here.join(below)).unwrap_or(parts);
    (here, parts)
}

/// Ends when `zygote` does, whose child this process was born: that one may have ended before it could be asked whose child it is.
fn die_with(zygote: Pid) {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if rustix::process::getppid() != Some(zygote) {
        fork::exit(1);
    }
}
