// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel's keys (keyrings(7)): a user may have only so many, and every container takes one for a keyring of its own.

use std::fs;

/// Whether the user has half of them: the last container for which there is none would not start, and the user's own programs need
/// some. Those that are started then share the session's keyring.
pub(super) fn are_short() -> bool {
    let users = fs::read_to_string("/proc/key-users").unwrap_or_default();
    has_half(&users, rustix::process::getuid().as_raw())
}

/// A line a user: `UID: usage keys/instantiated counted/most bytes/most` (proc_key-users(5)).
fn has_half(users: &str, uid: u32) -> bool {
    let counted = users.lines().find_map(|line| {
        let (owner, numbers) = line.split_once(':')?;
        let (counted, most) = numbers.split_whitespace().nth(2)?.split_once('/')?;
        (owner.trim().parse() == Ok(uid)).then_some((counted.parse::<u64>().ok()?, most.parse::<u64>().ok()?))
    });
    counted.is_some_and(|(counted, most)| counted >= most / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_when_half_of_them_are_taken() {
        let users = "    0:    69 68/68 63/1000000 1344/25000000\n 1000:    14 14/14 100/200 136/20000\n";
        assert!(has_half(users, 1000) && !has_half(users, 0));
        assert!(!has_half(&users.replace("100/200", "99/200"), 1000));
        assert!(!has_half("nonsense\n1000: 1\n", 1000) && !has_half("", 1000));
    }
}
