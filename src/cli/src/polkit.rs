// SPDX-License-Identifier: Apache-2.0 OR MIT
//! polkit's questions for a password, in a terminal.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::terminal;

/// Who asks for passwords in the terminal, as long as this lives: pkttyagent(1).
pub struct Agent(Child);

impl Agent {
    /// Nobody where there is no terminal, or no such program. Where a desktop asks, it goes on to do so.
    pub async fn of_terminal() -> Option<Self> {
        if !terminal::is_input() {
            return None;
        }
        // It asks on the terminal itself, whatever standard output is: that is what it closes once polkit knows it.
        let mut child = Command::new("pkttyagent")
            .args(["--process", &std::process::id().to_string(), "--notify-fd", "1", "--fallback"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        child.stdout.take()?.read_to_end(&mut Vec::new()).await.ok()?;
        Some(Self(child))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Asked, not killed: it puts the terminal back as it was.
        let pid = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}
