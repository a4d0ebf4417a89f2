// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The time of day, as events and logs write it.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::kernel;

/// Seconds and nanoseconds since 1970.
pub fn now() -> (i64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// Nanoseconds since 1970.
pub fn nanoseconds((seconds, nanoseconds): (i64, u32)) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds))
}

/// Writes moments as RFC 3339 in local time with nanoseconds: `2026-11-25T06:10:22.367192376+08:00`.
///
/// The zone is looked up once a second at most.
#[derive(Debug, Default)]
pub struct Stamp {
    second: i64,
    date: Vec<u8>,
    zone: Vec<u8>,
}

impl Stamp {
    /// Appends `moment` to `line`.
    pub fn write(&mut self, moment: (i64, u32), line: &mut Vec<u8>) {
        if self.date.is_empty() || self.second != moment.0 {
            self.look_up(moment.0);
        }
        line.extend_from_slice(&self.date);
        let _ = write!(line, ".{:09}", moment.1);
        line.extend_from_slice(&self.zone);
    }

    fn look_up(&mut self, second: i64) {
        let (fields, offset) = kernel::local_time(second);
        self.second = second;
        self.date.clear();
        self.zone.clear();
        let _ = write!(
            self.date,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            fields.tm_year + 1900,
            fields.tm_mon + 1,
            fields.tm_mday,
            fields.tm_hour,
            fields.tm_min,
            fields.tm_sec
        );
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.abs() / 60;
        let _ = write!(self.zone, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_nine_digits_and_a_numeric_zone() {
        let mut line = Vec::new();
        Stamp::default().write((1_795_558_222, 5), &mut line);
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text.len(), "2026-11-25T06:10:22.367192376+08:00".len(), "{text}");
        assert!(text.contains(".000000005"), "{text}");
        let zone = &text[text.len() - 6..];
        assert!(zone.starts_with(['+', '-']) && zone[3..].starts_with(':'), "{text}");
    }
}
