// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities (capabilities(7)): those that a container has when nothing is said, and what adding and dropping makes of them.

use std::fs;

use oci_spec::runtime::{Capabilities, Capability};

/// What a container has when neither its options nor containers.conf say anything: Podman's.
pub const DEFAULT: [Capability; 11] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::NetBindService,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// All that Linux has, in the order of their numbers.
const ALL: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// A word that is no capability. In Podman's words, because scripts match them.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?}: unknown capability")]
pub struct UnknownCapability(String);

/// Those of `default`, less what is dropped, with what is added. `all` stands for every one; dropping all and adding some gives
/// those alone.
pub fn chosen(default: &[Capability], add: &[String], drop: &[String]) -> Result<Capabilities, UnknownCapability> {
    let is_all = |word: &String| word.eq_ignore_ascii_case("all");
    let mut chosen: Capabilities = if add.iter().any(is_all) {
        all()
    } else if drop.iter().any(is_all) {
        Capabilities::new()
    } else {
        default.iter().copied().collect()
    };
    for word in drop.iter().filter(|word| !is_all(word)) {
        chosen.remove(&parse(word)?);
    }
    for word in add.iter().filter(|word| !is_all(word)) {
        chosen.insert(parse(word)?);
    }
    Ok(chosen)
}

/// `NET_ADMIN`, `cap_net_admin`.
pub fn parse(word: &str) -> Result<Capability, UnknownCapability> {
    let upper = word.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    name.parse().map_err(|_| UnknownCapability(format!("CAP_{name}")))
}

/// Everything that this kernel knows.
pub fn all() -> Capabilities {
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse().ok());
    ALL.into_iter().take(last.map_or(ALL.len(), |last: usize| last + 1)).collect()
}

/// As capabilities(7) writes it: `CAP_NET_ADMIN`.
pub fn name(capability: Capability) -> String {
    format!("CAP_{capability}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn set(capabilities: &[Capability]) -> Capabilities {
        capabilities.iter().copied().collect()
    }

    #[test]
    fn names_are_taken_as_people_write_them() {
        for word in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_net_admin"] {
            assert_eq!(parse(word), Ok(Capability::NetAdmin), "{word}");
        }
        assert_eq!(parse("foo").unwrap_err().to_string(), "\"CAP_FOO\": unknown capability");
        assert_eq!(name(Capability::CheckpointRestore), "CAP_CHECKPOINT_RESTORE");
        assert!(ALL.iter().all(|capability| parse(&name(*capability)) == Ok(*capability)));
    }

    #[test]
    fn what_is_dropped_goes_and_what_is_added_comes() {
        let chosen = |add: &[&str], drop: &[&str]| chosen(&DEFAULT, &words(add), &words(drop)).unwrap();
        assert_eq!(chosen(&[], &[]), set(&DEFAULT));
        assert!(chosen(&["net_admin"], &[]).contains(&Capability::NetAdmin));
        assert!(!chosen(&[], &["chown"]).contains(&Capability::Chown));
        assert_eq!(chosen(&["kill"], &["all"]), set(&[Capability::Kill]));
        assert!(chosen(&["ALL"], &["sys_admin"]).len() > 30);
        assert!(!chosen(&["ALL"], &["sys_admin"]).contains(&Capability::SysAdmin));
    }
}
