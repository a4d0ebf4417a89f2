// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about who a container's process is.

use anyhow::{Result, bail};
use haulout_engine::container::options::Accounts;

use super::{given, non_empty};

/// Flags about who its process is.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct UserFlags {
    /// Add additional groups to the primary container process. 'keep-groups' allows container processes to use supplementary groups.
    #[arg(long, value_delimiter = ',')]
    pub group_add: Vec<String>,
    /// Entry to write to /etc/group
    #[arg(long)]
    pub group_entry: Option<String>,
    /// Host user account to add to /etc/passwd within container
    #[arg(long, value_delimiter = ',')]
    pub hostuser: Vec<String>,
    /// Entry to write to /etc/passwd
    #[arg(long)]
    pub passwd_entry: Option<String>,
    /// Set umask in container
    #[arg(long)]
    pub umask: Option<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
}

impl UserFlags {
    pub(super) fn groups(&self) -> Result<Vec<String>> {
        if self.group_add.len() > 1 && self.group_add.iter().any(|group| group == "keep-groups") {
            bail!("the '--group-add keep-groups' option is not allowed with any other --group-add options");
        }
        Ok(non_empty(&self.group_add).cloned().collect())
    }

    pub(super) fn accounts(&self) -> Accounts {
        Accounts {
            untouched: false,
            user_entry: given(self.passwd_entry.as_ref()).cloned(),
            group_entry: given(self.group_entry.as_ref()).cloned(),
            host_users: non_empty(&self.hostuser).cloned().collect(),
        }
    }

    pub(super) fn umask(&self) -> Result<Option<String>> {
        let Some(text) = given(self.umask.as_ref()) else { return Ok(None) };
        if text.len() > 4 || u32::from_str_radix(text, 8).is_err() {
            bail!("running container create option: invalid umask string {text}: invalid argument");
        }
        Ok(Some(text.clone()))
    }
}
