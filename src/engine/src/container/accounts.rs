// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Users and groups of the host's that a container's own `/etc/passwd` and `/etc/group` shall know.

use std::fs;
use std::process::{Command, Stdio};

use super::Record;
use super::options::Userns;
use super::start::{Accounts, HostUser};
use crate::engine::Error;

/// What the container's account files are told.
pub(super) fn told(record: &Record) -> Result<Accounts, Error> {
    let options = &record.options.accounts;
    let named = options.host_users.iter().filter(|_| !options.untouched);
    let host_users = named.map(|wanted| {
        host_user(wanted).ok_or_else(|| Error::Start {
            status: 126,
            message: format!("creating temporary passwd file for container {}: user: unknown user {wanted}", record.id),
        })
    });
    let caller = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let kept =
        matches!(record.options.userns, Userns::KeepId { .. }) && record.options.user.as_deref() == Some(&caller);
    Ok(Accounts {
        untouched: options.untouched,
        user_entry: options.user_entry.clone(),
        group_entry: options.group_entry.clone(),
        host_users: host_users.collect::<Result<_, _>>()?,
        kept_group: if kept { own_group() } else { None },
    })
}

/// A user of the host's, by name or number.
fn host_user(wanted: &str) -> Option<HostUser> {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    known.lines().find_map(|line| entry(line, wanted)).or_else(|| {
        // Of a directory service: nobody is called as a flag is.
        let asked = Command::new("getent").args(["passwd", "--", wanted]).stdin(Stdio::null()).output().ok()?;
        entry(String::from_utf8_lossy(&asked.stdout).trim_end(), wanted)
    })
}

/// The line of passwd(5), if it is of `wanted`.
fn entry(line: &str, wanted: &str) -> Option<HostUser> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, about, ..] = fields[..] else { return None };
    let is_it = name == wanted || uid == wanted;
    is_it.then_some(())?;
    Some(HostUser { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, about: about.to_owned() })
}

/// How the caller's own group is called.
fn own_group() -> Option<String> {
    let gid = rustix::process::getgid().as_raw().to_string();
    let known = fs::read_to_string("/etc/group").unwrap_or_default();
    let mut entries = known.lines().map(|line| line.split(':').collect::<Vec<_>>());
    entries.find(|entry| entry.get(2) == Some(&gid.as_str())).map(|entry| entry[0].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        for wanted in ["root", "0"] {
            let user = host_user(wanted).unwrap();
            assert_eq!((user.name.as_str(), user.uid, user.gid), ("root", 0, 0));
        }
        assert!(host_user("no-such-user").is_none());
        assert!(entry("root:x:0", "root").is_none() && entry("", "").is_none());
    }
}
