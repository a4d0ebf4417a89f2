// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Times and durations as podman prints and reads them: "2 hours ago", Go's `time.Time`, `1h30m`, RFC 3339.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// What Go's zero time is in seconds since 1970; podman's JSON has it for "never".
pub const GO_ZERO: i64 = -62_135_596_800;

/// Now, in nanoseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A point in time (nanoseconds since 1970) in the user's time zone.
fn zoned(at: i64) -> ZonedDateTime {
    Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(TimeZone::system())
}

/// The fraction of a second without its trailing zeros, with its dot; nothing for none.
fn fraction(at: &ZonedDateTime) -> String {
    match at.subsec_nanosecond() {
        0 => String::new(),
        nanoseconds => format!(".{nanoseconds:09}").trim_end_matches('0').to_owned(),
    }
}

/// `2006-01-02 15:04`, for lists.
pub fn minute(at: i64) -> String {
    zoned(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// As Go's `time.Time.String()`: `2006-01-02 15:04:05.999999999 -0700 MST`.
pub fn go_string(at: Option<i64>) -> String {
    let Some(at) = at else { return "0001-01-01 00:00:00 +0000 UTC".to_owned() };
    let at = zoned(at);
    format!("{}{} {}", at.strftime("%Y-%m-%d %H:%M:%S"), fraction(&at), at.strftime("%z %Z"))
}

/// As RFC 3339 with as many digits of a second as there are.
pub fn rfc3339(at: Option<i64>) -> String {
    let Some(at) = at else { return "0001-01-01T00:00:00Z".to_owned() };
    let at = zoned(at);
    format!("{}{}{}", at.strftime("%Y-%m-%dT%H:%M:%S"), fraction(&at), offset(&at))
}

/// As RFC 3339 with all nine digits, as logs have it.
pub fn rfc3339_full(at: i64) -> String {
    let at = zoned(at);
    format!("{}.{:09}{}", at.strftime("%Y-%m-%dT%H:%M:%S"), at.subsec_nanosecond(), offset(&at))
}

fn offset(at: &ZonedDateTime) -> String {
    if at.offset().is_zero() { "Z".to_owned() } else { at.strftime("%:z").to_string() }
}

/// How long, in the words of go-units: `2 hours`.
pub fn human(nanoseconds: i64) -> String {
    let seconds = nanoseconds.max(0) / SECOND;
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// How long ago a point in time was: `2 hours ago`.
pub fn ago(at: i64) -> String {
    format!("{} ago", human(now() - at))
}

/// A duration as Go prints it: `1m3.5s`, `345.998082ms`, `0s`.
pub fn go_duration(nanoseconds: i64) -> String {
    let decimals = |number: u64, unit: u64| {
        let text = format!("{}.{:0width$}", number / unit, number % unit, width = unit.ilog10() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let (minutes, hours) = (all / 60_000_000_000, all / 3_600_000_000_000);
    match all {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{all}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimals(all, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimals(all, 1_000_000)),
        _ => {
            let seconds = decimals(all % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{hours}h{}m{seconds}s", minutes % 60),
            }
        }
    }
}

/// A duration as Go's `time.ParseDuration` reads it (`1h30m`, `1.5s`, `250ms`), in nanoseconds.
pub fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
        total += number
            * match &rest[..unit_end] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    if total >= 9.2e18 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
    let total = total as i64;
    Some(if negative { -total } else { total })
}

/// What Go says of `text`, which is no duration.
pub fn not_a_duration(text: &str) -> String {
    let bare = text.trim_start_matches(['+', '-']);
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let mut rest = bare;
    while rest.starts_with(is_number) {
        rest = rest.trim_start_matches(is_number);
        if rest.is_empty() {
            return format!("time: missing unit in duration {text:?}");
        }
        let unit = &rest[..rest.find(is_number).unwrap_or(rest.len())];
        if !matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h") {
            return format!("time: unknown unit {unit:?} in duration {text:?}");
        }
        rest = &rest[unit.len()..];
    }
    format!("time: invalid duration {text:?}")
}

/// A point in time as `--since` and `--until` take it: a duration before now, seconds since 1970, or a date with or without a
/// time and a zone. Nanoseconds since 1970.
pub fn point(text: &str) -> Option<i64> {
    match duration(text).filter(|_| text != "0") {
        Some(before) => Some(now() - before),
        None => date(text),
    }
}

/// A point in time as `--until` takes it where something is waited for: a duration is from now on.
pub fn point_ahead(text: &str) -> Option<i64> {
    match duration(text) {
        Some(after) => Some(now() + after),
        None => date(text),
    }
}

/// Seconds since 1970, or a date.
fn date(text: &str) -> Option<i64> {
    if let Some(at) = unix(text) {
        return Some(at);
    }
    let nanoseconds = |at: Timestamp| i64::try_from(at.as_nanosecond()).ok();
    if let Ok(at) = text.parse::<Timestamp>() {
        return nanoseconds(at);
    }
    let local = |text: &str| text.parse::<DateTime>().ok().and_then(|at| at.to_zoned_datetime(TimeZone::system()).ok());
    if text.len() >= "2006-01-02".len() && text.as_bytes()[4] == b'-' {
        let seconds =
            if text.contains('T') && text.matches(':').count() == 1 { format!("{text}:00") } else { text.to_owned() };
        return local(&seconds).and_then(|at| nanoseconds(at.timestamp()));
    }
    None
}

/// `SECONDS[.FRACTION]`.
fn unix(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i64 = format!("{fraction:0<9.9}").parse().ok()?;
    seconds.checked_mul(SECOND)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_go_units_words() {
        let day = 24 * 3600;
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (47 * 3600, "47 hours"),
            (2 * day, "2 days"),
            (13 * day, "13 days"),
            (14 * day, "2 weeks"),
            (59 * day, "8 weeks"),
            (60 * day, "2 months"),
            (700 * day, "23 months"),
            (730 * day, "2 years"),
        ] {
            assert_eq!(human(seconds * SECOND), words, "{seconds}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(duration("1h30m"), Some(5400 * SECOND));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("-250ms"), Some(-250_000_000));
        assert_eq!(duration("0"), Some(0));
        for bad in ["", "x", "5", "1d", "h", "1h2", "-", "99999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (7_326_000, "7.326ms"),
            (345_998_082, "345.998082ms"),
            (1_000_000_000, "1s"),
            (63_500_000_000, "1m3.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_000_000, "-1ms"),
        ] {
            assert_eq!(go_duration(nanoseconds), text);
        }
    }

    #[test]
    fn points_in_time_are_dates_seconds_or_durations_before_now() {
        assert_eq!(point("0.5"), Some(500_000_000));
        assert_eq!(point("1735689600"), Some(1_735_689_600 * SECOND));
        assert_eq!(point("2025-01-01T00:00:00Z"), Some(1_735_689_600 * SECOND));
        assert_eq!(point("2025-01-01T01:00:00+01:00"), Some(1_735_689_600 * SECOND));
        assert!(point("2025-01-01T00:00").is_some() && point("2025-01-01").is_some());
        let hour_ago = point("1h").unwrap();
        assert!((now() - hour_ago - 3600 * SECOND).abs() < 10 * SECOND);
        for bad in ["foo", "", "2025-13-01", "1.x"] {
            assert_eq!(point(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_point_in_time_is_printed_as_go_prints_it() {
        let at = Some(1_735_689_600 * SECOND + 120_000_000);
        // The zone is the machine's, so only what does not depend on it.
        assert!(go_string(at).contains(":00.12 "), "{}", go_string(at));
        assert!(rfc3339(at).contains(":00.12"), "{}", rfc3339(at));
        assert_eq!(rfc3339(None), "0001-01-01T00:00:00Z");
    }
}
