// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An event as an entry of systemd's journal: the fields of podman-events(1), under a name of our own, so that neither engine
//! takes the other's events for its own.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Event;
use crate::journal::{self, connect, field};

/// `SYSLOG_IDENTIFIER` of every event.
pub const IDENTIFIER: &str = "haulout";

/// A journal that takes nothing for so long is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// syslog(3)'s priorities.
const INFORMATIONAL: &[u8] = b"6";
const NOTICE: &[u8] = b"5";

/// Sends `event` to the journal that listens at `socket`.
pub fn send(event: &Event, socket: &Path) -> io::Result<()> {
    let entry = entry(event)?;
    let socket = connect(socket)?;
    let latest = Instant::now() + PATIENCE;
    loop {
        match journal::send(socket.as_fd(), &entry) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < latest => {
                let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
                poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }))?;
            }
            sent => return sent,
        }
    }
}

fn entry(event: &Event) -> io::Result<Vec<u8>> {
    let mut entry = Vec::with_capacity(1024);
    let mut add = |name: &str, value: &[u8]| field(&mut entry, name, value);
    let time = stamp(event.time);
    add("MESSAGE", message(event, &time).as_bytes());
    add("PRIORITY", if event.health.is_some() { NOTICE } else { INFORMATIONAL });
    add("SYSLOG_IDENTIFIER", IDENTIFIER.as_bytes());
    add("PODMAN_EVENT", event.action.as_bytes());
    add("PODMAN_TYPE", event.kind.as_str().as_bytes());
    add("PODMAN_TIME", time.as_bytes());
    for (name, value) in [
        ("PODMAN_ID", Some(&event.id).filter(|id| !id.is_empty())),
        ("PODMAN_NAME", Some(&event.name).filter(|name| !name.is_empty())),
        ("PODMAN_IMAGE", event.image.as_ref()),
        ("ERROR", event.error.as_ref()),
        ("PODMAN_CONTAINER_INSPECT_DATA", event.inspect.as_ref()),
    ] {
        if let Some(value) = value {
            add(name, value.as_bytes());
        }
    }
    if let Some(exit) = event.exit {
        add("PODMAN_EXIT_CODE", exit.to_string().as_bytes());
    }
    if !event.labels.is_empty() {
        add("PODMAN_LABELS", &serde_json::to_vec(&event.labels)?);
    }
    if let Some(health) = &event.health {
        add("PODMAN_HEALTH_STATUS", health.status.as_str().as_bytes());
        add("PODMAN_HEALTH_FAILING_STREAK", health.failing_streak.to_string().as_bytes());
        if !health.log.is_empty() {
            add("PODMAN_HEALTH_LOG", health.log.as_bytes());
        }
    }
    Ok(entry)
}

/// What `journalctl` shows of it.
fn message(event: &Event, time: &str) -> String {
    let mut words = vec![time, event.kind.as_str(), &event.action];
    words.extend([event.id.as_str(), &event.name].into_iter().filter(|word| !word.is_empty()));
    let image = event.image.as_ref().map(|image| format!("(image={image})"));
    words.extend(image.as_deref());
    words.extend(event.error.as_deref());
    words.join(" ")
}

/// RFC 3339 in UTC: `2026-11-29T09:13:41.001137817Z`.
fn stamp(time: i64) -> String {
    let (seconds, nanoseconds) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
}

/// The date so many days after 1970-01-01, in the Gregorian calendar: its eras of 400 years have 146,097 days, and its years are
/// counted from March here, so that the day that is sometimes there comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::event::Kind;

    #[test]
    fn a_moment_is_written_in_utc_with_nine_digits() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_943_621_001_137_817, "2026-11-29T09:13:41.001137817Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(stamp(time), text);
        }
    }

    #[test]
    fn an_event_too_long_for_a_datagram_is_sent_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let mut event = Event::of(Kind::Container, "create", 1);
        event.inspect = Some("x".repeat(1 << 20));
        send(&event, &path).unwrap();
        let mut bytes = [1; 8];
        assert_eq!(journal.recv(&mut bytes).unwrap(), 0, "what it says is in a file");
        event.inspect = None;
        event.name = "two\nlines".to_owned();
        send(&event, &path).unwrap();
        let mut bytes = vec![0; 4096];
        let length = journal.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(text.contains("PODMAN_NAME\n\u{9}\0\0\0\0\0\0\0two\nlines\n"), "{text:?}");
        assert!(text.contains("\nPODMAN_EVENT=create\n"), "{text:?}");
    }
}
