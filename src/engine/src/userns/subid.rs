// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Subordinate ids: the ranges of host ids that a user may map into a user namespace.
//!
//! `/etc/subuid` and `/etc/subgid` as subuid(5) has them: one `owner:first:count` a line, the owner a
//! login name or a number. A user may own several ranges; their order is kept, since it is the order in
//! which they are mapped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// `count` consecutive ids on the host, from `first`. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first id.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Who asks: both names under which a line can be theirs.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
}

/// Users' ids or groups' ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/etc/subuid`.
    User,
    /// `/etc/subgid`.
    Group,
}

/// Why there are no ranges.
#[derive(Debug, thiserror::Error)]
pub enum SubidError {
    /// The file cannot be read.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not subuid(5).
    #[error("{}, line {line}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No line is the user's.
    #[error("{} gives {owner} no ids; as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {owner}", path.display())]
    NoneFor {
        /// The file.
        path: PathBuf,
        /// The user.
        owner: String,
    },
}

impl Owner {
    /// Who runs this process: the name from `/etc/passwd`, else from `getent` (a user of a directory service), else the number.
    pub fn current() -> Self {
        Self::of(rustix::process::getuid().as_raw())
    }

    /// The user with `uid`.
    pub fn of(uid: u32) -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = name_in(&passwd, uid).or_else(|| {
            let output = Command::new("getent").args(["passwd", &uid.to_string()]).output().ok()?;
            name_in(&String::from_utf8(output.stdout).ok()?, uid)
        });
        Self { name: name.unwrap_or_else(|| uid.to_string()), uid }
    }
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The ranges of `owner` on this machine: from `/etc/subuid` or `/etc/subgid`, else from where nsswitch.conf(5)'s `subid:`
/// points (`getsubids`; untested here: it takes a directory service).
///
/// # Errors
/// As [`ranges`].
pub fn of(owner: &Owner, kind: Kind) -> Result<Vec<IdRange>, SubidError> {
    let file = match kind {
        Kind::User => "/etc/subuid",
        Kind::Group => "/etc/subgid",
    };
    let error = match ranges(Path::new(file), owner) {
        Ok(found) => return Ok(found),
        Err(SubidError::Malformed { path, line, reason }) => return Err(SubidError::Malformed { path, line, reason }),
        Err(error) => error,
    };
    let elsewhere = fs::read_to_string("/etc/nsswitch.conf").is_ok_and(|text| asks_elsewhere(&text));
    if !elsewhere {
        return Err(error);
    }
    let mut command = Command::new("getsubids");
    if kind == Kind::Group {
        command.arg("-g");
    }
    let Ok(output) = command.arg(&owner.name).output() else { return Err(error) };
    let found = parse_getsubids(&String::from_utf8_lossy(&output.stdout));
    if found.is_empty() { Err(error) } else { Ok(found) }
}

/// Whether nsswitch.conf(5) names a source of subordinate ids that is not the files.
fn asks_elsewhere(nsswitch: &str) -> bool {
    nsswitch
        .lines()
        .filter_map(|line| line.trim().strip_prefix("subid:"))
        .any(|sources| sources.split_ascii_whitespace().any(|source| source != "files"))
}

/// getsubids(1): `0: owner first count` a line.
fn parse_getsubids(text: &str) -> Vec<IdRange> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(2);
            let (first, count) = (words.next()?.parse::<u32>().ok()?, words.next()?.parse::<u32>().ok()?);
            (count > 0 && first.checked_add(count).is_some()).then_some(IdRange { first, count })
        })
        .collect()
}

/// Reads the ranges that `path` gives to `owner`, in the file's order.
///
/// # Errors
/// [`SubidError::NoneFor`] when there are none; [`SubidError::Malformed`] names the first line that is not
/// subuid(5), whoever it belongs to, because a broken file makes `newuidmap` refuse everyone.
pub fn ranges(path: &Path, owner: &Owner) -> Result<Vec<IdRange>, SubidError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(SubidError::Read { path: path.into(), source }),
    };
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let entry =
            parse_line(line).map_err(|reason| SubidError::Malformed { path: path.into(), line: index + 1, reason })?;
        if let Some((who, range)) = entry
            && (who == owner.name || who.parse() == Ok(owner.uid))
        {
            found.push(range);
        }
    }
    if found.is_empty() {
        return Err(SubidError::NoneFor { path: path.into(), owner: owner.name.clone() });
    }
    Ok(found)
}

/// One line: nothing for a comment or an empty one.
fn parse_line(line: &str) -> Result<Option<(&str, IdRange)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut fields = line.split(':');
    let (Some(who), Some(first), Some(count), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("not owner:first:count");
    };
    let first = first.parse().map_err(|_| "the first id is no number")?;
    let count = count.parse().map_err(|_| "the count is no number")?;
    match u32::checked_add(first, count) {
        Some(_) if count > 0 => Ok(Some((who, IdRange { first, count }))),
        _ => Err("the range is empty or runs past the last id"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<IdRange>, SubidError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        ranges(file.path(), &Owner { name: "ann".to_owned(), uid: 1000 })
    }

    #[test]
    fn a_line_by_uid_counts_as_well_as_one_by_name_and_the_order_is_kept() {
        let found = read("# ids\nbob:1:2\n1000:300000:10\n\nann:100000:65536\n").unwrap();
        assert_eq!(found, [IdRange { first: 300_000, count: 10 }, IdRange { first: 100_000, count: 65536 }]);
    }

    #[test]
    fn a_broken_line_of_another_user_is_named() {
        for bad in ["bob:1", "bob:x:1", "bob:1:y", "bob:1:0", "bob:4294967295:2", "bob:1:2:3"] {
            let error = read(&format!("ann:100000:65536\n{bad}\n")).unwrap_err();
            assert!(matches!(error, SubidError::Malformed { line: 2, .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn a_user_without_a_line_is_told_how_to_get_one() {
        let error = read("bob:100000:65536\n").unwrap_err().to_string();
        assert!(error.contains("usermod --add-subuids 100000-165535") && error.ends_with("ann"), "{error}");
        let nowhere = ranges(Path::new("/nonexistent/subuid"), &Owner { name: "ann".to_owned(), uid: 1000 });
        assert!(matches!(nowhere, Err(SubidError::NoneFor { .. })));
    }

    #[test]
    fn a_directory_service_is_asked_only_where_nsswitch_says_so() {
        assert!(!asks_elsewhere("passwd: files\nsubid: files\n"));
        assert!(asks_elsewhere("subid:   sss\n"));
        assert_eq!(
            parse_getsubids("0: ann 100000 65536\nnonsense\n1: ann 5 0\n"),
            [IdRange { first: 100_000, count: 65536 }]
        );
    }

    #[test]
    fn whatever_is_in_the_file_it_is_read_or_refused() {
        haulout_fuzz::feed_text("subid", |text| {
            for range in read(text).unwrap_or_default() {
                assert!(range.count > 0 && range.first.checked_add(range.count).is_some());
            }
            parse_getsubids(text);
            asks_elsewhere(text);
        });
    }
}
