// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout logs`.

use std::io::{self, Write as _};

use anyhow::{Result, anyhow, bail};
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use haulout_engine::container::{LogLine, LogOptions};

use crate::invocation::Invocation;
use crate::{names, output, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Fetch the logs of one or more containers
///
/// Retrieves logs for one or more containers.
/// This does not guarantee execution order when combined with run (i.e., your run may not have generated any logs at the time you execute logs).
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Output the containers with different colors in the log.
    #[arg(long)]
    color: bool,
    /// Show extra details provided to the logs
    #[arg(long, hide = true)]
    details: bool,
    /// Follow log output. The default is false
    #[arg(short, long)]
    follow: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Output the container name in the log
    #[arg(short, long)]
    names: bool,
    /// Show logs since TIMESTAMP
    #[arg(long)]
    since: Option<String>,
    /// Output the specified number of LINES at the end of the logs. Defaults to -1, which prints all lines
    #[arg(long, default_value_t = -1)]
    tail: i64,
    /// Output the timestamps in the log
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs until TIMESTAMP
    #[arg(long)]
    until: Option<String>,
    containers: Vec<String>,
}

const COLORS: [u8; 6] = [37, 31, 33, 34, 35, 36];

/// Prints the logs; with `--follow` what comes as well, until the containers have ended.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.containers.is_empty() && !args.latest {
        bail!("specify at least one container name or ID to log");
    }
    if !args.containers.is_empty() && args.latest {
        bail!("--latest and containers cannot be used together");
    }
    let options = LogOptions {
        follow: args.follow,
        tail: usize::try_from(args.tail).ok(),
        since: point("since", args.since.as_ref(), time::point)?,
        until: point("until", args.until.as_ref(), time::point_ahead)?,
    };
    let containers = invocation.engine().containers();
    let mut ids = Vec::new();
    if args.latest {
        ids.push(names::latest(&containers).await?);
    }
    for name in &args.containers {
        ids.push(containers.resolve(name).await?);
    }
    let several = ids.len() > 1;
    let mut logs = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let label = match several {
            false => None,
            true if args.names => Some(containers.inspect(id).await?.summary.record.name.to_string()),
            true => Some(id.short()),
        };
        let style =
            Style { label, color: args.color.then(|| COLORS[index % COLORS.len()]), timestamps: args.timestamps };
        logs.push(containers.logs(id, options).map(move |line| line.map(|line| (line.stderr, style.show(&line)))));
    }
    let mut lines = if args.follow { stream::select_all(logs).boxed() } else { stream::iter(logs).flatten().boxed() };
    let mut pending = Pending::default();
    loop {
        // Lines that are there at once are written together; what is waited for is not kept back.
        let line = if let Some(line) = lines.next().now_or_never() {
            line
        } else {
            pending.flush()?;
            lines.next().await
        };
        match line {
            Some(Ok((stderr, text))) => pending.add(stderr, &text)?,
            Some(Err(error)) => {
                pending.flush()?;
                return Err(error.into());
            }
            None => {
                pending.flush()?;
                return Ok(0);
            }
        }
    }
}

/// Lines that are not written yet, all for one stream: the two keep their order.
#[derive(Default)]
struct Pending {
    stderr: bool,
    text: Vec<u8>,
}

impl Pending {
    fn add(&mut self, stderr: bool, text: &[u8]) -> io::Result<()> {
        if stderr != self.stderr || self.text.len() > 1 << 16 {
            self.flush()?;
        }
        self.stderr = stderr;
        self.text.extend_from_slice(text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        match self.stderr {
            _ if text.is_empty() => Ok(()),
            true => io::stderr().lock().write_all(&text),
            false => output::bytes(&text),
        }
    }
}

fn point(flag: &str, text: Option<&String>, read: fn(&str) -> Option<i64>) -> Result<Option<i64>> {
    text.map(|text| read(text).ok_or_else(|| anyhow!("parsing --{flag} {text:?}: unable to interpret time value")))
        .transpose()
}

/// How one container's lines are shown.
#[derive(Clone)]
struct Style {
    label: Option<String>,
    color: Option<u8>,
    timestamps: bool,
}

impl Style {
    fn show(&self, line: &LogLine) -> Vec<u8> {
        let mut text = Vec::with_capacity(line.text.len() + 48);
        if let Some(color) = self.color {
            let _ = write!(text, "\x1b[{color}m");
        }
        if let Some(label) = &self.label {
            let _ = write!(text, "{label} ");
        }
        if self.timestamps {
            let _ = write!(text, "{} ", time::rfc3339_full(line.time));
        }
        text.extend_from_slice(&line.text);
        if self.color.is_some() {
            text.extend_from_slice(b"\x1b[0m");
        }
        if !line.partial {
            text.push(b'\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_line_has_no_end() {
        let style = Style { label: Some("abc".into()), color: None, timestamps: false };
        let line = LogLine { time: 0, stderr: false, text: b"x".to_vec(), partial: true };
        assert_eq!(style.show(&line), b"abc x");
        assert_eq!(style.show(&LogLine { partial: false, ..line }), b"abc x\n");
    }
}
