// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about what a container's processes may do.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{Network, Seccomp, Security};

use crate::exit::os_words;

/// Settings of the kernel that belong to a namespace.
const SYSCTLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Flags about what it may do.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct SecurityFlags {
    /// Add capabilities to the container
    #[arg(long, value_delimiter = ',')]
    pub cap_add: Vec<String>,
    /// Drop capabilities from the container
    #[arg(long, value_delimiter = ',')]
    pub cap_drop: Vec<String>,
    /// Give extended privileges to container
    #[arg(long)]
    pub privileged: bool,
    /// Policy for selecting a seccomp profile (experimental)
    #[arg(long, default_value = "default")]
    pub seccomp_policy: String,
    /// Security Options
    #[arg(long)]
    pub security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_delimiter = ',')]
    pub sysctl: Vec<String>,
}

impl SecurityFlags {
    pub(super) fn check_capabilities(&self) -> Result<()> {
        let plain = |name: &String| {
            let name = name.to_uppercase();
            name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
        };
        let dropped: Vec<String> = self.cap_drop.iter().map(plain).collect();
        let all = "ALL".to_owned();
        if !self.privileged && dropped.contains(&all) && self.cap_add.iter().any(|name| plain(name) == all) {
            bail!("adding all caps and removing all caps not allowed");
        }
        match self.cap_add.iter().map(plain).find(|name| name != "ALL" && dropped.contains(name)) {
            Some(name) => bail!("capability \"CAP_{name}\" cannot be dropped and added"),
            None => Ok(()),
        }
    }

    pub(super) fn security(&self) -> Result<Security> {
        let mut security = Security::default();
        for option in &self.security_opt {
            if option == "no-new-privileges" {
                security.no_new_privileges = true;
                continue;
            }
            let Some((key, value)) = option.split_once(['=', ':']) else {
                bail!("invalid --security-opt 1: {option:?}");
            };
            match (key, value) {
                ("no-new-privileges", "true") => security.no_new_privileges = true,
                ("no-new-privileges", "false") => security.no_new_privileges = false,
                ("seccomp", "unconfined") => security.seccomp = Seccomp::Unconfined,
                ("seccomp", "") => security.seccomp = Seccomp::Default,
                ("seccomp", path) => {
                    std::fs::metadata(path).map_err(|error| {
                        anyhow!("opening seccomp profile failed: open {path}: {}", os_words(&error))
                    })?;
                    security.seccomp = Seccomp::Profile(std::fs::canonicalize(path)?);
                }
                ("mask", paths) => security.mask.extend(paths.split(':').map(PathBuf::from)),
                ("unmask", paths) if paths.eq_ignore_ascii_case("all") => security.unmask.push("ALL".to_owned()),
                ("unmask", paths) => security.unmask.extend(paths.split(':').map(str::to_owned)),
                ("systempaths", "unconfined") => security.unmask.push("ALL".to_owned()),
                ("systempaths", other) => bail!("invalid systempaths option {other:?}, only `unconfined` is supported"),
                ("proc-opts", words) => security.proc.extend(words.split(',').map(str::to_owned)),
                ("label", "nested") => bail!("statfs /sys/fs/selinux: no such file or directory"),
                // Without the security module none of it means anything; nor does Podman mind.
                ("label", word) => security.labels.push(word.to_owned()),
                ("apparmor", "unconfined") => security.apparmor = Some("unconfined".to_owned()),
                ("apparmor", profile) => {
                    bail!("apparmor profile {profile:?} specified, but Apparmor is not enabled on this system")
                }
                _ => bail!("invalid --security-opt 2: {option:?}"),
            }
        }
        match self.seccomp_policy.as_str() {
            "image" if security.seccomp == Seccomp::Default => security.seccomp = Seccomp::OfImage,
            "" | "default" | "image" => {}
            policy => bail!("invalid seccomp policy {policy:?}: valid policies are [\"default\" \"image\"]"),
        }
        Ok(security)
    }

    pub(super) fn sysctls(&self, network: &Network) -> Result<BTreeMap<String, String>> {
        let mut sysctls = BTreeMap::new();
        for text in self.sysctl.iter().filter(|text| !text.is_empty()) {
            let Some((key, value)) = text.split_once('=') else {
                bail!("{text} is invalid, sysctl values must be in the form of KEY=VALUE");
            };
            if !SYSCTLS.contains(&key) && !key.starts_with("fs.mqueue.") && !key.starts_with("net.") {
                bail!("sysctl '{key}' is not allowed");
            }
            if key.starts_with("net.") && *network == Network::Host {
                bail!("sysctl {key}={value} can't be set since Network Namespace set to host: invalid argument");
            }
            sysctls.insert(key.to_owned(), value.to_owned());
        }
        Ok(sysctls)
    }
}
