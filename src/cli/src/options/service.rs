// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about a container as a service among others: who is told of it, what it needs, whether systemd runs in it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use haulout_engine::container::options::{SdNotify, SystemdMode};

use super::given;

/// Flags about it as a service.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
#[allow(clippy::doc_markdown, reason = "the comments are what `--help` prints, as it is")]
pub struct ServiceFlags {
    /// Path to the file that will receive the PID of the process beside the container
    #[arg(long)]
    conmon_pidfile: Option<String>,
    /// Write the container process ID to the file
    #[arg(long)]
    pidfile: Option<String>,
    /// Add one or more requirement containers that must be started before this container will start
    #[arg(long, value_delimiter = ',')]
    requires: Vec<String>,
    /// Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")
    #[arg(long, default_value = "container")]
    sdnotify: String,
    /// Run container in systemd mode ("true"|"false"|"always")
    #[arg(long, default_value = "true")]
    systemd: String,
}

impl ServiceFlags {
    pub(super) fn sdnotify(&self) -> Result<SdNotify> {
        match self.sdnotify.as_str() {
            "" | "container" => Ok(SdNotify::Container),
            "conmon" => Ok(SdNotify::Conmon),
            "healthy" => Ok(SdNotify::Healthy),
            "ignore" => Ok(SdNotify::Ignore),
            other => bail!(
                "invalid config provided: invalid argument: invalid sdnotify value {other:?}: must be conmon, container, healthy or ignore"
            ),
        }
    }

    pub(super) fn systemd(&self) -> Result<SystemdMode> {
        match self.systemd.as_str() {
            "always" => Ok(SystemdMode::Always),
            "" | "true" | "TRUE" | "True" | "t" | "T" | "1" => Ok(SystemdMode::True),
            "false" | "FALSE" | "False" | "f" | "F" | "0" => Ok(SystemdMode::False),
            _ => bail!(
                "invalid config provided: --systemd values must be one of \"true, false, always\": invalid configuration"
            ),
        }
    }

    pub(super) fn pidfile(&self) -> Result<Option<PathBuf>> {
        Ok(given(self.pidfile.as_ref()).map(std::path::absolute).transpose()?)
    }

    pub(super) fn conmon_pidfile(&self) -> Result<Option<PathBuf>> {
        Ok(given(self.conmon_pidfile.as_ref()).map(std::path::absolute).transpose()?)
    }

    pub(super) fn requires(&self) -> Vec<String> {
        self.requires.iter().filter(|name| !name.is_empty()).cloned().collect()
    }
}
