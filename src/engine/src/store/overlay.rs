// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounting a root filesystem: the kernel's overlay, as an ordinary user may mount it (`userxattr`).

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags};

use crate::container::start::Root;

/// The smallest page that a kernel has: mount(2) takes no longer options.
const PAGE: usize = 4096;

/// Why a root filesystem could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("mounting the root filesystem at {}: {doing}: {source}", target.display())]
pub struct OverlayError {
    target: PathBuf,
    doing: String,
    source: io::Error,
}

/// A failure without the target.
struct Failure {
    doing: String,
    source: io::Error,
}

fn doing<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Failure {
    let doing = doing.into();
    move |source| Failure { doing, source: source.into() }
}

/// Mounts `root` in this process's mount namespace. Its `upper`, `work` and `target` are made when they are missing.
///
/// # Errors
/// What the kernel refused.
pub fn mount(root: &Root) -> Result<(), OverlayError> {
    let failed = |Failure { doing, source }| OverlayError { target: root.target.clone(), doing, source };
    let lower = prepare(root).map_err(failed)?;
    match mount_new(root, &lower) {
        // Linux before 6.8 does not know `lowerdir+`, before 5.2 there is none of it, and a seccomp filter may forbid it.
        Err(Failure { source, .. }) if is_too_old(&source) => mount_old(root, &lower).map_err(failed),
        other => other.map_err(failed),
    }
}

fn is_too_old(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSYS | Errno::INVAL | Errno::PERM))
}

/// Makes the folders that are not there; answers the lower layers.
fn prepare(root: &Root) -> Result<Vec<PathBuf>, Failure> {
    let mut lower = root.lower.clone();
    if lower.is_empty() {
        // The kernel wants one; an image without layers has none.
        let none = root.upper.with_file_name("none");
        make_folder(&none, 0o555)?;
        lower.push(none);
    }
    make_folder(&root.target, 0o700)?;
    make_folder(&root.work, 0o700)?;
    if make_folder(&root.upper, 0o755)? {
        // The root folder itself is the upper one's: it begins as the image has it.
        let top = &lower[0];
        let stat = rustix::fs::stat(top).map_err(doing(format!("looking at {}", top.display())))?;
        let whose = format!("making {} as {} is", root.upper.display(), top.display());
        rustix::fs::chownat(
            CWD,
            &root.upper,
            Some(Uid::from_raw(stat.st_uid)),
            Some(Gid::from_raw(stat.st_gid)),
            AtFlags::empty(),
        )
        .map_err(doing(whose.clone()))?;
        rustix::fs::chmod(&root.upper, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(doing(whose))?;
    }
    Ok(lower)
}

/// Whether it was made now.
fn make_folder(path: &Path, mode: u32) -> Result<bool, Failure> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(doing(format!("making {}", path.display()))(errno)),
    }
}

/// By the new mount API: no limit but the kernel's 500 layers, no escaping.
fn mount_new(root: &Root, lower: &[PathBuf]) -> Result<(), Failure> {
    let overlay = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(doing("opening overlay"))?;
    let set = |key: &str, value: &Path| {
        rustix::mount::fsconfig_set_string(&overlay, key, value.as_os_str())
            .map_err(doing(format!("setting {key} to {}", value.display())))
    };
    set("source", Path::new("overlay"))?;
    for layer in lower {
        set("lowerdir+", layer)?;
    }
    set("upperdir", &root.upper)?;
    set("workdir", &root.work)?;
    rustix::mount::fsconfig_set_flag(&overlay, "userxattr").map_err(doing("setting userxattr"))?;
    if root.volatile {
        rustix::mount::fsconfig_set_flag(&overlay, "volatile").map_err(doing("setting volatile"))?;
    }
    rustix::mount::fsconfig_create(&overlay).map_err(doing("making the overlay"))?;
    let mounted = rustix::mount::fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        .map_err(doing("mounting"))?;
    rustix::mount::move_mount(&mounted, c"", CWD, &root.target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(doing("putting the mount in its place"))
}

/// By mount(2), whose options have to fit into a page: long lists of layers go by short links in the work folder's sibling `l`.
fn mount_old(root: &Root, lower: &[PathBuf]) -> Result<(), Failure> {
    let options = old_options(lower, root);
    if options.len() < PAGE {
        return mount_with(&options, root);
    }
    let links = root.work.with_file_name("l");
    make_folder(&links, 0o700)?;
    let mut short = Vec::new();
    for (number, layer) in lower.iter().enumerate() {
        let link = links.join(number.to_string());
        match symlink(layer, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(doing(format!("making {}", link.display()))(error));
            }
            _ => short.push(PathBuf::from(number.to_string())),
        }
    }
    let options = old_options(&short, root);
    if options.len() >= PAGE {
        return Err(Failure {
            doing: format!("its {} layers are too many for this kernel", lower.len()),
            source: io::ErrorKind::ArgumentListTooLong.into(),
        });
    }
    rustix::process::chdir(&links).map_err(doing(format!("entering {}", links.display())))?;
    let mounted = mount_with(&options, root);
    let _ = rustix::process::chdir("/");
    mounted
}

fn mount_with(options: &[u8], root: &Root) -> Result<(), Failure> {
    let options = CString::new(options).map_err(doing("writing its options"))?;
    rustix::mount::mount("overlay", &root.target, "overlay", MountFlags::empty(), options.as_c_str())
        .map_err(doing("mounting"))
}

fn old_options(lower: &[PathBuf], root: &Root) -> Vec<u8> {
    let mut options = b"userxattr,".to_vec();
    if root.volatile {
        options.extend_from_slice(b"volatile,");
    }
    options.extend_from_slice(b"lowerdir=");
    for (number, layer) in lower.iter().enumerate() {
        if number > 0 {
            options.push(b':');
        }
        options.extend(escaped(layer.as_os_str()));
    }
    options.extend_from_slice(b",upperdir=");
    options.extend(escaped(root.upper.as_os_str()));
    options.extend_from_slice(b",workdir=");
    options.extend(escaped(root.work.as_os_str()));
    options
}

/// Colons, commas and backslashes are overlay's own.
fn escaped(path: &OsStr) -> Vec<u8> {
    path.as_bytes()
        .iter()
        .flat_map(|byte| {
            let special = matches!(byte, b':' | b',' | b'\\');
            special.then_some(b'\\').into_iter().chain([*byte])
        })
        .collect()
}
