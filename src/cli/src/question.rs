// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a verb asks before it does what cannot be undone.

use std::io::{self, BufRead as _};

use anyhow::{Context as _, Result, bail};

use crate::output;

/// Asks `question` on standard output; whether the line that is read from standard input says yes.
pub fn agreed(question: &str) -> Result<bool> {
    output::print(question)?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer).context("reading the answer")? == 0 {
        bail!("EOF");
    }
    Ok(answer.trim_start().starts_with(['y', 'Y']))
}
