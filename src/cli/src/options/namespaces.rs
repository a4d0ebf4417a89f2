// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about namespaces, the user namespace among them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::options::{IdMap, Ids, Namespace, Namespaces, Userns};

use super::given;
use crate::exit::os_words;

/// Flags about namespaces, the user namespace among them.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct NamespaceFlags {
    /// cgroup namespace to use
    #[arg(long)]
    pub cgroupns: Option<String>,
    /// GID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    pub gidmap: Vec<String>,
    /// IPC namespace to use
    #[arg(long)]
    pub ipc: Option<String>,
    /// PID namespace to use
    #[arg(long)]
    pub pid: Option<String>,
    /// Name of range listed in /etc/subgid for use in user namespace
    #[arg(long)]
    pub subgidname: Option<String>,
    /// Name of range listed in /etc/subuid for use in user namespace
    #[arg(long)]
    pub subuidname: Option<String>,
    /// UID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    pub uidmap: Vec<String>,
    /// User namespace to use ("host"|"keep-id[:OPTIONS]"|"nomap"|"auto[:OPTIONS]"|"container:NAME")
    #[arg(long)]
    pub userns: Option<String>,
    /// UTS namespace to use
    #[arg(long)]
    pub uts: Option<String>,
}

impl NamespaceFlags {
    pub(super) fn namespaces(&self, hostname: Option<&String>) -> Result<Namespaces> {
        let namespaces = Namespaces {
            pid: namespace("PID", self.pid.as_ref(), &["private"])?,
            ipc: namespace("IPC", self.ipc.as_ref(), &["private", "shareable", "none"])?,
            uts: namespace("UTS", self.uts.as_ref(), &["private"])?,
            cgroup: namespace("cgroup", self.cgroupns.as_ref(), &["private"])?,
        };
        let others = matches!(namespaces.uts, Namespace::Host | Namespace::Container(_) | Namespace::Path(_));
        if others && hostname.is_some() {
            bail!(
                "invalid config provided: cannot set hostname when running in the host UTS namespace: invalid configuration"
            );
        }
        Ok(namespaces)
    }

    pub(super) fn userns(&self) -> Result<(Userns, bool)> {
        // `--uidmap=` is none, as in Go.
        let said = |texts: &'_ [String]| if texts == [""] { Vec::new() } else { texts.to_vec() };
        let (users, groups) = (said(&self.uidmap), said(&self.gidmap));
        // What is said of groups only is said of users first.
        let of_groups = if users.is_empty() { Ids::Users } else { Ids::Groups };
        let (users, groups) = (IdMap::parse_all(&users, Ids::Users)?, IdMap::parse_all(&groups, of_groups)?);
        let (user_name, group_name) = (given(self.subuidname.as_ref()), given(self.subgidname.as_ref()));
        if !users.is_empty() || !groups.is_empty() || user_name.is_some() || group_name.is_some() {
            if self.userns.is_some() {
                bail!("--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive");
            }
            let (user_name, group_name) = (user_name.cloned(), group_name.cloned());
            return Ok((Userns::Maps { users, groups, user_name, group_name }, true));
        }
        let environment = std::env::var("PODMAN_USERNS").ok().filter(|mode| !mode.is_empty());
        match self.userns.clone().filter(|mode| !mode.is_empty()).or(environment) {
            Some(mode) => match mode.strip_prefix("ns:") {
                Some(path) => {
                    let why = fs::metadata(path)
                        .err()
                        .map_or("it is of no use without its map".to_owned(), |error| os_words(&error));
                    bail!("cannot find specified user namespace path: faccessat {path}: {why}")
                }
                None => Ok((mode.parse::<Userns>()?, true)),
            },
            None => Ok((Userns::Host, self.userns.is_some())),
        }
    }
}

/// One of the flags that name a namespace; `own` are the words for its own.
fn namespace(kind: &str, text: Option<&String>, own: &[&str]) -> Result<Namespace> {
    let Some(text) = given(text) else { return Ok(Namespace::Default) };
    if let Some(path) = text.strip_prefix("ns:") {
        return path_of(kind, path).map(Namespace::Path);
    }
    if text == "container:" {
        bail!("invalid config provided: namespace mode container requires a value");
    }
    match text.as_str() {
        "host" => Ok(Namespace::Host),
        "private" if own.contains(&"private") => Ok(Namespace::Private),
        "shareable" if own.contains(&"shareable") => Ok(Namespace::Shareable),
        "none" if own.contains(&"none") => Ok(Namespace::None),
        _ => match text.strip_prefix("container:").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Namespace::Container(name.to_owned())),
            None => bail!("unrecognized namespace mode {text} passed"),
        },
    }
}

/// The file that stands for a namespace (`ns:PATH`).
pub(super) fn path_of(kind: &str, path: &str) -> Result<PathBuf> {
    if path.is_empty() {
        bail!("invalid config provided: namespace mode path requires a value");
    }
    fs::metadata(path).map_err(|error| {
        anyhow!("cannot find specified {kind} namespace path: faccessat {path}: {}", os_words(&error))
    })?;
    Ok(std::path::absolute(path)?)
}
