// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `user[:group]`, as people and images write it, looked up in a container's own `/etc/passwd` and `/etc/group`.
//!
//! The files belong to the container and are not trusted: they are opened inside its root (`RESOLVE_IN_ROOT`), must be
//! ordinary files, and no more than `MAX_FILE` bytes of them are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

/// So much of `/etc/passwd` or `/etc/group` is read.
const MAX_FILE: u64 = 4 << 20;

/// The largest id, as Podman has it.
const MAX_ID: u32 = i32::MAX as u32;

/// Who a process in a container runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's id in the container.
    pub uid: u32,
    /// The group's id in the container.
    pub gid: u32,
    /// The groups that list the user as a member; none when a group was asked for.
    pub additional_gids: Vec<u32>,
    /// The home folder by `/etc/passwd`; `/` for a user that is not in it.
    pub home: String,
    /// The login name; nothing for a number that is not in `/etc/passwd`.
    pub name: Option<String>,
}

/// A user that cannot be found. In Podman's words, because scripts match them.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// A name that is not in `/etc/passwd`.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// A name that is not in `/etc/group`.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    /// A number that no id can have.
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
    /// One of the two files.
    #[error("reading the container's {path}")]
    Read {
        /// Which.
        path: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Looks up `wanted` (`user[:group]`, each a name or a number; root when empty) in the root filesystem `root`.
///
/// # Errors
/// [`UserError::NoUser`], [`UserError::NoGroup`]: a name that is not there. A number need not be.
pub fn resolve(root: BorrowedFd<'_>, wanted: &str) -> Result<User, UserError> {
    let passwd = read(root, "etc/passwd")?;
    let group = read(root, "etc/group")?;
    find(&passwd, &group, wanted)
}

fn find(passwd: &str, group: &str, wanted: &str) -> Result<User, UserError> {
    // As Podman has it, what comes after the group is nobody's.
    let mut parts = wanted.split(':');
    let user = parts.next().filter(|user| !user.is_empty()).unwrap_or("0");
    let wanted_group = parts.next().filter(|group| !group.is_empty());
    let number = id(user)?;
    let entry = passwd.lines().filter_map(Entry::parse).find(|entry| entry.name == user || number == Some(entry.uid));
    let mut found = match (entry, number) {
        (Some(entry), _) => User {
            uid: entry.uid,
            gid: entry.gid,
            additional_gids: Vec::new(),
            home: if entry.home.is_empty() { "/" } else { entry.home }.to_owned(),
            name: Some(entry.name.to_owned()),
        },
        (None, Some(uid)) => {
            let home = if uid == 0 { "/root" } else { "/" };
            User { uid, gid: 0, additional_gids: Vec::new(), home: home.to_owned(), name: None }
        }
        (None, None) => return Err(UserError::NoUser(user.to_owned())),
    };
    let groups = group.lines().filter_map(Group::parse);
    if let Some(wanted) = wanted_group {
        let number = id(wanted)?;
        let entry = groups.into_iter().find(|group| group.name == wanted || number == Some(group.gid));
        found.gid = entry.map(|group| group.gid).or(number).ok_or_else(|| UserError::NoGroup(wanted.to_owned()))?;
    } else if let Some(name) = &found.name {
        found.additional_gids = groups
            .filter(|group| group.members.split(',').any(|member| member.trim() == name))
            .map(|group| group.gid)
            .collect();
    }
    Ok(found)
}

/// A number that is an id, with a sign if need be; nothing for what is a name.
fn id(text: &str) -> Result<Option<u32>, UserError> {
    let Ok(number) = text.parse::<i64>() else { return Ok(None) };
    match u32::try_from(number) {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(UserError::Range),
    }
}

/// A line of passwd(5).
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Self { name, uid, gid, home })
    }
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Self { name, gid, members: fields.next().unwrap_or_default() })
    }
}

/// The file's text, as far as it is UTF-8; empty when there is no such file.
fn read(root: BorrowedFd<'_>, path: &'static str) -> Result<String, UserError> {
    let failed = |source: io::Error| UserError::Read { path, source };
    // NONBLOCK: opening a FIFO must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => return Ok(String::new()),
        Err(error) => return Err(failed(error.into())),
    };
    let stat = rustix::fs::fstat(file.as_fd()).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    File::from(file).take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# broken\nnope:x:\nanna:x:1000:1001:Anna:/home/anna:/bin/sh\n7:x:1007:1007::/seven:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nanna:x:1001:\nvideo:x:44:bert,anna\naudio:x:63:annabel\n";

    #[test]
    fn a_name_gets_its_group_its_home_and_the_groups_it_is_a_member_of() {
        let user = find(PASSWD, GROUP, "anna").unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (1000, 1001, "/home/anna"));
        assert_eq!(user.additional_gids, [44]);
    }

    #[test]
    fn a_number_in_passwd_is_that_user_and_any_other_number_is_itself() {
        for text in ["1000", "+1000"] {
            assert_eq!(find(PASSWD, GROUP, text).unwrap(), find(PASSWD, GROUP, "anna").unwrap(), "{text}");
        }
        let stranger = find(PASSWD, GROUP, "4000").unwrap();
        assert_eq!((stranger.uid, stranger.gid, stranger.home.as_str(), stranger.name), (4000, 0, "/", None));
    }

    #[test]
    fn nothing_is_root() {
        assert_eq!(find(PASSWD, GROUP, "").unwrap().home, "/root");
        assert_eq!(find("", "", "").unwrap().uid, 0);
    }

    #[test]
    fn a_group_of_ones_own_choice_is_the_only_one() {
        let user = find(PASSWD, GROUP, "anna:video").unwrap();
        assert_eq!((user.uid, user.gid, user.additional_gids.len()), (1000, 44, 0));
        assert_eq!(find(PASSWD, GROUP, "anna:9").unwrap().gid, 9);
        assert_eq!(find(PASSWD, GROUP, ":audio").unwrap().gid, 63);
    }

    #[test]
    fn unknown_names_and_impossible_numbers_are_refused_in_podmans_words() {
        for (wanted, words) in [
            ("bert", "unable to find user bert: no matching entries in passwd file"),
            ("anna:bert", "unable to find group bert: no matching entries in group file"),
            ("2147483648", "uids and gids must be in range 0-2147483647"),
            ("-1", "uids and gids must be in range 0-2147483647"),
            ("0:-1", "uids and gids must be in range 0-2147483647"),
            ("99999999999", "uids and gids must be in range 0-2147483647"),
            ("1.5", "unable to find user 1.5: no matching entries in passwd file"),
        ] {
            assert_eq!(find(PASSWD, GROUP, wanted).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn a_passwd_that_is_a_link_out_of_the_root_or_a_fifo_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", etc.join("passwd")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, etc.join("group"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let root = File::open(folder.path()).unwrap();
        // The link leads to itself inside the root, not to the host's file.
        assert!(matches!(resolve(root.as_fd(), "root"), Err(UserError::NoUser(_))));
        assert_eq!(resolve(root.as_fd(), "12").unwrap().uid, 12);
    }

    #[test]
    fn whatever_is_in_passwd_and_group_a_user_is_found_or_not() {
        haulout_fuzz::feed_text("passwd", |text| {
            for wanted in ["", "root", "guest:users", "1000", "4294967295:0", text.lines().next().unwrap_or_default()] {
                let _ = find(text, text, wanted);
            }
        });
    }
}
