// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lines in systemd's journal, read by journalctl(1).

use std::process::Stdio;

use futures_util::stream::{BoxStream, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::container::status::Monitor;
use crate::container::{ContainerId, Containers, LogLine, LogOptions};
use crate::engine::Error;
use crate::event;

/// syslog(3)'s priority of what came from standard error.
const PRIORITY_ERROR: &str = "3";

pub(super) fn lines(
    containers: Containers,
    id: ContainerId,
    options: LogOptions,
) -> BoxStream<'static, Result<LogLine, Error>> {
    let stream = async_stream::try_stream! {
        let failed = |source| Error::Io { doing: "running journalctl, which reads the journal".to_owned(), source };
        let monitor = match containers.look(&id).await?.monitor {
            Monitor::Alive(process) if options.follow => Some(process),
            _ => None,
        };
        let mut cursor = None;
        let mut ended = monitor.is_none();
        // Once for what is there; then, as long as the container runs, what comes; then once more what came last.
        let mut follow = false;
        loop {
            let mut child = command(&id, options, cursor.as_deref(), follow).spawn().map_err(failed)?;
            let Some(output) = child.stdout.take() else { break };
            let mut output = BufReader::new(output).split(b'\n');
            loop {
                let text = match monitor {
                    Some(process) if follow => tokio::select! {
                        text = output.next_segment() => text,
                        () = event::end_of(process) => {
                            ended = true;
                            break;
                        }
                    },
                    _ => output.next_segment().await,
                };
                let Some(text) = text.map_err(failed)? else { break };
                if let Some((line, at)) = parse(&text) {
                    cursor = Some(at);
                    yield line;
                }
            }
            let _ = child.kill().await;
            if ended && !follow {
                break;
            }
            // One that follows ends with the container, or because it was killed: what came last is asked for once more.
            ended |= follow;
            follow = !ended;
        }
    };
    stream.boxed()
}

fn command(id: &ContainerId, options: LogOptions, cursor: Option<&str>, follow: bool) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--all", "--no-pager", "--output=json"]).arg(format!("CONTAINER_ID_FULL={id}"));
    match (cursor, options.tail) {
        (Some(cursor), _) => drop(command.arg(format!("--after-cursor={cursor}"))),
        (None, Some(tail)) => drop(command.arg(format!("--lines={tail}"))),
        (None, None) => {}
    }
    if follow {
        command.arg("--follow");
        if cursor.is_none() {
            command.arg("--lines=all");
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// An entry of the journal, and its cursor.
fn parse(text: &[u8]) -> Option<(LogLine, String)> {
    let entry: Value = serde_json::from_slice(text).ok()?;
    let field = |name: &str| entry.get(name).and_then(Value::as_str);
    let microseconds: i64 = field("__REALTIME_TIMESTAMP")?.parse().ok()?;
    let text = match entry.get("MESSAGE") {
        Some(Value::String(text)) => text.clone().into_bytes(),
        // Text that is not UTF-8 is an array of bytes.
        Some(Value::Array(bytes)) => bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
        _ => Vec::new(),
    };
    let line = LogLine {
        time: microseconds.checked_mul(1000)?,
        stderr: field("PRIORITY") == Some(PRIORITY_ERROR),
        text,
        partial: field("CONTAINER_PARTIAL_MESSAGE") == Some("true"),
    };
    Some((line, field("__CURSOR")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line_whatever_its_bytes_are() {
        let text = br#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1500000","PRIORITY":"3","MESSAGE":"hello"}"#;
        let (line, cursor) = parse(text).unwrap();
        assert_eq!(
            (line.time, line.stderr, line.text.as_slice(), line.partial),
            (1_500_000_000, true, b"hello".as_slice(), false)
        );
        assert_eq!(cursor, "c");
        let bytes = br#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","PRIORITY":"6","MESSAGE":[255,65],"CONTAINER_PARTIAL_MESSAGE":"true"}"#;
        let (line, _) = parse(bytes).unwrap();
        assert_eq!((line.text.as_slice(), line.stderr, line.partial), ([255, 65].as_slice(), false, true));
        assert!(parse(b"{}").is_none());
    }
}
