// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of the caller that a container's process has as well, under the same numbers: `--preserve-fds`, and those that
//! a service manager listens on (`sd_listen_fds(3)`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use oci_spec::runtime::Spec;

use crate::step::fork;

/// The first number after the standard three.
const FIRST: u32 = 3;

/// No more are passed on at once.
pub const MOST: u32 = haulout_monitor::config::MAX_PASSED;

/// Descriptors and their numbers.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    descriptors: Arc<Vec<(u32, OwnedFd)>>,
    pub(super) listening: u32,
}

/// A descriptor that cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// Nobody gave it to this process.
    #[error("file descriptor {0} is not available")]
    Missing(u32),
    /// One of the standard streams.
    #[error(
        "cannot preserve FD {0}, consider using the passthrough log-driver to pass STDIO streams into the container: invalid argument"
    )]
    Standard(u32),
    /// There are too many.
    #[error("no more than {MOST} file descriptors can be passed on")]
    TooMany,
    /// The kernel.
    #[error("duplicating file descriptor {number}")]
    Duplicate {
        /// Which.
        number: u32,
        /// Why not.
        source: io::Error,
    },
}

impl Passed {
    /// Those with these numbers. `listening`: the first so many come from a service manager, and the process is told so.
    ///
    /// # Errors
    /// [`PassedError::Missing`] names the first that whoever started this process did not leave open.
    pub fn new(mut numbers: Vec<u32>, listening: u32) -> Result<Self, PassedError> {
        if let Some(&standard) = numbers.iter().find(|number| **number < FIRST) {
            return Err(PassedError::Standard(standard));
        }
        numbers.extend((0..listening.min(MOST + 1)).map(|index| FIRST + index));
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() > MOST as usize {
            return Err(PassedError::TooMany);
        }
        let mut descriptors = Vec::with_capacity(numbers.len());
        for number in numbers {
            let found = fork::left_open(number).map_err(|source| PassedError::Duplicate { number, source })?;
            descriptors.push((number, found.ok_or(PassedError::Missing(number))?));
        }
        Ok(Self { descriptors: Arc::new(descriptors), listening })
    }

    /// These and this process's own standard streams, as far as it has them.
    ///
    /// # Errors
    /// When there are too many descriptors to have another of each.
    pub(super) fn with_standard_streams(&self) -> io::Result<Self> {
        let mut descriptors = Vec::with_capacity(self.descriptors.len() + 3);
        let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        for (number, stream) in (0..).zip(standard) {
            descriptors.push((number, stream.try_clone_to_owned()?));
        }
        for (number, descriptor) in self.descriptors.iter() {
            descriptors.push((*number, descriptor.try_clone()?));
        }
        Ok(Self { descriptors: Arc::new(descriptors), listening: self.listening })
    }

    /// Their numbers in the process, in order.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.descriptors.iter().map(|(number, _)| *number).collect()
    }

    pub(super) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        self.descriptors.iter().map(|(_, descriptor)| descriptor.try_clone()).collect()
    }
}

/// Tells the container's process of the descriptors of a service that it has.
pub(super) fn announce(spec: &mut Spec, listening: u32) {
    if listening == 0 {
        return;
    }
    if let Some(process) = spec.process_mut() {
        let environment = process.env_mut().get_or_insert_default();
        environment.extend([format!("LISTEN_FDS={listening}"), "LISTEN_PID=1".to_owned()]);
        environment.extend(std::env::var("LISTEN_FDNAMES").ok().map(|names| format!("LISTEN_FDNAMES={names}")));
    }
}
