// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about a container's cgroup.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use haulout_engine::container::options::Cgroups;

use super::given;

/// Flags about its cgroup.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct CgroupFlags {
    /// Configure cgroup v2 (key=value)
    #[arg(long, value_delimiter = ',')]
    pub cgroup_conf: Vec<String>,
    /// Optional parent cgroup for the container
    #[arg(long)]
    pub cgroup_parent: Option<String>,
    /// Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")
    #[arg(long, default_value = "enabled")]
    pub cgroups: String,
}

impl CgroupFlags {
    /// Files of the cgroup's, and what is written to them.
    pub(super) fn conf(&self) -> Result<BTreeMap<String, String>> {
        let pair = |text: &String| match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => bail!("--cgroup-conf must be formatted KEY=VALUE"),
        };
        self.cgroup_conf.iter().filter(|text| !text.ends_with('=')).map(pair).collect()
    }

    /// What it is to be in: whether that can be depends on who makes cgroups.
    pub(super) fn parent(&self) -> Option<String> {
        given(self.cgroup_parent.as_ref()).cloned()
    }

    pub(super) fn cgroups(&self) -> Result<Cgroups> {
        let parent = given(self.cgroup_parent.as_ref()).is_some();
        match self.cgroups.as_str() {
            "" | "enabled" | "no-conmon" => Ok(Cgroups::Enabled),
            "split" if parent => bail!("cannot specify --cgroup-mode=split with a cgroup-parent: invalid argument"),
            "disabled" if parent => bail!("cannot set cgroup parent if not creating cgroups: invalid argument"),
            "split" => Ok(Cgroups::Split),
            "disabled" => Ok(Cgroups::Disabled),
            mode => bail!("running container create option: invalid cgroup mode {mode:?}: invalid argument"),
        }
    }
}
