// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--preserve-fds` and `--preserve-fd`, and what a service manager passes on to whoever it starts.

use anyhow::{Result, anyhow};
use haulout_engine::container::descriptors::{Passed, PassedError};

use crate::exit::Failure;

/// The flags.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct DescriptorFlags {
    /// Pass a list of additional file descriptors to the container
    #[arg(long, value_delimiter = ',')]
    preserve_fd: Vec<u32>,
    /// Pass N additional file descriptors to the container
    #[arg(long)]
    preserve_fds: Option<u32>,
}

impl DescriptorFlags {
    /// The descriptors that they name.
    pub fn passed(&self) -> Result<Passed> {
        self.with_those_of_a_service(0)
    }

    /// Those too that the service manager listens on.
    pub fn passed_with_service(&self) -> Result<Passed> {
        self.with_those_of_a_service(listening())
    }

    fn with_those_of_a_service(&self, listening: u32) -> Result<Passed> {
        // More than there can be are asked for no further than the first too many.
        let count = self.preserve_fds.unwrap_or(0).min(1 << 16);
        let numbers = (3..3 + count).chain(self.preserve_fd.iter().copied()).collect();
        Passed::new(numbers, listening).map_err(|error| match error {
            PassedError::Missing(number) => {
                let flag = if self.preserve_fd.contains(&number) { "preserve-fd" } else { "preserve-fds" };
                anyhow!("{error} - the {flag} option requires that file descriptors must be passed")
            }
            error @ PassedError::Standard(_) => Failure { status: 126, message: error.to_string() }.into(),
            error => error.into(),
        })
    }
}

/// The descriptors of whoever started this process for a service, to be passed on.
pub fn of_service() -> Result<Passed> {
    Ok(Passed::new(Vec::new(), listening())?)
}

/// How many descriptors a service manager passes on (`sd_listen_fds(3)`).
fn listening() -> u32 {
    std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0)
}
