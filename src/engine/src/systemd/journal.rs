// SPDX-License-Identifier: Apache-2.0 OR MIT
//! systemd's journal, read by journalctl(1).

use std::io;
use std::process::Stdio;
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt as _};
use haulout_monitor::process::is_root_of_machine;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::UserManager;
use crate::container::LogLine;
use crate::engine::Error;
use crate::event;

/// syslog(3)'s priority of an error, and so of what came from standard error.
const PRIORITY_ERROR: u32 = 3;

/// What of a journal is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// So many lines at most: the last ones.
    pub tail: usize,
    /// Only of this boot: its id, or how many it is from this one (`0`: this one, `-1`: the one before).
    pub boot: Option<String>,
    /// Only from then on, in microseconds since 1970.
    pub since: Option<i64>,
    /// Whether what comes is read as well.
    pub follow: bool,
}

impl Reading {
    /// The last lines, and no more.
    pub fn last(tail: usize) -> Self {
        Self { tail, ..Self::default() }
    }

    /// What journalctl is told.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![format!("--lines={}", self.tail)];
        arguments.extend(self.boot.as_ref().map(|boot| format!("--boot={boot}")));
        arguments.extend(self.since.map(|since| format!("--since={}", moment(since))));
        if self.follow {
            arguments.push("--follow".to_owned());
        }
        arguments
    }
}

/// A time, in microseconds since 1970, as systemd.time(7) has it.
pub(crate) fn moment(at: i64) -> String {
    format!("@{}.{:06}", at.div_euclid(1_000_000), at.rem_euclid(1_000_000))
}

/// A time that the machine was on, of which the journal has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// How many it is from this one: 0, -1, …
    pub index: i64,
    /// 128 bits in hexadecimal.
    pub id: String,
    /// When its first line was written, in microseconds since 1970.
    pub first: i64,
    /// When its last line was written.
    pub last: i64,
}

/// The boots of which the journal has something, the oldest first.
///
/// # Errors
/// journalctl cannot be run.
pub async fn boots() -> Result<Vec<Boot>, Error> {
    let mut command = reader();
    let output = command.arg("--list-boots").output().await.map_err(failed)?;
    Ok(parse_boots(&output.stdout))
}

/// `[{"index":0,"boot_id":"…","first_entry":1,"last_entry":2}]`; what is not so is left out.
fn parse_boots(text: &[u8]) -> Vec<Boot> {
    let list: Value = serde_json::from_slice(text).unwrap_or_default();
    let boot = |boot: &Value| {
        let number = |name: &str| boot.get(name).and_then(Value::as_i64);
        let id = boot.get("boot_id")?.as_str()?;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(Boot {
            index: number("index")?,
            id: id.to_owned(),
            first: number("first_entry")?,
            last: number("last_entry")?,
        })
    };
    list.as_array().into_iter().flatten().filter_map(boot).collect()
}

fn failed(source: io::Error) -> Error {
    Error::Io { doing: "running journalctl, which reads the journal".to_owned(), source }
}

/// The lines of a unit of the user's manager (of root: the machine's).
pub fn lines(unit: &str, reading: &Reading) -> BoxStream<'static, Result<LogLine, Error>> {
    let unit = unit.to_owned();
    // journalctl follows this boot, and shows no other then: what there is of others is read before.
    let past = (reading.follow && reading.boot.is_none()).then(|| Reading { follow: false, ..reading.clone() });
    let readings: Vec<Reading> = past.into_iter().chain([reading.clone()]).collect();
    let stream = async_stream::try_stream! {
        let mut last = None;
        for reading in readings {
            let mut command = reader();
            if !is_root_of_machine() {
                command.arg("--user");
            }
            command.arg(format!("--unit={unit}"));
            match &last {
                Some(cursor) => command.args(["--follow", "--no-tail", &format!("--after-cursor={cursor}")]),
                None => command.args(reading.arguments()),
            };
            let mut child = command.spawn().map_err(failed)?;
            let Some(output) = child.stdout.take() else { return };
            let mut output = BufReader::new(output).split(b'\n');
            while let Some(text) = output.next_segment().await.map_err(failed)? {
                if let Some((line, cursor)) = parse(&text) {
                    last = Some(cursor);
                    yield line;
                }
            }
        }
    };
    stream.boxed()
}

/// What is told of a unit's run that ended as it should not have.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    unit: &'a str,
    /// Its main process. What one says that ends at once is of no unit: journald could not ask any more whose it was.
    process: Option<u32>,
    /// When it began: nanoseconds since 1970.
    began: i64,
}

/// How often is looked for the last lines of a run at most, and how long is waited in between.
const LOOKS: usize = 5;
const REST: Duration = Duration::from_millis(150);

impl<'a> Run<'a> {
    /// One that is about to begin.
    pub fn begin(unit: &'a str) -> Self {
        Self { unit, process: None, began: event::now() }
    }

    /// That of another unit which began no earlier, and is to blame.
    pub fn of<'b>(&self, unit: &'b str) -> Run<'b> {
        Run { unit, process: None, began: self.began }
    }

    /// With what is known of it now that it is over.
    pub async fn ended(self, manager: &mut UserManager) -> Self {
        Self { process: manager.service_property(self.unit, "ExecMainPID").await.ok(), ..self }
    }

    /// The last `tail` lines that there are of it. systemd's own may be there before those of the process that they are about: it is looked
    /// for them until nothing more comes.
    pub async fn last_lines(&self, tail: usize) -> Vec<String> {
        let mut last = Vec::new();
        for _ in 0..LOOKS {
            let found = self.look(tail).await;
            if !found.is_empty() && found == last {
                break;
            }
            last = found;
            tokio::time::sleep(REST).await;
        }
        last
    }

    async fn look(&self, tail: usize) -> Vec<String> {
        let mut matches = vec![format!("--unit={}", self.unit)];
        matches.extend(self.process.map(|pid| format!("_PID={pid}")));
        let mut found = Vec::new();
        for wanted in matches {
            let mut command = reader();
            if !is_root_of_machine() {
                command.arg("--user");
            }
            command.arg("--boot").arg(format!("--lines={tail}")).arg(wanted);
            let Ok(output) = command.output().await else { continue };
            found.extend(output.stdout.split(|byte| *byte == b'\n').filter_map(parse));
        }
        found.retain(|(line, _)| line.time >= self.began);
        found.sort_by(|(one, first), (other, second)| (one.time, first).cmp(&(other.time, second)));
        found.dedup_by(|(_, one), (_, other)| one == other);
        let superfluous = found.len().saturating_sub(tail);
        let lines = found.into_iter().skip(superfluous);
        lines.map(|(line, _)| String::from_utf8_lossy(&line.text).into_owned()).collect()
    }
}

/// journalctl, to be told what to read; it ends when it is dropped.
pub(crate) fn reader() -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--all", "--no-pager", "--output=json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// An entry of the journal, and its cursor.
pub(crate) fn parse(text: &[u8]) -> Option<(LogLine, String)> {
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
        stderr: field("PRIORITY")
            .and_then(|priority| priority.parse().ok())
            .is_some_and(|priority: u32| priority <= PRIORITY_ERROR),
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

    #[test]
    fn boots_are_listed_whatever_else_is_said() {
        let id = "0123456789abcdef0123456789abcdef";
        let text = format!(
            r#"[{{"index":-1,"boot_id":"{id}","first_entry":1,"last_entry":2}},{{"index":0,"boot_id":"--x"}},7]"#
        );
        let before = Boot { index: -1, id: id.to_owned(), first: 1, last: 2 };
        assert_eq!(parse_boots(text.as_bytes()), [before]);
        assert_eq!(parse_boots(b"nothing"), []);
    }

    #[test]
    fn what_is_asked_of_the_journal_is_what_journalctl_is_told() {
        let reading = Reading { boot: Some("-1".to_owned()), since: Some(1_500_000), follow: true, ..Reading::last(5) };
        assert_eq!(reading.arguments(), ["--lines=5", "--boot=-1", "--since=@1.500000", "--follow"]);
        assert_eq!(Reading::last(2).arguments(), ["--lines=2"]);
    }

    #[test]
    fn whatever_the_journal_says_is_read_or_left_out() {
        haulout_fuzz::feed("journal", |bytes| drop(parse(bytes)));
    }
}
