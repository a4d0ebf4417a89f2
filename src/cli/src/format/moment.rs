// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a template can ask of a time and of a duration: the methods of Go's `time.Time` (`.Created.Unix`,
//! `.StartedAt.Format "2006-01-02"`) and of its `time.Duration` (`.Interval.Seconds`).

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::data::Data;
use crate::time::{GO_ZERO, SECOND, go_duration};

/// What stands for a part of a time in Go's layouts, and for `strftime`. Of those that begin alike the longer one comes first.
const PARTS: [(&str, &str); 29] = [
    ("2006", "%Y"),
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("Z07:00", "\u{1}"),
    ("Z0700", "\u{2}"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("-07", "\u{3}"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
    (".000000000", ".%9f"),
    (".000", ".%3f"),
];

fn zoned(at: Option<i64>) -> ZonedDateTime {
    match at {
        Some(at) => Timestamp::from_nanosecond(i128::from(at))
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned_datetime(TimeZone::system()),
        // The first moment of the first year, which is nowhere.
        None => Timestamp::from_second(GO_ZERO).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(TimeZone::UTC),
    }
}

/// What the method `name`, which takes nothing, answers of a time; nothing when there is no such method.
pub fn method(at: Option<i64>, name: &str) -> Option<Data> {
    let when = zoned(at);
    let stamp = when.timestamp();
    let number = |value: i64| Some(Data::Int(value));
    match name {
        "Unix" => number(stamp.as_second()),
        "UnixMilli" => number(stamp.as_millisecond()),
        "UnixMicro" => number(stamp.as_microsecond()),
        "UnixNano" => number(i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MIN)),
        "Year" => number(when.year().into()),
        "Day" => number(when.day().into()),
        "Hour" => number(when.hour().into()),
        "Minute" => number(when.minute().into()),
        "Second" => number(when.second().into()),
        "Nanosecond" => number(when.subsec_nanosecond().into()),
        "YearDay" => number(when.day_of_year().into()),
        "Month" => Some(Data::from(when.strftime("%B").to_string())),
        "Weekday" => Some(Data::from(when.strftime("%A").to_string())),
        "IsZero" => Some(Data::Bool(at.is_none())),
        "String" => Some(Data::from(crate::time::go_string(at))),
        "Local" => Some(Data::Time(at)),
        _ => None,
    }
}

/// What the method `name` answers of a duration in nanoseconds; nothing when there is no such method.
#[allow(clippy::cast_precision_loss, reason = "Go's methods answer a float64 as well")]
pub fn of_duration(length: i64, name: &str) -> Option<Data> {
    let in_units_of = |unit: i64| Some(Data::Float(length as f64 / unit as f64));
    match name {
        "Hours" => in_units_of(3600 * SECOND),
        "Minutes" => in_units_of(60 * SECOND),
        "Seconds" => in_units_of(SECOND),
        "Milliseconds" => Some(Data::Int(length / 1_000_000)),
        "Microseconds" => Some(Data::Int(length / 1000)),
        "Nanoseconds" => Some(Data::Int(length)),
        "String" => Some(Data::from(go_duration(length))),
        _ => None,
    }
}

/// A time, given as RFC 3339 has it, in one of Go's layouts: `2006-01-02 15:04:05`.
pub fn formatted(rfc3339: &str, layout: &str) -> Option<String> {
    let when = match rfc3339.parse::<Timestamp>() {
        Ok(stamp) if stamp.as_second() != GO_ZERO => stamp.to_zoned_datetime(TimeZone::system()),
        Ok(_) => zoned(None),
        Err(_) => return None,
    };
    let mut format = String::new();
    let mut rest = layout;
    let utc = when.offset().is_zero();
    while let Some(letter) = rest.chars().next() {
        let (length, with) = match PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            Some((part, "\u{1}")) => (part.len(), if utc { "Z" } else { "%:z" }.to_owned()),
            Some((part, "\u{2}")) => (part.len(), if utc { "Z" } else { "%z" }.to_owned()),
            // Of an offset the hours.
            Some((part, "\u{3}")) => (part.len(), when.strftime("%z").to_string().chars().take(3).collect()),
            Some((part, with)) => (part.len(), (*with).to_owned()),
            None if letter == '%' => (1, "%%".to_owned()),
            None => (letter.len_utf8(), letter.to_string()),
        };
        format.push_str(&with);
        rest = &rest[length..];
    }
    Some(when.strftime(&format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_of_gos_says_how_a_time_is_shown() {
        // No test may depend on where it runs: a layout without an hour, at noon.
        let at = "2024-03-05T12:00:09.5Z";
        for (layout, shown) in [
            ("2006-01-02", "2024-03-05"),
            ("Mon Jan _2 2006", "Tue Mar  5 2024"),
            ("January 2, 06 at 100%", "March 5, 24 at 300%"),
            ("05.000", "09.500"),
            ("", ""),
        ] {
            assert_eq!(formatted(at, layout).as_deref(), Some(shown), "{layout}");
        }
        assert_eq!(
            formatted("0001-01-01T00:00:00Z", "2006-01-02T15:04:05Z07:00").as_deref(),
            Some("0001-01-01T00:00:00Z")
        );
        assert_eq!(formatted("yesterday", "2006"), None);
    }

    #[test]
    fn a_time_is_asked_for_its_parts() {
        let at = Some(1_709_640_009_500_000_000);
        assert!(matches!(method(at, "Unix"), Some(Data::Int(1_709_640_009))));
        assert!(matches!(method(at, "Year"), Some(Data::Int(2024))));
        assert!(matches!(method(None, "Unix"), Some(Data::Int(GO_ZERO))));
        assert!(matches!(method(None, "IsZero"), Some(Data::Bool(true))));
        assert!(method(at, "Nope").is_none());
    }
}
