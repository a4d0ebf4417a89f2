// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What storage.conf says of how root filesystems are mounted: `mountopt`, `mount_program` and `disable-volatile`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a root filesystem is mounted, but for its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mounting {
    /// What mounts instead of the kernel: it is called as fuse-overlayfs(1) is.
    pub program: Option<PathBuf>,
    /// Options that any file system has, as mount(8) names them.
    pub flags: Vec<Flag>,
    /// Options of overlay's, or the program's.
    pub options: Vec<String>,
    /// Everything is synced, also what nobody would miss after a power cut.
    pub synced: bool,
}

/// An option that any file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// No devices.
    NoDev,
    /// No set-user-id programs.
    NoSuid,
    /// No programs.
    NoExec,
    /// Nothing is written.
    Ro,
    /// The time of reading is not kept.
    NoAtime,
    /// That of folders is not.
    NoDirAtime,
    /// It is always.
    StrictAtime,
}

impl Mounting {
    /// What `mountopt` says, options separated by commas. Those that an ordinary user's overlay cannot have, and that Podman leaves out
    /// for one, are left out: contents always come along with a file's owner (`metacopy`), and the kernel is told by us what may be lost.
    pub fn set_options(&mut self, told: &str) {
        for option in told.split(',').map(str::trim) {
            match option {
                "nodev" => self.flags.push(Flag::NoDev),
                "nosuid" => self.flags.push(Flag::NoSuid),
                "noexec" => self.flags.push(Flag::NoExec),
                "ro" => self.flags.push(Flag::Ro),
                "noatime" => self.flags.push(Flag::NoAtime),
                "nodiratime" => self.flags.push(Flag::NoDirAtime),
                "strictatime" => self.flags.push(Flag::StrictAtime),
                // What is so anyway.
                "" | "rw" | "dev" | "suid" | "exec" | "relatime" | "atime" | "userxattr" | "volatile" => {}
                metacopy if metacopy.starts_with("metacopy=") => {}
                option => self.options.push(option.to_owned()),
            }
        }
    }

    /// Key and value of each option of overlay's.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.options.iter().map(|option| match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option.as_str(), None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_any_file_system_are_told_from_those_of_overlay() {
        let mut mounting = Mounting::default();
        mounting.set_options("nodev, metacopy=on,index=off,,rw,noatime,volatile,nfs_export");
        assert_eq!(mounting.flags, [Flag::NoDev, Flag::NoAtime]);
        assert_eq!(mounting.keys().collect::<Vec<_>>(), [("index", Some("off")), ("nfs_export", None)]);
    }
}
