// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which ids of the host a user namespace has (`user_namespaces(7)`), and giving them to one.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};

use super::UsernsError;
use super::subid::{self, IdRange, Kind, Owner};

/// `count` ids from `inside` in the namespace are those from `outside` on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first id inside.
    pub inside: u32,
    /// The first id on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The map of a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Users.
    pub users: Vec<Extent>,
    /// Groups.
    pub groups: Vec<Extent>,
    /// What is wrong with it, to be told once: only the user's own id is mapped.
    pub warning: Option<String>,
}

impl Map {
    /// The map of rootless containers: root inside is the user, then the subordinate ids in their order. A user without
    /// any gets a map of one id, and a warning, as podman does.
    ///
    /// # Errors
    /// A malformed file of subordinate ids.
    pub fn of_user() -> Result<Self, UsernsError> {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let owner = Owner::current();
        let found = subid::of(&owner, Kind::User).and_then(|users| Ok((users, subid::of(&owner, Kind::Group)?)));
        match found {
            Ok((users, groups)) => {
                Ok(Self { users: extents(uid, &users), groups: extents(gid, &groups), warning: None })
            }
            Err(why @ (subid::SubidError::NoneFor { .. } | subid::SubidError::Read { .. })) => Ok(Self {
                users: extents(uid, &[]),
                groups: extents(gid, &[]),
                warning: Some(format!(
                    "Using rootless single mapping into the namespace. This might break some images: {why}"
                )),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether nothing but the user's own id is mapped.
    pub fn is_single(&self) -> bool {
        self.users.len() == 1 && self.groups.len() == 1
    }

    /// Gives it to the namespace of the process `pid`, which has just made it and waits.
    ///
    /// # Errors
    /// What `newuidmap` or `newgidmap` said, or that they are missing.
    pub fn give(&self, pid: i32) -> Result<(), UsernsError> {
        if self.is_single() {
            return self.give_single(pid);
        }
        // Both at the same time: each is a setuid program of about 2 ms.
        let users = start("newuidmap", pid, &self.users)?;
        let groups = start("newgidmap", pid, &self.groups)?;
        let users = finish("newuidmap", users);
        finish("newgidmap", groups)?;
        users
    }

    /// One's own id may be mapped without privilege, when `setgroups` is given up.
    fn give_single(&self, pid: i32) -> Result<(), UsernsError> {
        let write = |file: &str, text: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::write(&path, text).map_err(|source| UsernsError::Io { doing: format!("writing {path}"), source })
        };
        let line = |extent: &Extent| format!("{} {} {}\n", extent.inside, extent.outside, extent.count);
        write("uid_map", &self.users.iter().map(line).collect::<String>())?;
        write("setgroups", "deny")?;
        write("gid_map", &self.groups.iter().map(line).collect::<String>())
    }
}

/// The user's own id as 0, then the ranges one after the other.
fn extents(own: u32, ranges: &[IdRange]) -> Vec<Extent> {
    let mut extents = vec![Extent { inside: 0, outside: own, count: 1 }];
    let mut inside: u32 = 1;
    for range in ranges {
        // More than 2^32 - 1 ids cannot be mapped; nobody has them.
        let count = range.count.min(u32::MAX - inside);
        if count == 0 {
            break;
        }
        extents.push(Extent { inside, outside: range.first, count });
        inside += count;
    }
    extents
}

fn start(program: &'static str, pid: i32, extents: &[Extent]) -> Result<Child, UsernsError> {
    let numbers = extents.iter().flat_map(|extent| [extent.inside, extent.outside, extent.count]);
    Command::new(program)
        .arg(pid.to_string())
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => UsernsError::Missing { program },
            _ => UsernsError::Io { doing: format!("running {program}"), source },
        })
}

fn finish(program: &'static str, child: Child) -> Result<(), UsernsError> {
    let output = child
        .wait_with_output()
        .map_err(|source| UsernsError::Io { doing: format!("waiting for {program}"), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(UsernsError::Refused { program, words: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// The map of the process `pid`, from its `uid_map` (`file`) or `gid_map`, as the caller's namespace sees it.
///
/// # Errors
/// What reading it met.
pub fn of_process(pid: i32, file: &str) -> io::Result<Vec<Extent>> {
    Ok(parse(&fs::read_to_string(format!("/proc/{pid}/{file}"))?))
}

fn parse(text: &str) -> Vec<Extent> {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some(Extent { inside: next()?, outside: next()?, count: next()? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_inside_is_the_user_and_the_ranges_follow_in_order() {
        let ranges = [IdRange { first: 300_000, count: 10 }, IdRange { first: 100_000, count: 65536 }];
        let found: Vec<_> = extents(1000, &ranges).iter().map(|e| (e.inside, e.outside, e.count)).collect();
        assert_eq!(found, [(0, 1000, 1), (1, 300_000, 10), (11, 100_000, 65536)]);
    }

    #[test]
    fn more_ids_than_there_are_do_not_overflow() {
        let all = IdRange { first: 0, count: u32::MAX };
        let found = extents(0, &[all, all]);
        assert_eq!(found.len(), 2);
        assert_eq!(u64::from(found[1].inside) + u64::from(found[1].count), u64::from(u32::MAX));
    }

    #[test]
    fn a_map_reads_as_the_kernel_prints_it() {
        let found = parse("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(found[1], Extent { inside: 1, outside: 100_000, count: 65536 });
    }
}
