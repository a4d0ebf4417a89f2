// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who a container's process is, and that its own `/etc/passwd` and `/etc/group` know it: programs look themselves up.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use haulout_monitor::user::User;
use oci_spec::runtime::Process;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::place::{self, Owner};

/// No more is read of either file.
const MAX_FILE: u64 = 4 << 20;

/// Makes `process` run as `user`. Podman's rules, where it matters to a program: who was asked for by name or number has their
/// own group among the additional ones; the home of a user whom nobody knows is the working folder.
pub(super) fn assume(process: &mut Process, user: &User, asked_for: bool, kept_group: Option<u32>) {
    let entry = process.user_mut();
    entry.set_uid(user.uid).set_gid(user.gid);
    let mut groups = entry.additional_gids().clone().unwrap_or_default();
    let own = asked_for.then_some(user.gid);
    for gid in kept_group.into_iter().chain(user.additional_gids.iter().copied()).chain(own) {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    entry.set_additional_gids((!groups.is_empty()).then_some(groups));
    let home = match &user.name {
        Some(_) => user.home.clone(),
        None => process.cwd().display().to_string(),
    };
    let env = process.env_mut().get_or_insert_default();
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={home}"));
    }
}

/// Adds what `root`'s `/etc/passwd` and `/etc/group` do not know of `user`, who was asked for as `wanted` and has the working
/// folder `workdir`. Where that cannot be done, it is not: the process runs all the same.
pub(super) fn register(root: BorrowedFd<'_>, user: &User, wanted: &str, workdir: &Path, roots: Owner) {
    let unknown = user.name.is_none() && user.uid != 0;
    let name = user.name.clone().unwrap_or_else(|| user.uid.to_string());
    let own_group = wanted.split_once(':').is_some_and(|(_, group)| !group.is_empty());
    if unknown {
        // As podman has it: who is somebody on the host is called so.
        let host = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (name, about) = on_host(&host, user.uid).unwrap_or((&name, "container user"));
        let line = format!("{name}:*:{}:{}:{about}:{}:/bin/sh\n", user.uid, user.gid, workdir.display());
        if !workdir.display().to_string().contains([':', '\n']) {
            let _ = append(root, "etc/passwd", &line, roots, |_| false);
        }
    }
    // The group asked for, else one of the user's own.
    let gid = if own_group { user.gid } else { user.uid };
    if own_group || unknown {
        let known = |text: &str| text.lines().any(|line| line.split(':').nth(2) == Some(gid.to_string().as_str()));
        let _ = append(root, "etc/group", &format!("{gid}:x:{gid}:{name}\n"), roots, known);
    }
}

/// The name and the full name that the host's `/etc/passwd` has for a user.
fn on_host(passwd: &str, uid: u32) -> Option<(&str, &str)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() > 4 && fields[2].parse() == Ok(uid)).then(|| (fields[0], fields[4]))
    })
}

/// Adds `line` to a file of the container's, made if need be, unless its text is `enough`.
fn append(
    root: BorrowedFd<'_>,
    path: &str,
    line: &str,
    roots: Owner,
    enough: impl Fn(&str) -> bool,
) -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match place::open(root, Path::new(path), flags) {
        Err(Errno::NOENT) => {
            let etc = place::make_folder(root, Path::new("/etc"), roots, roots)?;
            let name = path.rsplit('/').next().unwrap_or(path);
            let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let made = rustix::fs::openat(etc, name, flags, Mode::from_raw_mode(0o644))?;
            if roots != (0, 0) {
                rustix::fs::fchown(&made, Some(Uid::from_raw(roots.0)), Some(Gid::from_raw(roots.1)))?;
            }
            made
        }
        other => other?,
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let mut file = File::from(file);
    let mut text = Vec::new();
    let failed = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    (&mut file).take(MAX_FILE).read_to_end(&mut text).map_err(failed)?;
    if enough(&String::from_utf8_lossy(&text)) {
        return Ok(());
    }
    let begin = if text.last().is_none_or(|byte| *byte == b'\n') { "" } else { "\n" };
    file.write_all(format!("{begin}{line}").as_bytes()).map_err(failed)
}

/// Makes `/etc/mtab` what it is on every Linux, when the image has none: programs still look there.
pub(super) fn mtab(root: BorrowedFd<'_>, roots: Owner) {
    if place::open(root, Path::new("/etc/mtab"), OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW).is_err()
        && let Ok(etc) = place::make_folder(root, Path::new("/etc"), roots, roots)
        && rustix::fs::symlinkat(c"/proc/mounts", etc.as_fd(), c"mtab").is_ok()
        && roots != (0, 0)
    {
        let (uid, gid) = (Some(Uid::from_raw(roots.0)), Some(Gid::from_raw(roots.1)));
        let _ = rustix::fs::chownat(etc.as_fd(), c"mtab", uid, gid, AtFlags::SYMLINK_NOFOLLOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn user(uid: u32, gid: u32, name: Option<&str>) -> User {
        User { uid, gid, additional_gids: Vec::new(), home: "/home".to_owned(), name: name.map(str::to_owned) }
    }

    #[test]
    fn whom_nobody_knows_gets_an_entry_and_no_second_one() {
        for (wanted, user, passwd, group) in [
            ("77", user(77, 0, None), "77:*:77:0:container user:/w:/bin/sh\n", "77:x:77:77\n"),
            ("77:88", user(77, 88, None), "77:*:77:88:container user:/w:/bin/sh\n", "88:x:88:77\n"),
            ("77:33", user(77, 33, None), "77:*:77:33:container user:/w:/bin/sh\n", ""),
            ("guest:555", user(1000, 555, Some("guest")), "", "555:x:555:guest\n"),
            ("guest", user(1000, 1000, Some("guest")), "", ""),
            ("", user(0, 0, None), "", ""),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let etc = folder.path().join("etc");
            fs::create_dir(&etc).unwrap();
            // The last line without its newline, as people leave it.
            fs::write(etc.join("passwd"), "guest:x:1000:1000::/home/guest:/bin/sh").unwrap();
            fs::write(etc.join("group"), "www-data:x:33:\nguest:x:1000:\n").unwrap();
            let root = File::open(folder.path()).unwrap();
            register(root.as_fd(), &user, wanted, Path::new("/w"), (0, 0));
            let added = |name: &str, before: &str| {
                let text = fs::read_to_string(etc.join(name)).unwrap();
                text.strip_prefix(before).unwrap().trim_start_matches('\n').to_owned()
            };
            assert_eq!(added("passwd", "guest:x:1000:1000::/home/guest:/bin/sh"), passwd, "{wanted}");
            assert_eq!(added("group", "www-data:x:33:\nguest:x:1000:\n"), group, "{wanted}");
        }
    }

    #[test]
    fn files_that_lead_out_of_the_root_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "as it was").unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink(&outside, root.join("etc/passwd")).unwrap();
        symlink("../../outside", root.join("etc/group")).unwrap();
        let fd = File::open(&root).unwrap();
        register(fd.as_fd(), &user(77, 0, None), "77", Path::new("/"), (0, 0));
        mtab(fd.as_fd(), (0, 0));
        assert_eq!(fs::read_to_string(&outside).unwrap(), "as it was");
        assert_eq!(fs::read_link(root.join("etc/mtab")).unwrap(), Path::new("/proc/mounts"));
    }

    #[test]
    fn what_is_missing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        register(root.as_fd(), &user(77, 0, None), "77", Path::new("/"), (0, 0));
        let passwd = fs::read_to_string(folder.path().join("etc/passwd")).unwrap();
        assert_eq!(passwd, "77:*:77:0:container user:/:/bin/sh\n");
    }
}
