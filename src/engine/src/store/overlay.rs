// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounting a root filesystem: the kernel's overlay, as an ordinary user may mount it (`userxattr`).

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{AtFlags, CWD, Gid, MemfdFlags, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags};

use super::mounting::Flag;
use crate::container::start::Root;
use crate::engine::os_words;
use crate::step::{fork, remove};

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

/// Mounts `root` in this process's mount namespace. Its `upper`, `work` and `target` are made when they are missing; of one that is
/// a folder itself, only the last.
///
/// # Errors
/// What the kernel refused.
pub fn mount(root: &Root) -> Result<(), OverlayError> {
    let failed = |Failure { doing, source }| OverlayError { target: root.target.clone(), doing, source };
    if let ([folder], true) = (root.lower.as_slice(), root.bare) {
        return bind(folder, &root.target).map_err(failed);
    }
    let lower = prepare(root).map_err(failed)?;
    if let Some(program) = &root.mounting.program {
        return mount_by(program, root, &lower).map_err(failed);
    }
    match mount_new(root, &lower) {
        // Linux before 6.8 does not know `lowerdir+`, before 5.2 there is none of it, and a seccomp filter may forbid it.
        Err(Failure { source, .. }) if root.data.is_none() && is_too_old(&source) => {
            mount_old(root, &lower).map_err(failed)
        }
        other => other.map_err(failed),
    }
}

/// Mounts one folder at `target`, as it is.
pub(super) fn mount_bare(folder: &Path, target: &Path) -> Result<(), OverlayError> {
    let failed = |Failure { doing, source }| OverlayError { target: target.to_owned(), doing, source };
    bind(folder, target).map_err(failed)
}

/// With everything that is mounted in it; what is mounted there from now on stays there.
fn bind(folder: &Path, target: &Path) -> Result<(), Failure> {
    make_folder(target, 0o700)?;
    rustix::mount::mount_bind_recursive(folder, target).map_err(doing(format!("mounting {}", folder.display())))?;
    rustix::mount::mount_change(target, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(doing("making the mount its own"))
}

fn is_too_old(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSYS | Errno::INVAL | Errno::PERM))
}

/// Mounts the folders `lower`, the uppermost first, to be read: nothing is written, and who has one of them mounted otherwise is not
/// disturbed. What their files contain may be in the folder `data`.
///
/// # Errors
/// What the kernel refused.
pub(crate) fn look(lower: &[PathBuf], data: Option<&Path>) -> Result<OwnedFd, OverlayError> {
    let failed =
        |Failure { doing, source }| OverlayError { target: lower.first().cloned().unwrap_or_default(), doing, source };
    read_only(lower, data).map_err(failed)
}

/// Mounts the folders `lower`, the uppermost first and at least two, at `target`, to be read.
///
/// # Errors
/// What the kernel refused.
pub(crate) fn mount_read_only(lower: &[PathBuf], target: &Path) -> Result<(), OverlayError> {
    let failed = |Failure { doing, source }| OverlayError { target: target.to_owned(), doing, source };
    let mounted = detached(lower, None).map_err(failed)?;
    rustix::mount::move_mount(&mounted, c"", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(doing("moving the mount to its place"))
        .map_err(failed)
}

fn open(path: &Path) -> Result<OwnedFd, Failure> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(doing(format!("opening {}", path.display())))
}

/// A mount of at least two folders that is nowhere yet, and is never written to.
fn detached(lower: &[PathBuf], data: Option<&Path>) -> Result<OwnedFd, Failure> {
    let overlay = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(doing("opening overlay"))?;
    let mut folders = Vec::new();
    let lower = lower.iter().map(|layer| ("lowerdir+", layer.as_path()));
    for (key, layer) in lower.chain(data.map(|data| ("datadir+", data))) {
        let folder = open(layer)?;
        let name = format!("/proc/self/fd/{}", folder.as_raw_fd());
        rustix::mount::fsconfig_set_string(&overlay, key, name)
            .map_err(doing(format!("setting {key} to {}", layer.display())))?;
        folders.push(folder);
    }
    rustix::mount::fsconfig_set_flag(&overlay, "userxattr").map_err(doing("setting userxattr"))?;
    rustix::mount::fsconfig_create(&overlay).map_err(doing("making the overlay"))?;
    rustix::mount::fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).map_err(doing("mounting"))
}

fn read_only(lower: &[PathBuf], data: Option<&Path>) -> Result<OwnedFd, Failure> {
    // The kernel wants two.
    if let ([one], None) = (lower, data) {
        return open(one);
    }
    let mounted = detached(lower, data)?;
    rustix::fs::openat(&mounted, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(doing("opening the overlay"))
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
    if !make_folder(&root.work, 0o700)? {
        // The kernel's mark that changes may be lost in a power cut, as what any program writes may. Who minds syncs.
        let mark = root.work.join("work/incompat");
        remove::remove(&mark).map_err(|error| Failure {
            doing: format!("removing {}", mark.display()),
            source: io::Error::other(error),
        })?;
    }
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
    let mut open = Vec::new();
    let mut set = |key: &str, value: &Path| {
        let failed = || doing(format!("setting {key} to {}", value.display()));
        if is_plain(value) {
            return rustix::mount::fsconfig_set_string(&overlay, key, value.as_os_str()).map_err(failed());
        }
        let folder = rustix::fs::openat(CWD, value, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed())?;
        let name = format!("/proc/self/fd/{}", folder.as_raw_fd());
        open.push(folder);
        rustix::mount::fsconfig_set_string(&overlay, key, name).map_err(failed())
    };
    set("source", Path::new("overlay"))?;
    for layer in lower {
        set("lowerdir+", layer)?;
    }
    if let Some(data) = &root.data {
        set("datadir+", data)?;
    }
    set("upperdir", &root.upper)?;
    set("workdir", &root.work)?;
    rustix::mount::fsconfig_set_flag(&overlay, "userxattr").map_err(doing("setting userxattr"))?;
    if root.volatile {
        rustix::mount::fsconfig_set_flag(&overlay, "volatile").map_err(doing("setting volatile"))?;
    }
    for (key, value) in root.mounting.keys() {
        let set = match value {
            Some(value) => rustix::mount::fsconfig_set_string(&overlay, key, value),
            None => rustix::mount::fsconfig_set_flag(&overlay, key),
        };
        // Not by its number: an older way of mounting would not know the option either, and its error does not name it.
        let words = |errno: Errno| io::Error::other(os_words(&errno.into()));
        set.map_err(words).map_err(doing(format!("setting {key}, as mountopt of storage.conf says")))?;
    }
    rustix::mount::fsconfig_create(&overlay).map_err(doing("making the overlay"))?;
    let attributes = attributes(&root.mounting.flags);
    let mounted =
        rustix::mount::fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(doing("mounting"))?;
    rustix::mount::move_mount(&mounted, c"", CWD, &root.target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(doing("putting the mount in its place"))
}

fn attributes(flags: &[Flag]) -> MountAttrFlags {
    let attribute = |flag: &Flag| match flag {
        Flag::NoDev => MountAttrFlags::MOUNT_ATTR_NODEV,
        Flag::NoSuid => MountAttrFlags::MOUNT_ATTR_NOSUID,
        Flag::NoExec => MountAttrFlags::MOUNT_ATTR_NOEXEC,
        Flag::Ro => MountAttrFlags::MOUNT_ATTR_RDONLY,
        Flag::NoAtime => MountAttrFlags::MOUNT_ATTR_NOATIME,
        Flag::NoDirAtime => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        Flag::StrictAtime => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
    };
    flags.iter().map(attribute).collect()
}

fn old_flags(flags: &[Flag]) -> MountFlags {
    let flag = |flag: &Flag| match flag {
        Flag::NoDev => MountFlags::NODEV,
        Flag::NoSuid => MountFlags::NOSUID,
        Flag::NoExec => MountFlags::NOEXEC,
        Flag::Ro => MountFlags::RDONLY,
        Flag::NoAtime => MountFlags::NOATIME,
        Flag::NoDirAtime => MountFlags::NODIRATIME,
        Flag::StrictAtime => MountFlags::STRICTATIME,
    };
    flags.iter().map(flag).collect()
}

/// By a program that is called as fuse-overlayfs(1) is. What it leaves running is its own business: it ends with the mount.
fn mount_by(program: &Path, root: &Root, lower: &[PathBuf]) -> Result<(), Failure> {
    let whole = format!("running {}, the mount_program of storage.conf", program.display());
    if root.data.is_some() {
        return Err(Failure { doing: whole, source: io::Error::other("it cannot mount files of another owner") });
    }
    let mut options = old_options(lower, root);
    // The kernel's own word.
    options.drain(.."userxattr,".len());
    // A file and no pipe: what it leaves running may keep it open.
    let words = rustix::fs::memfd_create("words", MemfdFlags::CLOEXEC).map_err(doing("making a file for its words"))?;
    let mut words = File::from(words);
    let heard = words.try_clone().map_err(doing("making a file for its words"))?;
    let mut command = Command::new(program);
    command.arg("-o").arg(OsStr::from_bytes(&options)).arg(&root.target);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(heard);
    fork::alone(&mut command);
    let status = command.status().map_err(doing(whole.clone()))?;
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    let _ = words.rewind().and_then(|()| words.read_to_string(&mut text));
    let why = if text.trim().is_empty() { status.to_string() } else { text.trim().to_owned() };
    Err(Failure { doing: whole, source: io::Error::other(why) })
}

/// Whether the kernel takes a path as it stands: `fsconfig` has 256 bytes for a value, and takes backslashes away from some keys
/// and not from others. What is not plain goes by a descriptor's name.
fn is_plain(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.len() < 256 && !bytes.contains(&b'\\')
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
    rustix::mount::mount("overlay", &root.target, "overlay", old_flags(&root.mounting.flags), options.as_c_str())
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
    for option in &root.mounting.options {
        options.push(b',');
        options.extend_from_slice(option.as_bytes());
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::step::fork::{self, Fork};
    use crate::userns;

    /// Does `job` in a child in a user and mount namespace of its own; answers what went wrong.
    fn in_namespaces(folder: &Path, job: impl FnOnce() -> Result<(), String>) -> String {
        let why = folder.join("why");
        match fork::fork().unwrap() {
            Fork::Child => {
                let joined = userns::anchor::join(&folder.join("anchor")).and_then(|_| userns::own_mounts());
                if let Err(error) = joined.map_err(|error| error.to_string()).and_then(|()| job()) {
                    let _ = fs::write(why, error);
                    fork::exit(1);
                }
                fork::exit(0);
            }
            Fork::Parent(child) => {
                let ended = rustix::process::waitpid(Some(child.pid), rustix::process::WaitOptions::empty());
                if let Some(anchor) = userns::anchor::alive(&folder.join("anchor")) {
                    let anchor = rustix::process::Pid::from_raw(anchor.pid).unwrap();
                    let _ = rustix::process::kill_process(anchor, rustix::process::Signal::KILL);
                }
                let status = ended.unwrap().unwrap().1.exit_status();
                if status == Some(0) { String::new() } else { fs::read_to_string(why).unwrap_or(format!("{status:?}")) }
            }
        }
    }

    /// A root of `count` layers, each with a file that is called by its number, in a folder with a hard name.
    fn root(folder: &Path, count: usize) -> Root {
        let odd = folder.join("a:b,c\\d e").join("l".repeat(200));
        let lower = (0..count).map(|number| odd.join(format!("{number}-{}", "x".repeat(60)))).collect::<Vec<_>>();
        for (number, layer) in lower.iter().enumerate() {
            fs::create_dir_all(layer).unwrap();
            fs::write(layer.join(number.to_string()), "").unwrap();
            fs::write(layer.join("who"), number.to_string()).unwrap();
        }
        Root { lower, upper: odd.join("upper"), work: odd.join("work"), target: odd.join("merged"), ..Root::default() }
    }

    /// Unmounts it, and removes what the kernel keeps in the work folder, which is nobody's to read.
    fn clear(root: &Root) {
        let _ = rustix::mount::unmount(&root.target, rustix::mount::UnmountFlags::DETACH);
        let _ = crate::step::remove::remove(&root.work);
    }

    fn words(Failure { doing, source }: Failure) -> String {
        format!("{doing}: {source}")
    }

    #[test]
    fn both_ways_of_mounting_take_few_and_many_layers_and_any_name() {
        type Way = fn(&Root, &[PathBuf]) -> Result<(), Failure>;
        let ways: [Way; 2] = [mount_new, mount_old];
        for (way, count) in [(0, 1), (0, 150), (1, 1), (1, 2), (1, 150)] {
            let folder = tempfile::tempdir().unwrap();
            let root = root(folder.path(), count);
            let wrong = in_namespaces(folder.path(), || {
                let lower = prepare(&root).map_err(words)?;
                ways[way](&root, &lower).map_err(words)?;
                for number in 0..count {
                    fs::metadata(root.target.join(number.to_string())).map_err(|error| format!("{number}: {error}"))?;
                }
                let top = fs::read_to_string(root.target.join("who")).map_err(|error| error.to_string())?;
                fs::write(root.target.join("new"), "x").map_err(|error| format!("writing: {error}"))?;
                let went = root.upper.join("new").exists();
                clear(&root);
                if top == "0" && went { Ok(()) } else { Err(format!("{top} is on top, written above: {went}")) }
            });
            assert_eq!(wrong, "", "way {way}, {count} layers");
        }
    }

    #[test]
    fn the_upper_folder_begins_as_the_uppermost_layers() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path(), 2);
        fs::set_permissions(&root.lower[0], fs::Permissions::from_mode(0o1711)).unwrap();
        let wrong = in_namespaces(folder.path(), || {
            mount(&root).map_err(|error| error.to_string())?;
            let mode = fs::metadata(&root.target).map_err(|error| error.to_string())?.mode() & 0o7777;
            clear(&root);
            if mode == 0o1711 { Ok(()) } else { Err(format!("{mode:o}")) }
        });
        assert_eq!(wrong, "");
    }
}
