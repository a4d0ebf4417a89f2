// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Events in systemd's journal, read by journalctl(1).

use std::process::Stdio;

use haulout_monitor::event::{Event, Health, IDENTIFIER, Kind};
use serde_json::Value;
use tokio::process::Command;

use crate::engine::Error;

/// What the journal has of this user's events from nanosecond `since` on, before `until`.
pub(super) async fn past(since: i64, until: Option<i64>) -> Result<Vec<Event>, Error> {
    let failed =
        |source| Error::Io { doing: "running journalctl, which reads the events in the journal".to_owned(), source };
    let output = command(since, until).output().await.map_err(failed)?;
    if !output.status.success() && !output.stderr.is_empty() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(std::io::Error::other(words)));
    }
    let events = output.stdout.split(|byte| *byte == b'\n').filter_map(parse);
    Ok(events.filter(|event| event.time >= since && until.is_none_or(|until| event.time < until)).collect())
}

fn command(since: i64, until: Option<i64>) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--all", "--no-pager", "--output=json"]);
    command.arg(format!("SYSLOG_IDENTIFIER={IDENTIFIER}")).arg(format!("_UID={}", rustix::process::getuid().as_raw()));
    let seconds = |time: i64| time.div_euclid(1_000_000_000);
    if since > 0 {
        command.arg(format!("--since=@{}", seconds(since)));
    }
    // The journal notes when it was told, which is a little later.
    if let Some(until) = until {
        command.arg(format!("--until=@{}", seconds(until).saturating_add(5)));
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// An entry, if it is an event.
fn parse(text: &[u8]) -> Option<Event> {
    let entry: Value = serde_json::from_slice(text).ok()?;
    let field = |name: &str| entry.get(name).and_then(text_of);
    let time: jiff::Timestamp = field("PODMAN_TIME")?.parse().ok()?;
    let kind: Kind = serde_json::from_value(Value::String(field("PODMAN_TYPE")?)).ok()?;
    let health = field("PODMAN_HEALTH_STATUS").and_then(|status| {
        Some(Health {
            status: serde_json::from_value(Value::String(status)).ok()?,
            failing_streak: field("PODMAN_HEALTH_FAILING_STREAK")
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            log: field("PODMAN_HEALTH_LOG").unwrap_or_default(),
        })
    });
    Some(Event {
        id: field("PODMAN_ID").unwrap_or_default(),
        name: field("PODMAN_NAME").unwrap_or_default(),
        image: field("PODMAN_IMAGE"),
        exit: field("PODMAN_EXIT_CODE").and_then(|text| text.parse().ok()),
        health,
        labels: field("PODMAN_LABELS").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        error: field("ERROR"),
        inspect: field("PODMAN_CONTAINER_INSPECT_DATA"),
        ..Event::of(kind, &field("PODMAN_EVENT")?, i64::try_from(time.as_nanosecond()).ok()?)
    })
}

/// What is not UTF-8, or has a character that does not print, is an array of bytes.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(bytes) => {
            let bytes = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8(bytes).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_event_or_none() {
        let text = br#"{"PODMAN_EVENT":"died","PODMAN_TYPE":"container","PODMAN_TIME":"2026-11-29T09:13:41.001137817Z","PODMAN_ID":"abc",
            "PODMAN_EXIT_CODE":"3","PODMAN_LABELS":"{\"a\":\"b\"}","PODMAN_NAME":[97,10,98]}"#;
        let event = parse(text).unwrap();
        assert_eq!((event.action.as_str(), event.kind, event.exit), ("died", Kind::Container, Some(3)));
        assert_eq!((event.time, event.name.as_str()), (1_795_943_621_001_137_817, "a\nb"));
        assert_eq!(event.labels["a"], "b");
        assert_eq!(parse(br#"{"MESSAGE":"hello"}"#), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn whatever_the_journal_says_it_is_an_event_or_none() {
        haulout_fuzz::feed("journal", |bytes| drop(parse(bytes)));
    }
}
