// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about where a container's output goes.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::container::options::{Log, LogDriver};

use crate::size;

/// Flags about where its output goes.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct LogFlags {
    /// Logging driver for the container ("k8s-file"|"journald"|"none"|"passthrough"|"passthrough-tty")
    #[arg(long)]
    pub log_driver: Option<String>,
    /// Logging driver options
    #[arg(long)]
    pub log_opt: Vec<String>,
}

/// Whether this process's descriptor of that number, of the standard three, is a terminal.
fn is_terminal(number: u8) -> bool {
    match number {
        0 => std::io::stdin().is_terminal(),
        1 => std::io::stdout().is_terminal(),
        _ => std::io::stderr().is_terminal(),
    }
}

impl LogFlags {
    pub(super) fn log(&self) -> Result<Log> {
        let driver = match self.log_driver.as_deref() {
            None | Some("") => LogDriver::Default,
            Some("k8s-file") => LogDriver::K8sFile,
            Some("json-file") => LogDriver::JsonFile,
            Some("journald") => LogDriver::Journald,
            Some("none") => LogDriver::None,
            Some("passthrough") if (0..3).any(is_terminal) => {
                bail!("the '--log-driver passthrough' option cannot be used on a TTY");
            }
            Some("passthrough") => LogDriver::Passthrough,
            Some("passthrough-tty") => LogDriver::PassthroughTty,
            Some(_) => bail!("running container create option: invalid log driver: invalid argument"),
        };
        let mut log = Log { driver, ..Log::default() };
        for option in &self.log_opt {
            match option.split_once('=') {
                None => bail!("invalid log option {option:?}"),
                Some(("max-size", text)) => {
                    log.max_size = Some(size::parse_decimal(text).ok_or_else(|| anyhow!("invalid size: '{text}'"))?);
                }
                Some(("path", "")) => {}
                Some(("path", path)) => {
                    log.path = Some(std::path::absolute(path).with_context(|| format!("log option path={path}"))?);
                }
                Some(("tag", tag)) => log.tag = Some(tag.to_owned()),
                // Others are the business of other drivers; podman says nothing of them either.
                Some(_) => {}
            }
        }
        Ok(log)
    }
}
