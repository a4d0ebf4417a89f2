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

use super::Accounts;
use super::place::{self, Owner};

/// No more is read of either file.
const MAX_FILE: u64 = 4 << 20;

/// Makes `process` run as `user`. Podman's rules, where it matters to a program: who was asked for by name or number has their
/// own group among the additional ones; the home of a user whom nobody knows is what
/// `/etc/passwd` is told then: the working folder, if nothing else is said.
pub(super) fn assume(
    process: &mut Process,
    user: &User,
    asked_for: bool,
    kept_group: Option<u32>,
    accounts: &Accounts,
) {
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
        None if user.uid == 0 => process.cwd().display().to_string(),
        None if accounts.untouched => String::new(),
        None => {
            let line = entry_of(user, process.cwd(), accounts).unwrap_or_default();
            line.trim_end().split(':').nth(5).unwrap_or_default().to_owned()
        }
    };
    let env = process.env_mut().get_or_insert_default();
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={home}"));
    }
}

/// Adds those of the host's users that `root`'s `/etc/passwd` does not know. Where that cannot be done, it is not.
pub(super) fn introduce(root: BorrowedFd<'_>, accounts: &Accounts, workdir: &Path, roots: Owner) {
    for user in accounts.host_users.iter().filter(|_| !accounts.untouched) {
        let known = |text: &str| {
            let mut entries = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
            entries.any(|entry| entry[0] == user.name || entry.get(2) == Some(&user.uid.to_string().as_str()))
        };
        let entry = Entry { name: &user.name, uid: user.uid, gid: user.gid, about: &user.about, home: workdir };
        if let Some(line) = entry.line(accounts) {
            let _ = append(root, "etc/passwd", &line, roots, known);
        }
    }
}

/// A user as `/etc/passwd` is told of one.
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    about: &'a str,
    home: &'a Path,
}

impl Entry<'_> {
    /// Its line; nothing when the home would break it.
    fn line(&self, accounts: &Accounts) -> Option<String> {
        let Entry { name, uid, gid, about, home } = self;
        let home = home.display().to_string();
        if home.contains([':', '\n']) {
            return None;
        }
        Some(match &accounts.user_entry {
            None => format!("{name}:*:{uid}:{gid}:{about}:{home}:/bin/sh\n"),
            Some(entry) => {
                let (uid, gid) = (uid.to_string(), gid.to_string());
                replaced(
                    entry,
                    &[("$USERNAME", name), ("$UID", &uid), ("$GID", &gid), ("$NAME", about), ("$HOME", &home)],
                )
            }
        })
    }
}

/// `text` with each of `words` replaced, as a line.
fn replaced(text: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value)) + "\n"
}

/// Adds what `root`'s `/etc/passwd` and `/etc/group` do not know of `user`, who was asked for as `wanted` and has the working
/// folder `workdir`. Where that cannot be done, it is not: the process runs all the same.
pub(super) fn register(
    root: BorrowedFd<'_>,
    user: &User,
    wanted: &str,
    workdir: &Path,
    roots: Owner,
    accounts: &Accounts,
) {
    if accounts.untouched {
        return;
    }
    let unknown = user.name.is_none() && user.uid != 0;
    let name = user.name.clone().unwrap_or_else(|| user.uid.to_string());
    let own_group = wanted.split_once(':').is_some_and(|(_, group)| !group.is_empty());
    if unknown && let Some(line) = entry_of(user, workdir, accounts) {
        let _ = append(root, "etc/passwd", &line, roots, |_| false);
    }
    // The group asked for, else one of the user's own.
    let gid = if own_group { user.gid } else { user.uid };
    if own_group || unknown {
        let known = |text: &str| text.lines().any(|line| line.split(':').nth(2) == Some(gid.to_string().as_str()));
        // The caller's own group, when it is kept, is called as on the host.
        let kept = accounts.kept_group.as_deref();
        let host = if kept.is_some() { host_passwd() } else { String::new() };
        let on_host = on_host(&host, user.uid).map_or(name.as_str(), |(name, _)| name);
        let line = match (&accounts.group_entry, kept) {
            (None, None) => format!("{gid}:x:{gid}:{name}\n"),
            (None, Some(group)) => format!("{group}:x:{gid}:{on_host}\n"),
            (Some(entry), kept) => {
                let members = if kept.is_some() { on_host } else { "" };
                let words = [("$GROUPNAME", kept.unwrap_or("")), ("$GID", &gid.to_string()), ("$USERLIST", members)];
                replaced(entry, &words)
            }
        };
        let _ = append(root, "etc/group", &line, roots, known);
    }
}

/// The line for a user whom the container does not know. As podman has it: who is somebody on the host is called so.
fn entry_of(user: &User, workdir: &Path, accounts: &Accounts) -> Option<String> {
    let number = user.uid.to_string();
    let host = host_passwd();
    let (name, about) = on_host(&host, user.uid).unwrap_or((&number, "container user"));
    Entry { name, uid: user.uid, gid: user.gid, about, home: workdir }.line(accounts)
}

fn host_passwd() -> String {
    std::fs::read_to_string("/etc/passwd").unwrap_or_default()
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
    use super::super::HostUser;
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
            register(root.as_fd(), &user, wanted, Path::new("/w"), (0, 0), &Accounts::default());
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
        register(fd.as_fd(), &user(77, 0, None), "77", Path::new("/"), (0, 0), &Accounts::default());
        mtab(fd.as_fd(), (0, 0));
        assert_eq!(fs::read_to_string(&outside).unwrap(), "as it was");
        assert_eq!(fs::read_link(root.join("etc/mtab")).unwrap(), Path::new("/proc/mounts"));
    }

    #[test]
    fn what_is_missing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        register(root.as_fd(), &user(77, 0, None), "77", Path::new("/"), (0, 0), &Accounts::default());
        let passwd = fs::read_to_string(folder.path().join("etc/passwd")).unwrap();
        assert_eq!(passwd, "77:*:77:0:container user:/:/bin/sh\n");
    }

    #[test]
    fn a_user_of_the_hosts_is_introduced_once_and_an_entry_can_be_said() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("passwd"), "guest:x:1000:1000::/home/guest:/bin/sh\n").unwrap();
        let user = |name: &str, uid| HostUser { name: name.into(), uid, gid: 7, about: "A B".into() };
        let host_users = vec![user("other", 1000), user("guest", 9), user("new", 5), user("new", 5)];
        let root = File::open(folder.path()).unwrap();
        introduce(root.as_fd(), &Accounts { host_users, ..Accounts::default() }, Path::new("/w"), (0, 0));
        let passwd = || fs::read_to_string(etc.join("passwd")).unwrap();
        assert_eq!(passwd(), "guest:x:1000:1000::/home/guest:/bin/sh\nnew:*:5:7:A B:/w:/bin/sh\n");
        let said = Accounts {
            user_entry: Some("$USERNAME:$UID:$GID:$NAME:$HOME:${UID}".into()),
            group_entry: Some("[$GROUPNAME]$GID".into()),
            ..Accounts::default()
        };
        let nobody = User { uid: 77, gid: 0, additional_gids: Vec::new(), home: "/".into(), name: None };
        register(root.as_fd(), &nobody, "77", Path::new("/w"), (0, 0), &said);
        assert!(passwd().ends_with("\n77:77:0:container user:/w:${UID}\n"), "{}", passwd());
        assert_eq!(fs::read_to_string(etc.join("group")).unwrap(), "[]77\n");
    }
}
