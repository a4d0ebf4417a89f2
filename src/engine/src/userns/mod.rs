// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user namespace of rootless containers (`user_namespaces(7)`): its ids, the process that holds it, entering it.

pub mod anchor;
mod explicit;
pub mod map;
pub mod modes;
pub(crate) mod nested;
pub mod subid;

use std::io;
use std::path::Path;

use nix::sched::CloneFlags;

/// Why the user namespace cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UsernsError {
    /// The subordinate ids.
    #[error(transparent)]
    Subid(#[from] subid::SubidError),
    /// `newuidmap` or `newgidmap` is not installed.
    #[error(
        "{program} is missing: it gives a user namespace the user's subordinate ids (package uidmap, on Fedora shadow-utils)"
    )]
    Missing {
        /// Which.
        program: &'static str,
    },
    /// `newuidmap` or `newgidmap` ran and refused.
    #[error("{program} refused the user's subordinate ids: {words}")]
    Refused {
        /// Which.
        program: &'static str,
        /// What it wrote.
        words: String,
    },
    /// The kernel refused to make one.
    #[error(
        "making a user namespace: {0} (is it forbidden by user.max_user_namespaces, kernel.unprivileged_userns_clone or AppArmor?)"
    )]
    Forbidden(io::Error),
    /// The process that was to hold it ended.
    #[error("the process that was to hold the user namespace ended before it did")]
    NoAnchor,
    /// Anything else.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done to what.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// Whether this process needs no user namespace: it is root and may mount (the initial namespace's root, or `haulout unshare`).
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}

/// Enters the user namespace that `anchor` (a pid file) holds, made if need be, and a mount namespace of its own in which the
/// caller's mounts go on to arrive. For `haulout unshare`; to be called before the process has a second thread.
///
/// # Errors
/// Why there is none.
pub fn enter(anchor: &Path) -> Result<Option<String>, UsernsError> {
    let joined = anchor::join(anchor)?;
    own_mounts()?;
    Ok(joined.warning)
}

/// A mount namespace of this process's own, a recursive slave of the one it was in: what the host mounts later is seen, what is
/// mounted here stays here, and nothing that the host unmounts is held.
pub(crate) fn own_mounts() -> Result<(), UsernsError> {
    let io = |doing: &str| {
        let doing = doing.to_owned();
        move |error: nix::errno::Errno| UsernsError::Io { doing, source: error.into() }
    };
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(io("making a mount namespace"))?;
    let slave = rustix::mount::MountPropagationFlags::DOWNSTREAM | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave).map_err(|error| UsernsError::Io {
        doing: "making the mounts a slave of the host's".to_owned(),
        source: error.into(),
    })
}
