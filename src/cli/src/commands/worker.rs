// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout worker`, which the app starts: the process that enters the user namespace, behind descriptor 3.

use anyhow::{Context as _, Result};

/// Serves steps until the other end of descriptor 3 closes.
pub fn run() -> Result<u8> {
    match haulout_engine::step::work().context("serving the socket that is descriptor 3")? {}
}
